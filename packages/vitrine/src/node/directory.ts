import { chmodSync, chownSync, closeSync, constants, fsyncSync, lchownSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, readdirSync, readlinkSync, readSync, realpathSync, renameSync, rmdirSync, statSync, symlinkSync, truncateSync, unlinkSync, writeSync } from 'node:fs'; // prettier-ignore
import type { HostDirectory, HostStat } from '@vitrine/kernel/include/host.ts';
import { bytesToByteString } from '../bytes.ts';

/** A folder of this computer, or a single file of it, for a machine. */
export class NodeDirectory implements HostDirectory {
  readonly #root: Buffer;
  readonly #readonly: boolean;

  constructor(path: string, readonly: boolean) {
    const stat = statSync(path);
    if (!stat.isDirectory() && !stat.isFile())
      throw new Error(`${path} is neither a folder nor a regular file`);
    this.#root = Buffer.from(realpathSync(path));
    this.#readonly = readonly;
  }

  /**
   * Where a path is on this computer. No folder on the way may be a symbolic link: the machine follows links itself, in
   * its own tree, so one that is here now came in behind its back (a second grant of the same folder, another program)
   * and could lead anywhere.
   */
  #at(path: string): Buffer {
    const fixed = path === '' ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const whole = this.#join(fixed);
    if (!realpathSync.native(whole, { encoding: 'buffer' }).equals(whole))
      throw Object.assign(new Error('a folder on the way has become a symbolic link'), { code: 'ESTALE' }); // prettier-ignore
    return this.#join(path);
  }

  #join(path: string): Buffer {
    return path === ''
      ? this.#root
      : Buffer.concat([this.#root, Buffer.from(`/${path}`, 'latin1')]);
  }

  /** For calls that would follow a symbolic link at the path's end. */
  #unlinked(path: string): Buffer {
    const at = this.#writable(path);
    if (lstatSync(at).isSymbolicLink())
      throw Object.assign(new Error('the file has become a symbolic link'), { code: 'ELOOP' });
    return at;
  }

  /** The path, for a call that changes something. */
  #writable(path: string): Buffer {
    if (this.#readonly)
      throw Object.assign(new Error('granted for reading only'), { code: 'EROFS' });
    return this.#at(path);
  }

  lstat(path: string): HostStat {
    return lstatSync(this.#at(path));
  }

  readdir(path: string): string[] {
    return readdirSync(this.#at(path), { encoding: 'buffer' }).map((name) =>
      bytesToByteString(name),
    );
  }

  readlink(path: string): string {
    return bytesToByteString(readlinkSync(this.#at(path), { encoding: 'buffer' }));
  }

  open(path: string, write: boolean): number {
    const at = write ? this.#writable(path) : this.#at(path);
    return openSync(
      at,
      (write ? constants.O_RDWR : constants.O_RDONLY) | (constants.O_NOFOLLOW ?? 0),
    );
  }

  close(handle: number): void {
    closeSync(handle);
  }

  read(handle: number, into: Uint8Array, position: number): number {
    return readSync(handle, into, 0, into.length, position);
  }

  write(handle: number, from: Uint8Array, position: number): number {
    return writeSync(handle, from, 0, from.length, position);
  }

  fsync(handle: number): void {
    fsyncSync(handle);
  }

  create(path: string, mode: number): void {
    const at = this.#writable(path);
    closeSync(openSync(at, 'wx', mode));
    chmodSync(at, mode); // this process's own umask does not count
  }

  mkdir(path: string, mode: number): void {
    const at = this.#writable(path);
    mkdirSync(at, { mode });
    chmodSync(at, mode);
  }

  symlink(target: string, path: string): void {
    symlinkSync(Buffer.from(target, 'latin1'), this.#writable(path));
  }

  link(existing: string, path: string): void {
    linkSync(this.#at(existing), this.#writable(path));
  }

  unlink(path: string): void {
    unlinkSync(this.#writable(path));
  }

  rmdir(path: string): void {
    rmdirSync(this.#writable(path));
  }

  rename(from: string, to: string): void {
    renameSync(this.#writable(from), this.#writable(to));
  }

  truncate(path: string, size: number): void {
    truncateSync(this.#unlinked(path), size);
  }

  chmod(path: string, mode: number): void {
    chmodSync(this.#unlinked(path), mode);
  }

  chown(path: string, uid: number, gid: number): void {
    const at = this.#writable(path);
    if (lstatSync(at).isSymbolicLink()) lchownSync(at, uid, gid);
    else chownSync(at, uid, gid);
  }

  utimes(path: string, atimeMs: number, mtimeMs: number): void {
    lutimesSync(this.#writable(path), atimeMs / 1000, mtimeMs / 1000);
  }
}
