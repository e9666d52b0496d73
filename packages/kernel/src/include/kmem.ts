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

/**
 * Memory of kernel objects that a program makes as many of as it likes. They live on the host's heap, not in page frames,
 * so they have a bound of their own: half of the machine's memory, for root, too. (Linux's slabs take page frames.)
 */
export class Kmem {
  readonly max: number;
  bytes = 0;

  constructor(frames: number) {
    this.max = (frames * PAGE_SIZE) / 2;
  }

  static {
    serializable('Kmem', this);
  }

  /** Asks for room before anything is made. Throws ENOMEM. @param what in the plural */
  need(bytes: number, what: string): void {
    if (this.bytes + bytes > this.max)
      throw errno(
        ENOMEM,
        'no room for {}: kernel objects take {} bytes, half of the memory',
        what,
        this.bytes,
      );
  }

  /** Takes, or with less than 0 gives back; the caller has asked. */
  charge(bytes: number): void {
    this.bytes += bytes;
  }
}
