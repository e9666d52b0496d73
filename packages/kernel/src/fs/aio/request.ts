import { ECANCELED } from '@vitrine/uapi/errno.ts';
import type { Cred } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { BLOCKED, Errno, errno } from '../../include/errno.ts';
import type { TaskIo } from '../../include/io_accounting.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { Timer, type TimerOwner } from '../../include/time.ts';
import type { UserMemory } from '../../include/uaccess.ts';
import type { WaitQueue, Waiter } from '../../include/wait.ts';
import type { Work } from '../../include/work.ts';
import type { Task } from '../../kernel/task.ts';
import type { Mm } from '../../mm/mm.ts';
import { FilesStruct, type HeldFile, release_held_files } from '../fdtable.ts';
import type { File } from '../file.ts';
import { type FsnotifyGroup, fsnotify_settle } from '../fsnotify_backend.ts';
import type { FsStruct } from '../fs_struct.ts';

/**
 * An operation that goes on while the task that asked for it does something else (aio, io_uring). It acts as the task would:
 * operations take it for the current task, and when they would sleep, it waits in the task's place and runs them again.
 */
export abstract class AsyncRequest implements Current, Waiter, TimerOwner, Work {
  readonly kernel: Kernel;
  readonly task: Task;
  cred: Cred;
  readonly mem: UserMemory;
  /** The file worked on; it stays open until the operation ends. */
  file: File | null = null;
  callState: unknown = null;
  asked: Set<FsnotifyGroup> | null = null;
  held_files: HeldFile[] | null = null;
  /** Ended, or given up. */
  done = false;
  /** It is to end with ECANCELED when it would wait. */
  cancelled = false;
  private parked: WaitQueue[] = [];
  private readonly alarm: Timer = new Timer(this);
  private shim: FilesStruct | null = null;

  constructor(task: Task) {
    this.kernel = task.kernel;
    this.task = task;
    this.cred = task.cred;
    this.mem = task.mem;
  }

  /** Does the operation. @returns its result, or BLOCKED */
  protected abstract execute(): number;
  /** The operation ended: a result of 0 or more, or minus an error number. */
  protected abstract complete(result: number): void;

  get pid(): number {
    return this.task.pid;
  }
  get tgid(): number {
    return this.task.tgid;
  }
  get comm(): string {
    return this.task.comm;
  }
  get fs(): FsStruct {
    return this.task.fs;
  }
  get ioac(): TaskIo {
    return this.task.ioac;
  }
  // What operations that know tasks ask of one.
  get signal(): Task['signal'] {
    return this.task.signal;
  }
  get group_leader(): Task {
    return this.task.group_leader;
  }
  get sighand(): Task['sighand'] {
    return this.task.sighand;
  }
  get mm(): Mm | null {
    return this.task.mm;
  }
  get personality(): number {
    return this.task.personality;
  }

  /** The task's descriptors; while one file is worked on, a table in which number 0 is that file. */
  get files(): FilesStruct {
    return this.shim ?? this.task.files;
  }

  /** Runs an operation that takes a descriptor on the file of the request: it is number 0 meanwhile. */
  withFile<T>(operation: (fd: number) => T): T {
    this.shim = new FilesStruct();
    this.shim.fd.push(this.file);
    try {
      return operation(0);
    } finally {
      this.shim = null;
    }
  }

  rlimit(resource: number): number {
    return this.task.rlimit(resource);
  }

  rlimit_exact(resource: number): number | bigint {
    return this.task.rlimit_exact(resource);
  }

  rlimit_max(resource: number): number {
    return this.task.rlimit_max(resource);
  }
  get takes_part(): boolean {
    return false;
  }
  signal_pending(): boolean {
    return false;
  }
  fatal_signal_pending(): boolean {
    return this.cancelled;
  }
  force_or_send_sig(sig: number, reason: string): void {
    this.task.force_or_send_sig(sig, reason);
  }

  wait(queue: WaitQueue): number {
    return this.waitAny([queue], Infinity);
  }
  waitKillable(queue: WaitQueue): number {
    return this.waitAny([queue], Infinity);
  }
  waitAny(queues: readonly WaitQueue[], deadline: number): number {
    if (this.cancelled)
      throw errno(ECANCELED, 'the operation of process {} was cancelled', this.tgid);
    this.unpark();
    this.parked = [...queues];
    for (const queue of queues) queue.add(this);
    if (deadline !== Infinity) this.kernel.timers.start(this.alarm, deadline);
    return BLOCKED;
  }

  protected unpark(): void {
    for (const queue of this.parked) queue.remove(this);
    this.parked = [];
    if (this.alarm.queued) this.kernel.timers.cancel(this.alarm);
  }

  woken(_queue?: WaitQueue, _events?: number): void {
    this.kernel.work.queue(this);
  }
  timerFired(): void {
    this.kernel.work.queue(this);
  }

  /** Runs the operation, now or again. */
  run(): void {
    if (this.done) return;
    this.unpark();
    let result: number;
    try {
      result = this.execute();
    } catch (error) {
      // An internal error must not reach the loop that runs work.
      result = error instanceof Errno ? -error.code : this.oops(error);
    }
    if (result !== BLOCKED) this.finish(result);
  }

  private oops(error: unknown): number {
    this.kernel.printk(0, `Oops: asynchronous operation of ${this.comm}[${this.pid}]: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`); // prettier-ignore
    return -5;
  }

  finish(result: number): void {
    if (this.done) return;
    this.done = true;
    this.release();
    this.complete(result);
  }

  /** Gives up without telling anybody: the place for the result is gone. */
  abandon(): void {
    this.done = true;
    this.release();
  }

  protected release(): void {
    this.unpark();
    this.kernel.work.cancel(this);
    if (this.asked !== null) fsnotify_settle(this);
    release_held_files(this);
    const { file } = this;
    this.file = null;
    file?.put(this.kernel);
  }

  /** Ends it if it waits; an operation that goes on by itself cannot be stopped. */
  cancel(): void {
    this.cancelled = true;
    this.finish(-ECANCELED);
  }
}

serializable('AsyncRequest', AsyncRequest);
