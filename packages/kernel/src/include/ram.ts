/** Physical memory as the kernel sees it; x86's Ram is one. Physical addresses index the arrays; the buffer never grows. */
export interface Ram {
  readonly base: number;
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
}

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_MASK: number = ~4095;

/** What a frame holds: something of the kernel's, a file that is nowhere else, one that can be read again, private memory. */
export const FRAME_KERNEL = 0;
export const FRAME_SHMEM = 1;
export const FRAME_FILE = 2;
export const FRAME_ANON = 3;

/**
 * Page frames (analogous to `alloc_page`, `get_page`, `put_page`). A frame number times PAGE_SIZE is a physical
 * address. Implemented by mm/page_alloc.ts.
 */
export interface PageFrames {
  /** One frame with reference count 1, or 0 when memory is exhausted and nothing could be freed. */
  alloc(zero: boolean): number;
  get(pfn: number): void;
  /** Drops a reference; the last one frees the frame. */
  put(pfn: number): void;
  count(pfn: number): number;
  /** Says what a frame holds until it is freed (FRAME_…). */
  mark(pfn: number, kind: number): void;
  /** To be called after the kernel wrote into a frame that may hold code the processor translated. */
  written(pfn: number): void;
  /** Holds a block of 2^order frames, in front of another one if it is free there, for who takes them one by one; or 0. */
  hold(order: number, before: number): number;
  /** Takes a frame of a held block; false when it is not held any more. */
  take_held(block: number, index: number, zero: boolean): boolean;
  /** Frees what nobody took of a held block. */
  unhold(block: number): void;
  readonly total: number;
  /** Frames kept free while there is something to give back. */
  min_free: number;
  readonly free: number;
}
