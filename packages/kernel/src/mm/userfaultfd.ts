import * as E from '@vitrine/uapi/errno.ts';
import { EPOLLIN } from '@vitrine/uapi/poll.ts';
import * as U from '@vitrine/uapi/userfaultfd.ts';
import { Errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import type { Mm } from './mm.ts';
import { VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP, type Vma } from './vma.ts';

/** A process serves its own page faults, or another's (analogous to `struct userfaultfd_ctx`; userfaultfd(2)). */

/** Who waits for a page: analogous to `struct userfaultfd_wait_queue`. */
interface FaultingTask {
  readonly pid: number;
  userfault: Userfault | null;
}

/** sizeof(struct uffd_msg). */
export const UFFD_MSG = 32;

function message(event: number, words: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(UFFD_MSG));
  view.setUint8(0, event);
  words.forEach((word, i) => view.setBigUint64(8 + 8 * i, BigInt(word), true));
  return new Uint8Array(view.buffer);
}

/** A fault that waits to be served. It is over when its task runs again, for whatever reason. */
export class Userfault {
  readonly task: FaultingTask;
  readonly address: number;
  readonly msg: Uint8Array;
  /** It was handed to a reader. */
  taken = false;
  readonly wqh: WaitQueue = new WaitQueue();
  constructor(task: FaultingTask, address: number, msg: Uint8Array) {
    this.task = task;
    this.address = address;
    this.msg = msg;
  }
  static {
    serializable('Userfault', this);
  }
  get waits(): boolean {
    return this.task.userfault === this;
  }
}

/** Something else than a fault that the reader hears of; who caused it waits until then. */
export class UserfaultEvent {
  readonly msg: Uint8Array;
  /** The child's context, which its reader gets a descriptor of. */
  readonly fork: UserfaultfdCtx | null;
  done = false;
  readonly wqh: WaitQueue = new WaitQueue();
  constructor(msg: Uint8Array, fork: UserfaultfdCtx | null) {
    this.msg = msg;
    this.fork = fork;
  }
  static {
    serializable('UserfaultEvent', this);
  }
  complete(): void {
    this.done = true;
    this.wqh.wake();
  }
}

export class UserfaultfdCtx {
  readonly mm: Mm;
  /** UFFD_USER_MODE_ONLY, O_CLOEXEC, O_NONBLOCK. */
  readonly flags: number;
  /** UFFD_FEATURE_… once UFFDIO_API was called; null before. */
  features: number | null = null;
  released = false;
  private faults: Set<Userfault> = new Set();
  events: UserfaultEvent[] = [];
  readonly fd_wqh: WaitQueue = new WaitQueue();
  constructor(mm: Mm, flags: number) {
    this.mm = mm;
    this.flags = flags;
  }
  static {
    serializable('UserfaultfdCtx', this);
  }

  has(feature: number): boolean {
    return ((this.features ?? 0) & feature) !== 0;
  }

  /** Faults that wait still, oldest first. */
  waiting(): Userfault[] {
    for (const fault of this.faults) if (!fault.waits) this.faults.delete(fault);
    return [...this.faults];
  }

  /** Enters a fault of the task, which waits on its queue then. */
  enter(task: FaultingTask, { address, flags }: PendingFault): Userfault {
    const at = this.has(U.UFFD_FEATURE_EXACT_ADDRESS) ? address : address - (address % PAGE_SIZE);
    const msg = message(U.UFFD_EVENT_PAGEFAULT, [flags, at]);
    if (this.has(U.UFFD_FEATURE_THREAD_ID)) new DataView(msg.buffer).setUint32(24, task.pid, true);
    const fault = new Userfault(task, address, msg);
    this.faults.add(fault);
    return fault;
  }

  /** Faults in the range are tried again (wake_userfault). */
  wake(start: number, length: number): void {
    for (const fault of this.waiting()) {
      if (fault.address < start || fault.address >= start + length) continue;
      this.faults.delete(fault);
      fault.wqh.wake();
    }
  }

  /** @returns the event: who caused it waits for it */
  tell(event: number, words: readonly number[], fork: UserfaultfdCtx | null = null): void {
    const told = new UserfaultEvent(message(event, words), fork);
    this.events.push(told);
    this.fd_wqh.wake(EPOLLIN);
    this.mm.userfault_event = told;
  }

  /** The last descriptor is closed (userfaultfd_release). */
  release(): void {
    this.released = true;
    for (const event of this.events) event.complete();
    this.events = [];
    this.wake(0, Infinity);
  }
}

/** What handle_mm_fault leaves with VM_FAULT_RETRY. */
export interface PendingFault {
  readonly ctx: UserfaultfdCtx;
  readonly address: number;
  /** UFFD_PAGEFAULT_FLAG_… */
  readonly flags: number;
}

/** A system call came upon memory that somebody else is to fill: it runs again from the top when that is done. */
export class UserfaultWait extends Errno {
  readonly fault: PendingFault;
  constructor(fault: PendingFault) {
    super(E.EFAULT, 'the page at 0x{} is for a userfaultfd to fill', [fault.address.toString(16)]);
    this.fault = fault;
  }
}

/** The page is not in the tables: is it the context's to bring? @returns UFFD_PAGEFAULT_FLAG_…, or null */
export function userfault_absent(vma: Vma, page: number): number | null {
  if (vma.mapping === null) return vma.flags & VM_UFFD_MISSING ? 0 : null;
  const index = vma.index(page);
  if (index * PAGE_SIZE >= vma.mapping.owner.size) return null;
  if (!vma.mapping.pages.has(index)) return vma.flags & VM_UFFD_MISSING ? 0 : null;
  return vma.flags & VM_UFFD_MINOR ? U.UFFD_PAGEFAULT_FLAG_MINOR : null;
}

/** fork: the child's memory is its own, unless somebody wants to hear of children (dup_userfaultfd). */
export function dup_userfaultfd(
  copy: Vma,
  vma: Vma,
  made: Map<UserfaultfdCtx, UserfaultfdCtx>,
): void {
  const { uffd } = vma;
  if (uffd === null) return;
  if (!uffd.has(U.UFFD_FEATURE_EVENT_FORK)) {
    copy.flags &= ~(VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR);
    return;
  }
  let ctx = made.get(uffd);
  if (ctx === undefined) {
    ctx = new UserfaultfdCtx(copy.mm, uffd.flags);
    ctx.features = uffd.features;
    made.set(uffd, ctx);
  }
  copy.uffd = ctx;
}

/** Throws a page away that was somebody's to fill (userfaultfd_remove). */
export function userfaultfd_remove(vma: Vma, start: number, end: number): void {
  if (vma.uffd?.has(U.UFFD_FEATURE_EVENT_REMOVE)) vma.uffd.tell(U.UFFD_EVENT_REMOVE, [start, end]);
}

/** Each context hears once of a range that is unmapped. */
export function userfaultfd_unmap(mm: Mm, start: number, end: number): void {
  const told = new Set<UserfaultfdCtx>();
  for (let i = mm.vmas.indexFrom(start); i < mm.vmas.list.length; i++) {
    const { uffd, start: from } = mm.vmas.list[i]!;
    if (from >= end) return;
    if (uffd === null || told.has(uffd) || !uffd.has(U.UFFD_FEATURE_EVENT_UNMAP)) continue;
    told.add(uffd);
    uffd.tell(U.UFFD_EVENT_UNMAP, [start, end]);
  }
}

/** The moved range stays with its context where that hears of moves (mremap_userfaultfd_prep). */
export function mremap_userfaultfd(copy: Vma, source: Vma, from: number, length: number): void {
  const { uffd } = source;
  if (uffd === null) return;
  if (uffd.has(U.UFFD_FEATURE_EVENT_REMAP)) {
    copy.uffd = uffd;
    uffd.tell(U.UFFD_EVENT_REMAP, [from, copy.start, length]);
  } else copy.flags &= ~(VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR);
}
