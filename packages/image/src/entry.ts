import type { HostLayer } from '@vitrine/kernel/include/host.ts';
import type { InitramfsEntry } from '@vitrine/kernel/init/initramfs.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '@vitrine/uapi/stat.ts';

export type { LazyBytes } from '@vitrine/kernel/include/lazy.ts';

/** One file of a root file system: what the kernel unpacks at boot. */
export type RootEntry = InitramfsEntry;

/** What a program that the image starts gets when its caller does not say otherwise (OCI's image configuration). */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workdir: string;
  /** As `docker run -u` takes it; '' is root. */
  readonly user: string;
  /** What `docker stop` would send. */
  readonly stopSignal?: string;
  /** `80/tcp`: said, not opened. */
  readonly exposedPorts?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** A layer of an image, under its digest. */
export interface ImageLayer {
  readonly id: string;
  readonly layer: HostLayer;
}

export interface Image {
  readonly entries: readonly RootEntry[];
  /** Lowest first: the root file system is an overlay of these, and `entries` is empty. */
  readonly layers?: readonly ImageLayer[];
  readonly config: ImageConfig;
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const DEFAULT_CONFIG: ImageConfig = {
  env: { PATH: DEFAULT_PATH },
  entrypoint: [],
  cmd: ['sh'],
  workdir: '/',
  user: '',
};

const own = { uid: 0, gid: 0, mtime: 0 };

export function directory(path: string, mode = 0o755): RootEntry {
  return { path, mode: S_IFDIR | mode, ...own };
}

export function symlink(path: string, target: string): RootEntry {
  return { path, mode: S_IFLNK | 0o777, target, ...own };
}

export function file(path: string, data: Uint8Array, mode = 0o644): RootEntry {
  return { path, mode: S_IFREG | mode, data, ...own };
}
