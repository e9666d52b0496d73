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
/** An event that waits for its reader. */
export const KMEM_EVENT = 192;
/** An instruction of a seccomp filter. */
export const KMEM_INSN = 64;

/**
 * Memory of kernel objects that a program makes as many of as it likes. They live on the host's heap, not in page frames
 * as Linux's slabs do, so they have a bound of their own, for root, too: half of the machine's memory.
 */
export class Kmem {
  max: number = Infinity;
  bytes = 0;

  static {
    serializable('Kmem', this);
  }

  /** From now on programs run: what the root file system has taken is not theirs. */
  limit(frames: number): void {
    this.max = this.bytes + (frames * PAGE_SIZE) / 2;
  }

  /** Asks for room before anything is made. Throws ENOMEM. @param what in the plural */
  need(bytes: number, what: string): void {
    if (!this.has(bytes))
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
  }
}
