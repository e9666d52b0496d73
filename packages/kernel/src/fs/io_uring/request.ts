import { EBADF, ECANCELED, EINVAL, EOPNOTSUPP, ETIME } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { MSG_WAITALL } from '@vitrine/uapi/net.ts';
import { BLOCKED, Errno, errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { AsyncRequest } from '../aio/request.ts';
import { StreamFile } from '../file.ts';
import { S_ISREG } from '../inode.ts';
import { fget } from '../fdtable.ts';
import type { Bundle } from './kbuf.ts';
import type { Rsrc } from './rsrc.ts';
import type { UringFile } from './ring.ts';
import * as U from './uapi.ts';

/** How an operation is carried out; its file and its place in chains are the request's business. */
export interface UringOp {
  /** Works on a file: `fd` of the submission. */
  readonly file?: boolean;
  /** @returns the result, or BLOCKED; several results of one request go through `more` */
  run(request: UringRequest): number;
  /** A read or write that moves less than it was asked ends a chain. */
  readonly exact?: boolean;
  /** It may take a buffer from a group; it has an I/O priority (or flags in its place); it goes with IORING_SETUP_IOPOLL. */
  readonly buffers?: boolean;
  readonly ioprio?: boolean;
  readonly iopoll?: boolean;
  /** Its flags are those of a message. */
  readonly message?: boolean;
  /** It can sleep, and is a worker's from the beginning (what may not be IO_URING_F_NONBLOCK). */
  readonly worker?: boolean;
  /** Looks at the submission before anything is done. Throws. */
  prep?(request: UringRequest): void;
  /** Who cancels it is told 1, not 0. */
  readonly counted?: boolean;
  /** It has ended, whatever way: takes back what it waits with. */
  leave?(request: UringRequest): void;
}

/** What each operation is; syscalls/io_uring_ops.ts fills it. */
export const uringOps: Map<number, UringOp> = new Map();

/** A submission on its way (analogous to `struct io_kiocb`). */
export class UringRequest extends AsyncRequest {
  readonly ring: UringFile;
  readonly sqe: Uint8Array;
  data: bigint;
  readonly opcode: number;
  readonly flags: number;
  /** The next of its chain. */
  next: UringRequest | null = null;
  /** A timeout that limits it, and what a link timeout limits. */
  limit: UringRequest | null = null;
  limits: UringRequest | null = null;
  /** It waits for everything before it (IOSQE_IO_DRAIN). */
  held = false;
  /** The error number with which it was refused before it could begin; 0: it was not. */
  refused = 0;
  /** Registered files and buffers that it uses. */
  private readonly rsrcs: Rsrc[] = [];
  /** It is begun. */
  started = false;
  /** Its result, once it has one. */
  ended: number | null = null;
  /** Its result breaks a chain. */
  failed = false;
  /** It failed, and what is linked to it posts nothing (REQ_F_SKIP_LINK_CQES); it posts nothing itself. */
  skipLinks = false;
  silent = false;
  /** Flags of its completion: a buffer it took, more to come. */
  cqe_flags = 0;
  /** The buffer it took from a group. */
  buffer: { readonly address: number; readonly length: number } | null = null;
  /** Buffers of a group that it sends as one (IORING_RECVSEND_BUNDLE). */
  bundle: Bundle | null = null;
  /** Completions after which a timeout ends; Infinity for none. */
  target: number = Infinity;

  static {
    serializable('UringRequest', this);
  }

  constructor(task: Task, ring: UringFile, sqe: Uint8Array) {
    super(task);
    this.ring = ring;
    this.sqe = sqe;
    this.opcode = sqe[0]!;
    this.flags = sqe[1]!;
    this.data = this.view.getBigUint64(32, true);
    (task.uring ??= new Set()).add(this);
  }

  get view(): DataView {
    return new DataView(this.sqe.buffer, this.sqe.byteOffset, this.sqe.byteLength);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  i32(at: number): number {
    return this.view.getInt32(at, true);
  }
  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  /** A pointer, size or offset; all bits set is -1. */
  u64(at: number): number {
    const value = this.view.getBigUint64(at, true);
    return value === 0xffff_ffff_ffff_ffffn ? -1 : Number(value);
  }

  /** Looks whether it can be begun at all (io_init_req). */
  prepare(): void {
    try {
      this.check();
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      this.refused = error.code;
      this.failed = true;
    }
  }

  private check(): void {
    const op = uringOps.get(this.opcode);
    const { ring, flags } = this;
    if (op === undefined) throw errno(EINVAL, 'io_uring: there is no operation {}', this.opcode);
    if (flags & 0x80) throw errno(EINVAL, 'io_uring: flags {} are not known', flags);
    if (flags & U.IOSQE_BUFFER_SELECT && !op.buffers)
      throw errno(EOPNOTSUPP, 'io_uring: operation {} takes no buffer from a group', this.opcode);
    if (flags & U.IOSQE_CQE_SKIP_SUCCESS) ring.drainDisabled = true;
    if (flags & U.IOSQE_IO_DRAIN && ring.drainDisabled)
      throw errno(EOPNOTSUPP, 'io_uring: after IOSQE_CQE_SKIP_SUCCESS nothing can be drained');
    ring.check_restrictions(this.opcode, flags);
    if (!op.ioprio && this.u16(2) !== 0)
      throw errno(EINVAL, 'io_uring: operation {} has no priority', this.opcode);
    if (!op.iopoll && ring.setup & U.IORING_SETUP_IOPOLL)
      throw errno(EINVAL, 'io_uring: operation {} is not polled for', this.opcode);
    const personality = this.u16(42);
    if (personality !== 0) {
      const cred = ring.personalities.get(personality);
      if (cred === undefined)
        throw errno(EINVAL, 'io_uring: there is no personality {}', personality);
      this.cred = cred;
    }
    op.prep?.(this);
  }

  /** Holds a registered file or buffer until the request has ended. */
  useRsrc(rsrc: Rsrc): Rsrc {
    rsrc.use();
    this.rsrcs.push(rsrc);
    return rsrc;
  }

  get links(): boolean {
    return (this.flags & (U.IOSQE_IO_LINK | U.IOSQE_IO_HARDLINK)) !== 0;
  }
  /** It uses as many buffers of a group as it can. */
  get bundles(): boolean {
    return (this.flags & U.IOSQE_BUFFER_SELECT) !== 0 && (this.u16(2) & U.IORING_RECVSEND_BUNDLE) !== 0; // prettier-ignore
  }
  get hard(): boolean {
    return (this.flags & U.IOSQE_IO_HARDLINK) !== 0;
  }
  get drains(): boolean {
    return (this.flags & U.IOSQE_IO_DRAIN) !== 0;
  }

  /** Is it a worker that does it, or the poller, and not the task that submitted it? Regular files can never be polled. */
  private get inWorker(): boolean {
    if (this.ring.sqpoll !== null || uringOps.get(this.opcode)!.worker) return true;
    if (this.file !== null && S_ISREG(this.file.inode.mode)) return true;
    return (this.flags & U.IOSQE_ASYNC) !== 0;
  }

  /** All that is not a worker's tries without waiting, and what it then has is the result; MSG_WAITALL goes on. */
  override get takes_part(): boolean {
    const op = uringOps.get(this.opcode)!;
    if (this.opcode === U.IORING_OP_SEND && this.bundles) return false;
    return !op.worker && !(op.message && this.u32(28) & MSG_WAITALL);
  }

  /** Nobody else is to be stopped by what a worker does: its signals are blocked for good. */
  override force_or_send_sig(sig: number, reason: string): void {
    if (!this.inWorker) super.force_or_send_sig(sig, reason);
  }

  begin(): void {
    if (this.started || this.done) return;
    this.started = true;
    this.run();
    if (!this.done) this.limit?.begin();
  }

  protected override execute(): number {
    const op = uringOps.get(this.opcode);
    if (op === undefined) throw errno(EINVAL, 'io_uring: there is no operation {}', this.opcode);
    if (op.file && this.file === null) this.takeFile();
    const result = this.patiently(op);
    if (result !== BLOCKED && op.exact && result !== this.u32(24)) this.failed = true;
    return result;
  }

  /** A file that can be asked and waited for is waited for, O_NONBLOCK or not: only the submission says otherwise. */
  private patiently(op: UringOp): number {
    const { file } = this;
    if (file === null || op.worker || !file.nowait || !file.pollable) return op.run(this);
    const nonblock = file.flags & O_NONBLOCK;
    file.flags &= ~O_NONBLOCK;
    try {
      return op.run(this);
    } finally {
      file.flags |= nonblock;
    }
  }

  private takeFile(): void {
    const fd = this.i32(4);
    if ((this.flags & U.IOSQE_FIXED_FILE) !== 0)
      this.file = this.useRsrc(this.ring.fixedFile(fd)).file!.get();
    else if (fd < 0) throw errno(EBADF, 'io_uring: {} is no descriptor', fd);
    else this.file = fget(this.task, fd).get();
  }

  /** Posts one of several results. @returns is there room to go on? Without, this result is the last (io_req_post_cqe) */
  more(res: number): boolean {
    if (this.ring.full) return false;
    this.ring.post(
      this.data,
      res,
      this.cqe_flags | U.IORING_CQE_F_MORE,
      this.opcode !== U.IORING_OP_TIMEOUT,
    );
    this.cqe_flags = 0;
    this.buffer = null;
    this.callState = null;
    return true;
  }

  protected override release(): void {
    if (this.started) uringOps.get(this.opcode)?.leave?.(this);
    super.release();
  }

  protected override complete(result: number): void {
    this.ended = result;
    this.task.uring?.delete(this);
    // That a timeout of another request fires, or is not needed, is no failure of it; what else fires says itself.
    const fired = this.opcode === U.IORING_OP_TIMEOUT && result === -ETIME;
    if (result < 0 && !fired && this.opcode !== U.IORING_OP_LINK_TIMEOUT) this.failed = true;
    const skip = (this.flags & U.IOSQE_CQE_SKIP_SUCCESS) !== 0;
    const quiet = this.silent || (skip && !this.failed);
    this.skipLinks ||= skip && this.failed;
    this.ring.ended(this, result, this.cqe_flags, quiet);
    for (const rsrc of this.rsrcs.splice(0)) rsrc.unuse(this.ring);
  }

  /** What the file told a poll; 0 for "look". */
  told = 0;
  /** How often it was told since the last result. */
  wakes = 0;
  override woken(_queue: WaitQueue, events = 0): void {
    this.told |= events;
    this.wakes++;
    if (this.deferred) this.ring.defer(this);
    else this.queueWork();
  }
  override run(): void {
    this.task.uring_work?.delete(this);
    if (this.stopping) this.finish(-ECANCELED);
    else super.run();
  }
  override timerFired(): void {
    if (this.deferred) this.ring.defer(this);
    else super.timerFired();
  }
  get deferred(): boolean {
    return (this.ring.setup & U.IORING_SETUP_DEFER_TASKRUN) !== 0;
  }

  /** A completion was posted: a timeout that counts may be over. */
  counted(): void {
    if (this.ring.posted >= this.target && !this.over && this.started) this.kernel.work.queue(this);
  }

  /** It, or what it is linked to, works on a ring. */
  get tracked(): boolean {
    return this.file instanceof StreamFile && 'sqEntries' in this.file;
  }

  /** Somebody cancelled it: it ends when who submitted it next gets to that (io_req_queue_tw_complete). */
  stopping = false;
  /** It cannot be cancelled or changed any more. */
  get over(): boolean {
    return this.done || this.stopping;
  }
  stop(): void {
    if (this.over) return;
    this.started = true;
    this.stopping = true;
    this.unpark();
    if (this.deferred) this.ring.defer(this);
    else this.queueWork();
  }
  private queueWork(): void {
    this.kernel.work.queue(this);
    // The task does it on its way back to user mode, if it gets there first (task_work_add).
    if (!this.inWorker) (this.task.uring_work ??= new Set()).add(this);
  }

  /** It ends at once, with the task. */
  override cancel(): void {
    this.started = true;
    super.cancel();
  }
}
