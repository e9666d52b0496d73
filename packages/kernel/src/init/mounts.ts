import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from '@vitrine/uapi/mount.ts';
import type { Path } from '../fs/dcache.ts';
import { do_mkdirat } from '../fs/namei_ops.ts';
import { path_lookupat } from '../fs/namei.ts';
import { path_mount } from '../fs/namespace.ts';
import type { Task } from '../kernel/task.ts';
import { Errno } from '../include/errno.ts';
import { EEXIST } from '@vitrine/uapi/errno.ts';

const LOOKUP_FOLLOW = 1;

/** What is mounted before PID 1 starts: type, place, flags, options. As a container runtime does it. */
const MOUNTS: readonly (readonly [string, string, number, string])[] = [
  ['devtmpfs', '/dev', MS_NOSUID, 'mode=755'],
  ['devpts', '/dev/pts', MS_NOSUID | MS_NOEXEC, 'gid=5,mode=620,ptmxmode=666'],
  ['mqueue', '/dev/mqueue', MS_NOSUID | MS_NODEV | MS_NOEXEC, ''],
  ['tmpfs', '/dev/shm', MS_NOSUID | MS_NODEV, 'mode=1777'],
  ['proc', '/proc', MS_NOSUID | MS_NODEV | MS_NOEXEC, ''],
  ['sysfs', '/sys', MS_NOSUID | MS_NODEV | MS_NOEXEC, ''],
];

/** Mounts an image's layers, lowest first, as an overlay with a tmpfs on top, over the root. */
export function mount_layers(boot: Task, layers: readonly string[]): void {
  const place = (path: string): Path => path_lookupat(boot, AT_FDCWD, path, LOOKUP_FOLLOW);
  for (const dir of ['/upper', '/work', '/layers']) do_mkdirat(boot, AT_FDCWD, dir, 0o755);
  layers.forEach((layer, i) => {
    do_mkdirat(boot, AT_FDCWD, `/layers/${i}`, 0o755);
    path_mount(boot, layer, place(`/layers/${i}`), 'layerfs', MS_RDONLY, '');
  });
  // The image's own root has the mode and owner that count: the uppermost layer's that says what they are.
  const roots = layers.map((_, i) => place(`/layers/${i}`).dentry.inode).toReversed();
  const top = roots.find((root) => !root.implied) ?? roots[0]!;
  const upper = place('/upper').dentry.inode;
  const { uid, gid, mode, mtime, atime } = top;
  upper.setattr(boot, { uid, gid, mode, mtime, atime });
  const lower = layers
    .map((_, i) => `/layers/${i}`)
    .toReversed()
    .join(':');
  path_mount(
    boot,
    'overlay',
    place('/'),
    'overlay',
    0,
    `lowerdir=${lower},upperdir=/upper,workdir=/work`,
  );
}

/** Mounts the pseudo file systems that this kernel has, making the folders that the image lacks. */
export function mount_pseudo(boot: Task): void {
  for (const [type, at, flags, data] of MOUNTS) {
    if (!boot.kernel.vfs.fileSystems.has(type)) continue;
    try {
      do_mkdirat(boot, AT_FDCWD, at, 0o755);
    } catch (error) {
      if (!(error instanceof Errno) || error.code !== EEXIST) throw error;
    }
    path_mount(boot, type, path_lookupat(boot, AT_FDCWD, at, LOOKUP_FOLLOW), type, flags, data);
  }
}
