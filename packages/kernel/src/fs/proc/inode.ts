import { EACCES, EIO, ENOENT, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import { O_ACCMODE, O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import type { Loff } from '../../include/loff.ts';
import { CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { capable, in_egroup_p } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { AddressSpace } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import { bytesOf } from '../bytes.ts';
import type { Dentry, Path } from '../dcache.ts';
import { DEFAULT_POLLMASK, File, default_llseek, generic_file_llseek, seq_lseek } from '../file.ts';
import type { Iattr } from '../attr.ts';
import { Inode, MAY_EXEC, MAY_WRITE, setattr_copy } from '../inode.ts';
import { type DirContext, dir_emit_dots } from '../readdir.ts';
import type { SuperBlock } from '../super.ts';
import {
  PROC_NET,
  type ProcFile,
  type ProcLink,
  type ProcSeek,
  isLink,
  proc_directory,
  proc_entry,
} from './registry.ts';

/** One name of a directory that is made when it is read. Positions rise, and a name keeps its own. */
export interface ListEntry {
  readonly name: string;
  readonly ino: number;
  /** DT_… */
  readonly type: number;
  readonly pos: number;
}

export const DT_DIR = 4;
export const DT_REG = 8;
export const DT_LNK = 10;

/** Every inode of proc. */
export abstract class ProcInode extends Inode {
  override setattr(_current: Current, attr: Iattr): void {
    if (attr.mode !== undefined)
      throw errno(EPERM, '{}: the modes of files of processes are fixed', this);
    delete attr.size;
    setattr_copy(this, attr);
  }
}

/** A file that is no process's has its own mode and owner, unless it is a setting (proc_notify_change, proc_sys_setattr). */
function static_setattr(inode: Inode, attr: Iattr, path: string): void {
  if (isSysctl(path) && (attr.mode ?? attr.uid ?? attr.gid) !== undefined)
    throw errno(EPERM, '{}: the modes and owners of settings are fixed', path);
  delete attr.size;
  setattr_copy(inode, attr);
}

const isSysctl = (path: string): boolean => path === 'sys' || path.startsWith('sys/');

/** A directory of proc. */
export abstract class ProcDirInode extends ProcInode {
  constructor(sb: SuperBlock, ino: number, mode = 0o40555) {
    super(sb, ino, mode);
    this.nlink = 2;
  }
  abstract list(current: Current): readonly ListEntry[];
  /** The task it belongs to is no more. */
  get dead(): boolean {
    return false;
  }
  protected abstract find(current: Current, name: string): Inode | null;

  /** A name that is not there is an error at once: proc makes no files, so there is nothing to create either. */
  override lookup(current: Current, dir: Dentry, name: string): Inode {
    const inode = this.find(current, name);
    if (inode === null) throw errno(ENOENT, 'proc has no {} in {}', name, dir);
    return inode;
  }
  override open(current: Current, path: Path, flags: number): File {
    return new ProcDirFile(current, path, flags);
  }
}

export class ProcDirFile extends File {
  static {
    serializable('ProcDirFile', this);
  }
  override iterate(current: Current, ctx: DirContext): void {
    const inode = this.inode as ProcDirInode;
    if (inode.dead) throw errno(ENOENT, 'the process that {} was of is gone', this.path);
    if (!dir_emit_dots(this, ctx)) return;
    for (const entry of inode.list(current)) {
      if (entry.pos < ctx.pos) continue;
      if (!ctx.emit(entry.name, entry.ino, entry.type, entry.pos + 1)) return;
      ctx.pos = entry.pos + 1;
    }
  }

  /** The size that stat shows (of fd) is no end. */
  override llseek(_current: Current, offset: Loff, whence: number): Loff {
    return generic_file_llseek(this, offset, whence, 0);
  }
}

/** A file whose text is made at the first read, and again when reading starts over (seq_file). */
export abstract class ProcTextFile extends File {
  private text: Uint8Array | null = null;

  /** Always ready; the files of processes cannot be waited for. */
  override get pollable(): boolean {
    return true;
  }

  protected abstract show(current: Current): string;
  protected abstract store(current: Current, text: string): number | void;

  /** A read that does not begin at the start gives nothing. */
  protected get whole(): boolean {
    return false;
  }

  override read_iter(current: Current, to: IovIter, place: Loff): number {
    const pos = Number(place);
    if (this.whole && pos > 0) return 0;
    if (pos === 0 || this.text === null) this.text = bytesOf(this.show(current));
    if (pos >= this.text.length) return 0;
    return to.copyTo(this.text, pos, Math.min(to.count, this.text.length - pos));
  }

  override write_iter(current: Current, from: IovIter): number {
    return from.count === 0 ? 0 : this.take(current, from);
  }

  protected take(current: Current, from: IovIter): number {
    const bytes = new Uint8Array(Math.min(from.count, 65536));
    const n = from.copyFrom(bytes, 0, bytes.length);
    this.text = null;
    const text = String.fromCharCode(...bytes.subarray(0, Math.min(n, 4096)));
    return this.store(current, text) ?? n;
  }

  protected get seek(): ProcSeek {
    return 'seq';
  }

  /** Who takes a value leaves the position alone, so that it can be read back. */
  override get write_moves(): boolean {
    return false;
  }

  /** Files made by seq_file never took pwrite(2) (seq_open). */
  override get can_pwrite(): boolean {
    return this.seek !== 'seq';
  }

  override llseek(current: Current, offset: Loff, whence: number): Loff {
    const { seek } = this;
    if (seek === 'seq') return seq_lseek(this, offset, whence);
    if (seek === 'default') return default_llseek(this, offset, whence);
    return super.llseek(current, offset, whence);
  }
}

/** What may be done with a setting: its mode holds for root, too, whatever the capabilities (proc_sys_permission). */
function sysctl_perm(current: Current, mode: number, mask: number, what: unknown): void {
  const { cred } = current;
  const shift = cred.euid === 0 ? 6 : in_egroup_p(cred, 0) ? 3 : 0;
  if ((mask & ~(mode >> shift) & 7) !== 0)
    throw errno(EACCES, '{} has mode 0{}, which binds root, too', what, (mode & 0o777).toString(8));
}

/** The limits of a user namespace are its own: who has its resources writes them, whoever that is (kernel/ucount.c). */
function ucount_perm(current: Current, mask: number, what: unknown): void {
  if ((mask & MAY_EXEC) !== 0) throw errno(EACCES, '{} is no program', what);
  if ((mask & MAY_WRITE) !== 0 && !capable(current.cred, CAP_SYS_RESOURCE))
    throw errno(EACCES, '{} is written with CAP_SYS_RESOURCE', what);
}

/** Inode numbers of the static part follow the path. */
export function static_ino(path: string): number {
  if (path === '') return 1;
  let hash = 0;
  for (let i = 0; i < path.length; i++) hash = (Math.imul(hash, 31) + path.charCodeAt(i)) >>> 0;
  return 4026531840 + (hash % 260_000_000);
}

/** /proc/sys, /proc/fs and other directories whose names never change. */
export class ProcStaticDir extends ProcDirInode {
  readonly path: string;
  constructor(sb: SuperBlock, path: string) {
    super(sb, static_ino(path));
    this.path = path;
  }

  static {
    serializable('ProcStaticDir', this);
  }

  override permission(current: Current, mask: number, what: unknown): void {
    if (isSysctl(this.path)) sysctl_perm(current, 0o555, mask, what);
    else super.permission(current, mask, what);
  }
  override setattr(current: Current, attr: Iattr): void {
    if (this.path === PROC_NET) super.setattr(current, attr);
    else static_setattr(this, attr, this.path);
  }

  protected below(name: string): string {
    return this.path === '' ? name : `${this.path}/${name}`;
  }

  protected override find(_current: Current, name: string): Inode | null {
    const path = this.below(name);
    const entry = proc_entry(path);
    if (entry !== undefined)
      return isLink(entry)
        ? new ProcStaticLink(this.sb, path)
        : new ProcStaticFile(this.sb, path, entry);
    return proc_directory(path) === undefined ? null : new ProcStaticDir(this.sb, path);
  }

  list(_current: Current): ListEntry[] {
    const names = [...proc_directory(this.path)!].sort(
      (a, b) => a.length - b.length || (a < b ? -1 : 1),
    );
    return names.map((name, i) => {
      const path = this.below(name);
      const entry = proc_entry(path);
      const type = entry === undefined ? DT_DIR : isLink(entry) ? DT_LNK : DT_REG;
      return { name, ino: static_ino(path), type, pos: i + 2 };
    });
  }
}

export class ProcStaticFile extends ProcInode {
  readonly path: string;
  constructor(sb: SuperBlock, path: string, entry: ProcFile) {
    super(
      sb,
      static_ino(path),
      0o100000 | (entry.mode ?? (entry.write === undefined ? 0o444 : 0o644)),
    );
    this.path = path;
    this.size = entry.size?.(sb.kernel) ?? 0;
  }
  static {
    serializable('ProcStaticFile', this);
  }
  override permission(current: Current, mask: number, what: unknown): void {
    if (this.path.startsWith('sys/user/')) ucount_perm(current, mask, what);
    else if (this.path.startsWith('sys/')) sysctl_perm(current, this.mode, mask, what);
    else super.permission(current, mask, what);
  }
  override setattr(_current: Current, attr: Iattr): void {
    static_setattr(this, attr, this.path);
  }
  override open(current: Current, path: Path, flags: number): File {
    const entry = proc_entry(this.path) as ProcFile;
    if (this.path.startsWith(PROC_NET) && (flags & O_ACCMODE) !== O_RDONLY)
      throw errno(EACCES, '{} is only read, by root, too (seq_open_net)', path);
    return entry.open?.(current, path, flags) ?? new ProcStaticTextFile(current, path, flags);
  }
}

export class ProcStaticTextFile extends ProcTextFile {
  static {
    serializable('ProcStaticTextFile', this);
  }
  private get entry(): ProcFile {
    return proc_entry((this.inode as ProcStaticFile).path) as ProcFile;
  }
  override read_iter(current: Current, to: IovIter, pos: Loff): number {
    if (this.entry.show === undefined) throw errno(EIO, '{} is only written', this.path);
    return super.read_iter(current, to, pos);
  }
  protected show(current: Current): string {
    return this.entry.show!(current);
  }
  /** A file of /proc that takes no values is not one that cannot be written (proc_reg_write). */
  override write_iter(current: Current, from: IovIter): number {
    if (this.entry.write === undefined) throw errno(EIO, '{} takes no values', this.path);
    return super.write_iter(current, from);
  }
  protected override get whole(): boolean {
    return this.entry.whole === true;
  }
  protected store(current: Current, text: string): number | void {
    return this.entry.write!(current, text);
  }
  override get write_moves(): boolean {
    return isSysctl((this.inode as ProcStaticFile).path);
  }
  override get splice_read(): boolean {
    return this.entry.splice ?? true;
  }
  /** Of those that take values only settings have a write_iter (proc_sys_file_operations). */
  override get splice_write(): boolean {
    return isSysctl((this.inode as ProcStaticFile).path);
  }
  override mmap_mapping(current: Current, offset: number, wish: number): AddressSpace | null {
    if (isSysctl((this.inode as ProcStaticFile).path))
      return super.mmap_mapping(current, offset, wish);
    throw errno(EIO, '{} cannot be mapped into memory (proc_reg_mmap)', this.path);
  }
  protected override get seek(): ProcSeek {
    if ((this.inode as ProcStaticFile).path.startsWith('sys/')) return 'default';
    return this.entry.seek ?? 'seq';
  }
  override poll(current: Current, collect: WaitQueue[] | null): number {
    return this.entry.poll?.(current, collect) ?? DEFAULT_POLLMASK;
  }
}

export class ProcStaticLink extends ProcInode {
  readonly path: string;
  constructor(sb: SuperBlock, path: string) {
    super(sb, static_ino(path), 0o120777);
    this.path = path;
  }
  static {
    serializable('ProcStaticLink', this);
  }
  override get_link(current: Current): string {
    return (proc_entry(this.path) as ProcLink).target(current);
  }
}

export function gone(pid: number): never {
  throw errno(ESRCH, 'process {} is gone', pid);
}
