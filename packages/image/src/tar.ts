import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '@vitrine/uapi/stat.ts';
import type { LazyBytes, RootEntry } from './entry.ts';

/** The archive cannot be read: what is wrong, and at which byte. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

const BLOCK = 512;

/** Byte string of a field up to its NUL. */
function text(bytes: Uint8Array, at: number, length: number): string {
  let s = '';
  for (let i = at; i < at + length && bytes[i] !== 0; i++) s += String.fromCharCode(bytes[i]!);
  return s;
}

/** Octal digits, or GNU's binary form (top bit set) for what does not fit. */
function number(bytes: Uint8Array, at: number, length: number): number {
  const first = bytes[at]!;
  if ((first & 0x80) === 0) {
    const digits = text(bytes, at, length).trim();
    return digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  let value = first === 0xff ? -1 : first & 0x7f;
  for (let i = at + 1; i < at + length; i++) value = value * 256 + bytes[i]!;
  return value;
}

function checksumHolds(bytes: Uint8Array, at: number): boolean {
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = bytes[at + i]!;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const sum = number(bytes, at + 148, 8);
  return sum === unsigned || sum === signed;
}

/** Records of a pax extended header: `LENGTH KEY=VALUE\n`, with byte-string values. */
function paxRecords(bytes: Uint8Array, at: number, size: number, into: Map<string, string>): void {
  for (let i = at; i < at + size;) {
    const head = text(bytes, i, Math.min(20, at + size - i));
    const length = Number.parseInt(head, 10);
    if (!(length > 0) || i + length > at + size) throw new TarError(`bad pax header at byte ${i}`);
    const record = latin1(bytes.subarray(i, i + length - 1));
    const equals = record.indexOf('=');
    const key = record.slice(record.indexOf(' ') + 1, equals);
    const value = record.slice(equals + 1);
    // GNU sparse 0.0 repeats these keys: keep every pair, in order.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
      into.set(
        'GNU.sparse.map',
        `${into.has('GNU.sparse.map') ? `${into.get('GNU.sparse.map')},` : ''}${value}`,
      );
    else if (value === '') into.delete(key);
    else into.set(key, value);
    i += length;
  }
}

function latin1(bytes: Uint8Array): string {
  let s = '';
  for (let i = 0; i < bytes.length; i += 4096)
    s += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return s;
}

const fromLatin1 = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** Pieces of a sparse file: where each goes and how long it is; the rest is zeros. */
type SparseMap = readonly (readonly [offset: number, length: number])[];

/** A sparse file's content, put together when it is read. */
function sparse(stored: Uint8Array, map: SparseMap, size: number): LazyBytes {
  return {
    size,
    read() {
      const whole = new Uint8Array(size);
      let from = 0;
      for (const [offset, length] of map) {
        whole.set(stored.subarray(from, from + length), offset);
        from += length;
      }
      return whole;
    },
  };
}

const pairs = (numbers: readonly number[]): SparseMap =>
  Array.from({ length: numbers.length >> 1 }, (_, i) => [numbers[2 * i]!, numbers[2 * i + 1]!]);

/** GNU sparse 1.0: the map stands before the data, as decimal lines padded to a block. */
function sparseMapInData(data: Uint8Array): { map: SparseMap; rest: Uint8Array } {
  let at = 0;
  const line = (): number => {
    let value = 0;
    while (data[at] !== 10) {
      if (at >= data.length) throw new TarError('sparse map is cut short');
      value = value * 10 + data[at++]! - 48;
    }
    at++;
    return value;
  };
  const numbers = Array.from({ length: 2 * line() }, line);
  return { map: pairs(numbers), rest: data.subarray(Math.ceil(at / BLOCK) * BLOCK) };
}

/** Old GNU sparse headers (type S): four pieces in the header, 21 in each block that follows. */
function oldSparseMap(bytes: Uint8Array, header: number): { map: SparseMap; blocks: number } {
  const numbers: number[] = [];
  const take = (at: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      if (bytes[at + 24 * i] === 0) return;
      numbers.push(number(bytes, at + 24 * i, 12), number(bytes, at + 24 * i + 12, 12));
    }
  };
  take(header + 386, 4);
  let blocks = 0;
  for (let more = bytes[header + 482]; more === 1; blocks++) {
    const at = header + BLOCK * (blocks + 1);
    take(at, 21);
    more = bytes[at + 504];
  }
  return { map: pairs(numbers), blocks };
}

const TYPES: Readonly<Record<string, number>> = {
  '3': S_IFCHR,
  '4': S_IFBLK,
  '5': S_IFDIR,
  '6': S_IFIFO,
  '2': S_IFLNK,
};

/** A member's name as a path below the root: without `.`, empty parts and leading slashes. */
function normalise(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new TarError(`the archive names ${name}, outside its root`);
  return parts.join('/');
}

function xattrsOf(pax: ReadonlyMap<string, string>): Map<string, Uint8Array> | undefined {
  const found = new Map<string, Uint8Array>();
  for (const [key, value] of pax)
    if (key.startsWith('SCHILY.xattr.')) found.set(key.slice(13), fromLatin1(value));
  return found.size > 0 ? found : undefined;
}

export const isTar = (bytes: Uint8Array): boolean =>
  bytes.length >= BLOCK && text(bytes, 257, 5) === 'ustar';

/**
 * The members of a tar archive: ustar, pax and GNU forms, with long names, sparse files, hard links, devices, extended
 * attributes. Contents are views of `bytes`, so listing costs nothing per byte.
 */
export function readTar(bytes: Uint8Array): RootEntry[] {
  const entries: RootEntry[] = [];
  const global = new Map<string, string>();
  let pax = new Map<string, string>();
  let longName: string | undefined;
  let longLink: string | undefined;

  for (let at = 0; at + BLOCK <= bytes.length;) {
    if (bytes[at] === 0 && text(bytes, at, 100) === '' && bytes[at + 148] === 0) break; // end of archive
    if (!checksumHolds(bytes, at)) throw new TarError(`no tar header at byte ${at}`);
    const header = at;
    const type = String.fromCharCode(bytes[at + 156]!);
    const stored =
      type === 'x' || type === 'g' || type === 'L' || type === 'K' ? undefined : pax.get('size');
    const size = stored === undefined ? number(bytes, at + 124, 12) : Number(stored);
    const old = type === 'S' ? oldSparseMap(bytes, at) : undefined;
    at += BLOCK * (1 + (old?.blocks ?? 0));
    const hasData = !'123456'.includes(type);
    const length = hasData ? size : 0;
    if (at + length > bytes.length)
      throw new TarError(`the archive is cut short at byte ${bytes.length}`);
    const data = bytes.subarray(at, at + length);
    const dataAt = at;
    at += Math.ceil(length / BLOCK) * BLOCK;

    if (type === 'L') longName = text(data, 0, data.length);
    else if (type === 'K') longLink = text(data, 0, data.length);
    else if (type === 'x' || type === 'X') paxRecords(bytes, dataAt, length, pax);
    else if (type === 'g') paxRecords(bytes, dataAt, length, global);
    else {
      if (!'VMN'.includes(type)) {
        const all = new Map([...global, ...pax]);
        entries.push(member(bytes, header, type, data, all, longName, longLink, old?.map));
      }
      pax = new Map();
      longName = longLink = undefined;
    }
  }
  return entries;
}

function member(
  bytes: Uint8Array,
  header: number,
  type: string,
  data: Uint8Array,
  pax: ReadonlyMap<string, string>,
  longName: string | undefined,
  longLink: string | undefined,
  oldMap: SparseMap | undefined,
): RootEntry {
  const isUstar = text(bytes, header + 257, 6) === 'ustar';
  const prefix = isUstar ? text(bytes, header + 345, 155) : '';
  const short = text(bytes, header, 100);
  const name =
    pax.get('GNU.sparse.name') ??
    pax.get('path') ??
    longName ??
    (prefix === '' ? short : `${prefix}/${short}`);
  const target = pax.get('linkpath') ?? longLink ?? text(bytes, header + 157, 100);
  const isFolder = type === '5' || (name.endsWith('/') && '0\0'.includes(type));
  const format = isFolder ? S_IFDIR : (TYPES[type] ?? S_IFREG);
  const xattrs = xattrsOf(pax);
  const entry = {
    path: normalise(name),
    mode: format | (number(bytes, header + 100, 8) & 0o7777),
    uid: Number(pax.get('uid') ?? number(bytes, header + 108, 8)),
    gid: Number(pax.get('gid') ?? number(bytes, header + 116, 8)),
    mtime: Number(pax.get('mtime') ?? number(bytes, header + 136, 12)),
    ...(xattrs === undefined ? {} : { xattrs }),
  };
  if (type === '1') return { ...entry, hardLink: normalise(target) };
  if (format === S_IFLNK) return { ...entry, target };
  if (format === S_IFCHR || format === S_IFBLK) {
    const rdev = { major: number(bytes, header + 329, 8), minor: number(bytes, header + 337, 8) };
    return { ...entry, rdev };
  }
  return format === S_IFREG ? { ...entry, data: content(data, header, bytes, pax, oldMap) } : entry;
}

function content(
  data: Uint8Array,
  header: number,
  bytes: Uint8Array,
  pax: ReadonlyMap<string, string>,
  oldMap: SparseMap | undefined,
): Uint8Array | LazyBytes {
  if (oldMap !== undefined) return sparse(data, oldMap, number(bytes, header + 483, 12));
  const size = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (size === undefined) return data;
  if (pax.get('GNU.sparse.major') === '1') {
    const { map, rest } = sparseMapInData(data);
    return sparse(rest, map, Number(size));
  }
  return sparse(
    data,
    pairs((pax.get('GNU.sparse.map') ?? '').split(',').map(Number)),
    Number(size),
  );
}
