import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join, sep } from 'node:path';
import { TarError, tarMembers, type TarMember } from '../tar.ts';
import { decompress } from './decompress.ts';
import { CorruptImage } from './errors.ts';
import { plainLimit } from './ingest.ts';
import { FileSource, readFully, writeFully } from './files.ts';
import type { Store } from './store.ts';

/** The files of an image archive, in a folder or in a tar. Paths are the archive's own, and are not trusted. */
export interface ArchiveFiles extends Disposable {
  has(path: string): boolean;
  size(path: string): number;
  stream(path: string): AsyncIterable<Uint8Array>;
}

/** Small files only: manifests and configurations. */
const MAX_JSON = 16 * 2 ** 20;

export async function readSmall(files: ArchiveFiles, path: string): Promise<Uint8Array> {
  if (!files.has(path)) throw new CorruptImage(`the archive has no file ${path}`);
  if (files.size(path) > MAX_JSON) throw new CorruptImage(`${path} has ${files.size(path)} bytes, too many for a manifest`); // prettier-ignore
  const chunks: Uint8Array[] = [];
  for await (const chunk of files.stream(path)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A path inside the archive, in its plain form. */
export function inside(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..') || path.includes('\0'))
    throw new CorruptImage(`the archive names ${JSON.stringify(path)}, outside itself`);
  return parts.join('/');
}

export class FolderFiles implements ArchiveFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = realpathSync(root);
  }

  /** The file on the host, if it is below the folder with every link followed. */
  #file(path: string): string | null {
    const file = join(this.#root, inside(path));
    if (!existsSync(file)) return null;
    const real = realpathSync(file);
    if (!real.startsWith(this.#root + sep))
      throw new CorruptImage(`${path} is a link that leads out of the archive`);
    return statSync(real).isFile() ? real : null;
  }

  has(path: string): boolean {
    return this.#file(path) !== null;
  }

  size(path: string): number {
    return statSync(this.#file(path)!).size;
  }

  stream(path: string): AsyncIterable<Uint8Array> {
    return createReadStream(this.#file(path)!, { highWaterMark: 1 << 18 });
  }

  [Symbol.dispose](): void {}
}

/** The most members of an image archive: a few for each layer. */
const MAX_MEMBERS = 100_000;

export class TarFiles implements ArchiveFiles {
  readonly #fd: number;
  readonly #members: Map<string, TarMember> = new Map();

  /** @param fd is closed with this */
  constructor(fd: number, size: number) {
    this.#fd = fd;
    for (const member of tarMembers(new FileSource(fd, size))) {
      const name = inside(member.name);
      if (name !== '') this.#members.set(name, member);
      if (this.#members.size <= MAX_MEMBERS) continue;
      // So many files are a root file system.
      this.#members.clear();
      break;
    }
  }

  /** Follows links inside the archive: `docker save` stores a layer that comes twice as one. */
  #find(path: string): TarMember | null {
    let name = inside(path);
    for (let links = 0; links < 8; links++) {
      const member = this.#members.get(name);
      if (member === undefined) return null;
      if (member.hardLink !== undefined) name = inside(member.hardLink);
      else if (member.target === undefined)
        return (member.mode & 0o170000) === 0o100000 ? member : null;
      else name = relative(name, member.target);
    }
    throw new CorruptImage(`${path} is a link that leads in a circle`);
  }

  has(path: string): boolean {
    return this.#find(path) !== null;
  }

  size(path: string): number {
    return this.#find(path)!.size;
  }

  async *stream(path: string): AsyncGenerator<Uint8Array> {
    const { size, extents } = this.#find(path)!;
    let at = 0;
    for (const extent of [...extents, { at: size, length: 0, from: 0 }]) {
      for (; at < extent.at; at += Math.min(1 << 18, extent.at - at))
        yield new Uint8Array(Math.min(1 << 18, extent.at - at));
      for (let done = 0; done < extent.length;) {
        const chunk = new Uint8Array(Math.min(1 << 18, extent.length - done));
        if (readFully(this.#fd, chunk, extent.from + done) < chunk.length)
          throw new CorruptImage(`the archive was cut short while it was read`);
        yield chunk;
        done += chunk.length;
        // A reader that never waits would keep the thread for itself.
        await new Promise((resolve) => setImmediate(resolve));
      }
      at = extent.at + extent.length;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** A link's target as a path of the archive, which it may not leave. */
function relative(link: string, target: string): string {
  const parts = target.startsWith('/') ? [] : link.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) throw new CorruptImage(`the link ${link} leads out of the archive, to ${target}`); // prettier-ignore
    } else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Opens a folder, or an archive in any of the compressed forms. */
export async function openArchive(store: Store, path: string): Promise<ArchiveFiles> {
  if (statSync(path).isDirectory()) return new FolderFiles(path);
  let fd = openSync(path, 'r');
  const head = new Uint8Array(512);
  readFully(fd, head, 0);
  if (Buffer.from(head.subarray(257, 262)).toString('latin1') !== 'ustar') {
    closeSync(fd);
    fd = await unpacked(store, path);
  }
  try {
    return new TarFiles(fd, fstatSync(fd).size);
  } catch (error) {
    closeSync(fd);
    if (error instanceof TarError) throw new CorruptImage(`${path} is neither a folder nor a tar archive (plain, gzip, zstd or xz): ${error.message}`); // prettier-ignore
    throw error;
  }
}

/** A compressed archive's plain bytes, in a file without a name. */
async function unpacked(store: Store, path: string): Promise<number> {
  const file = store.temporary();
  const fd = openSync(file, 'wx+');
  try {
    let left = plainLimit(statSync(path).size);
    for await (const chunk of decompress(createReadStream(path))) {
      left -= chunk.length;
      if (left < 0)
        throw new CorruptImage(`${path} unpacks to far more than it has: it is refused as a bomb`);
      writeFully(fd, chunk);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    rmSync(file, { force: true });
  }
}
