import { E2BIG, EINVAL, ENODATA, EPERM, ERANGE } from '@vitrine/uapi/errno.ts';
import { CAP_SETFCAP, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { S_ISVTX } from '@vitrine/uapi/stat.ts';
import { XATTR_LIST_MAX, XATTR_SIZE_MAX } from '@vitrine/uapi/xattr.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { own_vfs_caps, valid_vfs_caps } from '../security/commoncap.ts';
import { inode_owner_or_capable } from '../fs/attr.ts';
import type { Path } from '../fs/dcache.ts';
import { fget } from '../fs/fdtable.ts';
import { MAY_READ, MAY_WRITE, S_APPEND, S_IMMUTABLE, S_ISDIR, S_ISREG } from '../fs/inode.ts';
import { LOOKUP_FOLLOW, user_path_at } from '../fs/namei.ts';
import { fsnotify_xattr } from '../fs/fsnotify.ts';
import { inode_permission, mnt_want_write } from '../fs/permission.ts';
import { fd, flags, inBuf, outBuf, path, size, str } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

function nameOf(current: Current, at: number): string {
  const name = current.mem.readString(at, 255);
  if (name === null || name === '') throw errno(ERANGE, 'an attribute name has 1 to 255 bytes');
  return name;
}

/** Who may read or change an attribute depends on its prefix (xattr_permission). */
function xattr_permission(current: Current, path: Path, name: string, mask: number): void {
  const { inode } = path.dentry;
  const write = mask === MAY_WRITE;
  if (write && inode.flags & (S_IMMUTABLE | S_APPEND))
    throw errno(EPERM, '{} is immutable or append-only', path);
  if (name.startsWith('security.')) {
    // File capabilities are for CAP_SETFCAP; that and their form is asked first (cap_convert_nscap).
    if (name === 'security.capability' && mask === MAY_WRITE) return;
    if (write && !capable(current.cred, CAP_SYS_ADMIN))
      throw errno(EPERM, 'attribute {} of {} needs CAP_SYS_ADMIN', name, path);
    return;
  }
  if (name.startsWith('system.')) return;
  if (name.startsWith('trusted.')) {
    if (capable(current.cred, CAP_SYS_ADMIN)) return;
    throw errno(write ? EPERM : ENODATA, 'attribute {} of {} is for CAP_SYS_ADMIN', name, path);
  }
  if (name.startsWith('user.')) {
    if (!S_ISREG(inode.mode) && !S_ISDIR(inode.mode)) {
      throw errno(
        write ? EPERM : ENODATA,
        'only regular files and directories have user attributes, not {}',
        path,
      );
    }
    if (
      S_ISDIR(inode.mode) &&
      inode.mode & S_ISVTX &&
      write &&
      !inode_owner_or_capable(current, inode)
    ) {
      throw errno(EPERM, "attributes of the sticky directory {} are its owner's", path);
    }
  }
  inode_permission(current, inode, mask, path);
}

function needs_setfcap(current: Current, path: Path): void {
  if (!capable(current.cred, CAP_SETFCAP))
    throw errno(EPERM, 'the capabilities of {} need CAP_SETFCAP; uid {} has not', path, current.cred.euid); // prettier-ignore
}

/** The file comes last: name, value and flags are looked at before it (setxattr_copy). */
export function setxattr(
  current: Current,
  where: () => Path,
  nameAt: number,
  value: number,
  length: number,
  flags: number,
): number {
  if (flags & ~3) throw errno(EINVAL, 'setxattr: flags {} are unknown', flags);
  const name = nameOf(current, nameAt);
  if (length > XATTR_SIZE_MAX)
    throw errno(E2BIG, 'an attribute value has at most {} bytes, not {}', XATTR_SIZE_MAX, length);
  const bytes = current.mem.read(value, length);
  const path = where();
  mnt_want_write(path);
  if (name === 'security.capability' && length > 0) {
    if (!valid_vfs_caps(bytes))
      throw errno(EINVAL, 'setxattr: {} bytes are no file capabilities', length);
    needs_setfcap(current, path);
  }
  xattr_permission(current, path, name, MAY_WRITE);
  path.dentry.inode.setxattr(current, name, bytes, flags, path.dentry);
  fsnotify_xattr(path.dentry);
  return 0;
}

export function getxattr(
  current: Current,
  where: () => Path,
  nameAt: number,
  value: number,
  length: number,
): number {
  const name = nameOf(current, nameAt);
  const path = where();
  xattr_permission(current, path, name, MAY_READ);
  let bytes = path.dentry.inode.getxattr(current, name);
  if (name === 'security.capability') {
    if (!valid_vfs_caps(bytes))
      throw errno(EINVAL, '{} bytes are no file capabilities', bytes.length);
    bytes = own_vfs_caps(bytes);
  }
  if (length === 0) return bytes.length;
  if (bytes.length > length)
    throw errno(ERANGE, 'attribute {} has {} bytes, the buffer {}', name, bytes.length, length);
  current.mem.write(value, bytes);
  return bytes.length;
}

function listxattr(current: Current, path: Path, list: number, length: number): number {
  const text = path.dentry.inode
    .listxattr(current)
    .map((n) => n + '\0')
    .join('');
  if (length === 0) return text.length;
  if (text.length > Math.min(length, XATTR_LIST_MAX))
    throw errno(
      length >= XATTR_LIST_MAX ? E2BIG : ERANGE,
      'the attribute names of {} take {} bytes, the buffer has {}',
      path,
      text.length,
      length,
    );
  current.mem.write(
    list,
    Uint8Array.from(text, (c) => c.charCodeAt(0)),
  );
  return text.length;
}

function removexattr(current: Current, where: () => Path, nameAt: number): number {
  const name = nameOf(current, nameAt);
  const path = where();
  mnt_want_write(path);
  xattr_permission(current, path, name, MAY_WRITE);
  if (name === 'security.capability') needs_setfcap(current, path);
  path.dentry.inode.setxattr(current, name, null, 0, path.dentry);
  fsnotify_xattr(path.dentry);
  return 0;
}

const at = (current: Current, name: number, follow: boolean): Path =>
  user_path_at(current, AT_FDCWD, name, follow ? LOOKUP_FOLLOW : 0);
const of = (current: Current, fd: number): Path => fget(current, fd).path;

export const XATTR: readonly SyscallRow[] = [
  row(
    NR.__NR_setxattr,
    'setxattr',
    [path, str, inBuf(3), size, flags('xattr')],
    FULL,
    (t, p, n, v, l, f) => setxattr(t, () => at(t, p, true), n, v, l, f),
  ),
  row(
    NR.__NR_lsetxattr,
    'lsetxattr',
    [path, str, inBuf(3), size, flags('xattr')],
    FULL,
    (t, p, n, v, l, f) => setxattr(t, () => at(t, p, false), n, v, l, f),
  ),
  row(
    NR.__NR_fsetxattr,
    'fsetxattr',
    [fd, str, inBuf(3), size, flags('xattr')],
    FULL,
    (t, d, n, v, l, f) => setxattr(t, () => of(t, d), n, v, l, f),
  ),
  row(NR.__NR_getxattr, 'getxattr', [path, str, outBuf(), size], FULL, (t, p, n, v, l) =>
    getxattr(t, () => at(t, p, true), n, v, l),
  ),
  row(NR.__NR_lgetxattr, 'lgetxattr', [path, str, outBuf(), size], FULL, (t, p, n, v, l) =>
    getxattr(t, () => at(t, p, false), n, v, l),
  ),
  row(NR.__NR_fgetxattr, 'fgetxattr', [fd, str, outBuf(), size], FULL, (t, d, n, v, l) =>
    getxattr(t, () => of(t, d), n, v, l),
  ),
  row(NR.__NR_listxattr, 'listxattr', [path, outBuf(), size], FULL, (t, p, l, n) =>
    listxattr(t, at(t, p, true), l, n),
  ),
  row(NR.__NR_llistxattr, 'llistxattr', [path, outBuf(), size], FULL, (t, p, l, n) =>
    listxattr(t, at(t, p, false), l, n),
  ),
  row(NR.__NR_flistxattr, 'flistxattr', [fd, outBuf(), size], FULL, (t, d, l, n) =>
    listxattr(t, of(t, d), l, n),
  ),
  row(NR.__NR_removexattr, 'removexattr', [path, str], FULL, (t, p, n) =>
    removexattr(t, () => at(t, p, true), n),
  ),
  row(NR.__NR_lremovexattr, 'lremovexattr', [path, str], FULL, (t, p, n) =>
    removexattr(t, () => at(t, p, false), n),
  ),
  row(NR.__NR_fremovexattr, 'fremovexattr', [fd, str], FULL, (t, d, n) =>
    removexattr(t, () => of(t, d), n),
  ),
];
