import { EINTR, ENOSPC, ENXIO, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_WRITE,
  SEEK_DATA,
  SEEK_HOLE,
} from '@vitrine/uapi/fcntl.ts';
import { i_size_read, i_size_write } from '../../include/pagecache.ts';
import { type Loff, loff_add, page_index, page_start } from '../../include/loff.ts';
import type { Current } from '../../include/current.ts';
import { BLOCKED, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import { filemap_get_page } from '../../mm/filemap.ts';
import { VM_MAYWRITE, VM_SHARED, VM_WRITE } from '../../mm/vma.ts';
import { file_remove_privs, inode_newsize_ok } from '../attr.ts';
import { vfs_setpos } from '../file.ts';
import { file_update_time } from '../inode.ts';
import { RegularFile } from '../libfs/regular_file.ts';
import type { TmpfsInode } from './inode.ts';

/** Pages that one attempt at a fallocate sets aside. */
const RESERVE_PAGES = 1024;
/** Pages that one attempt punches out of a file that has more. */
const PUNCH_PAGES = 8192;

/** An open regular file of tmpfs. */
export class TmpfsFile extends RegularFile {
  declare readonly inode: TmpfsInode;

  static {
    serializable('TmpfsFile', this);
  }

  override write_iter(current: Current, from: IovIter, pos: Loff): number {
    const { inode } = this;
    if (from.count === 0) return 0;
    if (inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
      throw errno(EPERM, 'F_SEAL_WRITE: {} cannot be written', this.path);
    }
    if (inode.seals & F_SEAL_GROW && loff_add(pos, from.count) > i_size_read(inode)) {
      // Writing goes page by page; the page that would make the file larger is refused (shmem_write_begin).
      const allowed = inode.size - (inode.size % PAGE_SIZE) - Number(pos);
      if (allowed <= 0) throw errno(EPERM, 'F_SEAL_GROW: {} cannot become larger', this.path);
      from.truncate(allowed);
    }
    return super.write_iter(current, from, pos);
  }

  /** A file that is sealed against writing may be mapped shared, for reading only, and stays so (seal_check_write). */
  override mmap_flags(vmFlags: number): number {
    if (!(this.inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) || !(vmFlags & VM_SHARED))
      return vmFlags;
    if (vmFlags & VM_WRITE)
      throw errno(EPERM, 'F_SEAL_WRITE: {} cannot be mapped for writing', this.path);
    return vmFlags & ~VM_MAYWRITE;
  }

  override llseek(current: Current, offset: Loff, whence: number): Loff {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return super.llseek(current, offset, whence);
    const size = i_size_read(this.inode);
    if (offset < 0 || offset >= size)
      throw errno(ENXIO, 'offset {} is outside {} (size {})', offset, this.path, size);
    const first = page_index(offset);
    const index = whence === SEEK_DATA ? this.nextData(first) : this.nextHole(first);
    if (index === first) return vfs_setpos(this, offset);
    const at = index === Infinity ? size : page_start(index);
    if (at >= size && whence === SEEK_DATA)
      throw errno(ENXIO, 'there are no data in {} from offset {} on', this.path, offset);
    return vfs_setpos(this, at < size ? at : size);
  }

  /** The first page with data from `index` on; holes may be much longer than a walk over them. */
  private nextData(index: number): number {
    if (this.hasPage(index)) return index;
    let next = Infinity;
    const { pages, unwritten } = this.inode.mapping!;
    for (const page of pages.keys())
      if (page > index && page < next && !unwritten?.has(page)) next = page;
    return next;
  }

  private nextHole(index: number): number {
    while (this.hasPage(index)) index++;
    return index;
  }

  private hasPage(index: number): boolean {
    const mapping = this.inode.mapping!;
    if (mapping.pages.has(index)) return !mapping.unwritten?.has(index);
    return !this.inode.hole(index);
  }

  override fallocate(current: Current, mode: number, offset: Loff, length: Loff): number {
    const { inode } = this;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) {
      throw errno(EOPNOTSUPP, 'tmpfs knows FALLOC_FL_KEEP_SIZE and PUNCH_HOLE, not mode {}', mode);
    }
    if (mode & FALLOC_FL_PUNCH_HOLE) {
      if (!(mode & FALLOC_FL_KEEP_SIZE))
        throw errno(EOPNOTSUPP, 'FALLOC_FL_PUNCH_HOLE needs FALLOC_FL_KEEP_SIZE');
      if (inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        throw errno(EPERM, 'F_SEAL_WRITE: {} cannot be punched', this.path);
      file_remove_privs(current, this);
      const at = (current.callState as { readonly at: number } | null)?.at ?? Number(offset);
      const end = Number(loff_add(offset, length));
      const stop = inode.mapping!.pages.size > PUNCH_PAGES ? at + PUNCH_PAGES * PAGE_SIZE : end;
      inode.punch(at, Math.min(stop, end));
      file_update_time(inode);
      if (stop >= end || current.fatal_signal_pending()) return 0;
      // Part by part; a part ends with a page.
      current.callState = { at: stop - (stop % PAGE_SIZE) };
      return BLOCKED;
    }
    const end = loff_add(offset, length);
    inode_newsize_ok(current, inode, end);
    if (inode.seals & F_SEAL_GROW && end > i_size_read(inode))
      throw errno(EPERM, 'F_SEAL_GROW: {} cannot become larger', this.path);
    if (!this.reserve(current, page_index(offset), page_index(loff_add(end, -1)) + 1))
      return BLOCKED;
    file_remove_privs(current, this);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > i_size_read(inode)) i_size_write(inode, end);
    file_update_time(inode);
    return 0;
  }

  /** All pages or none; many of them part by part. @returns false when there are more to come */
  private reserve(current: Current, first: number, last: number): boolean {
    const { inode } = this;
    const mapping = inode.mapping!;
    const { frames } = current.kernel;
    let at = (current.callState as { readonly at: number } | null)?.at ?? -1;
    if (at === -1) {
      while (last - first > frames.free + mapping.pages.size && current.kernel.exited_mms.reap());
      if (last - first > frames.free + mapping.pages.size)
        throw errno(ENOSPC, 'fallocate of {} pages: {} page frames are free', last - first, frames.free); // prettier-ignore
      let missing = last - first;
      if (mapping.pages.size > 0)
        for (let i = first; i < last; i++) if (mapping.pages.has(i)) missing--;
      inode.sb.checkRoom(inode, missing);
      at = first;
    } else if (current.signal_pending()) {
      inode.unreserve(first, at);
      throw errno(EINTR, 'fallocate: a signal came with {} pages still to reserve', last - at);
    }
    const stop = Math.min(last, at + RESERVE_PAGES);
    try {
      for (; at < stop; at++) {
        if (mapping.pages.has(at)) continue;
        const hole = inode.hole(at);
        filemap_get_page(current.kernel, mapping, at);
        if (hole) (mapping.unwritten ??= new Set()).add(at);
      }
    } catch (error) {
      inode.unreserve(first, at);
      throw error;
    }
    if (at === last) return true;
    current.callState = { at };
    return false;
  }
}
