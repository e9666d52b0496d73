import { AddressSpace, type PageOwner } from '../include/pagecache.ts';
import { serializable } from '../include/serial.ts';

/** Pages without a name: shared anonymous memory (analogous to shmem_kernel_file_setup). */
export class ShmemObject implements PageOwner {
  size: number;
  readonly mapping: AddressSpace;
  /** Held by more than its mappings (System V shared memory). */
  keep = false;
  constructor(size: number) {
    this.size = size;
    this.mapping = new AddressSpace(this, false);
  }
  static {
    serializable('ShmemObject', this);
  }
  readPage(): void {
    // A fresh frame is all zeros, which is what it holds.
  }
}
