import { ENOBUFS, ENOENT } from '@vitrine/uapi/errno.ts';
import { BLOCKED, type Errno, errno } from '../../include/errno.ts';
import type { IoVec } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import { access_ok } from '../iov.ts';
import type { SharedMemory } from './memory.ts';
import type { UringRequest } from './request.ts';
import * as U from './uapi.ts';

/** Buffers that a program gives a ring, for operations to take when they have data (io_uring/kbuf.c). */

/** A provided buffer. */
export interface UringBuffer {
  readonly address: number;
  readonly length: number;
  readonly id: number;
}

// struct io_uring_buf: address, length, number; the first one's last member is the ring's tail.
const BUF = 16;
const BUF_LEN = 8;
const BUF_ID = 12;
const TAIL = 14;

/** A ring of buffers in shared memory (IORING_REGISTER_PBUF_RING). */
export class BufferRing {
  readonly memory: SharedMemory;
  readonly entries: number;
  head = 0;
  /** A buffer is used up bit by bit (IOU_PBUF_RING_INC). */
  readonly incremental: boolean;

  static {
    serializable('BufferRing', this);
  }

  constructor(memory: SharedMemory, entries: number, incremental: boolean) {
    this.memory = memory;
    this.entries = entries;
    this.incremental = incremental;
  }

  get available(): number {
    return (this.memory.get16(TAIL) - this.head) & 0xffff;
  }

  private place(index: number): number {
    return ((this.head + index) & (this.entries - 1)) * BUF;
  }

  /** The buffer so many behind the next. */
  peek(index: number): UringBuffer {
    const { memory } = this;
    const at = this.place(index);
    return {
      address: memory.get64(at),
      length: memory.get32(at + BUF_LEN),
      id: memory.get16(at + BUF_ID),
    };
  }

  advance(count: number): void {
    this.head = (this.head + count) & 0xffff;
  }

  /** So many bytes are used. @returns is there more in the last buffer? (io_kbuf_inc_commit) */
  consume(bytes: number): boolean {
    for (let left = bytes; left > 0;) {
      const { address, length } = this.peek(0);
      const used = Math.min(left, length);
      const at = this.place(0);
      this.memory.put32(at + BUF_LEN, length - used);
      if (used < length || used === 0) {
        this.memory.put64(at, address + used);
        return true;
      }
      this.advance(1);
      left -= used;
    }
    return bytes === 0;
  }
}

const BUF_GROUP = 40;
const ADDR = 16;
const LEN = 24;
/** Most buffers of one bundle (PEEK_MAX_IMPORT). */
const MOST = 256;

/** The buffer of an operation: given, or taken from a group (io_buffer_select). */
function buffer(request: UringRequest): { address: number; length: number } {
  if ((request.flags & U.IOSQE_BUFFER_SELECT) === 0)
    return { address: request.u64(ADDR), length: request.u32(LEN) };
  return (request.buffer ??= select(request));
}

const noBuffers = (group: number): Errno =>
  errno(ENOBUFS, 'io_uring: buffer group {} has no buffers left', group);

function select(request: UringRequest): { address: number; length: number } {
  const { ring } = request;
  const group = request.u16(BUF_GROUP);
  // Where LEN counts pieces, those tell the length.
  const pieces = request.opcode === U.IORING_OP_READV || request.opcode === U.IORING_OP_RECVMSG;
  const wanted = pieces ? 0 : request.u32(LEN);
  const shared = ring.bufferRings.get(group);
  let found: UringBuffer | undefined;
  if (shared === undefined) found = ring.provided.get(group)?.shift();
  else if (shared.available > 0) {
    found = shared.peek(0);
    if (!shared.incremental) shared.advance(1);
  }
  if (found === undefined) throw noBuffers(group);
  request.cqe_flags = U.IORING_CQE_F_BUFFER | (found.id << U.IORING_CQE_BUFFER_SHIFT);
  const length = wanted === 0 ? found.length : Math.min(wanted, found.length);
  return { address: found.address, length };
}

/** A buffer is given back when the operation did not use it and waits. */
export function returnBuffer(request: UringRequest): void {
  const { buffer: taken, ring } = request;
  if (taken === null) return;
  const group = request.u16(BUF_GROUP);
  const shared = ring.bufferRings.get(group);
  const id = request.cqe_flags >>> U.IORING_CQE_BUFFER_SHIFT;
  if (shared === undefined) ring.provided.get(group)?.unshift({ ...taken, id });
  else if (!shared.incremental) shared.advance(-1);
  request.buffer = null;
  request.cqe_flags = 0;
}

/** So much of a buffer is used; the rest is for others where the group says so (io_kbuf_commit). */
function commit(request: UringRequest, used: number): void {
  const shared = request.ring.bufferRings.get(request.u16(BUF_GROUP));
  if (request.buffer === null || used < 0 || !shared?.incremental) return;
  if (shared.consume(used)) request.cqe_flags |= U.IORING_CQE_F_BUF_MORE;
}

/** Runs an operation that may take a buffer; one that has to wait leaves it for others. */
export function withBuffer(
  request: UringRequest,
  run: (address: number, length: number) => number,
): number {
  const { address, length } = buffer(request);
  const result = run(address, length);
  if (result === BLOCKED) returnBuffer(request);
  else commit(request, result);
  return result;
}

/** Buffers of a group that are used as one. */
export interface Bundle {
  readonly pieces: readonly IoVec[];
  /** Behind them the group has no more. */
  readonly last: boolean;
}

/**
 * The next buffers of a group, as many as `most` bytes need; 0 for all that are there (io_ring_buffers_peek).
 * @param many more than one
 */
export function peekBundle(request: UringRequest, most: number, many: boolean): Bundle {
  const { ring } = request;
  const group = request.u16(BUF_GROUP);
  const shared = ring.bufferRings.get(group);
  const list = ring.provided.get(group);
  if (shared === undefined && list === undefined)
    throw errno(ENOENT, 'io_uring: there is no buffer group {}', group);
  const have = shared?.available ?? list!.length;
  if (have === 0) throw noBuffers(group);
  const count = many && shared !== undefined ? Math.min(have, MOST) : 1;
  const pieces: IoVec[] = [];
  let left = most === 0 ? Infinity : most;
  for (let i = 0; i < count && left > 0; i++) {
    const next = shared?.peek(i) ?? list![0]!;
    if (i === 0) request.cqe_flags = U.IORING_CQE_F_BUFFER | (next.id << U.IORING_CQE_BUFFER_SHIFT);
    if (next.length > left && i > 0 && shared?.incremental !== true) break;
    const length = Math.min(next.length, left);
    access_ok(next.address, length);
    pieces.push({ base: next.address, length });
    left -= length;
  }
  return { pieces, last: pieces.length === have };
}

/** Those buffers of a bundle that hold so many bytes are used (io_put_kbufs). */
export function commitBundle(request: UringRequest, bundle: Bundle, bytes: number): void {
  const group = request.u16(BUF_GROUP);
  const shared = request.ring.bufferRings.get(group);
  if (shared === undefined) {
    request.ring.provided.get(group)?.shift();
    return;
  }
  if (shared.incremental) {
    if (shared.consume(bytes)) request.cqe_flags |= U.IORING_CQE_F_BUF_MORE;
    return;
  }
  let left = bytes;
  let used = 0;
  for (; left > 0; used++) left -= bundle.pieces[used]!.length;
  shared.advance(used);
}
