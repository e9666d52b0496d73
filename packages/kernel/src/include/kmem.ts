import { ENOMEM } from '@vitrine/uapi/errno.ts';
import { errno } from './errno.ts';
import { PAGE_SIZE } from './ram.ts';
import { serializable } from './serial.ts';

declare module './kernel.ts' {
  interface Kernel {
    readonly kmem: Kmem;
  }
}

/** What an object takes on the host's heap, with what belongs to it: about what Linux's structures take. */
export const KMEM_FILE = 512;
export const KMEM_VMA = 256;
export const KMEM_INODE = 1024;
/** A watch of epoll or inotify. */
export const KMEM_WATCH = 192;
/** A rule of Landlock. */
export const KMEM_RULE = 192;
/** An event that waits for its reader. */
export const KMEM_EVENT = 192;
/** An instruction of a seccomp filter. */
export const KMEM_INSN = 64;

/** Kills who has most of it, so that there will be room (mm/oom_kmem.ts). @returns false when nobody has much of it */
export interface KmemReclaimer {
  out_of_kmem(): boolean;
}

/**
 * Memory of kernel objects that a program makes as many of as it likes. They live on the host's heap, not in page frames
 * as Linux's slabs do, so they have a bound of their own, for root, too: half of the machine's memory. Who asks for more
 * gets it, and who has most is killed for it, as Linux does when a small allocation of the kernel finds no page.
 */
export class Kmem {
  max: number = Infinity;
  bytes = 0;
  /** All that was ever taken. */
  charged = 0;
  /** What may be taken beyond the bound while a process that was killed for it ends. */
  reserve = 0;
  reclaimer: KmemReclaimer | null = null;

  static {
    serializable('Kmem', this);
  }

  /** From now on programs run: what the root file system has taken is not theirs. */
  limit(frames: number): void {
    const room = (frames * PAGE_SIZE) / 2;
    this.max = this.bytes + room;
    this.reserve = room / 8;
  }

  /** Asks for room before anything is made. Throws ENOMEM. @param what in the plural */
  need(bytes: number, what: string): void {
    if (this.has(bytes)) return;
    if (this.bytes < this.max + this.reserve && this.reclaimer?.out_of_kmem() === true) return;
    throw errno(
      ENOMEM,
      'no room for {}: kernel objects take {} bytes, the most is {}',
      what,
      this.bytes,
      this.max,
    );
  }

  has(bytes: number): boolean {
    return this.bytes + bytes <= this.max;
  }

  /** Takes, or with less than 0 gives back; the caller has asked. */
  charge(bytes: number): void {
    this.bytes += bytes;
    if (bytes > 0) this.charged += bytes;
  }
}
