import { AddressSpace, type PageOwner } from '../include/pagecache.ts';
import { serializable } from '../include/serial.ts';

/** Pages without a name: shared anonymous memory (analogous to shmem_kernel_file_setup). */
export class ShmemObject implements PageOwner {
  size: number;
  readonly mapping: AddressSpace;
  /** Held by more than its mappings (System V shared memory). */
  keep = false;
  /** Pages that it counts for in vm_committed_as. */
  charged: number;
  /** For /proc/PID/maps. */
  readonly ino: number;
  constructor(size: number, charged: number, ino: number) {
    this.size = size;
    this.ino = ino;
    this.charged = charged;
    this.mapping = new AddressSpace(this, false);
  }
  static {
    serializable('ShmemObject', this);
  }
  readPage(): void {
    // A fresh frame is all zeros, which is what it holds.
  }
}

/** The inode number of shared anonymous memory, which is a file without a name; 0 for what is none. */
export function shmem_ino(mapping: AddressSpace | null): number {
  return mapping !== null && mapping.owner instanceof ShmemObject ? mapping.owner.ino : 0;
}
