import { EINVAL, ENODEV } from '@vitrine/uapi/errno.ts';
import { USERFAULTFD_IOC_NEW } from '@vitrine/uapi/userfaultfd.ts';
import type { Path } from '../../fs/dcache.ts';
import { devtmpfs_create_node } from '../../fs/devtmpfs/devtmpfs.ts';
import { File } from '../../fs/file.ts';
import type { Inode } from '../../fs/inode.ts';
import { MINOR, MKDEV } from '../../fs/kdev_t.ts';
import { new_userfaultfd } from '../../fs/userfaultfd/userfaultfd.ts';
import type { CharDriver } from '../../fs/vfs.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../../kernel/task.ts';

/** Character devices that share major 10 (analogous to drivers/char/misc.c). */
const MISC_MAJOR = 10;
/** The first of those that have no number of their own. */
const USERFAULTFD_MINOR = 257;

/** Whoever may open it may serve faults of system calls: the file's mode decides (userfaultfd(2)). */
class UserfaultfdDevice extends File {
  static {
    serializable('UserfaultfdDevice', this);
  }
  override ioctl(current: Current, cmd: number, flags: number): number {
    if (cmd >>> 0 === USERFAULTFD_IOC_NEW) return new_userfaultfd(current as Task, flags | 0);
    throw errno(EINVAL, '/dev/userfaultfd has no ioctl 0x{}', (cmd >>> 0).toString(16));
  }
}

class MiscDriver implements CharDriver {
  static {
    serializable('MiscDriver', this);
  }
  open(current: Current, inode: Inode, path: Path, flags: number): File {
    const minor = MINOR(inode.rdev);
    if (minor === USERFAULTFD_MINOR) return new UserfaultfdDevice(current, path, flags);
    throw errno(ENODEV, 'there is no device 10:{} ({})', minor, path);
  }
}

export function misc_init(kernel: Kernel): void {
  kernel.vfs.register_chrdev(MISC_MAJOR, null, 'misc', new MiscDriver());
  kernel.vfs.misc.set(USERFAULTFD_MINOR, 'userfaultfd');
  devtmpfs_create_node(kernel, 'userfaultfd', 0o20600, MKDEV(MISC_MAJOR, USERFAULTFD_MINOR));
}
