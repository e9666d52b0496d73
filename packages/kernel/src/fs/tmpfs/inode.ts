import { EEXIST, EINVAL, ENODATA, ENOTEMPTY, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { RENAME_EXCHANGE } from '@vitrine/uapi/fcntl.ts';
import { S_IFLNK } from '@vitrine/uapi/stat.ts';
import { XATTR_CREATE, XATTR_REPLACE } from '@vitrine/uapi/xattr.ts';
import type { Loff } from '../../include/loff.ts';
import { capable } from '../../include/cred.ts';
import { STATX_ATTR_APPEND, STATX_ATTR_IMMUTABLE, STATX_ATTR_NODUMP } from '@vitrine/uapi/stat.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { AddressSpace } from '../../include/pagecache.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { KMEM_INODE } from '../../include/kmem.ts';
import { serializable } from '../../include/serial.ts';
import { filemap_get_page, filemap_punch, truncate_setsize } from '../../mm/filemap.ts';
import type { Iattr } from '../attr.ts';
import type { Dentry, Path } from '../dcache.ts';
import type { File } from '../file.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NOATIME_FL, FS_NODUMP_FL } from '../fileattr.ts';
import {
  Inode,
  S_APPEND,
  S_IMMUTABLE,
  S_ISDIR,
  S_ISLNK,
  S_ISREG,
  S_NOATIME,
  drop_nlink,
  file_update_time,
  inode_init_owner,
  inode_set_ctime_current,
  setattr_copy,
} from '../inode.ts';
import {
  acl_type,
  posix_acl_chmod,
  posix_acl_create,
  posix_acl_names,
  vfs_get_acl,
  vfs_set_acl,
} from '../posix_acl.ts';
import { DcacheDirFile } from '../readdir.ts';
import { Backing } from './backing.ts';
import { TmpfsFile } from './file.ts';
import type { TmpfsSuperBlock } from './super.ts';

/** Newer than the headers that packages/uapi is made from. */
export const F_SEAL_EXEC = 0x20;

const FS_MODIFIABLE = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL;

/** Bytes that keeping an attribute takes (simple_xattr_space). */
function xattr_space(name: string, value: Uint8Array | null | undefined): number {
  return value ? 40 + name.length + value.length : 0;
}

/** S_… for the FS_…_FL that the rest of the kernel looks at. */
function inode_flags(flags: number): number {
  return (
    (flags & FS_IMMUTABLE_FL ? S_IMMUTABLE : 0) |
    (flags & FS_APPEND_FL ? S_APPEND : 0) |
    (flags & FS_NOATIME_FL ? S_NOATIME : 0)
  );
}

const BOGO_DIRENT_SIZE = 20;

/**
 * An inode of tmpfs (analogous to `struct shmem_inode_info`). Its bytes are in the page cache and nowhere else, except
 * for what the machine was booted with: those are read from `backing` when they are first touched.
 */
export class TmpfsInode extends Inode {
  declare readonly sb: TmpfsSuperBlock;
  /** Contents that were there at boot and have not been copied into pages. */
  backing: Backing | null = null;
  target = '';
  xattrs: Map<string, Uint8Array> | null = null;
  private xattrBytes = 0;
  /** FS_…_FL. */
  private fsflags = 0;
  /** F_SEAL_…; F_SEAL_SEAL on every file that memfd_create did not make sealable. */
  seals = 1;

  constructor(sb: TmpfsSuperBlock, mode: number) {
    super(sb, sb.nextIno++, mode);
    sb.charge(KMEM_INODE);
    if (S_ISDIR(mode)) {
      this.nlink = 2;
      this.size = 2 * this.dirent_size;
    }
  }

  static {
    serializable('TmpfsInode', this);
  }

  /** What a directory's size counts for each entry. */
  protected get dirent_size(): number {
    return BOGO_DIRENT_SIZE;
  }

  /** Most files of a root file system are never opened: they have no page cache until somebody asks for it. */
  override get mapping(): AddressSpace | null {
    if (this.i_data === null && S_ISREG(this.mode)) this.i_data = new AddressSpace(this, false);
    return this.i_data;
  }

  override get blocks(): number {
    if (S_ISLNK(this.mode)) return this.sb.symlinkPages(this.target.length) * 8;
    const pages = this.i_data === null ? 0 : this.i_data.pages.size;
    const backed = this.backing === null ? 0 : Math.ceil(this.backing.size / PAGE_SIZE);
    return Math.max(pages, backed) * 8;
  }

  /** Whether a page that is not in the cache has no bytes anywhere. */
  hole(index: number): boolean {
    return this.backing === null || index * PAGE_SIZE >= this.backing.size;
  }

  /** All of its pages were promised when it was made (VM_ACCOUNT without VM_NORESERVE): they count once. */
  prepaid = false;

  override readPage(index: number, pa: number): void {
    const from = index * PAGE_SIZE;
    if (this.hole(index)) this.sb.reserveBlock(this);
    else {
      const bytes = this.backing!.range(from, from + PAGE_SIZE);
      this.sb.usedBlocks++;
      this.sb.kernel.ram.u8.set(bytes, pa);
    }
    if (this.prepaid) this.sb.kernel.vm_committed_as--;
  }

  /** Runs something that frees pages, and gives their blocks back to the file system. */
  private freeing(free: () => void): void {
    const before = this.mapping!.pages.size;
    free();
    const freed = before - this.mapping!.pages.size;
    this.sb.usedBlocks -= freed;
    if (this.prepaid) this.sb.kernel.vm_committed_as += freed;
  }

  /** A file of an image's layer is not copied: its bytes are fetched when they are touched, as those of boot are. */
  override remap_file(from: Inode): boolean {
    const bytes = from.lazy_bytes();
    if (bytes === null || this.size !== 0) return false;
    this.backing = new Backing(bytes);
    this.size = bytes.size;
    return true;
  }

  truncate(size: Loff): void {
    const { backing } = this;
    this.freeing(() => truncate_setsize(this.sb.kernel, this.mapping!, size));
    if (backing === null || size >= backing.size) return;
    if (size === 0) this.backing = null;
    else backing.size = Number(size);
  }

  /** Makes the bytes [start, end) a hole. */
  punch(start: number, end: number): void {
    if (this.backing !== null) {
      const pages = Math.ceil(this.backing.size / PAGE_SIZE);
      for (let i = 0; i < pages; i++) filemap_get_page(this.sb.kernel, this.mapping!, i);
      this.backing = null;
    }
    this.freeing(() => filemap_punch(this.sb.kernel, this.mapping!, start, end));
  }

  /** Takes back what was set aside in the pages [first, last) and nothing has filled (shmem_undo_range). */
  unreserve(first: number, last: number): void {
    const mapping = this.mapping!;
    for (let i = first; i < last; i++) {
      if (!mapping.unwritten?.delete(i)) continue;
      this.sb.kernel.frames.put(mapping.pages.get(i)!);
      mapping.pages.delete(i);
      this.sb.usedBlocks--;
    }
  }

  override evict(): void {
    if (this.i_data !== null) this.truncate(0);
    this.backing = null;
    let kept = 0;
    for (const [name, value] of this.xattrs ?? []) kept += xattr_space(name, value);
    this.sb.chargeKernel(this, -kept);
    if (S_ISLNK(this.mode)) this.sb.chargeSymlink(this, -this.target.length);
    this.sb.xattrBytes -= this.xattrBytes;
    this.sb.usedInodes--;
    this.sb.charge(-KMEM_INODE);
    super.evict();
  }

  override get has_btime(): boolean {
    return true;
  }

  override get statx_attributes_mask(): number {
    return STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE | STATX_ATTR_NODUMP;
  }
  override get statx_attributes(): number {
    return super.statx_attributes | (this.fsflags & FS_NODUMP_FL ? STATX_ATTR_NODUMP : 0);
  }

  override fileattr_get(): number | null {
    return S_ISREG(this.mode) || S_ISDIR(this.mode) ? this.fsflags : null;
  }

  override fileattr_set(_current: Current, flags: number): void {
    if (flags & ~FS_MODIFIABLE)
      throw errno(
        EOPNOTSUPP,
        'tmpfs has no attributes 0x{}',
        (flags & ~FS_MODIFIABLE).toString(16),
      );
    this.fsflags = flags;
    this.flags = (this.flags & ~(S_IMMUTABLE | S_APPEND | S_NOATIME)) | inode_flags(flags);
    inode_set_ctime_current(this);
  }

  override setattr(_current: Current, attr: Iattr): void {
    if (attr.size !== undefined) {
      if (!S_ISREG(this.mode))
        throw errno(EINVAL, '{} is not a regular file: it has no size to set', this);
      if (attr.size < this.size && this.seals & 2)
        throw errno(EPERM, 'F_SEAL_SHRINK: {} cannot become smaller', this);
      if (attr.size > this.size && this.seals & 4)
        throw errno(EPERM, 'F_SEAL_GROW: {} cannot become larger', this);
      this.truncate(attr.size);
    }
    if (attr.mode !== undefined && this.seals & F_SEAL_EXEC && (attr.mode ^ this.mode) & 0o111)
      throw errno(EPERM, 'F_SEAL_EXEC: whether {} can be executed is fixed', this);
    setattr_copy(this, attr);
    if (attr.mode !== undefined && this.acls?.access)
      this.acls = { ...this.acls, access: posix_acl_chmod(this.acls.access, this.mode) };
  }

  override open(current: Current, path: Path, flags: number): File {
    if (S_ISREG(this.mode)) return new TmpfsFile(current, path, flags);
    if (S_ISDIR(this.mode)) return new DcacheDirFile(current, path, flags);
    return super.open(current, path, flags);
  }

  // Directories.

  private newInode(current: Current, mode: number): TmpfsInode {
    this.sb.reserveInode(this);
    const inode = this.sb.alloc_inode(mode);
    inode_init_owner(current, inode, this);
    const inherited = this.fsflags & (FS_NODUMP_FL | FS_NOATIME_FL);
    if (inherited !== 0) {
      inode.fsflags = inherited;
      inode.flags |= inode_flags(inherited);
    }
    if (this.acls?.default && !S_ISLNK(mode)) posix_acl_create(this.acls, inode);
    return inode;
  }

  private entered(): void {
    this.size += this.dirent_size;
    file_update_time(this);
  }

  private removed(): void {
    this.size -= this.dirent_size;
    file_update_time(this);
  }

  override mknod(current: Current, _dir: Dentry, _name: string, mode: number, rdev: number): Inode {
    const inode = this.newInode(current, mode);
    inode.rdev = rdev;
    if (S_ISDIR(mode)) this.nlink++;
    this.entered();
    return inode;
  }

  override symlink(current: Current, _dir: Dentry, _name: string, target: string): Inode {
    const inode = this.newInode(current, S_IFLNK | 0o777);
    try {
      this.sb.chargeSymlink(inode, target.length);
    } catch (error) {
      inode.evict();
      throw error;
    }
    inode.target = target;
    inode.size = target.length;
    this.entered();
    return inode;
  }

  override get_link(_current: Current, dentry: Dentry): string {
    if (this.target === '') throw errno(EINVAL, '{} is not a symbolic link', dentry);
    return this.target;
  }

  override tmpfile(current: Current, mode: number): Inode {
    const inode = this.newInode(current, mode);
    inode.nlink = 0;
    return inode;
  }

  override link(_current: Current, old: Dentry): void {
    const { inode } = old;
    if (inode.nlink > 0) this.sb.reserveInode(inode);
    inode.nlink++;
    inode_set_ctime_current(inode);
    this.entered();
  }

  override unlink(_current: Current, dentry: Dentry): void {
    const { inode } = dentry;
    if (inode.nlink > 1 && !S_ISDIR(inode.mode)) this.sb.usedInodes--;
    this.removed();
    inode.ctime = this.ctime;
    drop_nlink(inode);
  }

  override rmdir(_current: Current, dentry: Dentry): void {
    if (dentry.first !== null)
      throw errno(ENOTEMPTY, 'directory {} has entries ({})', dentry, dentry.first.name);
    const { inode } = dentry;
    this.removed();
    this.nlink--;
    inode.ctime = this.ctime;
    inode.nlink = 1;
    drop_nlink(inode);
  }

  override rename(
    current: Current,
    old: Dentry,
    dir: Dentry,
    _name: string,
    target: Dentry | null,
    flags: number,
  ): void {
    const to = dir.inode as TmpfsInode;
    const isdir = S_ISDIR(old.inode.mode);
    if (flags & RENAME_EXCHANGE) {
      this.exchangeLinks(old, target!, to);
    } else {
      if (target !== null) {
        if (isdir) to.rmdir(current, target);
        else to.unlink(current, target);
      }
      this.removed();
      to.entered();
      if (isdir) {
        this.nlink--;
        to.nlink++;
      }
    }
    inode_set_ctime_current(old.inode);
  }

  private exchangeLinks(a: Dentry, b: Dentry, to: TmpfsInode): void {
    const delta = Number(S_ISDIR(b.inode.mode)) - Number(S_ISDIR(a.inode.mode));
    this.nlink += delta;
    to.nlink -= delta;
    file_update_time(this);
    file_update_time(to);
    inode_set_ctime_current(b.inode);
  }

  // Extended attributes.

  override get maybe_xattrs(): boolean {
    return this.xattrs !== null || this.acls !== null;
  }

  override listxattr(current: Current): readonly string[] {
    // In the order of Linux's tree: from the last name to the first (simple_xattr_list).
    const own = [...(this.xattrs?.keys() ?? [])].sort((a, b) => (a < b ? 1 : -1));
    const names = [...posix_acl_names(this), ...own];
    return names.filter((n) => !n.startsWith('trusted.') || capable(current.cred, CAP_SYS_ADMIN));
  }

  override getxattr(_current: Current, name: string): Uint8Array {
    const acl = acl_type(name);
    if (acl !== null) return vfs_get_acl(this, acl);
    this.checkPrefix(name);
    const value = this.xattrs?.get(name);
    if (value === undefined) throw errno(ENODATA, '{} has no attribute {}', this, name);
    return value;
  }

  override setxattr(current: Current, name: string, value: Uint8Array | null, flags: number): void {
    const acl = acl_type(name);
    if (acl !== null) {
      vfs_set_acl(current, this, acl, value);
      inode_set_ctime_current(this);
      return;
    }
    this.checkPrefix(name);
    const there = this.xattrs?.has(name) ?? false;
    if (flags & XATTR_CREATE && there)
      throw errno(EEXIST, 'XATTR_CREATE: {} has attribute {}', this, name);
    if ((flags & XATTR_REPLACE || value === null) && !there) {
      throw errno(ENODATA, '{} has no attribute {}', this, name);
    }
    const old = xattr_space(name, this.xattrs?.get(name));
    const now = xattr_space(name, value);
    // The new value is paid for before the old one is given back.
    this.sb.chargeXattr(this, now);
    this.sb.xattrBytes -= old;
    this.xattrBytes += now - old;
    this.sb.chargeKernel(this, now - old);
    if (value === null) this.xattrs!.delete(name);
    else (this.xattrs ??= new Map()).set(name, value);
    inode_set_ctime_current(this);
  }

  private checkPrefix(name: string): void {
    if (/^(?:user|trusted|security)\.$/.test(name))
      throw errno(EINVAL, 'the attribute name {} ends with its prefix', name);
    if (!/^(?:user|trusted|security)\../.test(name)) {
      throw errno(
        EOPNOTSUPP,
        'tmpfs has no attributes of the kind {} (user., trusted., security. and access control lists only)',
        name,
      );
    }
  }
}
