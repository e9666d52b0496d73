import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '@vitrine/uapi/stat.ts';
import type { LazyBytes, RootEntry } from './entry.ts';
import { type ByteSource, MemorySource } from './source.ts';
import { type Extent, oldSparseMap, pairs, placed, sparseMapInData } from './sparse.ts';
import { BLOCK, TarError, checksumHolds, fromLatin1, number, paxRecords, text } from './tar_fields.ts'; // prettier-ignore

export { TarError } from './tar_fields.ts';

/** One member of an archive, as it says of itself: nothing of the name is checked. */
export interface TarMember {
  /** Byte string. */
  readonly name: string;
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, perhaps with a fraction. */
  readonly mtime: number;
  /** The fraction in nanoseconds, exactly. */
  readonly mtimeNsec: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** A symbolic link's target. */
  readonly target?: string;
  /** The name of the member that this is another name of. */
  readonly hardLink?: string;
  readonly rdev?: { readonly major: number; readonly minor: number };
  /** Of regular files: apparent size, and where the bytes are. */
  readonly size: number;
  readonly extents: readonly Extent[];
}

const TYPES: Readonly<Record<string, number>> = {
  '3': S_IFCHR,
  '4': S_IFBLK,
  '5': S_IFDIR,
  '6': S_IFIFO,
  '2': S_IFLNK,
};

/** Extended headers and long names above this are an attack, and so are so many of them before one member. */
const MAX_HEADER = 1 << 20;
const MAX_HEADERS = 100;

export const isTar = (bytes: Uint8Array): boolean =>
  bytes.length >= BLOCK && text(bytes, 257, 5) === 'ustar';

/** What headers before a member say of it. */
interface Pending {
  pax: Map<string, string>;
  longName: string | undefined;
  longLink: string | undefined;
}

const nothing = (): Pending => ({ pax: new Map(), longName: undefined, longLink: undefined });

/**
 * The members of a tar archive in their order: ustar, pax and GNU forms, with long names, sparse files, hard links,
 * devices, extended attributes. Throws TarError where the archive is damaged or cut short.
 */
export function* tarMembers(source: ByteSource): Generator<TarMember> {
  const global = new Map<string, string>();
  let pending = nothing();
  let at = 0;
  let headers = 0;
  while (at + BLOCK <= source.size) {
    const block = source.read(at, BLOCK);
    if (block[0] === 0 && block[148] === 0) return; // the zeros at the end
    if (!checksumHolds(block)) throw new TarError(`no tar header at byte ${at}`);
    const header = at;
    if (++headers > MAX_HEADERS) throw new TarError(`more than ${MAX_HEADERS} headers stand before a member (byte ${at})`); // prettier-ignore
    const type = String.fromCharCode(block[156]!);
    const meta = 'xXgLK'.includes(type);
    const given = meta ? undefined : pending.pax.get('size');
    const size = given === undefined ? number(block, 124, 12) : Number(given);
    const old = type === 'S' ? oldSparseMap(source, at) : undefined;
    at += BLOCK * (1 + (old?.blocks ?? 0));
    const length = '123456'.includes(type) ? 0 : size;
    if (!(length >= 0) || at + length > source.size)
      throw new TarError(`the archive is cut short: the member at byte ${header} has ${length} bytes, ${source.size - at} are left`); // prettier-ignore
    if (meta) {
      if (length > MAX_HEADER)
        throw new TarError(`the header at byte ${header} has ${length} bytes`);
      readMeta(type, Uint8Array.from(source.read(at, length)), at, pending, global);
    } else {
      if (!'VMN'.includes(type)) {
        headers = 0;
        yield member(source, block, type, at, length, pending, global, old?.map);
      }
      pending = nothing();
    }
    at += Math.ceil(length / BLOCK) * BLOCK;
  }
  // Some writers leave the zeros at the end out, but none ends within a block.
  if (at !== source.size) throw new TarError(`the archive is cut short at byte ${source.size}`);
}

function readMeta(
  type: string,
  data: Uint8Array,
  at: number,
  pending: Pending,
  global: Map<string, string>,
): void {
  if (type === 'L') pending.longName = text(data, 0, data.length);
  else if (type === 'K') pending.longLink = text(data, 0, data.length);
  else paxRecords(data, at, type === 'g' ? global : pending.pax);
}

/** The fraction of `1700000000.123456789`, for which a number has not enough digits; before 1970 it counts backwards. */
function nanoseconds(time: string | undefined): number {
  const digits = /^(-?)\d*\.(\d+)$/.exec(time ?? '');
  if (digits === null) return 0;
  const nsec = Number(digits[2]!.slice(0, 9).padEnd(9, '0'));
  return digits[1] === '-' && nsec > 0 ? 1e9 - nsec : nsec;
}

const percentDecoded = (name: string): string =>
  name.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );

function base64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text))
    throw new TarError('an extended attribute is no base64');
  return fromLatin1(atob(text));
}

function xattrsOf(pax: ReadonlyMap<string, string>): Map<string, Uint8Array> | undefined {
  const found = new Map<string, Uint8Array>();
  // bsdtar writes both forms; star's, which holds the bytes as they are, counts.
  for (const [key, value] of pax)
    if (key.startsWith('LIBARCHIVE.xattr.'))
      found.set(percentDecoded(key.slice(17)), base64(value));
  for (const [key, value] of pax)
    if (key.startsWith('SCHILY.xattr.')) found.set(key.slice(13), fromLatin1(value));
  return found.size > 0 ? found : undefined;
}

function nameOf(
  block: Uint8Array,
  pax: ReadonlyMap<string, string>,
  longName: string | undefined,
): string {
  const known = pax.get('GNU.sparse.name') ?? pax.get('path') ?? longName;
  if (known !== undefined) return known;
  const short = text(block, 0, 100);
  const prefix = text(block, 257, 6) === 'ustar' && block[262] === 0 ? text(block, 345, 155) : '';
  return prefix === '' ? short : `${prefix}/${short}`;
}

function member(
  source: ByteSource,
  block: Uint8Array,
  type: string,
  at: number,
  length: number,
  { pax: own, longName, longLink }: Pending,
  global: ReadonlyMap<string, string>,
  oldMap: ReturnType<typeof pairs> | undefined,
): TarMember {
  const pax = global.size === 0 ? own : new Map([...global, ...own]);
  const name = nameOf(block, pax, longName);
  const isFolder = type === '5' || (name.endsWith('/') && '0\0'.includes(type));
  const format = isFolder ? S_IFDIR : (TYPES[type] ?? S_IFREG);
  const xattrs = xattrsOf(pax);
  const common = {
    name,
    mode: format | (number(block, 100, 8) & 0o7777),
    uid: Number(pax.get('uid') ?? number(block, 108, 8)),
    gid: Number(pax.get('gid') ?? number(block, 116, 8)),
    mtime: Number(pax.get('mtime') ?? number(block, 136, 12)),
    mtimeNsec: nanoseconds(pax.get('mtime')),
    size: 0,
    extents: [],
    ...(xattrs === undefined ? {} : { xattrs }),
  };
  for (const key of ['uid', 'gid', 'mtime'] as const)
    if (!Number.isFinite(common[key])) throw new TarError(`${name} has a bad ${key}`);
  const target = pax.get('linkpath') ?? longLink ?? text(block, 157, 100);
  if (type === '1') return { ...common, hardLink: target };
  if (format === S_IFLNK) return { ...common, target };
  if (format === S_IFCHR || format === S_IFBLK)
    return { ...common, rdev: { major: number(block, 329, 8), minor: number(block, 337, 8) } };
  if (format !== S_IFREG) return common;
  return { ...common, ...content(source, block, at, length, pax, oldMap, name) };
}

function content(
  source: ByteSource,
  block: Uint8Array,
  at: number,
  length: number,
  pax: ReadonlyMap<string, string>,
  oldMap: ReturnType<typeof pairs> | undefined,
  name: string,
): Pick<TarMember, 'size' | 'extents'> {
  const given = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (oldMap === undefined && given === undefined)
    return { size: length, extents: length === 0 ? [] : [{ at: 0, length, from: at }] };
  const size = oldMap === undefined ? Number(given) : number(block, 483, 12);
  if (!Number.isSafeInteger(size) || size < 0) throw new TarError(`${name} has a bad sparse size`);
  if (oldMap !== undefined) return { size, extents: placed(oldMap, at, length, size, name) };
  if (pax.get('GNU.sparse.major') === '1') {
    const { map, used } = sparseMapInData(source, at, length);
    return { size, extents: placed(map, at + used, length - used, size, name) };
  }
  const map = pairs((pax.get('GNU.sparse.map') ?? '').split(',').filter(Boolean).map(Number));
  return { size, extents: placed(map, at, length, size, name) };
}

/** A member's name as a path below the root: without `.`, empty parts and leading slashes. */
function normalise(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new TarError(`the archive names ${name}, outside its root`);
  return parts.join('/');
}

/** A sparse file's content, put together when it is read. */
function assembled(source: ByteSource, size: number, extents: readonly Extent[]): LazyBytes {
  return {
    size,
    read() {
      const whole = new Uint8Array(size);
      for (const { at, length, from } of extents) whole.set(source.read(from, length), at);
      return whole;
    },
  };
}

/** A whole archive in memory as a root file system. Contents are views of `bytes`, so listing costs nothing per byte. */
export function readTar(bytes: Uint8Array): RootEntry[] {
  const source = new MemorySource(bytes);
  return Array.from(
    tarMembers(source),
    ({ name, hardLink, size, extents, mtimeNsec: _nsec, ...entry }) => {
      const path = normalise(name);
      if (hardLink !== undefined) return { ...entry, path, hardLink: normalise(hardLink) };
      if ((entry.mode & 0o170000) !== S_IFREG) return { ...entry, path };
      const [whole] = extents;
      if (whole !== undefined && extents.length === 1 && whole.length === size)
        return { ...entry, path, data: bytes.subarray(whole.from, whole.from + size) };
      return {
        ...entry,
        path,
        data: size === 0 ? new Uint8Array(0) : assembled(source, size, extents),
      };
    },
  );
}
