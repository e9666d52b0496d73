import { EACCES, EBADF, ECANCELED, EINVAL, ENOMEM } from '@vitrine/uapi/errno.ts';
import { O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import type { Cred } from '../../include/cred.ts';
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
import type { BufferRing, UringBuffer } from './kbuf.ts';
import { SharedMemory } from './memory.ts';
import { StreamFile } from '../file.ts';
import type { Rsrc } from './rsrc.ts';
import type { SqPoll } from './sqpoll.ts';
import { UringRequest } from './request.ts';
import * as U from './uapi.ts';

/** An io_uring: two rings in memory that the kernel and the program share (analogous to `struct io_ring_ctx`). */

// Offsets into the rings' memory; the completions come behind, then the array of submission indices.
const SQ_HEAD = 0;
const SQ_TAIL = 4;
const CQ_HEAD = 8;
const CQ_TAIL = 12;
const SQ_MASK = 16;
const CQ_MASK = 20;
const SQ_ENTRIES = 24;
const CQ_ENTRIES = 28;
const SQ_DROPPED = 32;
const SQ_FLAGS = 36;
const CQ_FLAGS = 40;
const CQ_OVERFLOW = 44;
const CQES = 64;
const SMP_CACHE_BYTES = 64;

/** A page that belongs to the ring alone. */
class RingPages implements PageOwner {
  size = U.IORING_OFF_PBUF_RING + 2 ** (16 + U.IORING_OFF_PBUF_SHIFT);
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

/** What IORING_REGISTER_RESTRICTIONS allows. */
export interface Restrictions {
  readonly register: Set<number>;
  readonly ops: Set<number>;
  readonly allowed: number;
  readonly required: number;
}

export class UringFile extends StreamFile {
  readonly kernel: Kernel;
  readonly sqEntries: number;
  readonly cqEntries: number;
  setup: number;
  private readonly rings: SharedMemory;
  private readonly sqes: SharedMemory;
  private readonly space: AddressSpace = new AddressSpace(new RingPages(), false);
  readonly wait: WaitQueue = new WaitQueue();
  /** Requests that are begun or wait for others, in order. */
  readonly requests: Set<UringRequest> = new Set();
  /** Requests that go on when their submitter next waits for completions (IORING_SETUP_DEFER_TASKRUN). */
  private readonly local: Set<UringRequest> = new Set();
  /** Timeouts that end after a number of completions. */
  readonly counting: Set<UringRequest> = new Set();
  /** Requests that wait for everything before them. */
  private held = 0;
  /** Results for which the ring had no room. */
  private readonly overflow: Completion[] = [];
  /** Completions ever posted, but for those of timeouts: what timeouts count. */
  posted = 0;
  /** Completions of timeouts: each ends every wait for completions. */
  timeouts = 0;
  files: (Rsrc | null)[] | null = null;
  /** Where numbers for new files are looked for: [from, to). */
  fileRange: [number, number] = [0, 0];
  /** From where on: behind the last one set, at the last one taken away. */
  fileHint = 0;
  buffers: Rsrc[] | null = null;
  readonly personalities: Map<number, Cred> = new Map();
  private lastPersonality = 0;
  restrictions: Restrictions | null = null;
  /** SINGLE_ISSUER: who alone may submit. */
  submitter: Task | null = null;
  workers: [number, number] | null = null;
  /** Something was submitted that posts nothing: what has ended cannot be told from what has not. */
  drainDisabled = false;
  sqpoll: SqPoll | null = null;
  /** How long the poller looks in vain. */
  sqIdle = 1e9;
  /** Woken when the poller made room. */
  readonly sqWait: WaitQueue = new WaitQueue();
  readonly provided: Map<number, UringBuffer[]> = new Map();
  readonly bufferRings: Map<number, BufferRing> = new Map();
  eventfd: EventfdFile | null = null;
  /** REGISTER_EVENTFD_ASYNC: only what did not end while it was submitted is told. */
  eventfdAsync = false;
  private submitting = false;
  private signalling = false;
  /** The chain that a linked submission is part of, while a batch is read. */
  private chain: UringRequest[] = [];
  /** Requests that ended, while their chains go on. */
  private readonly ending: UringRequest[] = [];

  static {
    serializable('UringFile', this);
  }

  /** @param at where in the program's memory the rings and the submissions lie (IORING_SETUP_NO_MMAP) */
  constructor(
    current: Task,
    sqEntries: number,
    cqEntries: number,
    setup: number,
    at: { rings: number; sqes: number } | null,
  ) {
    super(current, anon_inode_path(current.kernel, '[io_uring]'), O_RDWR);
    this.kernel = current.kernel;
    this.sqEntries = sqEntries;
    this.cqEntries = cqEntries;
    this.setup = setup;
    const size = this.arrayOffset + (setup & U.IORING_SETUP_NO_SQARRAY ? 0 : sqEntries * 4);
    const sqeBytes = sqEntries * this.sqeSize;
    if (at !== null) {
      this.rings = SharedMemory.of(current, at.rings, size);
      this.sqes = SharedMemory.of(current, at.sqes, sqeBytes);
    } else {
      this.rings = SharedMemory.alloc(current.kernel, size);
      try {
        this.sqes = SharedMemory.alloc(current.kernel, sqeBytes);
      } catch (error) {
        this.rings.release();
        throw error;
      }
      this.expose(U.IORING_OFF_SQ_RING, this.rings);
      this.expose(U.IORING_OFF_CQ_RING, this.rings);
      this.expose(U.IORING_OFF_SQES, this.sqes);
    }
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
    const end = CQES + this.cqEntries * this.cqeSize;
    return Math.ceil(end / SMP_CACHE_BYTES) * SMP_CACHE_BYTES;
  }

  /** Offsets for struct io_uring_params. */
  offsets(): { sq: number[]; cq: number[] } {
    return {
      sq: [
        SQ_HEAD,
        SQ_TAIL,
        SQ_MASK,
        SQ_ENTRIES,
        SQ_FLAGS,
        SQ_DROPPED,
        this.setup & U.IORING_SETUP_NO_SQARRAY ? 0 : this.arrayOffset,
        0,
      ],
      cq: [CQ_HEAD, CQ_TAIL, CQ_MASK, CQ_ENTRIES, CQ_OVERFLOW, CQES, CQ_FLAGS, 0],
    };
  }

  // The rings' memory, by offset.

  private get32(offset: number): number {
    return this.rings.get32(offset);
  }
  private put32(offset: number, value: number): void {
    this.rings.put32(offset, value);
  }

  /** The program can map it at an offset of the file. */
  private expose(offset: number, { pages }: SharedMemory): void {
    pages.forEach((pfn, i) => this.space.pages.set(offset / PAGE_SIZE + i, pfn));
  }

  /** Offset at which a buffer ring is mapped. */
  private pbufOffset(group: number): number {
    return U.IORING_OFF_PBUF_RING + group * 2 ** U.IORING_OFF_PBUF_SHIFT;
  }
  addBufferRing(group: number, ring: BufferRing): void {
    this.bufferRings.set(group, ring);
    this.expose(this.pbufOffset(group), ring.memory);
  }
  /** @returns false when there is none */
  removeBufferRing(group: number): boolean {
    const ring = this.bufferRings.get(group);
    if (ring === undefined) return false;
    this.bufferRings.delete(group);
    const first = this.pbufOffset(group) / PAGE_SIZE;
    ring.memory.pages.forEach((_pfn, i) => this.space.pages.delete(first + i));
    ring.memory.release();
    return true;
  }

  get full(): boolean {
    return this.ready >= this.cqEntries;
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
    const slot = head & (this.sqEntries - 1);
    const index = this.setup & U.IORING_SETUP_NO_SQARRAY ? slot : this.get32(this.arrayOffset + slot * 4); // prettier-ignore
    this.put32(SQ_HEAD, (head + 1) >>> 0);
    if (index >= this.sqEntries) {
      this.put32(SQ_DROPPED, this.get32(SQ_DROPPED) + 1);
      return null;
    }
    const offset = index * this.sqeSize;
    return this.sqes.slice(offset, this.sqeSize);
  }

  /** A request could go on; whoever submitted is told, and does it (io_req_local_work_add). */
  defer(request: UringRequest): void {
    const first = this.local.size === 0;
    this.local.add(request);
    if (!first) return;
    if (this.setup & U.IORING_SETUP_TASKRUN_FLAG) this.sqFlag(U.IORING_SQ_TASKRUN, true);
    this.signal_eventfd();
    this.wait.wake(EPOLLIN | EPOLLRDNORM);
  }

  /** io_eventfd_signal: not where the program switched it off, nor for what that very signal woke. */
  private signal_eventfd(): void {
    if (this.signalling || (this.get32(CQ_FLAGS) & 1) !== 0) return;
    this.signalling = true;
    this.eventfd?.signal(1n);
    this.signalling = false;
  }

  get has_local_work(): boolean {
    return this.local.size > 0;
  }

  /** io_run_local_work */
  run_local_work(): void {
    if (this.local.size === 0) return;
    const all = [...this.local];
    this.local.clear();
    this.sqFlag(U.IORING_SQ_TASKRUN, false);
    for (const request of all) request.run();
  }

  private sqFlag(flag: number, on: boolean): void {
    const flags = this.get32(SQ_FLAGS);
    this.put32(SQ_FLAGS, on ? flags | flag : flags & ~flag);
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
      request.prepare();
      this.submitting = true;
      this.begin(request);
      this.submitting = false;
      // One that cannot even be begun ends the batch.
      if (request.refused !== 0 && (this.setup & U.IORING_SETUP_SUBMIT_ALL) === 0) break;
    }
    this.flush_chain();
    return done;
  }

  /** A chain begins when it is whole: one of it that cannot be begun cancels all of them (io_submit_fail_init). */
  private flush_chain(): void {
    const { chain } = this;
    this.chain = [];
    const [head] = chain;
    if (head === undefined) return;
    const bad = chain.find((request) => request.refused !== 0);
    if (bad !== undefined) {
      const quiet = (head.flags & U.IOSQE_CQE_SKIP_SUCCESS) !== 0;
      for (const request of chain) {
        request.silent = quiet && request !== head;
        request.finish(request === bad ? -bad.refused : -ECANCELED);
      }
      return;
    }
    let last = head;
    for (const request of chain.slice(1)) {
      if (request.opcode === U.IORING_OP_LINK_TIMEOUT) {
        last.limit = request;
        request.limits = last;
      } else {
        last.next = request;
        last = request;
      }
    }
    this.start(head);
  }

  /** It may hold sockets: sent over one of them it would keep itself open. */
  override get sendable(): boolean {
    return false;
  }

  private start(request: UringRequest): void {
    if ((request.drains || this.held > 0) && this.oldest !== request) this.hold(request, true);
    else request.begin();
  }

  private get oldest(): UringRequest | undefined {
    return this.requests.values().next().value;
  }

  /** A request starts at once, or with the chain it is part of, or when everything before it has ended. */
  private begin(request: UringRequest): void {
    this.requests.add(request);
    const timeout = request.opcode === U.IORING_OP_LINK_TIMEOUT;
    const before = this.chain.at(-1);
    if (timeout && (before === undefined || before.opcode === U.IORING_OP_LINK_TIMEOUT))
      request.refused ||= EINVAL;
    if (before !== undefined || request.links) {
      this.chain.push(request);
      if (!request.links) this.flush_chain();
      return;
    }
    if (request.refused !== 0) request.finish(-request.refused);
    else this.start(request);
  }

  private hold(request: UringRequest, held: boolean): void {
    if (request.held === held) return;
    request.held = held;
    this.held += held ? 1 : -1;
  }

  /** A request has ended: posts its result, starts what is linked to it and what waited for it. */
  ended(request: UringRequest, res: number, flags: number, quiet: boolean): void {
    this.requests.delete(request);
    this.counting.delete(request);
    this.hold(request, false);
    const { limit } = request;
    request.limit = null;
    if (!quiet) this.post(request.data, res, flags, request.opcode !== U.IORING_OP_TIMEOUT);
    limit?.finish(-ECANCELED);
    if (request.next !== null) this.follow(request);
    this.drain();
  }

  /** Goes on with the chain of a request: one after the other, for a chain may be as long as the ring. */
  private follow(request: UringRequest): void {
    this.ending.push(request);
    if (this.ending.length > 1) return; // who ended the first of them goes on
    try {
      for (; this.ending.length > 0; this.ending.shift()) this.step(this.ending[0]!);
    } finally {
      this.ending.length = 0;
    }
  }

  /** The next of a chain: it runs, or is cancelled when the one before it failed (io_disarm_next). */
  private step(request: UringRequest): void {
    const next = request.next!;
    request.next = null;
    if (next.done) {
      if (next.next !== null) this.follow(next);
      return;
    }
    if (request.failed && !request.hard) {
      next.silent = next.skipLinks = request.skipLinks;
      next.finish(-ECANCELED);
    } else next.begin();
  }

  /** Starts what waited for everything before it, and what waited for that (IOSQE_IO_DRAIN). */
  private drain(): void {
    if (this.held === 0) return;
    for (const request of [...this.requests]) {
      if (!request.held) continue;
      const [first] = this.requests;
      if (request.drains && first !== request) return;
      this.hold(request, false);
      request.begin();
      if (request.drains && !request.done) return;
    }
  }

  /** Posts a completion; without room it waits for the program to take some (IORING_FEAT_NODROP). */
  post(data: bigint, res: number, flags: number, counts = true): void {
    if (counts) this.posted++;
    else this.timeouts++;
    if (this.ready >= this.cqEntries) {
      this.overflow.push({ data, res, flags });
      this.put32(SQ_FLAGS, this.get32(SQ_FLAGS) | U.IORING_SQ_CQ_OVERFLOW);
    } else this.write({ data, res, flags });
    this.wait.wake(EPOLLIN | EPOLLRDNORM);
    if (!this.eventfdAsync || !this.submitting) this.signal_eventfd();
    for (const request of [...this.counting]) request.counted();
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
  fixedFile(index: number): Rsrc {
    const rsrc = this.files?.[index] ?? null;
    if (rsrc === null) throw errno(EBADF, 'no file is registered as number {}', index);
    return rsrc;
  }

  /** Throws EACCES for what IORING_REGISTER_RESTRICTIONS did not allow. */
  check_restrictions(opcode: number, flags: number): void {
    const { restrictions } = this;
    if (restrictions === null || this.disabled) return;
    const { ops, allowed, required } = restrictions;
    if (!ops.has(opcode) || (flags & required) !== required || flags & ~(allowed | required))
      throw errno(EACCES, 'io_uring: the restrictions do not allow operation {} with flags {}', opcode, flags); // prettier-ignore
  }

  get disabled(): boolean {
    return (this.setup & U.IORING_SETUP_R_DISABLED) !== 0;
  }

  /** Tells the program whether it must wake the poller. */
  needWakeup(on: boolean): void {
    this.sqFlag(U.IORING_SQ_NEED_WAKEUP, on);
  }

  /** Credentials to submit with, by number (IORING_REGISTER_PERSONALITY). */
  add_personality(cred: Cred): number {
    const id = ++this.lastPersonality;
    this.personalities.set(id, cred);
    cred.landlock?.get();
    return id;
  }

  /** @returns false when there is none of the number */
  remove_personality(id: number): boolean {
    this.personalities.get(id)?.landlock?.put();
    return this.personalities.delete(id);
  }

  override mmap_mapping(_current: Current, offset: number, wish: number): AddressSpace {
    if (wish !== 0)
      throw errno(EINVAL, 'an io_uring is mapped where the kernel likes, not at 0x{}', wish.toString(16)); // prettier-ignore
    const place = offset % 2 ** 32;
    const first = place - (place % U.IORING_OFF_PAGES);
    const group = Math.floor((place - U.IORING_OFF_PBUF_RING) / 2 ** U.IORING_OFF_PBUF_SHIFT);
    const there =
      group >= 0
        ? this.space.pages.has(this.pbufOffset(group) / PAGE_SIZE)
        : first !== U.IORING_OFF_SQES + U.IORING_OFF_PAGES && this.space.pages.has(first / PAGE_SIZE); // prettier-ignore
    if (!there) throw errno(ENOMEM, 'an io_uring has nothing to map at 0x{}', offset.toString(16));
    return this.space;
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.wait);
    return (this.ready > 0 || this.overflow.length > 0 || this.has_local_work ? EPOLLIN | EPOLLRDNORM : 0) | (this.submitted < this.sqEntries ? EPOLLOUT | EPOLLWRNORM : 0); // prettier-ignore
  }

  override release(kernel: Kernel): void {
    this.run_local_work();
    for (const request of [...this.requests]) {
      request.abandon();
      request.task.uring?.delete(request);
    }
    this.requests.clear();
    for (const rsrc of this.files ?? []) rsrc?.file?.put(kernel);
    this.files = null;
    this.sqpoll?.detach(this);
    for (const id of [...this.personalities.keys()]) this.remove_personality(id);
    this.eventfd?.put(kernel);
    this.eventfd = null;
    for (const group of [...this.bufferRings.keys()]) this.removeBufferRing(group);
    this.rings.release();
    this.sqes.release();
  }

  override show_fdinfo(): string {
    return `SqMask:\t0x${(this.sqEntries - 1).toString(16)}\nSqHead:\t${this.get32(SQ_HEAD)}\nSqTail:\t${this.get32(SQ_TAIL)}\nCqMask:\t0x${(this.cqEntries - 1).toString(16)}\nCqHead:\t${this.get32(CQ_HEAD)}\nCqTail:\t${this.get32(CQ_TAIL)}\n`;
  }
}
