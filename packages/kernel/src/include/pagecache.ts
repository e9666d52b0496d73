import type { Loff } from './loff.ts';
import { serializable } from './serial.ts';

/** What the page cache needs of the inode whose pages it keeps. */
export interface PageOwner {
  /** File size in bytes. */
  size: number;
  /** The exact size where `size` is beyond 2^53 and so rounded. */
  far_size?: bigint | null;
  /**
   * Fills the page at physical address `pa` with the file's bytes from `index` pages on; the frame is zeroed before.
   * A file system that lives in the page cache alone (tmpfs) does nothing. Throws EIO.
   */
  readPage(index: number, pa: number): void;
  /** Is the page, not in the cache, all zeros? Then reading takes no frame. Absent: never. */
  hole?(index: number): boolean;
}

/** The size, exact. */
export function i_size_read({ size, far_size }: PageOwner): Loff {
  return far_size && Number(far_size) === size ? far_size : size;
}

export function i_size_write(owner: PageOwner, size: Loff): void {
  owner.size = Number(size);
  if (typeof size === 'bigint') owner.far_size = size;
}

/** A mapping of the file into an address space, as truncation needs it (mm/vma.ts implements it). */
export interface MappedRange {
  /** Writes through it reach the file (VM_SHARED). */
  readonly shared: boolean;
  /** It is shared, and is or may become writable (is_shared_maywrite). */
  readonly maywrite: boolean;
  /** Takes away the page-table entries for the file pages [first, last], and private copies of them. */
  zap(first: number, last: number): void;
  /** The same, but private copies stay. */
  unmap(first: number, last: number): void;
  /** Finds the pages written through it, and begins anew (page_mkclean). */
  clean(dirty: Set<number>): void;
}

/**
 * Analogous to `struct address_space`: the cached pages of one file, shared by read, write and mmap. Operations are in
 * mm/filemap.ts.
 */
export class AddressSpace {
  readonly owner: PageOwner;
  /** Page index to frame number; the cache holds one reference to each frame. */
  readonly pages: Map<number, number> = new Map();
  /** Pages of `pages` that fallocate set aside and nothing filled: they read as a hole (not PageUptodate). */
  unwritten: Set<number> | null = null;
  /** Pages that were written through mappings which are gone, where the file is kept elsewhere (PG_dirty). */
  readonly dirty: Set<number> | null;
  /** Every VMA that maps the file (i_mmap). */
  readonly mappings: Set<MappedRange> = new Set();
  /** Dropped pages can be read again through the owner; tmpfs pages cannot. */
  readonly reclaimable: boolean;
  constructor(owner: PageOwner, reclaimable: boolean, writeback = false) {
    this.owner = owner;
    this.reclaimable = reclaimable;
    this.dirty = writeback ? new Set() : null;
  }
  static {
    serializable('AddressSpace', this);
  }
}
