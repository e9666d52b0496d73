import { Errno } from '../../include/errno.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import type { UserMemory } from '../../include/uaccess.ts';

/** struct io_event. */
export interface IoEvent {
  readonly data: bigint;
  readonly obj: number;
  readonly res: number;
}

const AIO_RING_MAGIC = 0xa10a_10a1;
const AIO_RING_COMPAT_FEATURES = 1;
const HEADER = 32;
const EVENT = 32;
const NR = 4;
const HEAD = 8;
const TAIL = 12;

/**
 * The ring of results that a process may read by itself (struct aio_ring): it takes results by moving `head`, as
 * io_getevents does. The kernel's own list is what holds: a program that spoils its ring or takes it away loses only this view.
 */
export class AioRing {
  readonly mem: UserMemory;
  /** Where it is mapped; the context's number, too. */
  address: number;
  readonly size: number;
  /** What the ring says it is (aio_ring.id). */
  private index = 0;
  /** Events that fit. */
  readonly nr: number;
  private readonly events: IoEvent[] = [];
  private head = 0;

  static {
    serializable('AioRing', this);
  }

  constructor(mem: UserMemory, size: number) {
    this.mem = mem;
    this.address = 0;
    this.size = size;
    this.nr = (size - HEADER) / EVENT;
  }

  /** Room for twice what is asked, since each processor holds some back (ioctx_alloc, aio_setup_ring). */
  static bytesFor(events: number, cpus: number): number {
    const nr = Math.max(events, cpus * 4) * 2 + 2;
    return Math.ceil((HEADER + nr * EVENT) / PAGE_SIZE) * PAGE_SIZE;
  }

  /** Mapped at `address`: writes the header. @param index the context's among its process's */
  place(address: number, index: number): void {
    this.address = address;
    this.index = index;
    this.mem.putU32(address, index);
    this.mem.putU32(address + NR, this.nr);
    this.mem.putU32(address + 16, AIO_RING_MAGIC);
    this.mem.putU32(address + 20, AIO_RING_COMPAT_FEATURES);
    this.mem.putU32(address + 28, HEADER);
  }

  /** Is the ring there, and does it say so? Every call looks (lookup_ioctx). */
  get answers(): boolean {
    try {
      return this.mem.getU32(this.address) === this.index;
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      return false;
    }
  }

  /** What is still in it after the process has taken what it took. */
  get length(): number {
    this.view(() => {
      const head = this.mem.getU32(this.address + HEAD) % this.nr;
      const taken = (head - this.head + this.nr) % this.nr;
      if (taken > this.events.length) return;
      this.events.splice(0, taken);
      this.head = head;
    });
    return this.events.length;
  }

  push(event: IoEvent): void {
    const at = (this.head + this.length) % this.nr;
    this.events.push(event);
    this.view(() => {
      this.write(this.address + HEADER + at * EVENT, event);
      this.mem.putU32(this.address + TAIL, (at + 1) % this.nr);
    });
  }

  /** Copies the first event to the process. */
  take(to: number): void {
    this.write(to, this.events[0]!);
    this.events.shift();
    this.head = (this.head + 1) % this.nr;
    this.view(() => this.mem.putU32(this.address + HEAD, this.head));
  }

  private write(at: number, { data, obj, res }: IoEvent): void {
    this.mem.putBig(at, data);
    this.mem.putU64(at + 8, obj);
    this.mem.putBig(at + 16, BigInt.asUintN(64, BigInt(res)));
    this.mem.putBig(at + 24, 0n);
  }

  private view(access: () => void): void {
    try {
      access();
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
    }
  }
}
