import { ENODEV, ENXIO } from '@vitrine/uapi/errno.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import type { Path } from './dcache.ts';
import type { File } from './file.ts';
import type { Inode } from './inode.ts';
import { MAJOR, MINOR } from './kdev_t.ts';
import type { MntNamespace, Mount } from './mount.ts';
import type { FileSystemType } from './super.ts';

declare module '../include/kernel.ts' {
  interface Kernel {
    vfs: Vfs;
  }
}

/** Opens the files of one character-device major (analogous to `struct cdev`). */
export interface CharDriver {
  open(current: Current, inode: Inode, path: Path, flags: number): File;
}

/** The machine-wide state of the file layer, and its sysctls (/proc/sys/fs). */
export class Vfs {
  readonly fileSystems: Map<string, FileSystemType> = new Map();
  /** By major number, or by `major:minor` where one driver has a single minor. */
  readonly charDrivers: Map<string, CharDriver> = new Map();
  /** Names for /proc/devices. */
  readonly charNames: Map<number, string[]> = new Map();
  /** Devices of major 10 by minor number (/proc/misc). */
  readonly misc: Map<number, string> = new Map();
  /** The kernel's own mounts: pipefs, sockfs, anon_inodefs. */
  readonly pseudo: Map<string, Mount> = new Map();
  nextAnonDev = 1;
  nextMountId = 20;
  nextMntNs = 1;
  /** get_next_ino(): inodes of pipes, sockets and other files without a home. */
  nextIno = 1;
  /** Joins the two halves of a rename in inotify events. */
  nextCookie = 1;
  rootNs!: MntNamespace;
  /** Those that have a number, in order of age. */
  readonly mntNamespaces: Map<number, MntNamespace> = new Map();

  /** Open files in the machine (/proc/sys/fs/file-nr). */
  files = 0;
  /** An open has asked for room already: the files that it makes are not asked for again. */
  has_room = false;
  /** These four are set from the machine's memory at boot (init/fs.ts). */
  file_max = 0;
  epoll_max_user_watches = 0;
  inotify_max_user_watches = 0;
  fanotify_max_user_marks = 0;
  nr_open = 1048576;
  pipe_max_size = 1048576;
  /** Slots of one user's pipes: above soft, the next ones are small; at hard there are no more (0: no limit). */
  pipe_user_pages_soft = 16384;
  pipe_user_pages_hard = 0;
  inotify_max_queued_events = 16384;
  inotify_max_user_instances = 128;
  fanotify_max_queued_events = 16384;
  fanotify_max_user_groups = 128;
  /** Mounts there are, in whatever namespace. */
  nr_mounts = 0;
  mount_max = 100000;
  memfd_noexec = 0;
  /** Off, as the kernel itself has them: distributions turn them on through sysctl. */
  protected_symlinks = 0;
  protected_hardlinks = 0;
  protected_fifos = 0;
  protected_regular = 0;
  leases_enable = 1;
  dir_notify_enable = 1;
  /** Seconds. */
  lease_break_time = 45;
  aio_nr = 0;
  aio_max_nr = 65536;

  static {
    serializable('Vfs', this);
  }

  register_filesystem(type: FileSystemType): void {
    this.fileSystems.set(type.name, type);
  }

  unregister_filesystem(name: string): void {
    this.fileSystems.delete(name);
  }

  get_fs_type(name: string): FileSystemType {
    const type = this.fileSystems.get(name);
    if (type === undefined) {
      throw errno(ENODEV, 'no file system type {} is registered; there are {}',
        name, [...this.fileSystems.keys()].join(', ')); // prettier-ignore
    }
    return type;
  }

  register_chrdev(major: number, minor: number | null, name: string, driver: CharDriver): void {
    this.charDrivers.set(minor === null ? `${major}` : `${major}:${minor}`, driver);
    this.charNames.set(major, [...(this.charNames.get(major) ?? []), name]);
  }

  chrdev_open(current: Current, inode: Inode, path: Path, flags: number): File {
    const major = MAJOR(inode.rdev);
    const minor = MINOR(inode.rdev);
    const driver = this.charDrivers.get(`${major}:${minor}`) ?? this.charDrivers.get(`${major}`);
    if (driver === undefined) {
      throw errno(ENXIO, 'no driver for character device {}:{} ({})', major, minor, path);
    }
    return driver.open(current, inode, path, flags);
  }
}
