import type { HeldInode, Inode } from './inode.ts';
import { EBUSY, EINVAL } from '@vitrine/uapi/errno.ts';
import { MS_RDONLY, MS_RMT_MASK } from '@vitrine/uapi/mount.ts';
import { LLONG_MAX, type Loff } from '../include/loff.ts';
import { Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import type { Current } from '../include/current.ts';
import type { Kernel } from '../include/kernel.ts';
import type { HostStatfs } from '../include/host.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { Dentry } from './dcache.ts';
import type { FileHandle } from './exportfs.ts';
import type { FsnotifySbInfo } from './fsnotify_backend.ts';
import { MKDEV } from './kdev_t.ts';
import type { Mount } from './mount.ts';

/** statfs(2)'s answer; f_fsid is the device number. */
export interface Statfs extends HostStatfs {
  readonly type: number;
  readonly namelen: number;
}

/** Analogous to `struct file_system_type`. */
export abstract class FileSystemType {
  abstract readonly name: string;
  /** Needs no block device. */
  readonly nodev: boolean = true;
  /** May be mounted inside a user namespace by its root. */
  readonly userns: boolean = false;
  /** Names of its options, for fsconfig(2); null where they are only checked when it is mounted. */
  readonly options: readonly string[] | null = null;
  /** Mounts of this type: what keeps its module loaded. */
  mounts = 0;
  /** Kernel-internal: mount(2) refuses it. */
  readonly nouser: boolean = false;

  /** Throws EINVAL if an option of fsconfig(2), as mount(2) would have it, has a value that does not fit. */
  check_option(
    _kernel: Kernel,
    _option: string,
    _current: Current,
    _before: readonly string[],
  ): void {}

  /**
   * Makes or finds the super block (fs_context's get_tree).
   * @param flags MS_RDONLY and other super-block flags
   * @param data the option string of mount(2)
   */
  abstract mount(current: Current, flags: number, source: string, data: string): SuperBlock;
}

/** An option that is refused; who configures the file system reads why, word by word (logfc). */
export class BadOption extends Errno {
  readonly messages: readonly string[];
  constructor(...messages: readonly string[]) {
    super(EINVAL, messages[0]!, []);
    this.messages = messages;
  }
}

/** The option has no value (fs_param_is_flag). */
export function fs_param_is_flag(type: string, name: string, value: string | null): void {
  if (value !== null) throw new BadOption(`${type}: Unexpected value for '${name}'`);
}

/** The number of a user or group (fs_param_is_uid, fs_param_is_gid). */
export function fs_param_is_id(type: string, name: string, value: string): number {
  const bad = `${type}: Bad value for '${name}'`;
  if (!/^\d+$/.test(value) || Number(value) > 0xffff_ffff) throw new BadOption(bad, bad);
  if (Number(value) === 0xffff_ffff) throw new BadOption(`${type}: Invalid ${name} '${value}'`);
  return Number(value);
}

/** Largest size and position in file systems that name none (MAX_NON_LFS). */
export const MAX_NON_LFS: number = 2 ** 31 - 1;

/** Analogous to `struct super_block`. */
export class SuperBlock {
  readonly type: FileSystemType;
  /** st_dev. */
  readonly dev: number;
  readonly magic: number;
  /** MS_RDONLY, MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, MS_LAZYTIME. */
  flags = 0;
  blocksize = 4096;
  /** It has blocks itself, not only those of other file systems that its files are in (s_blocksize). */
  get has_blocks(): boolean {
    return true;
  }
  /** Largest file size and position. */
  maxbytes: Loff = LLONG_MAX;
  root!: Dentry;
  /** Mounts of it; the last one that goes shuts it down. */
  active = 0;
  /** Regular files open for writing: the file system cannot become read-only meanwhile. */
  writers = 0;
  nextIno = 1;
  /** What FS_IOC_GETFSUUID tells, once somebody has asked. */
  uuid: Uint8Array | null = null;
  /** Its inodes that rules of Landlock are tied to. */
  landlock: Set<HeldInode> | null = null;
  /** What of it is watched. */
  fsnotify: FsnotifySbInfo | null = null;
  /** Others change what is in it: a name in the cache is looked up again, too. */
  readonly revalidates: boolean = false;
  /** Files without a path, such as pipes: the dentry's name is all there is. */
  readonly pseudo: boolean = false;
  /** Nothing of it is executed, however it is mounted (SB_I_NOEXEC). */
  get noexec(): boolean {
    return this.pseudo;
  }
  /** May be an overlay's upper layer: it keeps device nodes, extended attributes and files without names. */
  get upperLayer(): boolean {
    return false;
  }
  /** Gives file handles. */
  get exported(): boolean {
    return false;
  }
  readonly kernel: Kernel;

  constructor(kernel: Kernel, type: FileSystemType, magic: number) {
    this.kernel = kernel;
    this.type = type;
    this.magic = magic;
    this.dev = MKDEV(0, kernel.vfs.nextAnonDev++);
  }

  static {
    serializable('SuperBlock', this);
  }

  /** Has a UUID of its own. */
  get has_uuid(): boolean {
    return false;
  }

  /** Options after rw/ro in /proc/mounts, each with a leading comma. */
  show_options(): string {
    return '';
  }

  /** One of the names of an inode that has any, by its number. */
  find_inode(_ino: number): Dentry | null {
    return null;
  }

  /** f_fsid of statfs(2). */
  get fsid(): bigint {
    return BigInt(this.dev);
  }

  /** A file handle of the file system's own kind. */
  encode_fh(_inode: Inode): FileHandle | null {
    return null;
  }
  /** The file that a handle names, or null. */
  fh_to_dentry(_current: Current, _mnt: Mount, _handle: FileHandle): Dentry | null {
    return null;
  }

  statfs(): Statfs {
    return { type: this.magic, bsize: PAGE_SIZE, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 }; // prettier-ignore
  }

  /** mount -o remount. Throws EINVAL for an option that cannot change. */
  remount(_current: Current, flags: number, _data: string): void {
    this.flags = flags;
  }

  /** Hands on what is kept back, where the files are kept elsewhere (sync_fs). */
  sync(): void {}

  /** The last mount is gone: gives resources back. */
  kill(): void {}

  /** In reasons. */
  toString(): string {
    return this.type.name;
  }
}

/** Changes a mounted file system's options, if nothing stands against it (reconfigure_super). */
export function reconfigure_super(
  current: Current,
  sb: SuperBlock,
  flags: number,
  data: string,
): void {
  if (flags & MS_RDONLY && !(sb.flags & MS_RDONLY) && sb.writers > 0)
    throw errno(
      EBUSY,
      '{} has {} files open for writing: it cannot become read-only',
      sb,
      sb.writers,
    );
  sb.remount(current, (sb.flags & ~MS_RMT_MASK) | (flags & MS_RMT_MASK), data);
}

/** A super block whose files have no paths (pipefs, sockfs, anon_inodefs). */
export class PseudoSuperBlock extends SuperBlock {
  override readonly pseudo = true;
  static {
    serializable('PseudoSuperBlock', this);
  }
}
