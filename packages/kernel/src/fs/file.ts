import {
  EBADF,
  EINVAL,
  ENFILE,
  ENODEV,
  ENOTDIR,
  ENOTTY,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  ESPIPE,
} from '@vitrine/uapi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_ACCMODE,
  O_NOATIME,
  O_PATH,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '@vitrine/uapi/fcntl.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import { capable, type Cred } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { KMEM_FILE } from '../include/kmem.ts';
import { type Loff, loff_add } from '../include/loff.ts';
import { type AddressSpace, i_size_read } from '../include/pagecache.ts';
import { serializable } from '../include/serial.ts';
import type { WaitQueue } from '../include/wait.ts';
import type { Path } from './dcache.ts';
import type { FilesStruct } from './fdtable.ts';
import type { EpItem } from './eventpoll.ts';
import type { FownStruct } from './fcntl.ts';
import {
  type Inode,
  S_APPEND,
  S_IMMUTABLE,
  S_ISFIFO,
  S_ISREG,
  file_update_time,
  ihold,
  iput,
  touch_atime,
} from './inode.ts';
import { locks_remove_file } from './locks.ts';
import { mntget, mntput, path_noexec } from './mount.ts';
import { fsnotify_close, fsnotify_modify } from './fsnotify.ts';
import type { DirContext } from './readdir.ts';

export const FMODE_READ = 1;
export const FMODE_WRITE = 2;
/** Opened by execve. */
export const FMODE_EXEC = 0x20;
/** Counted in inode.writecount. */
export const FMODE_WRITER = 0x10000;
/** O_PATH: names a file, gives no access to it. */
export const FMODE_PATH = 0x4000;
/** The open made the file. */
export const FMODE_CREATED = 0x10_0000;
/** fanotify opened it for its reader: what is done with it is nobody's news. */
export const FMODE_NONOTIFY = 0x400_0000;

/**
 * Is there room for one or two more open files of the machine? Root may go beyond fs.file-max, as far as there is memory
 * (alloc_empty_file). Throws ENFILE, ENOMEM.
 */
export function want_files({ kernel, cred }: Current, n = 1): void {
  const { files, file_max } = kernel.vfs;
  if (files + n > file_max && !capable(cred, CAP_SYS_ADMIN))
    throw errno(ENFILE, '{} files are open, fs.file-max allows {}, and the process lacks CAP_SYS_ADMIN', files, file_max); // prettier-ignore
  kernel.kmem.need(n * KMEM_FILE, 'more open files');
}

/** O_ASYNC's hold on the file's queues (fs/fasync). */
export interface FasyncHook {
  detach(): void;
}

/** What F_NOTIFY left on a directory: it ends with the descriptor. */
export interface DnotifyHook {
  flush(file: File, files: FilesStruct): void;
}

/** What poll says of a file that is always ready. */
export const DEFAULT_POLLMASK: number = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;

/**
 * Analogous to `struct file` with its operations: what a descriptor refers to. Each kind of file is a subclass; the
 * defaults are those of a file whose operation table has no entry.
 */
export class File {
  readonly path: Path;
  readonly inode: Inode;
  flags: number;
  mode: number;
  pos: Loff = 0;
  /** Descriptors, mappings and system calls that hold it. */
  count = 1;
  readonly cred: Cred;
  /** LANDLOCK_ACCESS_FS_…: what it may be used for, as it was when it was opened. */
  landlock = 0xffff;
  owner: FownStruct | null = null;
  epitems: Set<EpItem> | null = null;
  fasync: FasyncHook | null = null;
  /** Asked for with F_NOTIFY (fs/notify/dnotify). */
  dnotify: DnotifyHook | null = null;

  constructor(current: Current, path: Path, flags: number) {
    this.path = path;
    this.inode = path.dentry.inode;
    ihold(this.inode);
    try {
      if (!current.kernel.vfs.has_room) want_files(current);
    } catch (error) {
      // One without a name, made for this file, is gone with it.
      iput(this.inode);
      throw error;
    }
    this.flags = flags;
    this.mode = flags & O_PATH ? FMODE_PATH : ((flags & O_ACCMODE) + 1) & 3;
    if ((flags & O_ACCMODE) === O_ACCMODE) this.mode = 0; // ioctl only: neither read nor write
    if (!(this.mode & (FMODE_READ | FMODE_WRITE))) this.inode.idle_opens++;
    this.cred = current.cred;
    mntget(path.mnt);
    current.kernel.vfs.files++;
    current.kernel.kmem.charge(KMEM_FILE);
  }

  static {
    serializable('File', this);
  }

  get mapping(): AddressSpace | null {
    return this.inode.mapping;
  }

  /** copy_file_range(2) reads from here: a file system may have it leave the time of access alone. */
  copied<T>(read: () => T): T {
    return read();
  }

  /** Can copy_file_range(2) copy from here to there? */
  copies_to(to: File): boolean {
    return this.inode.sb === to.inode.sb;
  }

  get readable(): boolean {
    return (this.mode & FMODE_READ) !== 0;
  }

  get writable(): boolean {
    return (this.mode & FMODE_WRITE) !== 0;
  }

  /**
   * Bytes that one call moves at a time, where it moves any number of them without waiting: a longer call is continued
   * after others had their turn. 0: it waits by itself (pipes, sockets, terminals).
   */
  get transferChunk(): number {
    return 0;
  }

  /** Can it say whether a transfer would wait (FMODE_NOWAIT)? */
  get nowait(): boolean {
    return false;
  }

  /** May it be open with O_DIRECT (FMODE_CAN_ODIRECT)? */
  get can_odirect(): boolean {
    return false;
  }

  /** Can its bytes go to another file inside the kernel, or come from one (splice, sendfile)? */
  get splice_read(): boolean {
    return this.can_read;
  }
  get splice_write(): boolean {
    return this.can_write;
  }

  /** Does it tell of readiness with a signal (`file_operations.fasync`)? Others take O_ASYNC and do nothing. */
  get can_fasync(): boolean {
    return false;
  }
  /** Is this news worth a signal? @param events EPOLL… bits */
  async_due(_events: number): boolean {
    return true;
  }

  /** May it be sent over a socket (SCM_RIGHTS)? */
  get sendable(): boolean {
    return true;
  }

  /** Has a position: lseek, pread and pwrite work. */
  get seekable(): boolean {
    return true;
  }

  /** Kernel objects that go with it, beside itself, in bytes (include/kmem.ts). */
  get kmem(): number {
    return 0;
  }

  deny_write_access(): void {
    this.inode.writecount--;
  }

  allow_write_access(): void {
    this.inode.writecount++;
  }

  /** One more holder. */
  get(): this {
    this.count++;
    return this;
  }

  /** One holder less; the last one releases it (fput). */
  put(kernel: Kernel): void {
    if (--this.count > 0) return;
    if (!(this.mode & FMODE_PATH)) {
      fsnotify_close(this);
      if (this.epitems !== null) for (const item of [...this.epitems]) item.ep.remove(item);
      this.fasync?.detach();
      if (this.inode.locks !== null) locks_remove_file(this);
      if (this.mode & FMODE_WRITER) {
        this.inode.writecount--;
        this.path.mnt.writers--;
        this.path.mnt.sb.writers--;
      }
      this.release(kernel);
    }
    if (!(this.mode & (FMODE_READ | FMODE_WRITE))) this.inode.idle_opens--;
    kernel.vfs.files--;
    kernel.kmem.charge(-KMEM_FILE);
    iput(this.inode);
    mntput(this.path.mnt);
  }

  get append_only(): boolean {
    return (this.inode.flags & S_APPEND) !== 0;
  }

  /** The mount forbids execution. */
  get noexec(): boolean {
    return path_noexec(this.path);
  }

  /** For /proc/PID/maps. */
  get devt(): number {
    return this.inode.sb.dev;
  }

  get ino(): number {
    return this.inode.ino;
  }

  /** Has it a way to read at all (FMODE_CAN_READ)? Without one a read is refused before anything else is looked at. */
  get can_read(): boolean {
    return this.read_iter !== File.prototype.read_iter;
  }

  /** Is it read by read_iter, as asynchronous reads need it? What has only .read cannot be spliced, either. */
  get has_read_iter(): boolean {
    return this.splice_read;
  }

  /** FMODE_CAN_WRITE. */
  get can_write(): boolean {
    return this.write_iter !== File.prototype.write_iter;
  }

  /** May a write name its place (FMODE_PWRITE)? */
  get can_pwrite(): boolean {
    return this.seekable;
  }

  /** @returns bytes read, 0 at the end, or BLOCKED */
  read_iter(_current: Current, _to: IovIter, _pos: Loff): number {
    throw errno(EINVAL, '{} cannot be read', this.path);
  }

  /** @returns bytes written, or BLOCKED. `pos` is where, the file's end for O_APPEND. */
  write_iter(_current: Current, _from: IovIter, _pos: Loff): number {
    throw errno(EINVAL, '{} cannot be written', this.path);
  }

  /** EPOLL… bits that are true now; pushes the queues that tell of changes. */
  poll(_current: Current, _collect: WaitQueue[] | null): number {
    return DEFAULT_POLLMASK;
  }

  /** The queues whose waking is news for who has O_ASYNC. */
  fasync_queues(current: Current): WaitQueue[] {
    const queues: WaitQueue[] = [];
    this.poll(current, queues);
    return queues;
  }

  /** Can it be watched with epoll? */
  get pollable(): boolean {
    return false;
  }

  ioctl(_current: Current, cmd: number, _arg: number): number {
    return notIoctl(this, cmd);
  }

  /** May its positions have the highest bit (FMODE_UNSIGNED_OFFSET)? */
  get unsigned_offsets(): boolean {
    return false;
  }

  /** Do transfers move the position? Devices without an end have none. */
  get moves(): boolean {
    return this.seekable;
  }

  /** Do writes move it, too? */
  get write_moves(): boolean {
    return this.moves;
  }

  /** Where a write with O_APPEND goes. */
  append_pos(): Loff {
    return i_size_read(this.inode);
  }

  llseek(_current: Current, offset: Loff, whence: number): Loff {
    return generic_file_llseek(this, offset, whence, i_size_read(this.inode));
  }

  /** Emits directory entries from ctx.pos on, until it is full. */
  iterate(_current: Current, _ctx: DirContext): void {
    throw errno(ENOTDIR, '{} is not a directory', this.path);
  }

  fsync(_current: Current, _datasync: boolean): number {
    throw errno(EINVAL, '{} has nothing to synchronise', this.path);
  }

  fallocate(_current: Current, _mode: number, _offset: Loff, _length: Loff): number {
    if (S_ISFIFO(this.inode.mode))
      throw errno(ESPIPE, 'fallocate: {} is a pipe and has no space to reserve', this.path);
    throw errno(S_ISREG(this.inode.mode) ? EOPNOTSUPP : ENODEV, '{} is not a file whose space can be reserved', this.path); // prettier-ignore
  }

  /** Makes a hole, at once. */
  punch(current: Current, offset: number, length: number): void {
    if (this.inode.flags & (S_APPEND | S_IMMUTABLE))
      throw errno(EPERM, '{} is append-only or immutable: no hole is made in it', this.path);
    const state = current.callState;
    current.callState = null;
    try {
      while (this.fallocate(current, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) === BLOCKED); // prettier-ignore
    } finally {
      current.callState = state;
    }
    fsnotify_modify(this);
  }

  /** The flags of a new mapping, as the file allows them. */
  mmap_flags(vmFlags: number): number {
    return vmFlags;
  }

  vm_open(_kernel: Kernel): void {}

  vm_close(_kernel: Kernel): void {}
  get counts_mappings(): boolean {
    return false;
  }

  /** What mmap maps; null for a device of anonymous zeros. Throws ENODEV. */
  mmap_mapping(_current: Current, _offset: number, _wish: number): AddressSpace | null {
    throw errno(ENODEV, '{} cannot be mapped into memory', this.path);
  }

  update_time(): void {
    file_update_time(this.inode);
  }

  /** A descriptor is closed (not necessarily the last). */
  flush(_current: Current): void {}

  /** The last holder is gone. */
  release(_kernel: Kernel): void {}

  /** O_NONBLOCK or another status flag was changed by fcntl or ioctl. */
  check_flags(_flags: number): void {}

  /** Lines of /proc/PID/fdinfo beyond pos, flags, mnt_id and ino. */
  show_fdinfo(): string {
    return '';
  }
}

/** The file does not know the request. */
export function notIoctl(file: File, cmd: number): never {
  throw errno(ENOTTY, '{} has no ioctl {}', file.path, '0x' + (cmd >>> 0).toString(16));
}

/** The access time follows a read, unless the descriptor has O_NOATIME. */
export function file_accessed(file: File): void {
  if (!(file.flags & O_NOATIME)) touch_atime(file.inode, file.path.mnt);
}

export function generic_file_llseek(file: File, offset: Loff, whence: number, eof: Loff): Loff {
  let to: Loff;
  switch (whence) {
    case SEEK_SET:
      to = offset;
      break;
    case SEEK_CUR:
      to = loff_add(file.pos, offset);
      break;
    case SEEK_END:
      to = loff_add(eof, offset);
      break;
    case SEEK_DATA:
    case SEEK_HOLE:
      if (offset < 0 || offset >= eof) {
        throw errno(ENXIO, 'offset {} is outside {} (size {})', offset, file.path, eof);
      }
      to = whence === SEEK_HOLE ? eof : offset;
      break;
    default:
      throw errno(EINVAL, 'lseek: whence {} is none of SEEK_SET, CUR, END, DATA, HOLE', whence);
  }
  return vfs_setpos(file, to);
}

/** Of files that are made when they are read, and so have no end (fs/seq_file.c). */
export function seq_lseek(file: File, offset: Loff, whence: number): Loff {
  if (whence !== SEEK_SET && whence !== SEEK_CUR)
    throw errno(EINVAL, 'lseek: {} has no end, data or holes to seek', file.path);
  return setpos_unbounded(file, whence === SEEK_CUR ? loff_add(file.pos, offset) : offset);
}

/** As generic_file_llseek, but knows no largest position. */
export function default_llseek(file: File, offset: Loff, whence: number): Loff {
  if (whence === SEEK_SET || whence === SEEK_CUR) return seq_lseek(file, offset, whence);
  return generic_file_llseek(file, offset, whence, i_size_read(file.inode));
}

function setpos_unbounded(file: File, to: Loff): Loff {
  if (to < 0) throw errno(EINVAL, 'lseek: position {} in {} is negative', to, file.path);
  return (file.pos = to);
}

export function vfs_setpos(file: File, to: Loff): Loff {
  if (to < 0) throw errno(EINVAL, 'lseek: position {} in {} is negative', to, file.path);
  const { maxbytes } = file.inode.sb;
  if (to > maxbytes)
    throw errno(EINVAL, 'lseek: position {} is beyond the largest file of {}', to, file.inode.sb);
  file.pos = to;
  return to;
}

/** A file without position: pipe, socket, event counter. */
export class StreamFile extends File {
  static {
    serializable('StreamFile', this);
  }
  override get seekable(): boolean {
    return false;
  }
  override get pollable(): boolean {
    return true;
  }
  override llseek(): Loff {
    throw errno(ESPIPE, '{} has no position', this.path);
  }
}

/** An event counter and its like: it has no position either, but seeking is no error (noop_llseek). */
export class NoopSeekFile extends StreamFile {
  static {
    serializable('NoopSeekFile', this);
  }
  override get splice_read(): boolean {
    return false;
  }
  override get has_read_iter(): boolean {
    return this.can_read;
  }
  override llseek(): Loff {
    return this.pos;
  }
}

/** Opened with O_PATH. */
export class PathFile extends File {
  static {
    serializable('PathFile', this);
  }
}

/** Throws unless the file may be read (written). */
export function wantMode(file: File, mode: number): void {
  if ((file.mode & mode) === mode) return;
  throw errno(
    EBADF,
    '{} is not open for {}',
    file.path,
    mode === FMODE_READ ? 'reading' : 'writing',
  );
}
