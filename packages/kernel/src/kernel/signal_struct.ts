import { TaskIo } from '../include/io_accounting.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import type { Pid } from './pid.ts';
import type { Task } from './task.ts';

/** What a handler is told (siginfo_t), the union's members that the code in use selects. */
export interface SigInfo {
  readonly signo: number;
  readonly code: number;
  readonly errno: number;
  readonly pid?: number;
  readonly uid?: number;
  readonly status?: number;
  readonly utime?: number;
  readonly stime?: number;
  /** si_addr for faults. */
  readonly addr?: number;
  /** si_value, as the u64 the sender gave. */
  readonly value?: bigint;
  readonly timerid?: number;
  readonly overrun?: number;
  readonly band?: number;
  readonly fd?: number;
  /** SIGSYS: the call and the kind of processor, next to its address. */
  readonly syscall?: number;
  readonly arch?: number;
  /** All of siginfo_t as rt_sigqueueinfo was given it: what the members above do not say. */
  readonly raw?: Uint8Array;
  /** The user whose RLIMIT_SIGPENDING the queued entry counts towards. */
  readonly charged?: number;
  /** Why it was sent, for people. */
  readonly reason?: string;
}

/** Analogous to `struct sigpending`: queued signals, and the set of their numbers. */
export class SigPending {
  queue: SigInfo[] = [];
  signal = 0n;

  has(sig: number): boolean {
    return (this.signal & (1n << BigInt(sig - 1))) !== 0n;
  }

  static {
    serializable('SigPending', this);
  }
}

export interface SigAction {
  /** Address, or SIG_DFL (0), SIG_IGN (1). */
  readonly handler: number;
  readonly flags: number;
  readonly restorer: number;
  readonly mask: bigint;
}

export const DEFAULT_ACTION: SigAction = { handler: 0, flags: 0, restorer: 0, mask: 0n };

/** Analogous to `struct sighand_struct`: the 64 actions, shared by CLONE_SIGHAND. */
export class Sighand {
  action: SigAction[] = Array.from({ length: 65 }, () => DEFAULT_ACTION);
  /** Tasks that share it. */
  count = 1;
  /** Who reads or polls a signalfd. */
  readonly signalfd_wqh: WaitQueue = new WaitQueue();
  static {
    serializable('Sighand', this);
  }
}

/** Limits are `unsigned long`; RLIM_INFINITY is Infinity. */
export interface Rlimit {
  readonly cur: number | bigint;
  readonly max: number | bigint;
}

/** Resources used by threads that are gone and by waited-for children. */
export interface Usage {
  utime: number;
  stime: number;
  minflt: number;
  majflt: number;
  nvcsw: number;
  nivcsw: number;
  maxrss: number;
  inblock: number;
  oublock: number;
}

export const noUsage = (): Usage => ({ utime: 0, stime: 0, minflt: 0, majflt: 0, nvcsw: 0, nivcsw: 0, maxrss: 0, inblock: 0, oublock: 0 }); // prettier-ignore

/** What /dev/tty and job control need of a terminal; drivers/tty implements it. */
export interface ControllingTty {
  /** Foreground process group. */
  foreground: Pid | null;
  /** The session it controls. */
  session: Pid | null;
  /** Device number as makedev(3) packs it, for /proc/PID/stat. */
  readonly devt: number;
  /** The session leader exited or gave the terminal up: SIGHUP and SIGCONT go to the foreground group. */
  disassociate(leader: Task): void;
  /** Everybody who has it open finds it gone (tty_vhangup). */
  hangup(): void;
}

/** Analogous to `struct signal_struct`: what the threads of one process share. */
export class SignalStruct {
  readonly threads: Set<Task> = new Set();
  readonly shared_pending: SigPending = new SigPending();
  /** Who took the last signal that the thread it was sent to could not take. */
  curr_target: Task | null = null;
  /** Woken when a child changes state. */
  readonly wait_chldexit: WaitQueue = new WaitQueue();
  pgrp: Pid;
  session: Pid;
  leader = false;
  tty: ControllingTty | null = null;
  rlim: Rlimit[];

  /** The process is exiting, with this wait status (exit code << 8, or the signal). */
  group_exit: number | null = null;
  /** Stopped by this signal, `complete` once every thread has; `reported` once wait has told of it. */
  stopped: { sig: number; reported: boolean; complete: boolean } | null = null;
  /** Threads that still run are to stop for this signal. */
  stopping = 0;
  continued = false;
  is_child_subreaper = false;
  has_child_subreaper = false;
  /** PID 1 and other processes that only take signals they have a handler for. */
  unkillable = false;
  oom_score_adj = 0;
  /** What the score may be lowered to without rights. */
  oom_score_adj_min = 0;
  dumpable = 1;
  /** What threads that ended read and wrote. */
  readonly ioac: TaskIo = new TaskIo();
  readonly used: Usage = noUsage();
  readonly children: Usage = noUsage();

  constructor(pgrp: Pid, session: Pid, rlim: Rlimit[]) {
    this.pgrp = pgrp;
    this.session = session;
    this.rlim = rlim;
  }

  static {
    serializable('SignalStruct', this);
  }
}
