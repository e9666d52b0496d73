import { accessSync, chmodSync, closeSync, constants, fchmodSync, fchownSync, fstatSync, fsyncSync, ftruncateSync, futimesSync, lchownSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, readdirSync, readlinkSync, readSync, realpathSync, renameSync, rmdirSync, statfsSync, statSync, symlinkSync, truncateSync, unlinkSync, writeSync, type BigIntStats } from 'node:fs'; // prettier-ignore
import type {
  HostDirectory,
  HostOwner,
  HostStat,
  HostStatfs,
} from '@vitrine/kernel/include/host.ts';
import { bytesToByteString } from '../bytes.ts';
import { Folders, reopen, withFile } from './folders.ts';

const failure = (code: string, what: string): Error => Object.assign(new Error(what), { code });

const hostStat = (stat: BigIntStats): HostStat => ({
  dev: stat.dev,
  ino: stat.ino,
  mode: Number(stat.mode),
  uid: Number(stat.uid),
  gid: Number(stat.gid),
  nlink: Number(stat.nlink),
  rdev: stat.rdev,
  size: Number(stat.size),
  blocks: Number(stat.blocks),
  atimeNs: stat.atimeNs,
  mtimeNs: stat.mtimeNs,
  ctimeNs: stat.ctimeNs,
});

/**
 * Node takes seconds, of which it keeps microseconds: not one less for what a number cannot say exactly. Of numbers
 * below 0 it makes the present, of dates it does not.
 */
function seconds(ns: bigint): number | Date {
  if (ns < 0n) return new Date(Number(ns / 1_000_000n));
  const time = Number(ns) / 1e9;
  return Math.trunc(time * 1e6) < Number(ns / 1000n) ? time + 2.4e-7 : time;
}

/** Who may not give files away keeps them. */
function give(call: () => void): void {
  try {
    call();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

/** An open file: for appending, it is open a second time. */
interface Handle {
  readonly fd: number;
  append: number;
}

/** A folder of this computer, or a single file of it, for a machine. */
export class NodeDirectory implements HostDirectory {
  /** Without a slash at the end. */
  readonly #root: Buffer;
  /** The one file that is granted. */
  readonly #file: Buffer | null;
  readonly #readonly: boolean;
  readonly #folders: Folders = new Folders();
  /** Numbers of its own: one that a snapshot brings back means nothing here. */
  readonly #handles: Map<number, Handle> = new Map();
  #serial = 0;

  constructor(path: string, readonly: boolean) {
    const stat = statSync(path);
    if (!stat.isDirectory() && !stat.isFile())
      throw new Error(`${path} is neither a folder nor a regular file`);
    const real = realpathSync.native(path, { encoding: 'buffer' });
    const slash = real.lastIndexOf(0x2f);
    this.#file = stat.isFile() ? real.subarray(slash + 1) : null;
    this.#root = stat.isFile() || real.length === 1 ? real.subarray(0, slash) : real;
    this.#readonly = readonly;
  }

  /** A folder below the granted one, ready for use. */
  #folder(path: string): Buffer {
    const whole = path === '' ? this.#root : Buffer.concat([this.#root, Buffer.from(`/${path}`, 'latin1')]); // prettier-ignore
    return this.#folders.enter(whole.length === 0 ? Buffer.from('/') : whole);
  }

  /** The path on this computer, below a folder that is what the machine takes it for. */
  #at(path: string): Buffer {
    const slash = path.lastIndexOf('/');
    const name = this.#file ?? Buffer.from(path.slice(slash + 1) || '.', 'latin1');
    return Buffer.concat([this.#folder(path.slice(0, Math.max(0, slash))), Buffer.from('/'), name]);
  }

  /** The path, for a call that changes something. */
  #writable(path: string): Buffer {
    if (this.#readonly) throw failure('EROFS', 'granted for reading only');
    return this.#at(path);
  }

  lstat(path: string): HostStat | null {
    // The folder itself can be looked at by who may not search it.
    const stat =
      path === '' && this.#file === null
        ? statSync(this.#folder(''), { bigint: true, throwIfNoEntry: false })
        : lstatSync(this.#at(path), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : hostStat(stat);
  }

  readdir(path: string): string[] {
    const at = Buffer.concat([this.#folder(path), Buffer.from('/')]);
    return readdirSync(at, { encoding: 'buffer' }).map((name) => bytesToByteString(name));
  }

  mayReaddir(path: string): void {
    accessSync(this.#folder(path), constants.R_OK);
  }

  readlink(path: string): string {
    return bytesToByteString(readlinkSync(this.#at(path), { encoding: 'buffer' }));
  }

  // Open files.

  open(path: string, access: number): number {
    const at = access === constants.O_RDONLY ? this.#at(path) : this.#writable(path);
    return withFile(at, (file, stat) => {
      // A FIFO would keep this thread, a device would do something.
      if (!stat.isFile()) throw failure('ENXIO', 'it is no regular file any more');
      return this.#opened(openSync(file, access));
    });
  }

  reopen(handle: number, access: number): number {
    if (access !== constants.O_RDONLY && this.#readonly)
      throw failure('EROFS', 'granted for reading only');
    const fd = reopen(this.#fd(handle), access);
    if (fd === null) throw failure('ESTALE', 'an open file cannot be opened again here');
    return this.#opened(fd);
  }

  #opened(fd: number): number {
    this.#handles.set(++this.#serial, { fd, append: -1 });
    return this.#serial;
  }

  #handle(handle: number): Handle {
    const found = this.#handles.get(handle);
    if (found === undefined) throw failure('ESTALE', 'it was opened by another machine');
    return found;
  }

  #fd(handle: number): number {
    return this.#handle(handle).fd;
  }

  close(handle: number): void {
    const found = this.#handles.get(handle);
    if (found === undefined) return;
    this.#handles.delete(handle);
    closeSync(found.fd);
    if (found.append >= 0) closeSync(found.append);
  }

  fstat(handle: number): HostStat {
    return hostStat(fstatSync(this.#fd(handle), { bigint: true }));
  }

  read(handle: number, into: Uint8Array, position: number): number {
    return readSync(this.#fd(handle), into, 0, into.length, position);
  }

  write(handle: number, from: Uint8Array, position: number | null): number {
    const open = this.#handle(handle);
    if (position !== null) return writeSync(open.fd, from, 0, from.length, position);
    if (open.append < 0)
      open.append = reopen(open.fd, constants.O_WRONLY | constants.O_APPEND) ?? -1;
    if (open.append >= 0) return writeSync(open.append, from, 0, from.length);
    return writeSync(open.fd, from, 0, from.length, fstatSync(open.fd).size);
  }

  fsync(handle: number): void {
    fsyncSync(this.#fd(handle));
  }

  // Names.

  create(path: string, mode: number, { uid, gid }: HostOwner): void {
    const fd = openSync(this.#writable(path), 'wx', mode);
    try {
      give(() => fchownSync(fd, uid, gid));
      fchmodSync(fd, mode); // this process's own umask does not count
    } finally {
      closeSync(fd);
    }
  }

  mkdir(path: string, mode: number, { uid, gid }: HostOwner): void {
    const at = this.#writable(path);
    mkdirSync(at, { mode });
    give(() => lchownSync(at, uid, gid));
    withFile(at, (file) => chmodSync(file, mode));
  }

  symlink(target: string, path: string, { uid, gid }: HostOwner): void {
    const at = this.#writable(path);
    symlinkSync(Buffer.from(target, 'latin1'), at);
    give(() => lchownSync(at, uid, gid));
  }

  link(existing: string, path: string): void {
    const to = this.#writable(path);
    linkSync(this.#at(existing), to);
  }

  unlink(path: string): void {
    unlinkSync(this.#writable(path));
  }

  rmdir(path: string): void {
    rmdirSync(this.#writable(path));
    this.#folders.moved();
  }

  rename(from: string, to: string): void {
    renameSync(this.#writable(from), this.#writable(to));
    this.#folders.moved();
  }

  // Attributes.

  #check(): void {
    if (this.#readonly) throw failure('EROFS', 'granted for reading only');
  }

  truncate(file: string | number, size: number): void {
    this.#check();
    if (typeof file === 'number') ftruncateSync(this.#fd(file), size);
    else withFile(this.#at(file), (at) => truncateSync(at, size));
  }

  chmod(file: string | number, mode: number): void {
    this.#check();
    if (typeof file === 'number') fchmodSync(this.#fd(file), mode);
    else withFile(this.#at(file), (at) => chmodSync(at, mode));
  }

  chown(file: string | number, uid: number, gid: number): void {
    this.#check();
    if (typeof file === 'number') fchownSync(this.#fd(file), uid, gid);
    else lchownSync(this.#at(file), uid, gid);
  }

  utimes(file: string | number, atimeNs: bigint, mtimeNs: bigint): void {
    this.#check();
    if (typeof file === 'number') futimesSync(this.#fd(file), seconds(atimeNs), seconds(mtimeNs));
    else lutimesSync(this.#at(file), seconds(atimeNs), seconds(mtimeNs));
  }

  statfs(): HostStatfs {
    const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(this.#at(''));
    return { bsize, blocks, bfree, bavail, files, ffree };
  }

  release(): void {
    for (const handle of [...this.#handles.keys()]) this.close(handle);
    this.#folders.release();
  }
}
