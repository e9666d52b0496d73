import { readFileSync } from 'node:fs';
import { DebError, readAr } from '../../deb/ar.ts';
import { parseParagraph, type Paragraph } from '../../deb/control.ts';
import type { Package } from '../../deb/resolve.ts';
import { MemorySource } from '../../source.ts';
import { tarMembers, type TarMember } from '../../tar.ts';
import { decompress } from '../decompress.ts';

/** The files of one archive inside a package. */
export interface Unpacked {
  readonly bytes: Uint8Array;
  readonly members: readonly TarMember[];
}

/** A package's control files and data. */
export interface DebFile {
  readonly control: Paragraph;
  /** The control file's own text. */
  readonly text: string;
  /** Maintainer scripts, md5sums, conffiles, triggers and so on. */
  readonly info: ReadonlyMap<string, Uint8Array>;
  data(): Promise<Unpacked>;
}

/** A package's archive unpacks to so much at most. */
const MAX = 2 ** 31;

async function unpack(bytes: Uint8Array): Promise<Unpacked> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  for await (const chunk of decompress(whole())) {
    size += chunk.length;
    if (size > MAX) throw new DebError(`the package unpacks to more than ${MAX} bytes`);
    chunks.push(Uint8Array.from(chunk));
  }
  const plain = Buffer.concat(chunks);
  return { bytes: plain, members: [...tarMembers(new MemorySource(plain))] };
}

/** A regular member's bytes. */
export function bytesOf({ bytes }: Unpacked, { size, extents }: TarMember): Uint8Array {
  const [only] = extents;
  if (only !== undefined && extents.length === 1 && only.length === size)
    return bytes.subarray(only.from, only.from + size);
  const whole = new Uint8Array(size);
  for (const { at, length, from } of extents) whole.set(bytes.subarray(from, from + length), at);
  return whole;
}

function part(members: ReadonlyMap<string, Uint8Array>, name: string, path: string): Uint8Array {
  for (const [member, bytes] of members)
    if (member === name || member.startsWith(`${name}.`)) return bytes;
  throw new DebError(`${path} is no Debian package: it has no ${name}`);
}

/** Reads a .deb (deb(5)): control and data in xz, zstd, gzip or plain. */
export async function readDeb(path: string): Promise<DebFile> {
  let members: Map<string, Uint8Array>;
  try {
    members = readAr(readFileSync(path));
  } catch (error) {
    throw error instanceof DebError ? new DebError(`${path}: ${error.message}`) : error;
  }
  const format = Buffer.from(part(members, 'debian-binary', path)).toString();
  if (!format.startsWith('2.')) throw new DebError(`${path} has format ${format.trim()}, not 2.0`);
  const controlTar = await unpack(part(members, 'control.tar', path));
  const info = new Map<string, Uint8Array>();
  for (const member of controlTar.members)
    if ((member.mode & 0o170000) === 0o100000) info.set(member.name.replace(/^(?:\.?\/)+/, ''), bytesOf(controlTar, member)); // prettier-ignore
  const control = info.get('control');
  if (control === undefined) throw new DebError(`${path} has no control file`);
  const text = Buffer.from(control).toString();
  return {
    control: parseParagraph(text),
    text,
    info,
    data: () => unpack(part(members, 'data.tar', path)),
  };
}

/** What resolving needs of a paragraph. */
export function packageOf(fields: Paragraph, file?: string): Package {
  const field = (name: string): string => fields.get(name) ?? '';
  return {
    name: field('package'),
    version: field('version'),
    architecture: field('architecture'),
    essential: field('essential') === 'yes',
    priority: field('priority'),
    preDepends: field('pre-depends'),
    depends: field('depends'),
    conflicts: field('conflicts'),
    breaks: field('breaks'),
    provides: field('provides'),
    sha256: field('sha256'),
    filename: field('filename'),
    ...(file === undefined ? {} : { file }),
  };
}
