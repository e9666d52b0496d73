import { EINVAL, EPERM, ESTALE } from '@vitrine/uapi/errno.ts';
import { S_ISGID } from '@vitrine/uapi/stat.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { HostOwner, HostStat } from '../../include/host.ts';
import { AddressSpace } from '../../include/pagecache.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import { invalidate_inode_pages, truncate_setsize } from '../../mm/filemap.ts';
import { KMEM_INODE } from '../../include/kmem.ts';
import type { Iattr } from '../attr.ts';
import type { Dentry, Path } from '../dcache.ts';
import type { File } from '../file.ts';
import { Inode, S_ISDIR, S_ISFIFO, S_ISLNK, S_ISREG, S_ISSOCK, type Timespec } from '../inode.ts';
import { MKDEV } from '../kdev_t.ts';
import { HostDirFile } from './dir.ts';
import { HostFile } from './file.ts';
import { asking } from './host_error.ts';
import { LocalInode } from './local.ts';
import type { HostSuperBlock } from './super.ts';

const BILLION = 1_000_000_000n;

function timespec(ns: bigint): Timespec {
  const nsec = ((ns % BILLION) + BILLION) % BILLION;
  return { sec: Number((ns - nsec) / BILLION), nsec: Number(nsec) };
}

const nanoseconds = ({ sec, nsec }: Timespec): bigint => BigInt(sec) * BILLION + BigInt(nsec);

const same = (a: Timespec, b: Timespec): boolean => a.sec === b.sec && a.nsec === b.nsec;

/** The C library's dev_t in parts (gnu_dev_major, gnu_dev_minor). */
const devt = (dev: bigint): number =>
  MKDEV(
    Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
    Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
  );

/** The host's clock ticks this coarsely: changes within one tick leave the same times. */
const TICK = 0.02;

/**
 * A file of the host. Every look asks again, so changes on either side are seen by the other at once; nothing but pages
 * mapped into memory is kept, and given up when the file's times have changed. While it is open it is known by the
 * host's handle, whatever becomes of its name; else by the name under which it was found last.
 */
export class HostInode extends Inode {
  declare readonly sb: HostSuperBlock;
  readonly key: string;
  path: string;
  /** Those open on it that hold a handle. */
  files: HostFile[] = [];
  private hostBlocks = 0;
  /** It changed so lately that a change since might not show. */
  private racy = false;

  constructor(sb: HostSuperBlock, key: string, ino: number, path: string, mode: number) {
    super(sb, ino, mode);
    this.key = key;
    this.path = path;
    if (S_ISREG(mode)) this.i_data = new AddressSpace(this, true, true);
  }

  static {
    serializable('HostInode', this);
  }

  /** Dentries of directories are cached, for mounts and working directories; each look asks the host all the same. */
  override get dynamic(): boolean {
    return !S_ISDIR(this.mode);
  }

  /** Forgetting it would be noticed. */
  get busy(): boolean {
    const { mapping } = this;
    return (
      this.count > 0 ||
      this.marks !== null ||
      this.locks !== null ||
      this.pipe !== null ||
      (mapping !== null && mapping.pages.size > 0)
    );
  }

  override get blocks(): number {
    return this.hostBlocks;
  }

  is({ dev, ino }: HostStat): boolean {
    return `${dev}:${ino}` === this.key;
  }

  /** Takes over what the host says, and gives pages up that may show something older. */
  refresh(stat: HostStat): void {
    const mtime = timespec(stat.mtimeNs);
    const ctime = timespec(stat.ctimeNs);
    const changed =
      this.racy || stat.size !== this.size || !same(mtime, this.mtime) || !same(ctime, this.ctime);
    if (changed && this.mapping !== null && this.mapping.pages.size > 0) {
      this.size = stat.size;
      this.writeBack();
      if (this.mapping.dirty!.size === 0) invalidate_inode_pages(this.sb.kernel, this.mapping);
    }
    this.assign(stat, mtime, ctime);
  }

  private assign(stat: HostStat, mtime: Timespec, ctime: Timespec): void {
    this.mode = stat.mode;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.size = stat.size;
    this.nlink = stat.nlink;
    this.rdev = devt(stat.rdev);
    this.hostBlocks = stat.blocks;
    this.atime = timespec(stat.atimeNs);
    this.mtime = mtime;
    this.ctime = ctime;
    const now = this.sb.kernel.clock.realtime();
    this.racy = now.sec - ctime.sec + (now.nsec - ctime.nsec) / 1e9 < TICK;
  }

  /** What this machine changed is no news. */
  settle(): void {
    const stat = this.ask();
    if (stat !== null) this.assign(stat, timespec(stat.mtimeNs), timespec(stat.ctimeNs));
  }

  private ask(): HostStat | null {
    const [file] = this.files;
    if (file !== undefined) return asking(this.path, () => this.sb.directory.fstat(file.handle));
    if (this.nlink === 0) return null;
    const stat = this.sb.lstat(this.path);
    if (stat === null || !this.is(stat))
      throw errno(ESTALE, '{} is another file now, the host replaced it', this.path);
    return stat;
  }

  /** Asks the host again. */
  update(): void {
    const stat = this.ask();
    if (stat !== null) this.refresh(stat);
  }

  override getattr(): void {
    this.update();
  }

  // Pages.

  override readPage(index: number, pa: number): void {
    const { directory, kernel } = this.sb;
    const page = kernel.ram.u8.subarray(pa, pa + PAGE_SIZE);
    const open = this.files.find((file) => file.readable);
    const handle = open?.handle ?? asking(this.path, () => directory.open(this.path, 0));
    try {
      asking(this.path, () => directory.read(handle, page, index * PAGE_SIZE));
    } finally {
      if (open === undefined) directory.close(handle);
    }
  }

  /** Hands the host what programs wrote through shared mappings. */
  writeBack(): void {
    const { mapping } = this;
    if (mapping === null || mapping.pages.size === 0) return;
    const dirty = mapping.dirty!;
    for (const range of mapping.mappings) if (range.maywrite) range.clean(dirty);
    if (dirty.size === 0) return;
    const file = this.files.find(({ writable }) => writable);
    if (file === undefined) return;
    const { directory, kernel } = this.sb;
    for (const index of [...dirty]) {
      const pfn = mapping.pages.get(index);
      const length = Math.min(PAGE_SIZE, this.size - index * PAGE_SIZE);
      if (pfn !== undefined && length > 0) {
        const page = kernel.ram.u8.subarray(pfn * PAGE_SIZE, pfn * PAGE_SIZE + length);
        asking(this.path, () => directory.write(file.handle, page, index * PAGE_SIZE));
      }
      dirty.delete(index);
    }
    this.settle();
  }

  /** The file system goes. */
  forgetPages(): void {
    if (this.mapping !== null) invalidate_inode_pages(this.sb.kernel, this.mapping);
  }

  override evict(): void {
    this.forgetPages();
    this.sb.forget(this);
    super.evict();
  }

  // Directories.

  child(name: string): string {
    return this.path === '' ? name : `${this.path}/${name}`;
  }

  override lookup(_current: Current, _dir: Dentry, name: string): Inode | null {
    const path = this.child(name);
    return this.sb.local.get(path) ?? this.sb.inode(path);
  }

  /** A new file belongs to who makes it (inode_init_owner). */
  private owner({ cred }: Current): HostOwner {
    return { uid: cred.fsuid, gid: this.mode & S_ISGID ? this.gid : cred.fsgid };
  }

  override mknod(current: Current, dir: Dentry, name: string, mode: number): Inode {
    const path = this.child(name);
    if (S_ISFIFO(mode) || S_ISSOCK(mode)) return this.mklocal(current, path, mode);
    if (!S_ISDIR(mode) && !S_ISREG(mode))
      throw errno(EPERM, 'a folder of the host gets no device nodes ({} in {})', name, dir);
    const owner = this.owner(current);
    const { directory } = this.sb;
    const bits = mode & 0o7777;
    if (S_ISDIR(mode))
      asking(path, () => directory.mkdir(path, bits | (this.mode & S_ISGID), owner));
    else asking(path, () => directory.create(path, bits, owner));
    return this.made(path);
  }

  private mklocal(current: Current, path: string, mode: number): Inode {
    const { kernel, local } = this.sb;
    kernel.kmem.need(KMEM_INODE, 'more FIFOs and sockets');
    const node = new LocalInode(current, this.sb, this, mode);
    local.set(path, node);
    kernel.kmem.charge(KMEM_INODE);
    return node;
  }

  private made(path: string): Inode {
    const inode = this.sb.inode(path);
    if (inode === null) throw errno(ESTALE, '{} is gone, the host removed it at once', path);
    return inode;
  }

  override symlink(current: Current, _dir: Dentry, name: string, target: string): Inode {
    const path = this.child(name);
    asking(path, () => this.sb.directory.symlink(target, path, this.owner(current)));
    return this.made(path);
  }

  override link(_current: Current, old: Dentry, _dir: Dentry, name: string): void {
    const path = this.child(name);
    const { inode } = old;
    if (!(inode instanceof HostInode))
      throw errno(EPERM, '{} is known to this machine only and gets no second name', old);
    asking(path, () => this.sb.directory.link(inode.path, path));
    inode.update();
  }

  override unlink(_current: Current, { inode, name }: Dentry): void {
    const path = this.child(name);
    const { kernel, directory, local } = this.sb;
    if (inode instanceof LocalInode) {
      local.delete(path);
      kernel.kmem.charge(-KMEM_INODE);
      inode.nlink = 0;
      return;
    }
    asking(path, () => directory.unlink(path));
    (inode as HostInode).nameless();
  }

  override rmdir(_current: Current, { inode, name }: Dentry): void {
    const path = this.child(name);
    this.sb.want_empty(path);
    asking(path, () => this.sb.directory.rmdir(path));
    (inode as HostInode).nameless(true);
  }

  /** One name less. The last one's inode goes when nobody has it open. */
  private nameless(whole = false): void {
    this.nlink = whole ? 0 : this.nlink - 1;
    if (this.files.length > 0) this.settle();
    if (this.nlink === 0 && this.count === 0) this.evict();
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
      throw errno(EINVAL, 'a folder of the host knows no rename flags {} ({})', flags, old);
    const { directory, local } = this.sb;
    const from = this.child(old.name);
    const to = (dir.inode as HostInode).child(name);
    const { inode } = old;
    if (inode instanceof LocalInode || target?.inode instanceof LocalInode) {
      if (target !== null) (dir.inode as HostInode).unlink(_current, target);
      if (inode instanceof LocalInode) {
        local.delete(from);
        local.set(to, inode);
        return;
      }
      target = null;
    }
    if (target !== null) this.sb.want_empty(to);
    asking(from, () => directory.rename(from, to));
    if (target !== null) (target.inode as HostInode).nameless(S_ISDIR(target.inode.mode));
    if (S_ISDIR(inode.mode)) this.sb.moved(from, to);
    else (inode as HostInode).path = to;
  }

  override get_link(_current: Current, dentry: Dentry): string {
    if (!S_ISLNK(this.mode)) throw errno(EINVAL, '{} is not a symbolic link', dentry);
    return asking(this.path, () => this.sb.directory.readlink(this.path));
  }

  override setattr(_current: Current, attr: Iattr): void {
    const { directory, kernel } = this.sb;
    const file = (this.files.find(({ writable }) => writable) ?? this.files[0])?.handle ?? this.path; // prettier-ignore
    if (attr.size !== undefined) this.writeBack();
    asking(this.path, () => {
      if (attr.size !== undefined) directory.truncate(this.truncatable, Number(attr.size));
      if (attr.uid !== undefined || attr.gid !== undefined)
        directory.chown(file, attr.uid ?? this.uid, attr.gid ?? this.gid);
      if (attr.mode !== undefined) directory.chmod(file, attr.mode & 0o7777);
      if (attr.atime !== undefined || (attr.mtime !== undefined && attr.size === undefined))
        directory.utimes(file, nanoseconds(attr.atime ?? this.atime), nanoseconds(attr.mtime ?? this.mtime)); // prettier-ignore
    });
    if (attr.size !== undefined) {
      truncate_setsize(kernel, this.mapping!, attr.size);
      this.mapping!.dirty!.clear();
    }
    this.settle();
  }

  /** Truncating needs a handle that can write. */
  private get truncatable(): string | number {
    return this.files.find(({ writable }) => writable)?.handle ?? this.path;
  }

  override open(current: Current, path: Path, flags: number): File {
    if (S_ISDIR(this.mode)) {
      if (this.nlink > 0) asking(this.path, () => this.sb.directory.mayReaddir(this.path));
      return new HostDirFile(current, path, flags);
    }
    if (S_ISREG(this.mode)) return new HostFile(current, path, flags);
    return super.open(current, path, flags);
  }
}
