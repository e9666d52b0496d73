import { S_IFDIR, S_IFLNK, S_IFREG } from '@vitrine/uapi/stat.ts';

/** Bytes that are fetched when they are first needed: a file of a host directory, a member of an archive. */
export interface LazyBytes {
  readonly size: number;
  read(): Uint8Array;
}

/**
 * One file of a root file system, as the kernel unpacks it at boot. Names are byte strings (one char per byte).
 * Parents come before children; a folder that no entry names is made with mode 755.
 */
export interface RootEntry {
  /** Relative to the root, without a leading slash; '' is the root folder itself. */
  readonly path: string;
  /** File type and permission bits, as st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970; may have a fraction. */
  readonly mtime: number;
  /** A symbolic link's target. */
  readonly target?: string;
  /** Another name for an entry that came before: its path. Nothing else of this entry counts then. */
  readonly hardLink?: string;
  /** A device's number. */
  readonly rdev?: { readonly major: number; readonly minor: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** A regular file's content; none is an empty file. */
  readonly data?: Uint8Array | LazyBytes;
}

/** What a program that the image starts gets when its caller does not say otherwise (OCI's image configuration). */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workdir: string;
  /** As `docker run -u` takes it; '' is root. */
  readonly user: string;
}

export interface Image {
  readonly entries: readonly RootEntry[];
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
