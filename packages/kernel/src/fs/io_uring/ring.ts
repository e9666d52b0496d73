import { EBADF, ECANCELED, EINVAL, ENOMEM } from '@vitrine/uapi/errno.ts';
import { O_CLOEXEC, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { AddressSpace, type PageOwner } from '../../include/pagecache.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { anon_inode_path } from '../anon_inodes.ts';
import type { EventfdFile } from '../eventfd.ts';
import { type File, StreamFile } from '../file.ts';
import { UringRequest } from './request.ts';
import * as U from './uapi.ts';

/** An io_uring: two rings in memory that the kernel and the program share (analogous to `struct io_ring_ctx`). */

// Offsets into the rings' memory; the completions come behind, then the array of submission indices.
const SQ_HEAD = 0;
const SQ_TAIL = 64;
const CQ_HEAD = 128;
const CQ_TAIL = 192;
const SQ_MASK = 256;
const CQ_MASK = 260;
const SQ_ENTRIES = 264;
const CQ_ENTRIES = 268;
const SQ_DROPPED = 272;
const SQ_FLAGS = 276;
const CQ_FLAGS = 280;
const CQ_OVERFLOW = 284;
const CQES = 320;

/** A page that belongs to the ring alone. */
class RingPages implements PageOwner {
  size = U.IORING_OFF_SQES + 2 ** 26;
  static {
    serializable('RingPages', this);
  }
  readPage(index: number): void {
    throw errno(EINVAL, 'an io_uring has no page {} to map', index);
  }
}

interface Completion {
  readonly data: bigint;
  readonly res: number;
  readonly flags: number;
}

/** A registered or provided buffer. */
export interface UringBuffer {
  readonly address: number;
  readonly length: number;
  readonly id: number;
}

/** A ring of buffers in the program's memory (IORING_REGISTER_PBUF_RING). */
export interface BufferRing {
  readonly address: number;
  readonly entries: number;
  head: number;
}

export class UringFile extends StreamFile {
  readonly kernel: Kernel;
  readonly sqEntries: number;
  readonly cqEntries: number;
  setup: number;
  private readonly rings: number[] = [];
  private readonly sqePages: number[] = [];
  private readonly space: AddressSpace = new AddressSpace(new RingPages(), false);
  readonly wait: WaitQueue = new WaitQueue();
  /** Requests that are begun or wait for others, in order. */
  readonly requests: Set<UringRequest> = new Set();
  /** Results for which the ring had no room. */
  private readonly overflow: Completion[] = [];
  /** Completions ever posted: what timeouts count. */
  posted = 0;
  files: (File | null)[] = [];
  buffers: UringBuffer[] = [];
  readonly provided: Map<number, UringBuffer[]> = new Map();
  readonly bufferRings: Map<number, BufferRing> = new Map();
  eventfd: EventfdFile | null = null;
  /** The chain that a linked submission is part of, while a batch is read. */
  private chain: UringRequest | null = null;

  static {
    serializable('UringFile', this);
  }

  constructor(current: Current, sqEntries: number, cqEntries: number, setup: number) {
    super(current, anon_inode_path(current.kernel, '[io_uring]'), O_RDWR | O_CLOEXEC);
    this.kernel = current.kernel;
    this.sqEntries = sqEntries;
    this.cqEntries = cqEntries;
    this.setup = setup;
    this.allocate(this.rings, this.arrayOffset + sqEntries * 4);
    this.allocate(this.sqePages, sqEntries * this.sqeSize);
    const place = (offset: number, pages: readonly number[]): void =>
      pages.forEach((pfn, i) => this.space.pages.set(offset / PAGE_SIZE + i, pfn));
    place(U.IORING_OFF_SQ_RING, this.rings);
    place(U.IORING_OFF_CQ_RING, this.rings);
    place(U.IORING_OFF_SQES, this.sqePages);
    this.put32(SQ_MASK, sqEntries - 1);
    this.put32(CQ_MASK, cqEntries - 1);
    this.put32(SQ_ENTRIES, sqEntries);
    this.put32(CQ_ENTRIES, cqEntries);
  }

  private get cqeSize(): number {
    return (this.setup & U.IORING_SETUP_CQE32) !== 0 ? 32 : 16;
  }
  private get sqeSize(): number {
    return (this.setup & U.IORING_SETUP_SQE128) !== 0 ? 128 : 64;
  }
  private get arrayOffset(): number {
    return CQES + this.cqEntries * this.cqeSize;
  }

  /** Offsets for struct io_uring_params. */
  offsets(): { sq: number[]; cq: number[] } {
    return {
      sq: [SQ_HEAD, SQ_TAIL, SQ_MASK, SQ_ENTRIES, SQ_FLAGS, SQ_DROPPED, this.arrayOffset, 0],
      cq: [CQ_HEAD, CQ_TAIL, CQ_MASK, CQ_ENTRIES, CQ_OVERFLOW, CQES, CQ_FLAGS, 0],
    };
  }

  private allocate(pages: number[], bytes: number): void {
    for (let i = 0; i * PAGE_SIZE < bytes; i++) {
      const pfn = this.kernel.frames.alloc(true);
      if (pfn === 0) {
        for (const page of pages.splice(0)) this.kernel.frames.put(page);
        throw errno(ENOMEM, 'no page frames for an io_uring of {} entries', this.sqEntries);
      }
      pages.push(pfn);
    }
  }

  // The rings' memory, by offset.

  private at(pages: readonly number[], offset: number): number {
    return (pages[Math.floor(offset / PAGE_SIZE)]! * PAGE_SIZE + (offset % PAGE_SIZE)) >>> 2;
  }
  private get32(offset: number): number {
    return this.kernel.ram.u32[this.at(this.rings, offset)]!;
  }
  private put32(offset: number, value: number): void {
    this.kernel.ram.u32[this.at(this.rings, offset)] = value;
  }

  /** Completions that the program has not taken. */
  get ready(): number {
    return (this.get32(CQ_TAIL) - this.get32(CQ_HEAD)) >>> 0;
  }

  /** Submissions that the kernel has not taken. */
  get submitted(): number {
    return Math.min((this.get32(SQ_TAIL) - this.get32(SQ_HEAD)) >>> 0, this.sqEntries);
  }

  /** Takes the next submission; null when its index is out of bounds, which counts as dropped. */
  private take(): Uint8Array | null {
    const head = this.get32(SQ_HEAD);
    const index = this.get32(this.arrayOffset + (head & (this.sqEntries - 1)) * 4);
    this.put32(SQ_HEAD, (head + 1) >>> 0);
    if (index >= this.sqEntries) {
      this.put32(SQ_DROPPED, this.get32(SQ_DROPPED) + 1);
      return null;
    }
    const offset = index * this.sqeSize;
    const from = this.sqePages[Math.floor(offset / PAGE_SIZE)]! * PAGE_SIZE + (offset % PAGE_SIZE);
    return this.kernel.ram.u8.slice(from, from + this.sqeSize);
  }

  /** Begins up to `count` submissions (io_submit_sqes). @returns how many were taken */
  submit(task: Task, count: number): number {
    let done = 0;
    const room = Math.min(count, this.submitted);
    while (done < room) {
      const sqe = this.take();
      if (sqe === null) {
        if (done === 0) return 0;
        break;
      }
      done++;
      const request = new UringRequest(task, this, sqe);
      this.begin(request);
      // One that cannot even be begun ends the batch.
      if (!request.known && (this.setup & U.IORING_SETUP_SUBMIT_ALL) === 0) break;
    }
    this.chain = null;
    return done;
  }

  /** A request starts at once, or when the one it is linked to, or everything before it, has ended. */
  private begin(request: UringRequest): void {
    const before = this.chain;
    this.requests.add(request);
    if (before !== null && request.opcode === U.IORING_OP_LINK_TIMEOUT) {
      this.chain = request.links ? before : null;
      return this.limit(before, request);
    }
    this.chain = request.links ? request : null;
    if (before !== null) {
      before.next = request;
      if (before.ended !== null) this.follow(before);
      return;
    }
    if ((request.drains || this.draining) && this.requests.size > 1) {
      request.held = true;
      return;
    }
    request.begin();
  }

  /** A timeout on the request before it: it runs as long as that does. */
  private limit(request: UringRequest, timeout: UringRequest): void {
    request.limit = timeout;
    timeout.limits = request;
    if (request.done) timeout.finish(-ECANCELED);
    else if (request.started) timeout.begin();
  }

  private get draining(): boolean {
    for (const request of this.requests) if (request.held) return true;
    return false;
  }

  /** A request has ended: posts its result, starts what is linked to it and what waited for it. */
  ended(request: UringRequest, res: number, flags: number, quiet: boolean): void {
    this.requests.delete(request);
    const { limit } = request;
    request.limit = null;
    if (!quiet) this.post(request.data, res, flags);
    limit?.finish(-ECANCELED);
    if (request.next !== null) this.follow(request);
    this.drain();
  }

  /** The next of a chain: it runs, or is cancelled when the one before it failed (io_disarm_next). */
  private follow(request: UringRequest): void {
    const next = request.next!;
    request.next = null;
    if (next.done) {
      if (next.next !== null) this.follow(next);
      return;
    }
    if (request.failed && !request.hard) next.finish(-ECANCELED);
    else next.begin();
  }

  /** Starts what waited for everything before it, and what waited for that (IOSQE_IO_DRAIN). */
  private drain(): void {
    for (const request of [...this.requests]) {
      if (!request.held) continue;
      const [first] = this.requests;
      if (request.drains && first !== request) return;
      request.held = false;
      request.begin();
      if (request.drains && !request.done) return;
    }
  }

  /** Posts a completion; without room it waits for the program to take some (IORING_FEAT_NODROP). */
  post(data: bigint, res: number, flags: number): void {
    this.posted++;
    if (this.ready >= this.cqEntries) {
      this.overflow.push({ data, res, flags });
      this.put32(SQ_FLAGS, this.get32(SQ_FLAGS) | U.IORING_SQ_CQ_OVERFLOW);
    } else this.write({ data, res, flags });
    this.wait.wake(EPOLLIN | EPOLLRDNORM);
    if ((this.get32(CQ_FLAGS) & 1) === 0) this.eventfd?.signal(1n);
    for (const request of this.requests) request.counted();
  }

  private write({ data, res, flags }: Completion): void {
    const tail = this.get32(CQ_TAIL);
    const offset = CQES + (tail & (this.cqEntries - 1)) * this.cqeSize;
    this.put32(offset, Number(data & 0xffff_ffffn));
    this.put32(offset + 4, Number(data >> 32n));
    this.put32(offset + 8, res >>> 0);
    this.put32(offset + 12, flags >>> 0);
    this.put32(CQ_TAIL, (tail + 1) >>> 0);
  }

  /** Moves results that had no room into the ring. */
  flush_overflow(): void {
    while (this.overflow.length > 0 && this.ready < this.cqEntries)
      this.write(this.overflow.shift()!);
    if (this.overflow.length === 0)
      this.put32(SQ_FLAGS, this.get32(SQ_FLAGS) & ~U.IORING_SQ_CQ_OVERFLOW);
  }

  /** The open file behind a registered index. */
  fixedFile(index: number): File {
    const file = this.files[index] ?? null;
    if (file === null) throw errno(EBADF, 'no file is registered as number {}', index);
    return file;
  }

  override mmap_mapping(_current: Current): AddressSpace {
    return this.space;
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.wait);
    return (this.ready > 0 || this.overflow.length > 0 ? EPOLLIN | EPOLLRDNORM : 0) | (this.submitted < this.sqEntries ? EPOLLOUT | EPOLLWRNORM : 0); // prettier-ignore
  }

  override release(kernel: Kernel): void {
    for (const request of [...this.requests]) request.abandon();
    this.requests.clear();
    for (const file of this.files) file?.put(kernel);
    this.files = [];
    this.eventfd?.put(kernel);
    this.eventfd = null;
    for (const pfn of [...this.rings, ...this.sqePages]) kernel.frames.put(pfn);
  }

  override show_fdinfo(): string {
    return `SqMask:\t0x${(this.sqEntries - 1).toString(16)}\nSqHead:\t${this.get32(SQ_HEAD)}\nSqTail:\t${this.get32(SQ_TAIL)}\nCqMask:\t0x${(this.cqEntries - 1).toString(16)}\nCqHead:\t${this.get32(CQ_HEAD)}\nCqTail:\t${this.get32(CQ_TAIL)}\n`;
  }
}
