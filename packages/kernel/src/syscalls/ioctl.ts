import {
  EBADF,
  EINVAL,
  EISDIR,
  ENOMEM,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  EXDEV,
} from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_RAWIO } from '@vitrine/uapi/capability.ts';
import { O_APPEND, O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { SIOCGPGRP, SIOCSPGRP } from '@vitrine/uapi/socket.ts';
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, FIOQSIZE } from '@vitrine/uapi/termios.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { i_size_read } from '../include/pagecache.ts';
import { loff_sub } from '../include/loff.ts';
import { uuid_gen } from '../include/uuid.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { fasync_helper } from '../fs/fasync/fasync.ts';
import { fget } from '../fs/fdtable.ts';
import { ioctl_fileattr } from '../fs/fileattr.ts';
import type { File } from '../fs/file.ts';
import { S_ISDIR, S_ISLNK, S_ISREG } from '../fs/inode.ts';
import type { Task } from '../kernel/task.ts';
import { SocketFile } from '../net/socket.ts';
import { security_file_ioctl } from '../fs/security.ts';
import { getown, setown } from './fcntl.ts';
import { choice, fd, ptr } from './kinds.ts';
import { vfs_fallocate } from './read_write.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** O_ASYNC. */
const FASYNC = 0x2000;

// asm-generic/sockios.h
const FIOSETOWN = 0x8901;
const FIOGETOWN = 0x8903;

const FIBMAP = 1;
const FIGETBSZ = 2;
const FIFREEZE = 0xc004_5877;
const FITHAW = 0xc004_5878;
const FS_IOC_FIEMAP = 0xc020_660b;
const FS_IOC_GETFSUUID = 0x8011_1500;
const FS_IOC_GETFSSYSFSPATH = 0x8081_1501;
const FICLONE = 0x4004_9409;
const FICLONERANGE = 0x4020_940d;
const FIDEDUPERANGE = 0xc018_9436;

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const FALLOC_FL_ZERO_RANGE = 16;

/** Requests of XFS that every file system answers, and the mode of fallocate that each means. */
const SPACE: ReadonlyMap<number, number> = new Map([
  [0x4030_5828, 0], // FS_IOC_RESVSP
  [0x4030_582a, 0], // FS_IOC_RESVSP64
  [0x4030_5829, FALLOC_FL_PUNCH_HOLE], // FS_IOC_UNRESVSP
  [0x4030_582b, FALLOC_FL_PUNCH_HOLE], // FS_IOC_UNRESVSP64
  [0x4030_5839, FALLOC_FL_ZERO_RANGE], // FS_IOC_ZERO_RANGE
]);

function set_nonblock(current: Current, file: File, arg: number): number {
  const on = current.mem.getI32(arg) !== 0;
  file.flags = on ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK;
  return 0;
}

function ioctl_fioasync(current: Current, file: File, fd: number, arg: number): number {
  const on = current.mem.getI32(arg) !== 0;
  fasync_helper(current, file, fd, on);
  if (on && file.fasync === null) throw errno(ENOTTY, '{} cannot send signals', file.path);
  file.flags = on ? file.flags | FASYNC : file.flags & ~FASYNC;
  return 0;
}

/** FIFREEZE, FITHAW: no file system here has a disk whose state a backup would want. */
function ioctl_fsfreeze(current: Current, file: File, cmd: number): never {
  if (!capable(current.cred, CAP_SYS_ADMIN))
    throw errno(EPERM, 'freezing {} needs CAP_SYS_ADMIN; uid {} has not', file.inode.sb, current.cred.euid); // prettier-ignore
  if (cmd === FITHAW) throw errno(EINVAL, 'FITHAW: {} is not frozen', file.inode.sb);
  throw errno(EOPNOTSUPP, 'the file system {} cannot be frozen', file.inode.sb);
}

/** No file system here keeps its files in blocks of a device. */
function ioctl_fibmap(current: Current, file: File, arg: number): never {
  if (!capable(current.cred, CAP_SYS_RAWIO))
    throw errno(EPERM, 'FIBMAP needs CAP_SYS_RAWIO; uid {} has not', current.cred.euid);
  if (current.mem.getI32(arg) >= 0) current.mem.putU32(arg, 0);
  throw errno(EINVAL, 'FIBMAP: {} is in no blocks of a device', file.path);
}

/** struct space_resv: whence, start, length at 2, 8, 16 (ioctl_preallocate). */
function ioctl_preallocate(current: Current, file: File, mode: number, arg: number): number {
  const bytes = current.mem.read(arg, 48);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 48);
  const whence = view.getInt16(2, true);
  if (whence < 0 || whence > 2) throw errno(EINVAL, 'struct space_resv: whence {}', whence);
  const base = whence === 1 ? Number(file.pos) : whence === 2 ? file.inode.size : 0;
  const start = base + Number(view.getBigInt64(8, true));
  const length = Number(view.getBigInt64(16, true));
  return vfs_fallocate(current, file, mode | FALLOC_FL_KEEP_SIZE, start, length);
}

/** Requests that mean the same for every file come first (do_vfs_ioctl); the rest is the file's. */
export function sys_ioctl(current: Current, fd: number, request: number, arg: number): number {
  const cmd = request >>> 0;
  const file = fget(current, fd);
  const { inode } = file;
  switch (cmd) {
    case FIOCLEX:
      current.files.cloexec.add(fd);
      return 0;
    case FIONCLEX:
      current.files.cloexec.delete(fd);
      return 0;
    case FIONBIO:
      return set_nonblock(current, file, arg);
    case FIOASYNC:
      return ioctl_fioasync(current, file, fd, arg);
    case FIOQSIZE:
      if (!S_ISDIR(inode.mode) && !S_ISREG(inode.mode) && !S_ISLNK(inode.mode))
        throw errno(ENOTTY, 'FIOQSIZE: {} has no size', file.path);
      current.mem.putU64(arg, inode.size);
      return 0;
    case FIFREEZE:
    case FITHAW:
      return ioctl_fsfreeze(current, file, cmd);
    case FS_IOC_FIEMAP:
      throw errno(EOPNOTSUPP, 'FS_IOC_FIEMAP: {} is in no blocks of a device', file.path);
    case FIGETBSZ:
      if (!inode.sb.has_blocks) throw errno(EINVAL, 'FIGETBSZ: {} has no blocks of its own', inode.sb); // prettier-ignore
      current.mem.putU32(arg, inode.sb.blocksize);
      return 0;
    case FS_IOC_GETFSUUID:
      return get_fsuuid(current, file, arg);
    case FS_IOC_GETFSSYSFSPATH:
      throw errno(ENOTTY, 'FS_IOC_GETFSSYSFSPATH: {} has no folder in /sys/fs', inode.sb);
    case FICLONE:
      return clone(current, file, arg | 0);
    case FICLONERANGE:
      return clone(current, file, current.mem.getI32(arg));
    case FIDEDUPERANGE:
      return dedupe(current, file, arg);
    default:
      security_file_ioctl(file, cmd);
      return S_ISREG(inode.mode)
        ? file_ioctl(current, file, cmd, arg)
        : (sock_ioctl_owner(current, file, cmd, arg) ??
            ioctl_fileattr(current, file, cmd, arg) ??
            file.ioctl(current, cmd, arg));
  }
}

/** The owner of a socket's signals, by two names each; null for another request or file. */
function sock_ioctl_owner(current: Current, file: File, cmd: number, arg: number): number | null {
  if (!(file instanceof SocketFile)) return null;
  if (cmd === FIOSETOWN || cmd === SIOCSPGRP)
    return setown(current as Task, file, current.mem.getI32(arg));
  if (cmd !== FIOGETOWN && cmd !== SIOCGPGRP) return null;
  current.mem.putU32(arg, getown(file));
  return 0;
}

/** What only regular files answer. */
function file_ioctl(current: Current, file: File, cmd: number, arg: number): number {
  if (cmd === FIONREAD) {
    current.mem.putU32(arg, loff_sub(i_size_read(file.inode), file.pos) >>> 0);
    return 0;
  }
  if (cmd === FIBMAP) return ioctl_fibmap(current, file, arg);
  const mode = SPACE.get(cmd);
  if (mode !== undefined) return ioctl_preallocate(current, file, mode, arg);
  return ioctl_fileattr(current, file, cmd, arg) ?? file.ioctl(current, cmd, arg);
}

/** struct fsuuid2: the length and 16 bytes. */
function get_fsuuid(current: Current, file: File, arg: number): number {
  const { sb } = file.inode;
  if (sb.uuid === null && sb.has_uuid) sb.uuid = uuid_gen(current.kernel);
  if (sb.uuid === null) throw errno(ENOTTY, 'FS_IOC_GETFSUUID: the file system {} has no UUID', sb);
  current.mem.write(arg, Uint8Array.of(sb.uuid.length, ...sb.uuid));
  return 0;
}

/** FICLONE: no file system here shares parts of files (vfs_clone_file_range). */
function clone(current: Current, to: File, fd: number): number {
  const from = fget(current, fd);
  if (from.inode.sb !== to.inode.sb)
    throw errno(EXDEV, 'FICLONE: {} and {} are on different file systems', from.path, to.path);
  if (S_ISDIR(from.inode.mode) || S_ISDIR(to.inode.mode))
    throw errno(EISDIR, 'FICLONE: {} or {} is a directory', from.path, to.path);
  if (!S_ISREG(from.inode.mode) || !S_ISREG(to.inode.mode))
    throw errno(EINVAL, 'FICLONE: {} or {} is not a regular file', from.path, to.path);
  if (!from.readable || !to.writable || to.flags & O_APPEND)
    throw errno(EBADF, 'FICLONE: {} is not open for reading, or {} not for writing', from.path, to.path); // prettier-ignore
  throw errno(EOPNOTSUPP, 'the file system {} shares no parts of files', to.inode.sb);
}

/** FIDEDUPERANGE: struct file_dedupe_range has reserved fields at 18 and 20 (vfs_dedupe_file_range). */
function dedupe(current: Current, file: File, arg: number): never {
  const { mem } = current;
  const count = mem.getU16(arg + 16);
  if (24 + count * 32 > 4096)
    throw errno(ENOMEM, 'FIDEDUPERANGE: {} places are more than fit a page', count);
  if (!file.readable || mem.getU16(arg + 18) !== 0 || mem.getU32(arg + 20) !== 0)
    throw errno(EINVAL, 'FIDEDUPERANGE: {} is not open for reading, or reserved fields are not zero', file.path); // prettier-ignore
  if (S_ISDIR(file.inode.mode)) throw errno(EISDIR, 'FIDEDUPERANGE: {} is a directory', file.path);
  if (!S_ISREG(file.inode.mode))
    throw errno(EINVAL, 'FIDEDUPERANGE: {} is not a regular file', file.path);
  throw errno(EOPNOTSUPP, 'the file system {} shares no parts of files', file.inode.sb);
}

export const IOCTL: readonly SyscallRow[] = [
  row(NR.__NR_ioctl, 'ioctl', [fd, choice('ioctl'), ptr], FULL, sys_ioctl),
];
