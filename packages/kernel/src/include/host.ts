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

/** What stat tells of a file in a folder of the host's. */
export interface HostStat {
  /** Together they say which file it is. */
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** As the C library has it. */
  readonly rdev: bigint;
  readonly size: number;
  readonly blocks: number;
  /** Nanoseconds since 1970. */
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Whose a new file is to be; a host that may not give files away keeps them. */
export interface HostOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * A folder of the host's that the machine was granted (fs/hostfs). Paths are byte strings relative to it, '' for itself;
 * no call follows a symbolic link, at the end or on the way. Errors are thrown as objects with a `code` like 'ENOENT'; a
 * folder that is granted for reading throws EROFS from every call that would change it.
 */
export interface HostDirectory {
  /** @returns null when there is no such file */
  lstat(path: string): HostStat | null;
  readdir(path: string): readonly string[];
  /** Throws what readdir would throw. */
  mayReaddir(path: string): void;
  readlink(path: string): string;
  /**
   * Opens a regular file.
   * @param access O_RDONLY, O_WRONLY or O_RDWR
   * @returns a handle for the calls below
   */
  open(path: string, access: number): number;
  /** Opens a file again that is open, though its name is gone or another's. */
  reopen(handle: number, access: number): number;
  close(handle: number): void;
  fstat(handle: number): HostStat;
  /** @returns bytes read, 0 at the end */
  read(handle: number, into: Uint8Array, position: number): number;
  /** @param position null: at the file's end, wherever that is by now */
  write(handle: number, from: Uint8Array, position: number | null): number;
  fsync(handle: number): void;
  /** Makes an empty regular file; EEXIST when the name is taken. */
  create(path: string, mode: number, owner: HostOwner): void;
  mkdir(path: string, mode: number, owner: HostOwner): void;
  symlink(target: string, path: string, owner: HostOwner): void;
  link(existing: string, path: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  rename(from: string, to: string): void;
  /** `file` is a path, or the handle of an open file. */
  truncate(file: string | number, size: number): void;
  chmod(file: string | number, mode: number): void;
  chown(file: string | number, uid: number, gid: number): void;
  utimes(file: string | number, atimeNs: bigint, mtimeNs: bigint): void;
  statfs(): HostStatfs;
  /** The machine is closed. */
  release(): void;
}

/** Room on the file system of a granted folder. */
export interface HostStatfs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}
