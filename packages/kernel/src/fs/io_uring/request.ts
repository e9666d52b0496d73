import { EBADF, ECANCELED, EINVAL } from '@vitrine/uapi/errno.ts';
import { BLOCKED, errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { AsyncRequest } from '../aio/request.ts';
import { fget } from '../fdtable.ts';
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
}

/** What each operation is; syscalls/io_uring_ops.ts fills it. */
export const uringOps: Map<number, UringOp> = new Map();

/** A submission on its way (analogous to `struct io_kiocb`). */
export class UringRequest extends AsyncRequest {
  readonly ring: UringFile;
  readonly sqe: Uint8Array;
  readonly data: bigint;
  readonly opcode: number;
  readonly flags: number;
  /** The next of its chain. */
  next: UringRequest | null = null;
  /** A timeout that limits it, and what a link timeout limits. */
  limit: UringRequest | null = null;
  limits: UringRequest | null = null;
  /** It waits for everything before it (IOSQE_IO_DRAIN). */
  held = false;
  /** It is begun. */
  started = false;
  /** Its result, once it has one. */
  ended: number | null = null;
  /** Its result breaks a chain. */
  failed = false;
  /** Flags of its completion: a buffer it took, more to come. */
  cqe_flags = 0;
  /** The buffer it took from a group. */
  buffer: { readonly address: number; readonly length: number } | null = null;
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

  /** The kernel has its operation and knows its flags. */
  get known(): boolean {
    return uringOps.has(this.opcode) && (this.flags & 0x80) === 0;
  }

  get links(): boolean {
    return (this.flags & (U.IOSQE_IO_LINK | U.IOSQE_IO_HARDLINK)) !== 0;
  }
  get hard(): boolean {
    return (this.flags & U.IOSQE_IO_HARDLINK) !== 0;
  }
  get drains(): boolean {
    return (this.flags & U.IOSQE_IO_DRAIN) !== 0;
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
    if ((this.flags & 0x80) !== 0)
      throw errno(EINVAL, 'io_uring: flags {} are not known', this.flags);
    if (op.file && this.file === null) this.takeFile();
    const result = op.run(this);
    if (result !== BLOCKED && op.exact && result !== this.u32(24)) this.failed = true;
    return result;
  }

  private takeFile(): void {
    const fd = this.i32(4);
    if ((this.flags & U.IOSQE_FIXED_FILE) !== 0) this.file = this.ring.fixedFile(fd).get();
    else if (fd < 0) throw errno(EBADF, 'io_uring: {} is no descriptor', fd);
    else this.file = fget(this.task, fd).get();
  }

  /** Posts one of several results and goes on. */
  more(res: number): void {
    this.ring.post(this.data, res, this.cqe_flags | U.IORING_CQE_F_MORE);
    this.cqe_flags = 0;
    this.buffer = null;
    this.callState = null;
  }

  protected override complete(result: number): void {
    this.ended = result;
    if (result < 0) this.failed = true;
    const quiet = (this.flags & U.IOSQE_CQE_SKIP_SUCCESS) !== 0 && !this.failed;
    this.ring.ended(this, result, this.cqe_flags, quiet);
  }

  /** What the file told a poll; 0 for "look". */
  told = 0;
  override woken(queue: WaitQueue, events = 0): void {
    this.told |= events;
    super.woken(queue, events);
  }

  /** A completion was posted: a timeout that counts may be over. */
  counted(): void {
    if (this.ring.posted >= this.target && !this.done && this.started) this.kernel.work.queue(this);
  }

  /** Ends it for somebody who cancels. @returns false when it had ended */
  stop(): boolean {
    if (this.done) return false;
    this.started = true;
    this.finish(-ECANCELED);
    return true;
  }
}
