import { EINVAL, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_LINUX_IMMUTABLE } from '@vitrine/uapi/capability.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { inode_owner_or_capable } from './attr.ts';
import type { File } from './file.ts';
import { type Inode, S_ISDIR, S_ISREG } from './inode.ts';
import { mnt_want_write } from './permission.ts';

/** Attributes of files beyond their mode: chattr(1), ioctl_iflags(2), ioctl_fsgetxattr (fs/ioctl.c). */

export const FS_IMMUTABLE_FL = 0x10;
export const FS_APPEND_FL = 0x20;
export const FS_NODUMP_FL = 0x40;
export const FS_NOATIME_FL = 0x80;

export const FS_IOC_GETFLAGS = 0x8008_6601;
export const FS_IOC_SETFLAGS = 0x4008_6602;
export const FS_IOC_FSGETXATTR = 0x801c_581f;
export const FS_IOC_FSSETXATTR = 0x401c_5820;

/** Flags and their counterparts in struct fsxattr. */
const XFLAGS: readonly (readonly [flag: number, xflag: number])[] = [
  [FS_IMMUTABLE_FL, 0x8],
  [FS_APPEND_FL, 0x10],
  [FS_NOATIME_FL, 0x40],
  [FS_NODUMP_FL, 0x80],
];
const FS_XFLAG_EXTSIZE = 0x800;
const FS_XFLAG_EXTSZINHERIT = 0x1000;
const FS_XFLAG_DAX = 0x8000;
const FS_XFLAG_COWEXTSIZE = 0x1_0000;
const FSXATTR_SIZE = 28;

/** vfs_fileattr_set */
function set(current: Current, file: File, old: number, flags: number): number {
  mnt_want_write(file.path);
  const { inode } = file;
  if (!inode_owner_or_capable(current, inode))
    throw errno(EPERM, 'attributes of {} are set by its owner (uid {})', file.path, inode.uid);
  if (
    (flags ^ old) & (FS_APPEND_FL | FS_IMMUTABLE_FL) &&
    !capable(current.cred, CAP_LINUX_IMMUTABLE)
  )
    // prettier-ignore
    throw errno(EPERM, 'the attributes append-only and immutable need CAP_LINUX_IMMUTABLE');
  inode.fileattr_set(current, flags);
  return 0;
}

function put_fsxattr(current: Current, arg: number, flags: number): number {
  const view = new DataView(new ArrayBuffer(FSXATTR_SIZE));
  const xflags = XFLAGS.reduce((bits, [flag, x]) => bits | (flags & flag ? x : 0), 0);
  view.setUint32(0, xflags, true);
  current.mem.write(arg, new Uint8Array(view.buffer));
  return 0;
}

function get_fsxattr(current: Current, inode: Inode, arg: number): number {
  const bytes = current.mem.read(arg, FSXATTR_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, FSXATTR_SIZE);
  let xflags = view.getUint32(0, true);
  const { mode } = inode;
  if (
    (xflags & FS_XFLAG_EXTSIZE && !S_ISREG(mode)) ||
    (xflags & FS_XFLAG_EXTSZINHERIT && !S_ISDIR(mode)) ||
    (xflags & (FS_XFLAG_COWEXTSIZE | FS_XFLAG_DAX) && !S_ISREG(mode) && !S_ISDIR(mode))
  )
    throw errno(EINVAL, 'FS_IOC_FSSETXATTR: flags 0x{} do not go with {}', xflags.toString(16), inode); // prettier-ignore
  // Without a size the flags that say how it is used mean nothing.
  if (view.getUint32(4, true) === 0) xflags &= ~(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
  if (view.getUint32(16, true) === 0) xflags &= ~FS_XFLAG_COWEXTSIZE;
  const known = XFLAGS.reduce((bits, [, x]) => bits | x, 0);
  if (xflags & ~known || view.getUint32(4, true) || view.getUint32(12, true) || view.getUint32(16, true)) // prettier-ignore
    throw errno(EOPNOTSUPP, 'FS_IOC_FSSETXATTR: extents, projects and flags 0x{} are not there', xflags.toString(16)); // prettier-ignore
  return XFLAGS.reduce((bits, [flag, x]) => bits | (xflags & x ? flag : 0), 0);
}

const FILEATTR = [FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR];

/** The ioctls for attributes; null for any other, and where a file has none. */
export function ioctl_fileattr(
  current: Current,
  file: File,
  cmd: number,
  arg: number,
): number | null {
  if (!FILEATTR.includes(cmd)) return null;
  const old = file.inode.fileattr_get(current);
  if (old === null) return null;
  switch (cmd) {
    case FS_IOC_GETFLAGS:
      current.mem.putU32(arg, old);
      return 0;
    case FS_IOC_SETFLAGS:
      return set(current, file, old, current.mem.getI32(arg));
    case FS_IOC_FSGETXATTR:
      return put_fsxattr(current, arg, old);
    default:
      return set(current, file, old, get_fsxattr(current, file.inode, arg));
  }
}
