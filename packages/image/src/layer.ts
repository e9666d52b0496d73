import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '@vitrine/uapi/stat.ts';
import type { Extent } from './sparse.ts';
import type { TarMember } from './tar.ts';

/** The layer breaks a rule, and none of it is used: which member, and the rule. */
export class LayerError extends Error {
  override readonly name = 'LayerError';
}

/** One file of a layer while it is put together; several names may lead to it. */
export interface LayerFile {
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNsec: number;
  size: number;
  nlink: number;
  target: string;
  rdev: { readonly major: number; readonly minor: number };
  extents: readonly Extent[];
  xattrs: ReadonlyMap<string, Uint8Array>;
  /** Of directories. */
  children: Map<string, LayerFile> | null;
  /** The archive says nothing of this directory itself: it stands above what the archive names. */
  implied: boolean;
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const NO_DEVICE = { major: 0, minor: 0 };

export const directoryFile = (implied: boolean): LayerFile => ({
  mode: S_IFDIR | 0o755,
  uid: 0,
  gid: 0,
  mtime: 0,
  mtimeNsec: 0,
  size: 0,
  nlink: 2,
  target: '',
  rdev: NO_DEVICE,
  extents: [],
  xattrs: NO_XATTRS,
  children: new Map(),
  implied,
});

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** aufs kept its own files under such names; they mean nothing to anybody else. */
const AUFS = '.wh..wh.';

/** Bounds that no honest image comes near. */
export interface LayerLimits {
  readonly files: number;
  readonly depth: number;
  /** Bytes of attributes, and pieces of sparse files: they are in the index, which is in memory. */
  readonly xattrBytes: number;
  readonly extents: number;
}
export const LAYER_LIMITS: LayerLimits = {
  files: 1_000_000,
  depth: 1024,
  xattrBytes: 2 ** 26,
  extents: 4_000_000,
};

const XATTR_SIZE_MAX = 65536;
const NAME_MAX = 255;
const PATH_MAX = 4095;

/** A member's name in parts, from the root of the layer on, as tar reads absolute ones. Throws for what leads out of it. */
function parts(name: string, what: string, limits: LayerLimits): string[] {
  if (name.length > PATH_MAX) throw new LayerError(`${what} ${name.slice(0, 40)}… has ${name.length} bytes, more than PATH_MAX`); // prettier-ignore
  if (name.includes('\0')) throw new LayerError(`${what} ${JSON.stringify(name)} has a NUL byte`);
  const all = name.split('/').filter((part) => part !== '' && part !== '.');
  if (all.includes('..')) throw new LayerError(`${what} ${name} leads out of the layer by ..`);
  if (all.length > limits.depth) throw new LayerError(`${what} ${name.slice(0, 40)}… is ${all.length} folders deep`); // prettier-ignore
  const long = all.find((part) => part.length > NAME_MAX);
  if (long !== undefined) throw new LayerError(`${what} has a part of ${long.length} bytes, more than NAME_MAX: ${long.slice(0, 40)}…`); // prettier-ignore
  return all;
}

/**
 * The tree that a layer's archive makes, with whiteouts as the overlay file system has them: a character device 0:0 for
 * `.wh.NAME`, the attribute trusted.overlay.opaque for `.wh..wh..opq`. Nothing of the host is touched, so links lead
 * nowhere; a member that goes through one is refused all the same, for it is not what the layer's maker packed.
 */
export class LayerTree {
  readonly root: LayerFile = directoryFile(true);
  readonly #limits: LayerLimits;
  #files = 1;
  #members = 0;
  #xattrBytes = 0;
  #extents = 0;

  constructor(limits: LayerLimits = LAYER_LIMITS) {
    this.#limits = limits;
  }

  add(member: TarMember): void {
    const path = parts(member.name, 'the member', this.#limits);
    if (++this.#members > 4 * this.#limits.files) throw new LayerError(`the layer has more than ${4 * this.#limits.files} members`); // prettier-ignore
    this.#charge(member);
    const name = path.pop();
    if (name === undefined) return this.#root(member);
    const dir = this.#folder(path, member.name);
    if (name === OPAQUE) return this.#opaque(dir);
    if (name.startsWith(AUFS)) return;
    if (name.startsWith(WHITEOUT)) return this.#whiteout(dir, name, member.name);
    if (member.hardLink !== undefined) return this.#link(dir, name, member);
    this.#put(dir, name, member);
  }

  /** What a member takes of the index. */
  #charge({ name, xattrs, extents }: TarMember): void {
    for (const [key, value] of xattrs ?? []) {
      if (key.length > NAME_MAX || value.length > XATTR_SIZE_MAX) throw new LayerError(`the attribute ${key.slice(0, 40)} of ${name} is larger than Linux allows`); // prettier-ignore
      this.#xattrBytes += key.length + value.length;
    }
    this.#extents += extents.length;
    if (this.#xattrBytes > this.#limits.xattrBytes) throw new LayerError(`the layer has more than ${this.#limits.xattrBytes} bytes of attributes`); // prettier-ignore
    if (this.#extents > this.#limits.extents) throw new LayerError(`the layer's files have more than ${this.#limits.extents} pieces`); // prettier-ignore
  }

  #root(member: TarMember): void {
    if ((member.mode & S_IFMT) !== S_IFDIR) throw new LayerError('the root of the layer is no directory'); // prettier-ignore
    describe(this.root, member);
  }

  #folder(path: readonly string[], member: string): LayerFile {
    let dir = this.root;
    for (const part of path) {
      let next = dir.children!.get(part);
      if (next === undefined || isWhiteout(next)) {
        next = directoryFile(true);
        this.#enter(dir, part, next);
      }
      if (next.children === null) {
        const link = (next.mode & S_IFMT) === S_IFLNK;
        throw new LayerError(`the member ${member} goes through ${part}, which is ${link ? `a symbolic link to ${next.target}` : 'no directory'}`); // prettier-ignore
      }
      dir = next;
    }
    return dir;
  }

  #enter(dir: LayerFile, name: string, file: LayerFile): void {
    if (++this.#files > this.#limits.files) throw new LayerError(`the layer has more than ${this.#limits.files} files`); // prettier-ignore
    const old = dir.children!.get(name);
    if (old !== undefined) old.nlink--;
    dir.children!.set(name, file);
  }

  #put(dir: LayerFile, name: string, member: TarMember): void {
    const old = dir.children!.get(name);
    if ((member.mode & S_IFMT) === S_IFDIR && old !== undefined && old.children !== null)
      return describe(old, member);
    const file = { ...directoryFile(false), nlink: 1, children: null as LayerFile['children'] };
    if ((member.mode & S_IFMT) === S_IFDIR) {
      file.children = new Map();
      file.nlink = 2;
    }
    describe(file, member);
    if (isWhiteout(file)) throw new LayerError(`the member ${member.name} is a character device 0:0, which would hide a file`); // prettier-ignore
    this.#enter(dir, name, file);
  }

  #link(dir: LayerFile, name: string, { name: member, hardLink }: TarMember): void {
    const path = parts(hardLink!, `the hard link ${member} to`, this.#limits);
    let file: LayerFile | undefined = this.root;
    for (const part of path) file = file?.children?.get(part);
    if (file === undefined || isWhiteout(file))
      throw new LayerError(
        `the hard link ${member} names ${hardLink}, which does not come before it`,
      );
    if (file.children !== null) throw new LayerError(`the hard link ${member} names the directory ${hardLink}`); // prettier-ignore
    if (dir.children!.get(name) === file) return;
    this.#enter(dir, name, file);
    file.nlink++;
  }

  #opaque(dir: LayerFile): void {
    dir.xattrs = new Map([...dir.xattrs, ['trusted.overlay.opaque', Uint8Array.of(0x79)]]);
  }

  #whiteout(dir: LayerFile, name: string, member: string): void {
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === '' || hidden === '.' || hidden === '..') throw new LayerError(`the whiteout ${member} names no file`); // prettier-ignore
    // What the same layer brings is not what it takes away.
    if (dir.children!.has(hidden)) return;
    this.#enter(dir, hidden, { ...directoryFile(false), mode: S_IFCHR, nlink: 1, children: null });
  }
}

const isWhiteout = ({ mode, rdev }: LayerFile): boolean =>
  (mode & S_IFMT) === S_IFCHR && rdev.major === 0 && rdev.minor === 0;

/** Attributes as the archive tells them. The overlay's own are not an image's to set. */
function describe(file: LayerFile, member: TarMember): void {
  file.mode = member.mode;
  file.uid = member.uid;
  file.gid = member.gid;
  file.mtime = Math.floor(member.mtime);
  file.mtimeNsec = member.mtimeNsec;
  file.implied = false;
  if ((member.mode & S_IFMT) === S_IFREG) {
    file.size = member.size;
    file.extents = member.extents;
  }
  if (member.target !== undefined) {
    if (member.target === '' || member.target.length > PATH_MAX) throw new LayerError(`the symbolic link ${member.name} has a target of ${member.target.length} bytes`); // prettier-ignore
    file.target = member.target;
    file.size = member.target.length;
    // Linux has no other mode for them.
    file.mode = S_IFLNK | 0o777;
  }
  if (member.rdev !== undefined) file.rdev = member.rdev;
  const opaque = file.xattrs.get('trusted.overlay.opaque');
  const own = [...(member.xattrs ?? [])].filter(([name]) => !name.startsWith('trusted.overlay.'));
  if (opaque !== undefined) own.push(['trusted.overlay.opaque', opaque]);
  file.xattrs = own.length === 0 ? NO_XATTRS : new Map(own);
}
