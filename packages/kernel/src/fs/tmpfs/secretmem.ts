import { EFAULT, EINVAL, ENXIO, ESPIPE } from '@vitrine/uapi/errno.ts';
import { O_LARGEFILE, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { SECRETMEM_MAGIC } from '@vitrine/uapi/magic.ts';
import { MS_NOEXEC } from '@vitrine/uapi/mount.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Loff } from '../../include/loff.ts';
import type { AddressSpace } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import type { Mm } from '../../mm/mm.ts';
import { VM_DONTDUMP, VM_LOCKED, VM_MAYSHARE } from '../../mm/vma.ts';
import type { Iattr } from '../attr.ts';
import { Dentry, Path } from '../dcache.ts';
import { File } from '../file.ts';
import { type Mount, kern_mount } from '../mount.ts';
import { BareInode } from './bare_inode.ts';
import { type TmpfsSuperBlock, tmpfs_super } from './super.ts';

declare module '../vfs.ts' {
  interface Vfs {
    secretmem_mnt?: Mount;
  }
}

/** Memory of memfd_secret(2) (mm/secretmem.c): its size is set once, and only mappings reach it. */
class SecretmemInode extends BareInode {
  static {
    serializable('SecretmemInode', this);
  }

  override setattr(current: Current, attr: Iattr): void {
    if (attr.size !== undefined && this.size !== 0)
      throw errno(EINVAL, '{} has its size already: it is set once', this);
    super.setattr(current, attr);
  }

  /** The descriptor cannot be opened again by /proc/self/fd. */
  override open(): File {
    throw errno(ENXIO, 'secret memory is opened by memfd_secret alone');
  }
}

/** An open memfd_secret: neither read nor written, mapped shared, locked and left out of core dumps. */
export class SecretmemFile extends File {
  declare readonly inode: SecretmemInode;

  static {
    serializable('SecretmemFile', this);
  }

  override get seekable(): boolean {
    return false;
  }
  override llseek(): Loff {
    throw errno(ESPIPE, 'secret memory has no position');
  }

  override mmap_flags(vmFlags: number): number {
    if (!(vmFlags & VM_MAYSHARE))
      throw errno(EINVAL, 'secret memory is mapped with MAP_SHARED only');
    return vmFlags | VM_LOCKED | VM_DONTDUMP;
  }

  override mmap_mapping(_current: Current): AddressSpace | null {
    return this.inode.mapping;
  }
}

/** Pages that nobody but the processor may look at: what takes memory by its pages (get_user_pages) leaves them. */
export function check_not_secret(mm: Mm, address: number): void {
  if (mm.vmas.at(address)?.file instanceof SecretmemFile)
    throw errno(EFAULT, 'the memory at 0x{} is secret (memfd_secret)', address.toString(16));
}

function secretmem_mnt(current: Current): Mount {
  const { kernel } = current;
  const options = { blocks: 0, inodes: 0, mode: 0o755, uid: 0, gid: 0 };
  if (kernel.vfs.secretmem_mnt !== undefined) return kernel.vfs.secretmem_mnt;
  const type = kernel.vfs.fileSystems.get('tmpfs')!;
  const { root } = tmpfs_super(kernel, type, SECRETMEM_MAGIC, options);
  const mnt = (kernel.vfs.secretmem_mnt = kern_mount(root, 'secretmem'));
  mnt.flags |= MS_NOEXEC;
  return mnt;
}

export function secretmem_file_create(current: Current): SecretmemFile {
  const mnt = secretmem_mnt(current);
  const inode = new SecretmemInode(mnt.sb as TmpfsSuperBlock, 0o100600);
  inode.uid = current.cred.fsuid;
  inode.gid = current.cred.fsgid;
  inode.nlink = 0;
  const dentry = new Dentry('secretmem', mnt.root, inode, mnt.sb);
  dentry.unhashed = true;
  return new SecretmemFile(current, new Path(mnt, dentry), O_RDWR | O_LARGEFILE);
}
