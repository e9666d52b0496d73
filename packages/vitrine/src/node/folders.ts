import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, type Stats } from 'node:fs'; // prettier-ignore
import { O_PATH } from '@vitrine/uapi/fcntl.ts';

const PROC = '/proc/self/fd';
const KEPT = 16;
/** Where a folder was so few milliseconds ago, it is. */
const SURE = 1;

/** Changes with every name that goes or moves: nothing is sure then. */
let generation = 0;

/** An open folder, and when it was last seen in its place. */
interface Folder {
  readonly fd: number;
  seen: number;
  generation: number;
}

const stale = (what: string): Error => Object.assign(new Error(what), { code: 'ESTALE' });

/** Can a descriptor be used as a folder's path? Then nothing that happens to the path matters any more. */
const hasProc = ((): boolean => {
  if (process.platform !== 'linux') return false;
  try {
    const fd = openSync('/', O_PATH);
    try {
      return readlinkSync(`${PROC}/${fd}`) === '/';
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
})();

/**
 * Reaches folders so that no symbolic link on the way leads anywhere else, also one that another program puts there at
 * this moment. The machine follows links itself, in its own tree; for the host a folder's path is a real one. On Linux
 * the folder is opened, the kernel is asked where that is, and what is done in it is done through the descriptor
 * (openat(2), which Node does not have). Elsewhere the path is looked at before it is used, which leaves a moment.
 */
export class Folders {
  /** Open folders by their paths, the least used first. */
  readonly #kept: Map<string, Folder> = new Map();

  /** The path by which a folder is to be used. Throws ESTALE if it cannot be reached without links. */
  enter(path: Buffer): Buffer {
    if (hasProc) return Buffer.from(`${PROC}/${this.#open(path)}`);
    if (!realpathSync.native(path, { encoding: 'buffer' }).equals(path))
      throw stale('a folder on the way has become a symbolic link');
    return path;
  }

  /** A name went or moved, so that a path may lead to another folder. */
  moved(): void {
    generation++;
  }

  #open(path: Buffer): number {
    const key = path.toString('latin1');
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      if (isThere(kept, path)) {
        this.#kept.set(key, kept);
        return kept.fd;
      }
      closeSync(kept.fd);
    }
    const folder = { fd: openFolder(path), seen: -Infinity, generation };
    if (!isThere(folder, path)) {
      closeSync(folder.fd);
      throw stale('a folder on the way has become a symbolic link');
    }
    this.#kept.set(key, folder);
    if (this.#kept.size > KEPT) {
      const [oldest] = this.#kept;
      closeSync(oldest![1].fd);
      this.#kept.delete(oldest![0]);
    }
    return folder.fd;
  }

  release(): void {
    for (const { fd } of this.#kept.values()) closeSync(fd);
    this.#kept.clear();
  }
}

function openFolder(path: Buffer): number {
  try {
    return openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
    throw stale('a folder is none any more, or a symbolic link');
  }
}

function isThere(folder: Folder, path: Buffer): boolean {
  const now = performance.now();
  if (folder.generation === generation && now - folder.seen < SURE) return true;
  folder.seen = now;
  folder.generation = generation;
  return readlinkSync(`${PROC}/${folder.fd}`, { encoding: 'buffer' }).equals(path);
}

/**
 * Does something with a file by a path that leads to this very file, whatever takes its name meanwhile. Throws ELOOP if
 * it is a symbolic link.
 */
export function withFile<T>(path: Buffer, use: (path: string | Buffer, stat: Stats) => T): T {
  if (!hasProc) return use(path, noLink(lstatSync(path)));
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    return use(`${PROC}/${fd}`, noLink(fstatSync(fd)));
  } finally {
    closeSync(fd);
  }
}

function noLink(stat: Stats): Stats {
  if (stat.isSymbolicLink())
    throw Object.assign(new Error('it is a symbolic link'), { code: 'ELOOP' });
  return stat;
}

/** Opens a file again by its descriptor; null where there is no way to. */
export const reopen = (fd: number, flags: number): number | null =>
  hasProc ? openSync(`${PROC}/${fd}`, flags) : null;
