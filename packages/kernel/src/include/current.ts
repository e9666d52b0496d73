import type { Cred } from './cred.ts';
import type { TaskIo } from './io_accounting.ts';
import type { Kernel } from './kernel.ts';
import type { UserMemory } from './uaccess.ts';
import type { WaitQueue } from './wait.ts';

/** A call's state (Current.callState) that others know of, too: they may carry the call out while its task sleeps. */
export abstract class PendingCall {
  /** The task dies in the middle of the call: the others must forget it. */
  abstract abandon(): void;
}

/**
 * The task on whose behalf the kernel runs (Linux's `current`), as far as code below kernel/ may know it. Task
 * implements it; the SDK's file calls run as a kernel task. Subsystems add their part by declaration merging
 * (`fs`, `files`).
 */
export interface Current {
  readonly kernel: Kernel;
  readonly pid: number;
  readonly tgid: number;
  /** Byte string, at most 15 bytes. */
  readonly comm: string;
  cred: Cred;
  /** The address space; a kernel task has none, and touching it throws EFAULT. */
  readonly mem: UserMemory;

  /**
   * Parks the task on a queue and returns BLOCKED, which the caller returns at once. If a signal is pending it throws
   * `interrupted` (ERESTARTSYS by default) instead. The call is run again from the top when the queue wakes the task.
   */
  wait(queue: WaitQueue, interrupted?: number): number;
  /**
   * The same on several queues (poll, select) and with a deadline (monotonic nanoseconds, Infinity for none): the
   * deadline wakes the task too, and the call sees for itself that it has passed.
   */
  waitAny(queues: readonly WaitQueue[], deadline: number, interrupted?: number): number;
  /** As wait, but only a fatal signal ends it (TASK_KILLABLE). */
  waitKillable(queue: WaitQueue): number;
  /**
   * What must survive between the attempts at one system call: a deadline, bytes already moved. Plain data; null at
   * the first attempt, and cleared when the call completes.
   */
  callState: unknown;

  /** Bytes and calls, for /proc/PID/io. */
  readonly ioac: TaskIo;

  signal_pending(): boolean;
  /** What was written when the rest would have to wait is all that is wanted, as with O_NONBLOCK. */
  readonly takes_part?: boolean;
  /** SIGKILL is pending: nothing that is done for the task counts any more. */
  fatal_signal_pending(): boolean;
  /** Sends a signal to the task itself, as the kernel does: SIGPIPE, SIGXFSZ. */
  force_or_send_sig(sig: number, reason: string): void;

  /** Soft limit of a RLIMIT_ resource; Infinity when unlimited. */
  rlimit(resource: number): number;
  /** The same where the last bits of 64 count: it is compared with file positions. */
  rlimit_exact(resource: number): number | bigint;
  rlimit_max(resource: number): number;
}
