import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOTDIR,
  EPERM,
  ETXTBSY,
} from '@vitrine/uapi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
} from '@vitrine/uapi/fcntl.ts';
import { MS_NODEV } from '@vitrine/uapi/mount.ts';
import { S_IFREG, S_ISVTX, S_IWGRP, S_IWOTH } from '@vitrine/uapi/stat.ts';
import { serializable } from '../include/serial.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { LeaseWait, break_lease } from './lease.ts';
import { do_truncate, inode_owner_or_capable } from './attr.ts';
import { Dentry, Path, d_add } from './dcache.ts';
import { fput } from './fdtable.ts';
import {
  FMODE_CREATED,
  FMODE_EXEC,
  FMODE_WRITER,
  type File,
  PathFile,
  want_files,
} from './file.ts';
import {
  type Inode,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  S_APPEND,
  S_ISBLK,
  S_ISCHR,
  S_ISDIR,
  S_ISFIFO,
  S_ISLNK,
  S_ISREG,
} from './inode.ts';
import { path_noexec } from './mount.ts';
import { LAST_NORM, LOOKUP_EMPTY, LOOKUP_FOLLOW, Nameidata, path_lookupat } from './namei.ts';
import { mode_strip_umask } from './posix_acl.ts';
import { fsnotify_create, fsnotify_open, fsnotify_open_perm } from './fsnotify.ts';
import {
  FS_ACCESS_PERM,
  FS_OPEN_EXEC_PERM,
  FS_OPEN_PERM,
  PermissionWait,
} from './fsnotify_backend.ts';
import { fifo_open, fifo_waiting } from './pipe.ts';
import { security_file_open, security_file_truncate, security_path_mknod } from './security.ts';
import { inode_permission, isSpecial, may_create, mnt_want_write } from './permission.ts';

/**
 * Opens something for which there is room. The file comes first, as in path_openat: nothing is looked up or made for one that
 * cannot be, and what was looked up or made is not lost for want of a file.
 */
function with_room<T extends File>(current: Current, open: () => T): T {
  const { vfs } = current.kernel;
  if (current.callState === null) want_files(current);
  const before = vfs.has_room;
  vfs.has_room = true;
  try {
    return open();
  } finally {
    vfs.has_room = before;
  }
}

/**
 * Opens a file by path (do_filp_open).
 * @param mode permission bits of a file that is made, before the umask
 */
export function do_filp_open(
  current: Current,
  dfd: number,
  name: string,
  flags: number,
  mode: number,
  resolve = 0,
): File {
  return with_room(current, () => path_openat(current, dfd, name, flags, mode, resolve));
}

function path_openat(
  current: Current,
  dfd: number,
  name: string,
  flags: number,
  mode: number,
  resolve: number,
): File {
  const { callState } = current;
  if (callState instanceof CreatedFile) return openCreated(current, callState.path, flags);
  if (callState instanceof FoundFile) return open_found(current, callState.path, flags);
  const fifo = fifo_waiting(current);
  if (fifo !== null) return vfs_open(current, fifo.path, flags);
  if (flags & O_PATH) return openPath(current, dfd, name, flags, resolve);
  if ((flags & O_TMPFILE) === O_TMPFILE)
    return openTmpfile(current, dfd, name, flags, mode, resolve);
  const nd = new Nameidata(current, dfd, name, resolve, false);
  nd.walkToParent();
  const follow = !(flags & O_NOFOLLOW);
  for (;;) {
    if (!(flags & O_CREAT)) {
      if (!nd.walkLast(follow)) continue;
      if (nd.slash && !S_ISDIR(nd.dentry.inode.mode)) {
        throw errno(ENOTDIR, '{} is not a directory, but {} ends in a slash', nd.path, name);
      }
      return do_open(current, nd.path, flags, null);
    }
    if (nd.lastType !== LAST_NORM) {
      throw errno(flags & O_EXCL ? EEXIST : EISDIR, 'O_CREAT: {} names a directory', name);
    }
    if (nd.slash) throw errno(EISDIR, 'O_CREAT: {} ends in a slash', name);
    const child = nd.child(nd.last);
    if (child === null) return createAndOpen(current, nd, flags, mode);
    if (flags & O_EXCL) throw errno(EEXIST, 'O_CREAT with O_EXCL: {} exists', child);
    const dir = nd.dentry;
    if (nd.stepInto(child, follow)) return do_open(current, nd.path, flags, dir.inode);
  }
}

/** Makes the last component, a regular file, and opens it. */
function createAndOpen(current: Current, nd: Nameidata, flags: number, mode: number): File {
  const dir = nd.path;
  mnt_want_write(dir);
  security_path_mknod(current, dir, S_IFREG, 0);
  const inode = vfs_create(
    current,
    dir,
    nd.last,
    mode_strip_umask(current, dir.dentry.inode, mode & 0o7777),
  );
  const dentry = dir.dentry.children?.get(nd.last) ?? new Dentry(nd.last, dir.dentry, inode, dir.dentry.sb); // prettier-ignore
  return openCreated(current, new Path(nd.mnt, dentry), flags);
}

/** A file that the call has made and that waits for permission to be opened. */
class CreatedFile {
  readonly path: Path;
  constructor(path: Path) {
    this.path = path;
  }
  static {
    serializable('CreatedFile', this);
  }
}

/** Opens what the call has made: nothing but fanotify can refuse it. The file stays where it is refused. */
function openCreated(current: Current, path: Path, flags: number): File {
  const nameless = (flags & O_TMPFILE) === O_TMPFILE;
  if (flags & O_DIRECTORY && !nameless)
    throw errno(ENOTDIR, 'O_DIRECTORY: {} is not a directory', path);
  try {
    fsnotify_open_perm(current, path, FS_OPEN_PERM);
  } catch (error) {
    if (error instanceof PermissionWait) current.callState = new CreatedFile(path);
    throw error;
  }
  const file = vfs_open(current, path, flags & ~(O_CREAT | O_TRUNC), nameless ? 0 : FMODE_CREATED);
  if (nameless && flags & O_EXCL) path.dentry.inode.flags |= I_NOLINK;
  return file;
}

/** Makes a regular file (vfs_create). @param mode permission bits, umask applied */
export function vfs_create(current: Current, dir: Path, name: string, mode: number): Inode {
  may_create(current, dir);
  const inode = dir.dentry.inode.mknod(current, dir.dentry, name, S_IFREG | mode, 0);
  if (!inode.dynamic) d_add(dir.dentry, name, inode);
  fsnotify_create(dir.dentry, name, inode);
  return inode;
}

function openPath(
  current: Current,
  dfd: number,
  name: string,
  flags: number,
  resolve: number,
): File {
  const path = path_lookupat(current, dfd, name, flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW, resolve);
  if (flags & O_DIRECTORY && !S_ISDIR(path.dentry.inode.mode)) {
    throw errno(ENOTDIR, 'O_DIRECTORY: {} is not a directory', path);
  }
  return new PathFile(current, path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
}

function openTmpfile(
  current: Current,
  dfd: number,
  name: string,
  flags: number,
  mode: number,
  resolve: number,
): File {
  const dir = path_lookupat(current, dfd, name, flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW, resolve);
  if (!S_ISDIR(dir.dentry.inode.mode))
    throw errno(ENOTDIR, 'O_TMPFILE: {} is not a directory', dir);
  mnt_want_write(dir);
  inode_permission(current, dir.dentry.inode, MAY_WRITE | MAY_EXEC, dir);
  const inode = dir.dentry.inode.tmpfile(
    current,
    S_IFREG | mode_strip_umask(current, dir.dentry.inode, mode & 0o7777),
  );
  const dentry = new Dentry(`#${inode.ino}`, dir.dentry, inode, dir.dentry.sb);
  dentry.unhashed = true;
  return openCreated(current, new Path(dir.mnt, dentry), flags);
}

/** inode.flags: a file without a name, which linkat must not give one: by O_EXCL, or it had one (no I_LINKABLE). */
export const I_NOLINK = 0x10000;

/** A file that was found and may be opened, once a lease or whoever is asked lets it. */
class FoundFile {
  readonly path: Path;
  constructor(path: Path) {
    this.path = path;
  }
  static {
    serializable('FoundFile', this);
  }
}

/** The checks between finding a file and opening it (do_open). */
function do_open(current: Current, path: Path, flags: number, dir: Inode | null): File {
  const inode = path.dentry.inode;
  if (flags & O_CREAT) {
    if (S_ISDIR(inode.mode)) throw errno(EISDIR, 'O_CREAT: {} is a directory', path);
    may_create_in_sticky(current, dir!, inode, path);
  }
  if (flags & O_DIRECTORY && !S_ISDIR(inode.mode)) {
    throw errno(ENOTDIR, 'O_DIRECTORY: {} is not a directory', path);
  }
  may_open(current, path, accModes(flags), flags);
  return open_found(current, path, flags);
}

function open_found(current: Current, path: Path, flags: number): File {
  const { inode } = path.dentry;
  const truncate = (flags & O_TRUNC) !== 0 && S_ISREG(inode.mode);
  try {
    break_lease(current, path, inode, (flags & O_ACCMODE) !== O_RDONLY, (flags & O_NONBLOCK) !== 0);
    fsnotify_open_perm(current, path, FS_OPEN_PERM);
  } catch (error) {
    if (error instanceof LeaseWait || error instanceof PermissionWait)
      current.callState = new FoundFile(path);
    throw error;
  }
  if (truncate) mnt_want_write(path);
  const file = vfs_open(current, path, flags);
  if (truncate) {
    try {
      if (inode.writecount < 0) throw errno(ETXTBSY, '{} is being executed', path);
      security_file_truncate(file);
      do_truncate(current, path, 0);
    } catch (error) {
      fput(current, file);
      throw error;
    }
  }
  return file;
}

/** Opens what was found without a name (file_open_root). */
export function file_open_path(current: Current, path: Path, flags: number): File {
  if (flags & O_PATH)
    return new PathFile(current, path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return do_open(current, path, flags & ~(O_CREAT | O_EXCL), null);
}

/** MAY_… bits that the open flags ask for. */
function accModes(flags: number): number {
  const acc = flags & O_ACCMODE;
  let mask = acc === 3 ? MAY_READ | MAY_WRITE : acc === 0 ? MAY_READ : acc === 1 ? MAY_WRITE : 6;
  if (flags & O_TRUNC) mask |= MAY_WRITE;
  return mask;
}

function may_open(current: Current, path: Path, mask: number, flags: number): void {
  const inode = path.dentry.inode;
  if (S_ISLNK(inode.mode)) throw errno(ELOOP, 'O_NOFOLLOW: {} is a symbolic link', path);
  if (S_ISDIR(inode.mode)) {
    if (mask & MAY_WRITE)
      throw errno(EISDIR, '{} is a directory: it cannot be opened for writing', path);
    if (mask & MAY_EXEC) throw errno(EACCES, '{} is a directory: it cannot be executed', path);
  } else if (S_ISBLK(inode.mode) || S_ISCHR(inode.mode)) {
    if ((path.mnt.flags & MS_NODEV) !== 0) {
      throw errno(EACCES, 'the mount of device {} has nodev', path);
    }
  } else if (mask & MAY_EXEC && S_ISREG(inode.mode) && path_noexec(path)) {
    throw errno(EACCES, 'the mount of {} has noexec', path);
  }
  inode_permission(current, inode, mask, path);
  if (mask & MAY_WRITE && !isSpecial(inode.mode)) mnt_want_write(path);
  if (inode.flags & S_APPEND) {
    if ((flags & O_ACCMODE) !== O_RDONLY && !(flags & O_APPEND))
      throw errno(EPERM, '{} is append-only', path);
    if (flags & O_TRUNC) throw errno(EPERM, '{} is append-only', path);
  }
  if (flags & O_NOATIME && !inode_owner_or_capable(current, inode)) {
    throw errno(EPERM, 'O_NOATIME needs the owner of {} (uid {}) or CAP_FOWNER', path, inode.uid);
  }
}

/**
 * O_CREAT of a file that is somebody else's, in a sticky directory writable by group or world: for FIFOs and regular
 * files protected_fifos and protected_regular say whether.
 */
function may_create_in_sticky(current: Current, dir: Inode, inode: Inode, path: Path): void {
  const { protected_fifos, protected_regular } = current.kernel.vfs;
  if (!(dir.mode & S_ISVTX)) return;
  const fifo = S_ISFIFO(inode.mode);
  const level = fifo ? protected_fifos : S_ISREG(inode.mode) ? protected_regular : 1;
  if (level === 0 || inode.uid === dir.uid || current.cred.fsuid === inode.uid) return;
  if (dir.mode & S_IWOTH || (dir.mode & S_IWGRP && level >= 2)) {
    throw errno(EACCES, '{} in a sticky writable directory belongs to uid {}, neither the opener (uid {}) nor the directory owner (uid {}): O_CREAT does not open it (fs.protected_{})',
      path, inode.uid, current.cred.fsuid, dir.uid, fifo ? 'fifos' : 'regular'); // prettier-ignore
  }
}

/**
 * Makes the open file: permissions are checked already.
 * @param mode FMODE_CREATED, FMODE_EXEC, FMODE_NONOTIFY
 */
export function vfs_open(current: Current, path: Path, flags: number, mode = 0): File {
  const inode = path.dentry.inode;
  const writes = (flags & O_ACCMODE) === 1 || (flags & O_ACCMODE) === 2;
  if (writes && inode.writecount < 0 && S_ISREG(inode.mode)) {
    throw errno(ETXTBSY, '{} is being executed', path);
  }
  const waiting = fifo_waiting(current);
  const rights =
    waiting === null
      ? security_file_open(current, path, ((flags & O_ACCMODE) + 1) & 3, (mode & FMODE_EXEC) !== 0)
      : waiting.landlock;
  const status = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
  const file = S_ISFIFO(inode.mode)
    ? fifo_open(current, path, status, rights)
    : inode.open(current, path, S_ISCHR(inode.mode) ? flags : status | (flags & O_TRUNC));
  if (status & O_DIRECT && !file.can_odirect) {
    fput(current, file);
    throw errno(EINVAL, '{} cannot be open with O_DIRECT', path);
  }
  file.flags = status;
  file.landlock = rights;
  file.mode |= mode;
  if (writes && S_ISREG(inode.mode)) {
    inode.writecount++;
    path.mnt.writers++;
    path.mnt.sb.writers++;
    file.mode |= FMODE_WRITER;
  }
  fsnotify_open(file);
  return file;
}

/**
 * Opens a program for execve: a regular file with an execute bit that counts for the caller, on a mount without
 * noexec, that nobody has open for writing. No one can open it for writing until {@link exec_done}.
 * @param flags AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
 */
export function open_exec(current: Current, dirfd: number, name: string, flags: number): File {
  return with_room(current, () => do_open_execat(current, dirfd, name, flags));
}

function do_open_execat(current: Current, dirfd: number, name: string, flags: number): File {
  const lookup = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0); // prettier-ignore
  const path = path_lookupat(current, dirfd, name, lookup);
  const inode = path.dentry.inode;
  may_open(current, path, MAY_EXEC, 0);
  if (!S_ISREG(inode.mode))
    throw errno(EACCES, '{} is not a regular file: it cannot be executed', path);
  if (path_noexec(path)) throw errno(EACCES, 'the mount of {} has noexec', path);
  if (inode.writecount > 0) {
    throw errno(
      ETXTBSY,
      '{} is open for writing {} times: it cannot be executed',
      path,
      inode.writecount,
    );
  }
  fsnotify_open_perm(current, path, FS_OPEN_EXEC_PERM);
  fsnotify_open_perm(current, path, FS_OPEN_PERM);
  // exec reads what it has opened; who is asked about that is asked before anybody hears of the open.
  fsnotify_open_perm(current, path, FS_ACCESS_PERM);
  return vfs_open(current, path, O_RDONLY, FMODE_EXEC);
}

/** Flags of open(2) that contradict each other (build_open_flags). @returns the flags to use */
export function build_open_flags(flags: number, mode: number, strict: boolean): number {
  const VALID = 0x7fffc3 | O_CREAT | O_EXCL;
  if (strict && flags & ~VALID) throw errno(EINVAL, 'openat2: flags {} are unknown', '0x' + (flags & ~VALID).toString(16)); // prettier-ignore
  if (!strict) flags &= VALID;
  const makes = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
  if (strict && mode !== 0 && !makes) {
    throw errno(EINVAL, 'openat2: mode {} is given, but no file is made', mode);
  }
  if (strict && mode & ~0o7777) throw errno(EINVAL, 'openat2: mode {} has unknown bits', mode);
  if (flags & O_PATH) {
    const allowed = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
    if (strict && flags & ~allowed) throw errno(EINVAL, 'openat2: O_PATH goes with O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC only'); // prettier-ignore
    return flags & allowed;
  }
  if ((flags & O_TMPFILE) === O_TMPFILE) {
    if ((flags & O_ACCMODE) === O_RDONLY) throw errno(EINVAL, 'O_TMPFILE needs O_WRONLY or O_RDWR');
    if (flags & O_CREAT) throw errno(EINVAL, 'O_TMPFILE excludes O_CREAT');
  } else if (flags & (O_TMPFILE & ~O_DIRECTORY)) {
    throw errno(EINVAL, 'O_TMPFILE without O_DIRECTORY');
  } else if (flags & O_CREAT && flags & O_DIRECTORY) {
    throw errno(EINVAL, 'O_CREAT excludes O_DIRECTORY');
  }
  // The bit that O_SYNC has besides O_DSYNC's means both.
  if (flags & (O_SYNC & ~O_DSYNC)) flags |= O_DSYNC;
  return flags | O_LARGEFILE; // every 64-bit program's files may be large (force_o_largefile)
}
