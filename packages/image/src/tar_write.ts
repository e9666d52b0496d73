import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT } from '@vitrine/uapi/stat.ts';
import { BLOCK, fromLatin1, latin1 } from './tar_fields.ts';

/** A member to be written; names are byte strings, of directories without the slash at the end. */
export interface TarEntry {
  readonly name: string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly target?: string;
  readonly hardLink?: string;
  readonly rdev?: { readonly major: number; readonly minor: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  readonly data?: Uint8Array;
}

const TYPES: Readonly<Record<number, string>> = {
  [S_IFDIR]: '5',
  [S_IFLNK]: '2',
  [S_IFCHR]: '3',
  [S_IFBLK]: '4',
  [S_IFIFO]: '6',
};

function octal(block: Uint8Array, at: number, length: number, value: number): void {
  const digits = value.toString(8).padStart(length - 1, '0');
  for (let i = 0; i < digits.length; i++) block[at + i] = digits.charCodeAt(i);
}

function header(name: string, type: string, size: number, entry: TarEntry): Uint8Array {
  const block = new Uint8Array(BLOCK);
  block.set(fromLatin1(name.slice(0, 100)), 0);
  octal(block, 100, 8, entry.mode & 0o7777);
  octal(block, 108, 8, fit(entry.uid ?? 0, 7));
  octal(block, 116, 8, fit(entry.gid ?? 0, 7));
  octal(block, 124, 12, fit(size, 11));
  octal(block, 136, 12, fit(Math.floor(entry.mtime ?? 0), 11));
  block[156] = type.charCodeAt(0);
  block.set(fromLatin1((entry.hardLink ?? entry.target ?? '').slice(0, 100)), 157);
  block.set(fromLatin1('ustar\x0000'), 257);
  octal(block, 329, 8, entry.rdev?.major ?? 0);
  octal(block, 337, 8, entry.rdev?.minor ?? 0);
  block.fill(0x20, 148, 156);
  octal(block, 148, 7, block.reduce((sum, byte) => sum + byte, 0)); // prettier-ignore
  return block;
}

/** What does not fit its octal field stands in the extended header, and 0 here. */
const fit = (value: number, digits: number): number =>
  value >= 0 && value < 8 ** digits ? value : 0;

function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length; // prettier-ignore
  return `${length}${rest}`;
}

function paxOf(entry: TarEntry, name: string, size: number): string {
  let pax = '';
  if (name.length > 100) pax += record('path', name);
  const link = entry.hardLink ?? entry.target ?? '';
  if (link.length > 100) pax += record('linkpath', link);
  if (size >= 8 ** 11) pax += record('size', String(size));
  for (const key of ['uid', 'gid'] as const)
    if ((entry[key] ?? 0) >= 8 ** 7) pax += record(key, String(entry[key]));
  if (!Number.isInteger(entry.mtime ?? 0)) pax += record('mtime', String(entry.mtime));
  for (const [key, value] of entry.xattrs ?? [])
    pax += record(`SCHILY.xattr.${key}`, latin1(value));
  return pax;
}

function* padded(bytes: Uint8Array): Generator<Uint8Array> {
  yield bytes;
  const rest = bytes.length % BLOCK;
  if (rest > 0) yield new Uint8Array(BLOCK - rest);
}

/** Members of a pax archive, piece by piece. */
export function* writeTar(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) {
    const isdir = (entry.mode & S_IFMT) === S_IFDIR;
    const type = entry.hardLink !== undefined ? '1' : (TYPES[entry.mode & S_IFMT] ?? '0');
    const name = isdir ? `${entry.name}/` : entry.name;
    const data = type === '0' ? (entry.data ?? new Uint8Array(0)) : new Uint8Array(0);
    const pax = fromLatin1(paxOf(entry, name, data.length));
    if (pax.length > 0) {
      yield header('PaxHeader', 'x', pax.length, { name: '', mode: 0o644 });
      yield* padded(pax);
    }
    yield header(name, type, data.length, entry);
    yield* padded(data);
  }
}

/** The zeros at the end of an archive. */
export const writeTarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK);
