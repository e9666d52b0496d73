import {
  DIRENT_SIZE,
  EXTENT_SIZE,
  HEADER_SIZE,
  INODE_SIZE,
  LAYER_IMPLIED,
  LAYER_MAGIC,
  LAYER_VERSION,
  XATTR_SIZE,
} from '@vitrine/kernel/fs/layerfs/format.ts';
import type { LayerFile } from './layer.ts';

/** Byte strings, each stored once. */
class Strings {
  readonly #at: Map<string, number> = new Map();
  readonly #texts: string[] = [];
  size = 0;

  add(text: string): number {
    const known = this.#at.get(text);
    if (known !== undefined) return known;
    const at = this.size;
    this.#at.set(text, at);
    this.#texts.push(text);
    this.size += text.length;
    return at;
  }

  write(into: Uint8Array): void {
    let at = 0;
    for (const text of this.#texts)
      for (let i = 0; i < text.length; i++) into[at++] = text.charCodeAt(i);
  }
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

/** Files in the order of their numbers, the root first, and every directory's entries behind each other. */
function numbered(root: LayerFile): { files: LayerFile[]; numbers: Map<LayerFile, number> } {
  const files = [root];
  const numbers = new Map([[root, 1]]);
  for (const file of files) {
    for (const [, child] of [...(file.children ?? [])].toSorted(byName)) {
      if (numbers.has(child)) continue;
      files.push(child);
      numbers.set(child, files.length);
    }
  }
  return { files, numbers };
}

/** The index of a layer (packages/kernel/src/fs/layerfs/format.ts). */
export function writeLayerIndex(root: LayerFile): Uint8Array {
  const { files, numbers } = numbered(root);
  const strings = new Strings();
  const dirents: number[] = [];
  const xattrs: number[] = [];
  const extents: number[] = [];
  const places = files.map((file) => {
    const place = { first: 0, count: 0, xattrs: xattrs.length / 4, xattrCount: file.xattrs.size };
    for (const [name, value] of file.xattrs)
      xattrs.push(strings.add(name), name.length, strings.add(bytesText(value)), value.length);
    if (file.children !== null) {
      place.first = dirents.length / 3;
      place.count = file.children.size;
      for (const [name, child] of [...file.children].toSorted(byName))
        dirents.push(strings.add(name), name.length, numbers.get(child)!);
    } else if (file.target !== '') place.first = strings.add(file.target);
    else {
      place.first = extents.length / 3;
      place.count = file.extents.length;
      for (const { at, length, from } of file.extents) extents.push(at, length, from);
    }
    return place;
  });
  const sizes = [
    files.length * INODE_SIZE,
    (extents.length / 3) * EXTENT_SIZE,
    (xattrs.length / 4) * XATTR_SIZE,
    (dirents.length / 3) * DIRENT_SIZE,
  ];
  const fixed = HEADER_SIZE + sizes.reduce((a, b) => a + b);
  const bytes = new Uint8Array(fixed + strings.size);
  const view = new DataView(bytes.buffer);
  [LAYER_MAGIC, LAYER_VERSION, files.length, extents.length / 3, xattrs.length / 4, dirents.length / 3, strings.size] // prettier-ignore
    .forEach((n, i) => view.setUint32(4 * i, n, true));
  files.forEach((file, i) => writeInode(view, HEADER_SIZE + i * INODE_SIZE, file, places[i]!));
  let at = HEADER_SIZE + sizes[0]!;
  for (const n of extents) view.setFloat64((at += 8) - 8, n, true);
  for (const n of [...xattrs, ...dirents]) view.setUint32((at += 4) - 4, n, true);
  strings.write(bytes.subarray(fixed));
  return bytes;
}

interface Place {
  readonly first: number;
  readonly count: number;
  readonly xattrs: number;
  readonly xattrCount: number;
}

function writeInode(view: DataView, at: number, file: LayerFile, place: Place): void {
  const links = file.children === null ? file.nlink : 2 + subdirectories(file.children);
  const u32 = (offset: number, value: number): void => view.setUint32(at + offset, value, true);
  u32(0, file.mode);
  u32(4, file.uid);
  u32(8, file.gid);
  u32(12, links);
  view.setFloat64(at + 16, file.children === null ? file.size : 4096, true);
  view.setFloat64(at + 24, file.mtime, true);
  u32(32, file.mtimeNsec);
  u32(36, file.rdev.major);
  u32(40, file.rdev.minor);
  u32(44, place.first);
  u32(48, place.count);
  u32(52, place.xattrs);
  u32(56, place.xattrCount);
  u32(60, file.implied ? LAYER_IMPLIED : 0);
}

function subdirectories(children: ReadonlyMap<string, LayerFile>): number {
  let n = 0;
  for (const child of children.values()) if (child.children !== null) n++;
  return n;
}

function bytesText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
