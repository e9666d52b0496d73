import { EACCES } from '@vitrine/uapi/errno.ts';
import * as LL from '@vitrine/uapi/landlock.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Dentry, Path } from './dcache.ts';
import type { File } from './file.ts';
import { type Inode, S_ISBLK, S_ISCHR, S_ISDIR } from './inode.ts';

/**
 * Where the VFS asks whether a process may (analogous to security/security.c). Who answers is the Landlock domain of its
 * credentials; a process without one is asked nothing.
 */

declare module '../include/cred.ts' {
  interface LandlockDomain {
    /** Throws EACCES unless every layer has a rule for `access` on the file or a directory above it. */
    check_path(path: Path, access: number, what: string): void;
    /** A name gets another directory, too (link, rename). Throws EACCES, EXDEV, ENOENT. */
    check_refer(old: Dentry, dir: Path, target: Dentry | null, how: Refer): void;
    /** @returns the accesses that the open file has. Throws EACCES unless `access` is among them. */
    check_open(path: Path, access: number): number;
    /** Throws EPERM where the tree of mounts would change. */
    check_topology(what: string): void;
  }
}

/** What link(2) and renameat2(2) do with the old name. */
export interface Refer {
  readonly removable: boolean;
  readonly exchange: boolean;
  readonly whiteout: boolean;
}

/** Accesses of a file that nobody restricted. */
export const LANDLOCK_MASK_ACCESS_FS = 0xffff;

export function security_path_mkdir({ cred }: Current, dir: Path): void {
  cred.landlock?.check_path(dir, LL.LANDLOCK_ACCESS_FS_MAKE_DIR, 'make a directory in');
}

export function security_path_symlink({ cred }: Current, dir: Path): void {
  cred.landlock?.check_path(dir, LL.LANDLOCK_ACCESS_FS_MAKE_SYM, 'make a symbolic link in');
}

export function security_path_unlink({ cred }: Current, dir: Path): void {
  cred.landlock?.check_path(dir, LL.LANDLOCK_ACCESS_FS_REMOVE_FILE, 'remove a file from');
}

export function security_path_rmdir({ cred }: Current, dir: Path): void {
  cred.landlock?.check_path(dir, LL.LANDLOCK_ACCESS_FS_REMOVE_DIR, 'remove a directory from');
}

const MAKE: Readonly<Record<number, number>> = {
  0o1: LL.LANDLOCK_ACCESS_FS_MAKE_FIFO,
  0o2: LL.LANDLOCK_ACCESS_FS_MAKE_CHAR,
  0o4: LL.LANDLOCK_ACCESS_FS_MAKE_DIR,
  0o6: LL.LANDLOCK_ACCESS_FS_MAKE_BLOCK,
  0o12: LL.LANDLOCK_ACCESS_FS_MAKE_SYM,
  0o14: LL.LANDLOCK_ACCESS_FS_MAKE_SOCK,
};

/** The access that making such a file takes; a whiteout counts as a regular file. */
export function make_access(mode: number, dev: number): number {
  if (S_ISCHR(mode) && dev === 0) return LL.LANDLOCK_ACCESS_FS_MAKE_REG;
  return MAKE[mode >> 12] ?? LL.LANDLOCK_ACCESS_FS_MAKE_REG;
}

export function security_path_mknod({ cred }: Current, dir: Path, mode: number, dev: number): void {
  cred.landlock?.check_path(dir, make_access(mode, dev), 'make a file in');
}

export function security_path_refer(
  { cred }: Current,
  old: Dentry,
  dir: Path,
  target: Dentry | null,
  how: Refer,
): void {
  cred.landlock?.check_refer(old, dir, target, how);
}

export function security_path_truncate({ cred }: Current, path: Path): void {
  cred.landlock?.check_path(path, LL.LANDLOCK_ACCESS_FS_TRUNCATE, 'truncate');
}

/** What was true when the file was opened counts, whoever truncates it. */
export function security_file_truncate(file: File): void {
  if ((file.landlock & LL.LANDLOCK_ACCESS_FS_TRUNCATE) === 0)
    throw errno(EACCES, 'Landlock: {} was opened where truncating it was not allowed', file.path);
}

/** A command of a device's own; likewise. */
export function security_file_ioctl(file: File, cmd: number): void {
  if (file.landlock & LL.LANDLOCK_ACCESS_FS_IOCTL_DEV || !is_device(file.inode)) return;
  throw errno(EACCES, 'Landlock: {} was opened where ioctl 0x{} of a device was not allowed', file.path, (cmd >>> 0).toString(16)); // prettier-ignore
}

export const is_device = ({ mode }: Inode): boolean => S_ISCHR(mode) || S_ISBLK(mode);

/** @returns what the file may be used for. @param mode that it is opened with: 1 to read, 2 to write, and to be executed */
export function security_file_open(
  { cred }: Current,
  path: Path,
  mode: number,
  exec: boolean,
): number {
  if (cred.landlock === null) return LANDLOCK_MASK_ACCESS_FS;
  let access = 0;
  if (mode & 1 && S_ISDIR(path.dentry.inode.mode)) access = LL.LANDLOCK_ACCESS_FS_READ_DIR;
  else {
    if (mode & 1) access |= LL.LANDLOCK_ACCESS_FS_READ_FILE;
    if (mode & 2) access |= LL.LANDLOCK_ACCESS_FS_WRITE_FILE;
    if (exec) access |= LL.LANDLOCK_ACCESS_FS_EXECUTE;
  }
  return cred.landlock.check_open(path, access);
}

export function security_sb_mount({ cred }: Current, what: string): void {
  cred.landlock?.check_topology(what);
}
