import * as E from '@vitrine/uapi/errno.ts';

import type { Loff } from '../../include/loff.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { HostDirectory, HostStat } from '../../include/host.ts';
import { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { AddressSpace } from '../../include/pagecache.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import { filemap_punch } from '../../mm/filemap.ts';
import type { Iattr } from '../attr.ts';
import { Dentry, type Path } from '../dcache.ts';
import { File } from '../file.ts';
import { Inode, S_ISDIR, S_ISLNK, S_ISREG, type Timespec } from '../inode.ts';
import { type DirContext, dir_emit_dots } from '../readdir.ts';
import { generic_write_checks } from '../read_write.ts';
import { FileSystemType, SuperBlock } from '../super.ts';

/**
 * Folders of the host, as User-mode Linux has them (fs/hostfs). Every look at a file asks the host again, so changes on
 * either side are seen by the other at once; nothing but pages mapped into memory is kept.
 */
const HOSTFS_SUPER_MAGIC = 0x00c0ffee;
const CHUNK = 1 << 20;

/** Turns the host's error into Linux's. */
function asking<T>(what: unknown, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Errno) throw error;
    const code = (error as { code?: unknown }).code;
    const known = typeof code === 'string' ? (E as Record<string, unknown>)[code] : undefined;
    if (typeof known !== 'number')
      throw errno(E.EIO, 'the host failed at {}: {}', what, String(error));
    throw errno(known, 'the host says {} for {} in a folder that it granted', code, what);
  }
}

const timespec = (ms: number): Timespec => {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.round((ms - sec * 1000) * 1e6) };
};
const milliseconds = ({ sec, nsec }: Timespec): number => sec * 1000 + nsec / 1e6;

export class HostSuperBlock extends SuperBlock {
  /** The name under which the host granted the folder. */
  readonly source: string;
  /** Exact numbers are what the host takes. */
  override maxbytes: Loff = Number.MAX_SAFE_INTEGER;
  /** By path, so that a file that is looked up again is the same inode. */
  readonly inodes: Map<string, HostInode> = new Map();

  constructor(kernel: Kernel, type: FileSystemType, source: string) {
    super(kernel, type, HOSTFS_SUPER_MAGIC);
    this.source = source;
  }

  static {
    serializable('HostSuperBlock', this);
  }

  get directory(): HostDirectory {
    const found = this.kernel.host.directory?.(this.source);
    if (found === undefined)
      throw errno(E.EIO, 'the host no longer grants the folder {}', this.source);
    return found;
  }

  /** The inode of a path, brought up to date; null when the host has no such file. */
  inode(path: string): HostInode | null {
    let stat: HostStat;
    try {
      stat = asking(path, () => this.directory.lstat(path));
    } catch (error) {
      if (!(error instanceof Errno) || error.code !== E.ENOENT) throw error;
      this.inodes.delete(path);
      return null;
    }
    let inode = this.inodes.get(path);
    if (inode === undefined || (inode.mode & 0o170000) !== (stat.mode & 0o170000)) {
      inode = new HostInode(this, path, stat.mode);
      this.inodes.set(path, inode);
    }
    inode.refresh(stat);
    return inode;
  }

  /** Forgets a path and all below it, or moves them. */
  moved(from: string, to: string | null): void {
    for (const [path, inode] of [...this.inodes]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.inodes.delete(path);
      if (to === null) continue;
      inode.path = to + path.slice(from.length);
      this.inodes.set(inode.path, inode);
    }
  }
}

export class HostInode extends Inode {
  declare readonly sb: HostSuperBlock;
  path: string;

  constructor(sb: HostSuperBlock, path: string, mode: number) {
    super(sb, sb.nextIno++, mode);
    this.path = path;
    if (S_ISREG(mode)) this.i_data = new AddressSpace(this, true);
  }

  static {
    serializable('HostInode', this);
  }

  override get dynamic(): boolean {
    return true;
  }

  override get blocks(): number {
    return Math.ceil(this.size / 512);
  }

  refresh(stat: HostStat): void {
    const mtime = timespec(stat.mtimeMs);
    const changed =
      stat.size !== this.size || mtime.sec !== this.mtime.sec || mtime.nsec !== this.mtime.nsec;
    this.mode = stat.mode;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.size = stat.size;
    this.nlink = stat.nlink;
    this.rdev = stat.rdev;
    this.atime = timespec(stat.atimeMs);
    this.mtime = mtime;
    this.ctime = timespec(stat.ctimeMs);
    if (changed) this.dropPages();
  }

  /** Pages mapped into memory are read again when they are touched. */
  dropPages(): void {
    if (this.mapping !== null && this.mapping.pages.size > 0)
      filemap_punch(this.sb.kernel, this.mapping, 0, Infinity);
  }

  override getattr(): void {
    if (this.nlink > 0) this.sb.inode(this.path);
  }

  override readPage(index: number, pa: number): void {
    const { directory, kernel } = this.sb;
    const handle = asking(this.path, () => directory.open(this.path, false));
    try {
      const page = kernel.ram.u8.subarray(pa, pa + PAGE_SIZE);
      asking(this.path, () => directory.read(handle, page, index * PAGE_SIZE));
    } finally {
      directory.close(handle);
    }
  }

  private child(name: string): string {
    return this.path === '' ? name : `${this.path}/${name}`;
  }

  override lookup(_current: Current, _dir: Dentry, name: string): Inode | null {
    return this.sb.inode(this.child(name));
  }

  override mknod(_current: Current, dir: Dentry, name: string, mode: number): Inode {
    const path = this.child(name);
    const { directory } = this.sb;
    if (S_ISDIR(mode)) asking(path, () => directory.mkdir(path, mode & 0o7777));
    else if (S_ISREG(mode)) asking(path, () => directory.create(path, mode & 0o7777));
    else
      throw errno(
        E.EPERM,
        'a folder of the host gets no device nodes, FIFOs and sockets ({} in {})',
        name,
        dir,
      );
    return this.sb.inode(path)!;
  }

  override symlink(_current: Current, _dir: Dentry, name: string, target: string): Inode {
    const path = this.child(name);
    asking(path, () => this.sb.directory.symlink(target, path));
    return this.sb.inode(path)!;
  }

  override link(_current: Current, old: Dentry, _dir: Dentry, name: string): void {
    const path = this.child(name);
    asking(path, () => this.sb.directory.link((old.inode as HostInode).path, path));
  }

  override unlink(_current: Current, dentry: Dentry): void {
    const inode = dentry.inode as HostInode;
    asking(inode.path, () => this.sb.directory.unlink(inode.path));
    inode.nlink--;
    this.sb.moved(inode.path, null);
  }

  override rmdir(_current: Current, dentry: Dentry): void {
    const inode = dentry.inode as HostInode;
    asking(inode.path, () => this.sb.directory.rmdir(inode.path));
    inode.nlink = 0;
    this.sb.moved(inode.path, null);
  }

  override rename(
    _current: Current,
    old: Dentry,
    dir: Dentry,
    name: string,
    target: Dentry | null,
    flags: number,
  ): void {
    if (flags > 1)
      throw errno(E.EINVAL, 'a folder of the host knows no rename flags {} ({})', flags, old);
    const from = (old.inode as HostInode).path;
    const to = (dir.inode as HostInode).child(name);
    asking(from, () => this.sb.directory.rename(from, to));
    if (target !== null) {
      target.inode.nlink = Math.max(0, target.inode.nlink - 1);
      this.sb.moved(to, null);
    }
    this.sb.moved(from, to);
  }

  override get_link(_current: Current, dentry: Dentry): string {
    if (!S_ISLNK(this.mode)) throw errno(E.EINVAL, '{} is not a symbolic link', dentry);
    return asking(this.path, () => this.sb.directory.readlink(this.path));
  }

  override setattr(_current: Current, attr: Iattr): void {
    const { directory } = this.sb;
    const { path } = this;
    asking(path, () => {
      if (attr.size !== undefined) directory.truncate(path, Number(attr.size));
      if (attr.uid !== undefined || attr.gid !== undefined)
        directory.chown(path, attr.uid ?? this.uid, attr.gid ?? this.gid);
      if (attr.mode !== undefined) directory.chmod(path, attr.mode & 0o7777);
      if (attr.atime !== undefined || (attr.mtime !== undefined && attr.size === undefined))
        directory.utimes(
          path,
          milliseconds(attr.atime ?? this.atime),
          milliseconds(attr.mtime ?? this.mtime),
        );
    });
    this.sb.inode(path);
  }

  override open(current: Current, path: Path, flags: number): File {
    if (S_ISDIR(this.mode)) return new HostDirFile(current, path, flags);
    if (S_ISREG(this.mode)) return new HostFile(current, path, flags);
    throw errno(E.ENXIO, 'devices, FIFOs and sockets of the host cannot be opened ({})', path);
  }
}

class HostDirFile extends File {
  /** Names as they were when reading began: a position stays what it was. */
  private names: readonly string[] | null = null;

  static {
    serializable('HostDirFile', this);
  }

  override iterate(_current: Current, ctx: DirContext): void {
    const inode = this.inode as HostInode;
    if (ctx.pos === 0) this.names = null;
    if (!dir_emit_dots(this, ctx)) return;
    this.names ??= asking(inode.path, () => inode.sb.directory.readdir(inode.path));
    for (; ctx.pos - 2 < this.names.length; ctx.pos++) {
      const name = this.names[ctx.pos - 2]!;
      const child = inode.sb.inode(inode.path === '' ? name : `${inode.path}/${name}`);
      if (child === null) continue;
      if (!ctx.emit(name, child.ino, (child.mode >> 12) & 15, ctx.pos + 1)) return;
    }
  }

  override fsync(): number {
    return 0;
  }
}

class HostFile extends File {
  private readonly handle: number;
  /** It was mapped while open for writing: shared pages go back to the host when it is closed. */
  private mapped = false;

  constructor(current: Current, path: Path, flags: number) {
    const inode = path.dentry.inode as HostInode;
    const handle = asking(inode.path, () => inode.sb.directory.open(inode.path, (flags & 3) !== 0));
    super(current, path, flags);
    this.handle = handle;
  }

  static {
    serializable('HostFile', this);
  }

  override get can_odirect(): boolean {
    return true;
  }

  override get transferChunk(): number {
    return CHUNK;
  }

  private get directory(): HostDirectory {
    return (this.inode as HostInode).sb.directory;
  }

  override read_iter(_current: Current, to: IovIter, pos: Loff): number {
    if (typeof pos === 'bigint') return 0;
    const chunk = new Uint8Array(Math.min(to.count, CHUNK));
    let done = 0;
    while (to.count > 0) {
      const part = chunk.subarray(0, Math.min(to.count, chunk.length));
      const n = asking(this.path, () => this.directory.read(this.handle, part, pos + done));
      const copied = to.copyTo(chunk, 0, n);
      done += copied;
      if (n < part.length || copied < n) break;
    }
    return done;
  }

  override write_iter(current: Current, from: IovIter, place: Loff): number {
    if (!generic_write_checks(current, this, from, place)) return 0;
    const pos = Number(place);
    const chunk = new Uint8Array(Math.min(from.count, CHUNK));
    let done = 0;
    while (from.count > 0) {
      const want = Math.min(from.count, chunk.length);
      const taken = from.copyFrom(chunk, 0, want);
      const n = asking(this.path, () =>
        this.directory.write(this.handle, chunk.subarray(0, taken), pos + done),
      );
      done += n;
      if (n < want) break;
    }
    const inode = this.inode as HostInode;
    inode.size = Math.max(inode.size, pos + done);
    inode.dropPages();
    return done;
  }

  override mmap_mapping(): AddressSpace | null {
    if (this.writable) this.mapped = true;
    return this.inode.mapping;
  }

  override fsync(): number {
    this.writeBack();
    asking(this.path, () => this.directory.fsync(this.handle));
    return 0;
  }

  /** What programs changed through shared mappings. */
  private writeBack(): void {
    if (!this.mapped) return;
    const { kernel } = (this.inode as HostInode).sb;
    for (const [index, pfn] of this.inode.mapping!.pages) {
      const length = Math.min(PAGE_SIZE, this.inode.size - index * PAGE_SIZE);
      if (length <= 0) continue;
      const page = kernel.ram.u8.subarray(pfn * PAGE_SIZE, pfn * PAGE_SIZE + length);
      asking(this.path, () => this.directory.write(this.handle, page, index * PAGE_SIZE));
    }
  }

  override release(): void {
    try {
      this.writeBack();
    } finally {
      this.directory.close(this.handle);
    }
  }
}

/** `mount -t hostfs NAME DIR`: NAME is what the host granted the folder as. */
export class HostfsType extends FileSystemType {
  readonly name = 'hostfs';

  static {
    serializable('HostfsType', this);
  }

  mount(current: Current, flags: number, source: string): SuperBlock {
    const sb = new HostSuperBlock(current.kernel, this, source);
    if (current.kernel.host.directory?.(source) === undefined)
      throw errno(E.ENODEV, 'the host grants no folder under the name {}', source);
    const root = sb.inode('');
    if (root === null) throw errno(E.ENOENT, 'the folder {} that the host granted is gone', source);
    sb.flags = flags;
    sb.root = new Dentry('/', null, root, sb);
    return sb;
  }
}
