import type { Current } from '../include/current.ts';
import type { Kernel } from '../include/kernel.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { misc_init } from '../drivers/char/misc.ts';
import { chr_dev_init } from '../drivers/char/mem.ts';
import { pty_init } from '../drivers/tty/pty.ts';
import { tty_init } from '../drivers/tty/tty_io.ts';
import { netlink_proto_init } from '../net/netlink/af_netlink.ts';
import { af_unix_init } from '../net/unix/af_unix.ts';
import { pseudo_init } from '../fs/anon_inodes.ts';
import { Path } from '../fs/dcache.ts';
import { DevptsType } from '../fs/devpts/devpts.ts';
import { DevtmpfsType, devtmpfs_init, devtmpfs_symlink } from '../fs/devtmpfs/devtmpfs.ts';
import { MqueueType } from '../ipc/mqueue.ts';
import '../ipc/proc.ts';
import '../net/proc.ts';
import '../security/keys/proc.ts';
import { FilesStruct } from '../fs/fdtable.ts';
import { FsStruct } from '../fs/fs_struct.ts';
import { mount_rootfs } from '../fs/namespace.ts';
import { ProcType } from '../fs/proc/root.ts';
import { SysfsType } from '../fs/sysfs/sysfs.ts';
import { RamfsType } from '../fs/tmpfs/ramfs.ts';
import { TmpfsType } from '../fs/tmpfs/super.ts';
import { Vfs } from '../fs/vfs.ts';

/** Sets up the file layer of a machine: types, pseudo file systems, an empty /dev tree. */
export function vfs_caches_init(kernel: Kernel): void {
  kernel.vfs = new Vfs();
  limitsOfMemory(kernel.vfs, kernel.frames.total);
  kernel.vfs.register_filesystem(new RamfsType());
  kernel.vfs.register_filesystem(new TmpfsType());
  kernel.vfs.register_filesystem(new DevtmpfsType());
  kernel.vfs.register_filesystem(new DevptsType());
  kernel.vfs.register_filesystem(new ProcType());
  kernel.vfs.register_filesystem(new SysfsType());
  kernel.vfs.register_filesystem(new MqueueType());
  pseudo_init(kernel);
  devtmpfs_init(kernel);
  chr_dev_init(kernel);
  misc_init(kernel);
  // What udev, or a container runtime, adds to /dev.
  devtmpfs_symlink(kernel, 'fd', '/proc/self/fd');
  devtmpfs_symlink(kernel, 'stdin', '/proc/self/fd/0');
  devtmpfs_symlink(kernel, 'stdout', '/proc/self/fd/1');
  devtmpfs_symlink(kernel, 'stderr', '/proc/self/fd/2');
  tty_init(kernel);
  pty_init(kernel);
  af_unix_init(kernel);
  netlink_proto_init(kernel);
}

/** Limits that Linux takes from the size of memory (files_maxfiles_init, eventpoll_init, inotify_user_setup). */
function limitsOfMemory(vfs: Vfs, frames: number): void {
  const share = (part: number, size: number): number => Math.floor(Math.floor(frames / part) * (PAGE_SIZE / size)); // prettier-ignore
  vfs.file_max = Math.max(8192, share(10, 1024));
  vfs.epoll_max_user_watches = share(25, 184);
  vfs.inotify_max_user_watches = Math.min(1048576, Math.max(8192, share(100, 1312)));
  vfs.fanotify_max_user_marks = Math.min(1048576, Math.max(8192, share(100, 1232)));
}

/** Mounts the root file system (a tmpfs) and makes it the task's root and current directory (mnt_init). */
export function mnt_init(current: Current, data = 'mode=755,size=80%,nr_inodes=262144'): void {
  const root = mount_rootfs(current, 'tmpfs', 0, data);
  current.fs = new FsStruct(root, root, current.kernel.vfs.rootNs);
  current.files = new FilesStruct();
}

/** A kernel task's view of the files: the root of the first namespace. */
export function init_fs(kernel: Kernel): FsStruct {
  const { root } = kernel.vfs.rootNs;
  let top = root;
  // What is mounted over the root hides it.
  for (let over = top.children.get(top.root); over !== undefined; over = top.children.get(top.root))
    top = over;
  const path = new Path(top, top.root);
  return new FsStruct(path, path, kernel.vfs.rootNs);
}
