/**
 * The host seam (architecture.md): everything non-deterministic enters the kernel here and nowhere else. Node, the
 * browser and tests implement it. Streams, directories and sockets that the caller grants are attached as devices and
 * file systems of their own; this is what every machine needs.
 */
export interface Host {
  /** Nanoseconds since an arbitrary start; never goes back. An integer below 2^53. */
  monotonic(): number;
  /** The wall clock: nanoseconds since 1970-01-01T00:00:00Z minus monotonic(). Read once at boot. */
  realtimeOffset(): bigint;
  /** Fills the array with unpredictable bytes. */
  entropy(into: Uint8Array): void;
  /**
   * Virtual hosts only: called when every task sleeps until `ns` (monotonic); a virtual clock jumps there and returns
   * true. A real host returns false and the kernel gives the thread back.
   */
  idleUntil?(ns: number): boolean;
  /** Virtual hosts only: `instructions` were executed and `calls` system calls made; a virtual clock advances by their cost. */
  advance?(instructions: number, calls: number): void;
  /** The folder granted under that name, if any. */
  directory?: (name: string) => HostDirectory | undefined;
  /** The layer of an image offered under that name, if any. */
  layer?: (name: string) => HostLayer | undefined;
}

/** A read-only layer of an image (fs/layerfs), the same for all machines of the host. */
export interface HostLayer {
  /** As fs/layerfs/format.ts describes it. */
  readonly index: Uint8Array;
  /** Fills `into` with the bytes of the layer's archive at `position`. @returns bytes read */
  read(into: Uint8Array, position: number): number;
}

/** What stat tells of a file in a folder of the host's; times in milliseconds. */
export interface HostStat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly nlink: number;
  readonly rdev: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/**
 * A folder of the host's that the machine was granted (fs/hostfs). Paths are byte strings relative to it, '' for itself;
 * no call follows a symbolic link at the end. Errors are thrown as objects with a `code` like 'ENOENT'; a folder that is
 * granted for reading throws EROFS from every call that would change it.
 */
export interface HostDirectory {
  lstat(path: string): HostStat;
  readdir(path: string): readonly string[];
  readlink(path: string): string;
  /** @returns a handle for read, write and close */
  open(path: string, write: boolean): number;
  close(handle: number): void;
  /** @returns bytes read, 0 at the end */
  read(handle: number, into: Uint8Array, position: number): number;
  write(handle: number, from: Uint8Array, position: number): number;
  fsync(handle: number): void;
  /** Makes an empty regular file; EEXIST when the name is taken. */
  create(path: string, mode: number): void;
  mkdir(path: string, mode: number): void;
  symlink(target: string, path: string): void;
  link(existing: string, path: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  rename(from: string, to: string): void;
  truncate(path: string, size: number): void;
  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  utimes(path: string, atimeMs: number, mtimeMs: number): void;
}
