import { AT_FDCWD, O_APPEND, O_CREAT, O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } from '@vitrine/uapi/fcntl.ts'; // prettier-ignore
import { chmod_common, chown_common, vfs_truncate } from '@vitrine/kernel/fs/attr.ts';
import { Path } from '@vitrine/kernel/fs/dcache.ts';
import { fput } from '@vitrine/kernel/fs/fdtable.ts';
import { type Inode, S_ISDIR, S_ISLNK, S_ISREG } from '@vitrine/kernel/fs/inode.ts';
import { LOOKUP_FOLLOW, path_lookupat } from '@vitrine/kernel/fs/namei.ts';
import { do_linkat, do_mkdirat, do_renameat2, do_rmdir, do_symlinkat, do_unlinkat } from '@vitrine/kernel/fs/namei_ops.ts'; // prettier-ignore
import { do_filp_open } from '@vitrine/kernel/fs/open.ts';
import { kernel_read, kernel_write } from '@vitrine/kernel/fs/read_write.ts';
import { vfs_readdir } from '@vitrine/kernel/fs/readdir.ts';
import type { Current } from '@vitrine/kernel/include/current.ts';
import { concat, fromByteString, toByteString, toBytes, toText } from './bytes.ts';
import { asking, LinuxError } from './errors.ts';

/** What stat tells of a file. */
export interface FileStat {
  readonly type: 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';
  /** Permission bits, set-id and sticky bits included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly nlink: number;
  readonly ino: number;
  readonly rdev: number;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
}

const TYPES: Readonly<Record<number, FileStat['type']>> = {
  1: 'fifo',
  2: 'character',
  4: 'directory',
  6: 'block',
  8: 'file',
  10: 'symlink',
  12: 'socket',
};

const CHUNK = 1 << 20;

/**
 * The machine's files, as root sees them from outside. Paths are absolute (or relative to the root). Errors are
 * {@link LinuxError}s with a `code` like ENOENT and the kernel's reason.
 */
export class MachineFs {
  readonly #current: Current;
  constructor(current: Current) {
    this.#current = current;
  }

  async readFile(path: string): Promise<Uint8Array>;
  async readFile(path: string, encoding: 'utf8'): Promise<string>;
  async readFile(path: string, encoding?: 'utf8'): Promise<Uint8Array | string> {
    const bytes = asking(`readFile ${path}`, () => this.#read(path));
    return encoding === undefined ? bytes : toText(bytes);
  }

  #read(path: string): Uint8Array {
    const current = this.#current;
    const file = do_filp_open(current, AT_FDCWD, toByteString(path), O_RDONLY | O_NONBLOCK, 0);
    try {
      // A file of /proc says 0 for its size: read until the end.
      const chunks: Uint8Array[] = [];
      for (let at = 0; ;) {
        const left = file.inode.size - at;
        const chunk = new Uint8Array(Math.max(4096, Math.min(CHUNK, left)));
        const n = kernel_read(current, file, at, chunk);
        if (n === 0) return chunks.length === 0 ? new Uint8Array() : concat(chunks);
        chunks.push(chunk.subarray(0, n));
        at += n;
      }
    } finally {
      fput(current, file);
    }
  }

  /** Writes a file, making it when it is not there. */
  async writeFile(
    path: string,
    data: string | Uint8Array,
    options: { mode?: number; append?: boolean } = {},
  ): Promise<void> {
    // prettier-ignore
    asking(`writeFile ${path}`, () => {
      const current = this.#current;
      const flags = O_WRONLY | O_CREAT | O_NONBLOCK | (options.append ? O_APPEND : O_TRUNC);
      const file = do_filp_open(current, AT_FDCWD, toByteString(path), flags, options.mode ?? 0o644);
      try {
        const bytes = toBytes(data);
        const start = options.append ? file.inode.size : 0;
        for (let at = 0; at < bytes.length; )
          at += kernel_write(current, file, start + at, bytes.subarray(at, at + CHUNK));
      } finally {
        fput(current, file);
      }
    });
  }

  async appendFile(path: string, data: string | Uint8Array): Promise<void> {
    await this.writeFile(path, data, { append: true });
  }

  async mkdir(path: string, options: { recursive?: boolean; mode?: number } = {}): Promise<void> {
    if (!options.recursive) return this.#mkdir(path, options.mode);
    const parts = path.split('/').filter((part) => part !== '');
    for (let i = 1; i <= parts.length; i++) {
      const prefix = `/${parts.slice(0, i).join('/')}`;
      if (!(await this.exists(prefix))) this.#mkdir(prefix, options.mode);
    }
  }

  #mkdir(path: string, mode = 0o755): void {
    asking(`mkdir ${path}`, () => do_mkdirat(this.#current, AT_FDCWD, toByteString(path), mode));
  }

  /** Names in a folder, without `.` and `..`, sorted. */
  async readdir(path: string): Promise<string[]> {
    return asking(`readdir ${path}`, () => {
      const current = this.#current;
      const file = do_filp_open(current, AT_FDCWD, toByteString(path), O_RDONLY | O_DIRECTORY, 0);
      try {
        return vfs_readdir(current, file)
          .map(({ name }) => name)
          .filter((name) => name !== '.' && name !== '..')
          .map(fromByteString)
          .toSorted();
      } finally {
        fput(current, file);
      }
    });
  }

  async stat(path: string): Promise<FileStat> {
    return asking(`stat ${path}`, () => statOf(this.#lookup(path, LOOKUP_FOLLOW).dentry.inode));
  }

  async lstat(path: string): Promise<FileStat> {
    return asking(`lstat ${path}`, () => statOf(this.#lookup(path, 0).dentry.inode));
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path);
      return true;
    } catch (error) {
      if (error instanceof LinuxError) return false;
      throw error;
    }
  }

  async readlink(path: string): Promise<string> {
    return asking(`readlink ${path}`, () => {
      const { dentry } = this.#lookup(path, 0);
      return fromByteString(dentry.inode.readlink(this.#current, dentry));
    });
  }

  async symlink(target: string, path: string): Promise<void> {
    asking(`symlink ${path}`, () =>
      do_symlinkat(this.#current, toByteString(target), AT_FDCWD, toByteString(path)),
    );
  }

  async link(existing: string, path: string): Promise<void> {
    asking(`link ${path}`, () =>
      do_linkat(
        this.#current,
        AT_FDCWD,
        toByteString(existing),
        AT_FDCWD,
        toByteString(path),
        false,
        false,
      ),
    );
  }

  async unlink(path: string): Promise<void> {
    asking(`unlink ${path}`, () => do_unlinkat(this.#current, AT_FDCWD, toByteString(path)));
  }

  async rmdir(path: string): Promise<void> {
    asking(`rmdir ${path}`, () => do_rmdir(this.#current, AT_FDCWD, toByteString(path)));
  }

  /** Removes a file, or with `recursive` a whole tree; `force` forgives what is not there. */
  async rm(path: string, options: { recursive?: boolean; force?: boolean } = {}): Promise<void> {
    try {
      const { type } = await this.lstat(path);
      if (type !== 'directory' || !options.recursive) return await this.unlink(path);
      for (const name of await this.readdir(path)) await this.rm(`${path}/${name}`, options);
      await this.rmdir(path);
    } catch (error) {
      if (!(options.force && error instanceof LinuxError && error.code === 'ENOENT')) throw error;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    asking(`rename ${from}`, () =>
      do_renameat2(this.#current, AT_FDCWD, toByteString(from), AT_FDCWD, toByteString(to), 0),
    );
  }

  async chmod(path: string, mode: number): Promise<void> {
    asking(`chmod ${path}`, () =>
      chmod_common(this.#current, this.#lookup(path, LOOKUP_FOLLOW), mode),
    );
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    asking(`chown ${path}`, () =>
      chown_common(this.#current, this.#lookup(path, LOOKUP_FOLLOW), uid, gid),
    );
  }

  async truncate(path: string, size = 0): Promise<void> {
    asking(`truncate ${path}`, () =>
      vfs_truncate(this.#current, this.#lookup(path, LOOKUP_FOLLOW), size),
    );
  }

  #lookup(path: string, flags: number): Path {
    return path_lookupat(this.#current, AT_FDCWD, toByteString(path), flags);
  }
}

function statOf(inode: Inode): FileStat {
  const date = (time: { sec: number; nsec: number }): Date =>
    new Date(time.sec * 1000 + time.nsec / 1e6);
  return {
    type: TYPES[(inode.mode >> 12) & 15] ?? 'file',
    mode: inode.mode & 0o7777,
    uid: inode.uid,
    gid: inode.gid,
    size: S_ISREG(inode.mode) || S_ISLNK(inode.mode) || S_ISDIR(inode.mode) ? inode.size : 0,
    nlink: inode.nlink,
    ino: inode.ino,
    rdev: inode.rdev,
    atime: date(inode.atime),
    mtime: date(inode.mtime),
    ctime: date(inode.ctime),
  };
}
