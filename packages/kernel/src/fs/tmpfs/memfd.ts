import { EBUSY, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  O_LARGEFILE,
  O_RDWR,
} from '@vitrine/uapi/fcntl.ts';
import { TMPFS_MAGIC } from '@vitrine/uapi/magic.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry, Path } from '../dcache.ts';
import type { File } from '../file.ts';
import { type Mount, kern_mount } from '../mount.ts';
import { TmpfsFile } from './file.ts';
import { F_SEAL_EXEC, TmpfsInode } from './inode.ts';
import { type TmpfsSuperBlock, tmpfs_super } from './super.ts';

declare module '../vfs.ts' {
  interface Vfs {
    /** The kernel's own tmpfs, for files without a place (memfd_create). */
    shm_mnt?: Mount;
  }
}

const ALL_SEALS =
  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC;

function shm_mnt(current: Current): Mount {
  const { kernel } = current;
  const options = { blocks: 0, inodes: 0, mode: 0o1777, uid: 0, gid: 0 };
  return (kernel.vfs.shm_mnt ??= kern_mount(
    tmpfs_super(kernel, kernel.vfs.fileSystems.get('tmpfs')!, TMPFS_MAGIC, options).root, 'tmpfs')); // prettier-ignore
}

/** The first open file of an inode that no open made: O_DIRECT is not for it (shmem_file_open). */
export class ShmemFile extends TmpfsFile {
  static {
    serializable('ShmemFile', this);
  }
  override get can_odirect(): boolean {
    return false;
  }
}

/** An unlinked file on the kernel's own tmpfs (shmem_file_setup). */
export function shmem_file_setup(
  current: Current,
  name: string,
  size: number,
  mode: number,
  make: (path: Path, flags: number) => File = (path, flags) => new ShmemFile(current, path, flags),
): File {
  const mnt = shm_mnt(current);
  const inode = new TmpfsInode(mnt.sb as TmpfsSuperBlock, 0o100000 | mode);
  inode.uid = current.cred.fsuid;
  inode.gid = current.cred.fsgid;
  inode.nlink = 0;
  inode.size = size;
  const dentry = new Dentry(name, mnt.root, inode, mnt.sb);
  dentry.unhashed = true;
  return make(new Path(mnt, dentry), O_RDWR | O_LARGEFILE);
}

export function memfd_create(
  current: Current,
  name: string,
  sealing: boolean,
  noexec: boolean,
): File {
  const file = shmem_file_setup(current, `memfd:${name}`, 0, noexec ? 0o666 : 0o777);
  const inode = file.inode as TmpfsInode;
  if (sealing) inode.seals = 0;
  if (noexec) inode.seals = F_SEAL_EXEC;
  return file;
}

function sealable(file: File): TmpfsInode {
  if (!(file instanceof TmpfsFile) || file.inode.mapping === null) {
    throw errno(EINVAL, '{} has no seals', file.path);
  }
  return file.inode as TmpfsInode;
}

export function memfd_get_seals(file: File): number {
  return sealable(file).seals;
}

export function memfd_add_seals(file: File, seals: number): number {
  if (!file.writable) throw errno(EPERM, '{} is not open for writing', file.path);
  if (seals & ~ALL_SEALS) throw errno(EINVAL, 'F_ADD_SEALS: seals {} are unknown', seals);
  const inode = sealable(file);
  if (inode.seals & F_SEAL_SEAL)
    throw errno(EPERM, 'F_SEAL_SEAL: {} takes no more seals', file.path);
  if (seals & F_SEAL_WRITE && !(inode.seals & F_SEAL_WRITE)) {
    for (const range of inode.mapping!.mappings) {
      if (range.maywrite) throw errno(EBUSY, 'F_SEAL_WRITE: {} is mapped for writing', file.path);
    }
  }
  // What can be executed must not change either.
  if (seals & F_SEAL_EXEC && inode.mode & 0o111)
    seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
  inode.seals |= seals;
  return 0;
}
