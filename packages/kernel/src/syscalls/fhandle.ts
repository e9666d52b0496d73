import { CAP_DAC_READ_SEARCH } from '@vitrine/uapi/capability.ts';
import { EINVAL, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE } from '@vitrine/uapi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW } from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { Path } from '../fs/dcache.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { encode_fh } from '../fs/exportfs.ts';
import { MNT_UNIQUE_ID_OFFSET } from '../fs/mount.ts';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, user_path_at } from '../fs/namei.ts';
import { file_open_path } from '../fs/open.ts';
import { dirfd, fd, flags, path, ptr } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** File handles: names of files that stay what they are through renames, as NFS servers and backup programs keep them. */

const AT_HANDLE_MNT_ID_UNIQUE = 1;
const AT_HANDLE_FID = 0x200;
const MAX_HANDLE_SZ = 128;
const FILEID_INVALID = 0xff;
const O_CLOEXEC = 0o2000000;

export function sys_name_to_handle_at(
  current: Current,
  dfd: number,
  name: number,
  handle: number,
  mountId: number,
  flags: number,
): number {
  const known = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE;
  if (flags & ~known) throw errno(EINVAL, 'name_to_handle_at: flags {} are not known', flags);
  const lookup = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0); // prettier-ignore
  const at = user_path_at(current, dfd, name, lookup);
  const { inode, sb } = at.dentry;
  if (!sb.exported && !(flags & AT_HANDLE_FID))
    throw errno(EOPNOTSUPP, 'the file system {} gives no file handles', sb);
  const { mem } = current;
  const room = mem.getU32(handle);
  if (room > MAX_HANDLE_SZ)
    throw errno(EINVAL, 'a file handle has at most {} bytes, not {}', MAX_HANDLE_SZ, room);
  const { type, bytes } = encode_fh(inode);
  const fits = bytes.length <= room;
  const id = at.mnt.id;
  if (flags & AT_HANDLE_MNT_ID_UNIQUE) mem.putU64(mountId, MNT_UNIQUE_ID_OFFSET + id);
  else mem.putU32(mountId, id);
  mem.putU32(handle, bytes.length);
  mem.putU32(handle + 4, fits ? type : FILEID_INVALID);
  if (!fits) throw errno(EOVERFLOW, 'the handle has {} bytes, there is room for {}', bytes.length, room); // prettier-ignore
  mem.write(handle + 8, bytes);
  return 0;
}

export function sys_open_by_handle_at(
  current: Current,
  mountFd: number,
  handle: number,
  flags: number,
): number {
  if (!capable(current.cred, CAP_DAC_READ_SEARCH))
    throw errno(EPERM, 'open_by_handle_at needs CAP_DAC_READ_SEARCH; uid {} has not', current.cred.euid); // prettier-ignore
  const { mem } = current;
  const length = mem.getU32(handle);
  if (length === 0 || length > MAX_HANDLE_SZ)
    throw errno(EINVAL, 'a file handle has 1 to {} bytes, not {}', MAX_HANDLE_SZ, length);
  const bytes = mem.read(handle + 8, length);
  const root = mountFd === AT_FDCWD ? current.fs.pwd : fget(current, mountFd).path;
  const { sb } = root.mnt;
  const named = { type: mem.getU32(handle + 4), bytes };
  const dentry = sb.exported ? sb.fh_to_dentry(current, root.mnt, named) : null;
  if (dentry === null) throw errno(ESTALE, 'the handle names no file of {}', sb);
  const file = file_open_path(current, new Path(root.mnt, dentry), flags);
  return fd_install(current, file, (flags & O_CLOEXEC) !== 0);
}

export const FHANDLE: readonly SyscallRow[] = [
  row(NR.__NR_name_to_handle_at, 'name_to_handle_at', [dirfd, path, ptr, ptr, flags('at')], FULL, sys_name_to_handle_at), // prettier-ignore
  row(NR.__NR_open_by_handle_at, 'open_by_handle_at', [fd, ptr, flags('open')], FULL, sys_open_by_handle_at), // prettier-ignore
];
