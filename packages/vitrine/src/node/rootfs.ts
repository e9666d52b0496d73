import {
  createReadStream,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { decompress } from '@vitrine/image/node/decompress.ts';
import {
  DEFAULT_CONFIG,
  type Image,
  isTar,
  type LazyBytes,
  type RootEntry,
  readTar,
} from '@vitrine/image';
import { bytesToByteString } from '../bytes.ts';

/** A root file system from a folder or a tar archive (compressed too) of the host. */
export async function loadRootfs(path: string): Promise<Image> {
  const entries = statSync(path).isDirectory() ? readFolder(path) : await readArchive(path);
  return { entries, config: DEFAULT_CONFIG };
}

async function readArchive(path: string): Promise<RootEntry[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(createReadStream(path))) chunks.push(Uint8Array.from(chunk));
  const bytes = Buffer.concat(chunks);
  if (!isTar(bytes)) throw new Error(`${path} is neither a folder nor a tar archive (plain, gzip, zstd or xz)`); // prettier-ignore
  return readTar(bytes);
}

const byteName = (name: Buffer): string => bytesToByteString(name);

/** A file's content, read once for all machines of the image. */
class HostBytes implements LazyBytes {
  readonly size: number;
  readonly #path: Buffer;
  #bytes: Uint8Array | undefined;

  constructor(path: Buffer, size: number) {
    this.#path = path;
    this.size = size;
  }

  read(): Uint8Array {
    return (this.#bytes ??= readFileSync(this.#path));
  }
}

/** Every file below the folder; contents are read when a machine touches them. */
function readFolder(root: string): RootEntry[] {
  const entries: RootEntry[] = [];
  const linked = new Map<string, string>();
  const visit = (host: Buffer, path: string): void => {
    const stat = lstatSync(host);
    const common = {
      path,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      mtime: stat.mtimeMs / 1000,
    };
    if (stat.isDirectory()) {
      entries.push(common);
      for (const name of readdirSync(host, { encoding: 'buffer' }))
        visit(
          Buffer.concat([host, Buffer.from('/'), name]),
          path === '' ? byteName(name) : `${path}/${byteName(name)}`,
        );
    } else if (stat.isSymbolicLink())
      entries.push({ ...common, target: byteName(readlinkSync(host, { encoding: 'buffer' })) });
    else if (stat.isFile()) {
      const key = `${stat.dev}:${stat.ino}`;
      const first = stat.nlink > 1 ? linked.get(key) : undefined;
      if (first !== undefined) entries.push({ ...common, hardLink: first });
      else {
        linked.set(key, path);
        entries.push({ ...common, data: new HostBytes(host, stat.size) });
      }
    } else if (stat.isCharacterDevice() || stat.isBlockDevice())
      entries.push({ ...common, rdev: { major: (stat.rdev >> 8) & 0xfff, minor: (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00) } }); // prettier-ignore
    else if (stat.isFIFO()) entries.push(common);
    // A socket belongs to the process that listens on it.
  };
  visit(Buffer.from(join(root)), '');
  return entries;
}
