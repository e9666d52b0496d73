import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { EACCES, EEXIST, EFAULT, EINVAL, ENODATA, ENODEV, ENOENT } from '@vitrine/uapi/errno.ts';
import { O_ACCMODE, O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import { SYSFS_MAGIC } from '@vitrine/uapi/magic.ts';
import { XATTR_CREATE, XATTR_REPLACE } from '@vitrine/uapi/xattr.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import { kobject_synth_uevent } from '../../net/core/kobject_uevent.ts';
import { byteString, bytesOf } from '../bytes.ts';
import { Dentry, type Path } from '../dcache.ts';
import { File } from '../file.ts';
import type { Iattr } from '../attr.ts';
import { Inode, inode_set_ctime_current, setattr_copy } from '../inode.ts';
import { type DirContext, dir_emit_dots } from '../readdir.ts';
import { FileSystemType, MAX_NON_LFS, SuperBlock } from '../super.ts';
import { sysTree } from './devices.ts';
import { directory, type SysDirectory, type SysNode, walk } from './tree.ts';

const MODES = { directory: 0o40755, attribute: 0o100444, link: 0o120777 };
const DT = { directory: 4, attribute: 8, link: 10 };

/** Inode numbers follow the path. */
function inodeNumber(path: string): number {
  let hash = 7;
  for (let i = 0; i < path.length; i++) hash = (Math.imul(hash, 31) + path.charCodeAt(i)) >>> 0;
  return path === '' ? 1 : 2 + (hash % 0x7fff_fff0);
}

/** A name of sysfs. It knows its path alone: what is there is asked of the tree. */
export class SysfsInode extends Inode {
  readonly path: string;
  private readonly xattrs: Map<string, Uint8Array> = new Map();

  constructor(sb: SuperBlock, path: string, node: SysNode) {
    super(sb, inodeNumber(path), path === '' ? 0o40555 : MODES[node.kind]);
    this.path = path;
    if (node.kind === 'attribute' && node.writable === true) this.mode |= 0o200;
    if (node.kind === 'attribute') this.size = 4096;
    if (node.kind === 'directory') this.nlink = 2 + [...node.children.values()].filter((c) => c.kind === 'directory').length; // prettier-ignore
  }

  static {
    serializable('SysfsInode', this);
  }

  /** What the path leads to now. Throws ENOENT when its device is gone. */
  node(current: Current): SysNode {
    const node = walk(directory(sysTree(current.kernel)), this.path);
    if (node === null) throw errno(ENOENT, 'sysfs has no {} any more', this.path);
    return node;
  }

  override lookup(current: Current, _dir: Dentry, name: string): Inode {
    const node = this.node(current);
    const child = node.kind === 'directory' ? node.children.get(name) : undefined;
    if (child === undefined) throw errno(ENOENT, 'sysfs has no {} in /sys/{}', name, this.path);
    return new SysfsInode(this.sb, this.path === '' ? name : `${this.path}/${name}`, child);
  }

  override get_link(current: Current, dentry: Dentry): string {
    const node = this.node(current);
    if (node.kind !== 'link') throw errno(EINVAL, '{} is not a symbolic link', dentry);
    return node.target;
  }

  override setattr(_current: Current, attr: Iattr): void {
    delete attr.size;
    setattr_copy(this, attr);
  }

  override listxattr(current: Current): readonly string[] {
    const trusted = capable(current.cred, CAP_SYS_ADMIN);
    return [...this.xattrs.keys()].filter((name) => trusted || !name.startsWith('trusted.'));
  }

  override getxattr(current: Current, name: string): Uint8Array {
    if (!/^(user|trusted|security)\./.test(name)) return super.getxattr(current, name);
    const value = this.xattrs.get(name);
    if (value === undefined) throw errno(ENODATA, '/sys/{} has no attribute {}', this.path, name);
    return value;
  }

  /** Attributes of users are control groups' alone (KERNFS_ROOT_SUPPORT_USER_XATTR). */
  override setxattr(current: Current, name: string, value: Uint8Array | null, flags: number): void {
    if (!/^(trusted|security)\./.test(name)) return super.setxattr(current, name, value, flags);
    const there = this.xattrs.has(name);
    if (there && flags & XATTR_CREATE)
      throw errno(EEXIST, '/sys/{} has the attribute {} already', this.path, name);
    if (!there && (value === null || flags & XATTR_REPLACE))
      throw errno(ENODATA, '/sys/{} has no attribute {}', this.path, name);
    if (value === null) this.xattrs.delete(name);
    else this.xattrs.set(name, value.slice());
    inode_set_ctime_current(this);
  }

  override open(current: Current, path: Path, flags: number): File {
    if ((this.mode & 0o170000) === 0o40000) return new SysfsDirFile(current, path, flags);
    // Root, too: a mode without write bits means that there is nothing to write (kernfs_fop_open).
    const node = this.node(current);
    if ((flags & O_ACCMODE) !== O_RDONLY && !(node.kind === 'attribute' && node.writable))
      throw errno(EACCES, 'the attribute {} takes no values', path);
    return new SysfsFile(current, path, flags);
  }
}

class SysfsDirFile extends File {
  static {
    serializable('SysfsDirFile', this);
  }
  override iterate(current: Current, ctx: DirContext): void {
    if (!dir_emit_dots(this, ctx)) return;
    const inode = this.inode as SysfsInode;
    const { children } = inode.node(current) as SysDirectory;
    let pos = 2;
    for (const [name, child] of children) {
      if (pos++ < ctx.pos) continue;
      if (!ctx.emit(name, inodeNumber(`${inode.path}/${name}`.replace(/^\//, '')), DT[child.kind], pos)) return; // prettier-ignore
      ctx.pos = pos;
    }
  }
}

/** An attribute, made at the first read and again when reading starts over. */
class SysfsFile extends File {
  private text: Uint8Array | null = null;
  static {
    serializable('SysfsFile', this);
  }
  override read_iter(current: Current, to: IovIter, pos: number): number {
    if (pos === 0 || this.text === null) this.text = bytesOf(this.value(current));
    if (pos >= this.text.length) return 0;
    return to.copyTo(this.text, pos, Math.min(to.count, this.text.length - pos));
  }
  /** What is written is one value, up to a page of it (kernfs_fop_write_iter). */
  override write_iter(current: Current, from: IovIter): number {
    const bytes = new Uint8Array(Math.min(from.count, PAGE_SIZE));
    const n = from.copyFrom(bytes, 0, bytes.length);
    if (n < bytes.length) throw errno(EFAULT, 'of {} bytes only {} can be read', bytes.length, n);
    if (n > 0) this.store(current, byteString(bytes));
    return n;
  }
  private store(current: Current, text: string): void {
    const { kernel } = current;
    const path = (this.inode as SysfsInode).path.replace(/\/[^/]*$/, '');
    const device = walk(directory(sysTree(kernel)), path) as SysDirectory | null;
    if (device === null) throw errno(ENODEV, 'the device /sys/{} is gone', path);
    const link = device.children.get('subsystem');
    const subsystem = link?.kind === 'link' ? link.target.replace(/.*\//, '') : null;
    const env = this.value(current).split('\n').slice(0, -1);
    kobject_synth_uevent(kernel, { path: `/${path}`, subsystem, env }, text);
  }
  private value(current: Current): string {
    const node = (this.inode as SysfsInode).node(current);
    return node.kind === 'attribute' ? node.show() : '';
  }
}

export class SysfsSuperBlock extends SuperBlock {
  constructor(kernel: Kernel, type: FileSystemType) {
    super(kernel, type, SYSFS_MAGIC);
    this.maxbytes = MAX_NON_LFS;
    this.root = new Dentry('/', null, new SysfsInode(this, '', directory(sysTree(kernel))), this);
  }
  static {
    serializable('SysfsSuperBlock', this);
  }

  override get noexec(): boolean {
    return true;
  }
  override get has_uuid(): boolean {
    return true;
  }
}

export class SysfsType extends FileSystemType {
  readonly name = 'sysfs';
  override readonly options: readonly string[] = [];
  override readonly userns = true;
  static {
    serializable('SysfsType', this);
  }
  mount(current: Current, flags: number): SuperBlock {
    const sb = new SysfsSuperBlock(current.kernel, this);
    sb.flags = flags;
    return sb;
  }
}
