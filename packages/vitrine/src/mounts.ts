import { S_ISDIR } from '@vitrine/kernel/fs/inode.ts';
import { LOOKUP_FOLLOW, path_lookupat } from '@vitrine/kernel/fs/namei.ts';
import { do_mkdirat, do_mknodat } from '@vitrine/kernel/fs/namei_ops.ts';
import { HostSuperBlock } from '@vitrine/kernel/fs/hostfs/super.ts';
import { path_mount } from '@vitrine/kernel/fs/namespace.ts';
import { Errno } from '@vitrine/kernel/include/errno.ts';
import type { Host, HostDirectory } from '@vitrine/kernel/include/host.ts';
import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import type { Image } from '@vitrine/image';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { EEXIST } from '@vitrine/uapi/errno.ts';
import { MS_BIND, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REMOUNT } from '@vitrine/uapi/mount.ts';
import { S_IFREG } from '@vitrine/uapi/stat.ts';
import { toByteString } from './bytes.ts';
import { asking } from './errors.ts';
import type { Volume } from './machine.ts';
import type { Platform } from './platform.ts';

/** Makes the folders and files reachable through the host, under the names of the places where they are mounted. */
export function grant(
  host: Host,
  platform: Platform,
  volumes: readonly (readonly [string, Volume])[],
): readonly HostDirectory[] {
  if (platform.directory === undefined) throw new Error('there are no folders of the host here');
  const open = platform.directory;
  const granted = new Map(
    volumes.map(([at, volume]) => [toByteString(at), open(volume.host, volume.readonly === true)]),
  );
  host.directory = (name) => granted.get(name);
  return [...granted.values()];
}

/** The image's layers under their digests; a snapshot may name others, which `stored` finds. */
export function offerLayers(host: Host, image: Image, stored?: Host['layer']): void {
  const layers = new Map(image.layers?.map(({ id, layer }) => [id, layer]));
  host.layer = (id) => layers.get(id) ?? stored?.(id);
}

/** Makes a folder and those above it. */
export function makeFolder(kernel: Kernel, path: string): void {
  const parts = toByteString(path)
    .split('/')
    .filter((part) => part !== '');
  asking(`mkdir ${path}`, () => {
    for (let i = 1; i <= parts.length; i++) {
      try {
        do_mkdirat(kernel.swapper, AT_FDCWD, `/${parts.slice(0, i).join('/')}`, 0o755);
      } catch (error) {
        if (!(error instanceof Errno) || error.code !== EEXIST) throw error;
      }
    }
  });
}

/** Makes an empty file, for a file to be mounted on, where there is none. */
function makeFile(kernel: Kernel, path: string): void {
  makeFolder(kernel, path.slice(0, path.lastIndexOf('/')));
  asking(`create ${path}`, () => {
    try {
      do_mknodat(kernel.swapper, AT_FDCWD, toByteString(path), S_IFREG | 0o644, 0);
    } catch (error) {
      if (!(error instanceof Errno) || error.code !== EEXIST) throw error;
    }
  });
}

function mount(
  kernel: Kernel,
  at: string,
  source: string,
  type: string,
  flags: number,
  data: string,
): void {
  const task = kernel.swapper;
  asking(`mount ${at}`, () => path_mount(task, source, path_lookupat(task, AT_FDCWD, toByteString(at), LOOKUP_FOLLOW), type, flags, data)); // prettier-ignore
}

/** @returns its file system */
export function mountVolume(kernel: Kernel, at: string, { readonly }: Volume): HostSuperBlock {
  const granted = asking(`mount ${at}`, () => kernel.host.directory!(toByteString(at))!.lstat(''));
  if (granted === null || S_ISDIR(granted.mode)) makeFolder(kernel, at);
  else makeFile(kernel, at);
  mount(kernel, at, toByteString(at), 'hostfs', readonly ? MS_RDONLY : 0, '');
  return path_lookupat(kernel.swapper, AT_FDCWD, toByteString(at), LOOKUP_FOLLOW).mnt
    .sb as HostSuperBlock;
}

/** Those that a snapshot brought. */
export const mountedVolumes = (kernel: Kernel): HostSuperBlock[] =>
  [...new Set([...kernel.vfs.rootNs.mounts].map(({ sb }) => sb))].filter((sb) => sb instanceof HostSuperBlock); // prettier-ignore

export function mountTmpfs(kernel: Kernel, at: string, options: string): void {
  makeFolder(kernel, at);
  mount(kernel, at, 'tmpfs', 'tmpfs', MS_NOSUID | MS_NODEV, toByteString(options));
}

/** The root's mount, not its file system: an overlay's upper layer stays what it is. */
export function remountReadonly(kernel: Kernel): void {
  asking('remount /', () => path_mount(kernel.swapper, '', kernel.swapper.fs.root, '', MS_REMOUNT | MS_BIND | MS_RDONLY, '')); // prettier-ignore
}
