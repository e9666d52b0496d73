import { errno } from '../include/errno.ts';
import { ENOMEM } from '@vitrine/uapi/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { type AddressSpace, i_size_read, i_size_write } from '../include/pagecache.ts';
import { type Loff, loff_add, loff_sub, page_index, page_offset } from '../include/loff.ts';
import { FRAME_FILE, FRAME_SHMEM, PAGE_SIZE } from '../include/ram.ts';

/**
 * The page cache (analogous to mm/filemap.c). Every file page in memory is one frame that read, write and mmap share.
 */

/** The frame of a cached page that is filled, or 0. */
export function filemap_find_page(mapping: AddressSpace, index: number): number {
  if (mapping.unwritten?.has(index)) return 0;
  return mapping.pages.get(index) ?? 0;
}

/** The frame of a page, read in when it is not cached. The cache's reference is not the caller's: get() to keep it. */
export function filemap_get_page(kernel: Kernel, mapping: AddressSpace, index: number): number {
  const cached = mapping.pages.get(index);
  if (cached !== undefined) {
    mapping.unwritten?.delete(index);
    return cached;
  }
  const pfn = kernel.frames.alloc(true);
  if (pfn === 0) {
    throw errno(ENOMEM, 'no free page frame for page {} of a file: {} of {} frames are free',
      index, kernel.frames.free, kernel.frames.total); // prettier-ignore
  }
  try {
    mapping.owner.readPage(index, pfn * PAGE_SIZE);
  } catch (error) {
    kernel.frames.put(pfn);
    throw error;
  }
  mapping.pages.set(index, pfn);
  kernel.frames.mark(pfn, mapping.reclaimable ? FRAME_FILE : FRAME_SHMEM);
  if (mapping.reclaimable) kernel.page_caches.add(mapping);
  return pfn;
}

/** The frame of a page that is to be read: 0 for a hole, which needs none. */
function filemap_read_page(kernel: Kernel, mapping: AddressSpace, index: number): number {
  const cached = mapping.pages.get(index);
  if (cached !== undefined) return cached;
  return mapping.owner.hole?.(index) ? 0 : filemap_get_page(kernel, mapping, index);
}

/** Copies out of the file from `pos` on; ends at the file's end. @returns bytes copied */
export function filemap_read(
  kernel: Kernel,
  mapping: AddressSpace,
  pos: Loff,
  to: IovIter,
): number {
  const { owner } = mapping;
  const size = i_size_read(owner);
  if (pos >= size) return 0;
  const left = loff_sub(size, pos);
  let done = 0;
  let offset = page_offset(pos);
  for (let index = page_index(pos); to.count > 0 && done < left; index++, offset = 0) {
    const n = Math.min(to.count, PAGE_SIZE - offset, left - done);
    const pfn = filemap_read_page(kernel, mapping, index);
    const copied = pfn === 0 ? to.zero(n) : whileHeld(kernel, pfn, () => to.copyTo(kernel.ram.u8, pfn * PAGE_SIZE + offset, n)); // prettier-ignore
    done += copied;
    if (copied < n) break;
  }
  return done;
}

/** The page stays while user memory is faulted in, which may reclaim the cache. */
function whileHeld(kernel: Kernel, pfn: number, copy: () => number): number {
  kernel.frames.get(pfn);
  try {
    return copy();
  } finally {
    kernel.frames.put(pfn);
  }
}

/**
 * Copies into the file at `pos`, allocating pages; the caller checked limits and updates times.
 * The owner's size grows when the write ends past it. @returns bytes copied
 */
export function filemap_write(
  kernel: Kernel,
  mapping: AddressSpace,
  pos: Loff,
  from: IovIter,
): number {
  const { owner } = mapping;
  let done = 0;
  let offset = page_offset(pos);
  for (let index = page_index(pos); from.count > 0; index++, offset = 0) {
    const n = Math.min(from.count, PAGE_SIZE - offset);
    let copied: number;
    let pfn: number;
    try {
      pfn = filemap_get_page(kernel, mapping, index);
      copied = whileHeld(kernel, pfn, () => from.copyFrom(kernel.ram.u8, pfn * PAGE_SIZE + offset, n)); // prettier-ignore
      done += copied;
    } catch (error) {
      if (done === 0) throw error;
      break;
    }
    kernel.frames.written(pfn);
    const end = loff_add(pos, done);
    if (end > i_size_read(owner)) i_size_write(owner, end);
    if (copied < n) break;
  }
  return done;
}

/**
 * The file's size becomes `size`: pages past it leave the cache and every address space, and the rest of the last page
 * reads as zeros (truncate_setsize).
 */
export function truncate_setsize(kernel: Kernel, mapping: AddressSpace, size: Loff): void {
  const old = mapping.owner.size;
  i_size_write(mapping.owner, size);
  // At the same size what was reserved beyond it goes, too.
  if (size > old) return;
  filemap_punch(kernel, mapping, Number(size), Infinity);
}

/** Makes the bytes [start, end) read as zeros, giving whole pages back (truncate_inode_pages_range). */
export function filemap_punch(
  kernel: Kernel,
  mapping: AddressSpace,
  start: number,
  end: number,
): void {
  const first = Math.ceil(start / PAGE_SIZE);
  const last = end === Infinity ? Infinity : Math.floor(end / PAGE_SIZE) - 1;
  zeroPart(kernel, mapping, start, Math.min(end, first * PAGE_SIZE));
  if (end !== Infinity && last + 1 >= first) zeroPart(kernel, mapping, (last + 1) * PAGE_SIZE, end);
  if (last < first) return;
  // What is cut off takes private copies along, a hole leaves them.
  for (const range of mapping.mappings) {
    if (last === Infinity) range.zap(first, last);
    else range.unmap(first, last);
  }
  const { pages } = mapping;
  if (first === 0 && last === Infinity) {
    for (const pfn of pages.values()) kernel.frames.put(pfn);
    pages.clear();
    mapping.unwritten = null;
  } else if (last - first < pages.size) {
    for (let index = first; index <= last; index++) drop(kernel, mapping, index);
  } else for (const index of pages.keys()) if (index >= first && index <= last) drop(kernel, mapping, index); // prettier-ignore
}

function drop(kernel: Kernel, mapping: AddressSpace, index: number): void {
  const pfn = mapping.pages.get(index);
  if (pfn === undefined) return;
  mapping.pages.delete(index);
  mapping.unwritten?.delete(index);
  kernel.frames.put(pfn);
}

/** The file's bytes have changed elsewhere: pages are read again, private copies stay (invalidate_inode_pages2). */
export function invalidate_inode_pages(kernel: Kernel, mapping: AddressSpace): void {
  for (const range of mapping.mappings) range.unmap(0, Infinity);
  for (const pfn of mapping.pages.values()) kernel.frames.put(pfn);
  mapping.pages.clear();
  mapping.unwritten = null;
}

/** Bytes that were written past the cache go into the pages that are in it. */
export function filemap_update(
  kernel: Kernel,
  mapping: AddressSpace,
  pos: number,
  bytes: Uint8Array,
): void {
  if (mapping.pages.size === 0) return;
  for (let done = 0; done < bytes.length;) {
    const at = pos + done;
    const n = Math.min(bytes.length - done, PAGE_SIZE - (at % PAGE_SIZE));
    const pfn = mapping.pages.get(Math.floor(at / PAGE_SIZE));
    if (pfn !== undefined) {
      kernel.ram.u8.set(bytes.subarray(done, done + n), pfn * PAGE_SIZE + (at % PAGE_SIZE));
      kernel.frames.written(pfn);
    }
    done += n;
  }
}

/** Zeros the bytes [start, end) of one page, if it is cached or can be read in. */
function zeroPart(kernel: Kernel, mapping: AddressSpace, start: number, end: number): void {
  if (start >= end) return;
  const index = Math.floor(start / PAGE_SIZE);
  const pfn = filemap_read_page(kernel, mapping, index);
  if (pfn === 0) return;
  const at = pfn * PAGE_SIZE + (start % PAGE_SIZE);
  kernel.ram.u8.fill(0, at, at + (end - start));
  kernel.frames.written(pfn);
}
