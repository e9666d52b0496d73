import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LayerIndex, type LayerNode } from '@vitrine/kernel/fs/layerfs/format.ts';
import { ingestLayer, type LayerOptions } from '../src/node/ingest.ts';
import { Store } from '../src/node/store.ts';
import { openLayer } from '../src/node/open.ts';
import { type TarEntry, writeTar, writeTarEnd } from '../src/tar_write.ts';

const file = (name: string, text = '', more: Partial<TarEntry> = {}): TarEntry => ({ name, mode: 0o100644, data: Buffer.from(text), ...more }); // prettier-ignore
const dir = (name: string): TarEntry => ({ name, mode: 0o040755 });
const link = (name: string, target: string): TarEntry => ({ name, mode: 0o120777, target });
const hard = (name: string, hardLink: string): TarEntry => ({ name, mode: 0o100644, hardLink });
const tar = (...entries: TarEntry[]): Uint8Array =>
  Buffer.concat([...writeTar(entries), writeTarEnd()]);
const digest = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`; // prettier-ignore

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-store-'));
  store = new Store(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function* stream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}
const ingest = (bytes: Uint8Array, options?: LayerOptions): Promise<{ diffId: string }> => ingestLayer(store, stream(bytes), options); // prettier-ignore

/** A layer as the kernel sees it: paths with their nodes. */
async function tree(...entries: TarEntry[]): Promise<{
  index: LayerIndex;
  at: (path: string) => LayerNode | null;
  text: (path: string) => string;
}> {
  const { diffId } = await ingest(tar(...entries));
  const layer = openLayer(store, diffId);
  const index = new LayerIndex(layer.index);
  const at = (path: string): LayerNode | null => {
    let ino = 1;
    for (const part of path.split('/').filter(Boolean)) {
      ino = index.lookup(index.node(ino), part);
      if (ino === 0) return null;
    }
    return index.node(ino);
  };
  const text = (path: string): string => {
    const node = at(path)!;
    const bytes = Buffer.alloc(node.size);
    for (let i = 0; i < node.count; i++) {
      const extent = index.extent(node.first + i);
      layer.read(bytes.subarray(extent.at, extent.at + extent.length), extent.from);
    }
    return bytes.toString();
  };
  return { index, at, text };
}

describe('a layer', () => {
  it('keeps names, attributes, links, devices and bytes', async () => {
    const { at, text, index } = await tree(
      dir('./d'),
      file('d/f', 'hello', { uid: 1000, gid: 3_000_000, mode: 0o104755, mtime: 5.25, xattrs: new Map([['user.a', Uint8Array.of(1, 0, 255)]]) }),
      hard('h', 'd/f'),
      link('l', '../anywhere'),
      { name: 'null', mode: 0o020666, rdev: { major: 1, minor: 3 } },
      file(`${'x'.repeat(200)}/${'y'.repeat(200)}`, 'long'),
    ); // prettier-ignore
    expect(at('d/f')).toMatchObject({ mode: 0o104755, uid: 1000, gid: 3_000_000, nlink: 2, mtime: 5, mtimeNsec: 250_000_000 }); // prettier-ignore
    expect([...index.xattr(at('d/f')!.xattrs)[1]]).toEqual([1, 0, 255]);
    expect([text('d/f'), text('h'), text(`${'x'.repeat(200)}/${'y'.repeat(200)}`)]).toEqual(['hello', 'hello', 'long']); // prettier-ignore
    expect(index.target(at('l')!)).toBe('../anywhere');
    expect(at('null')).toMatchObject({ mode: 0o020666, major: 1, minor: 3 });
    expect(at('nothing')).toBeNull();
  });

  it('begins at its root with absolute names, and gives links the one mode that they have', async () => {
    const { at, text } = await tree(dir('/d'), file('/d/f', 'f'), hard('./h', '/d/f'), { ...link('l', 'd'), mode: 0o120644 }); // prettier-ignore
    expect([text('d/f'), text('h'), at('l')!.mode]).toEqual(['f', 'f', 0o120777]);
  });

  it('turns whiteouts and opaque folders into what the overlay knows', async () => {
    const { at, index } = await tree(file('.wh.gone'), dir('o'), file('o/.wh..wh..opq'), file('o/new', 'n'), file('.wh..wh.plnk/1.2'), file('kept', 'k'), file('.wh.kept')); // prettier-ignore
    expect(at('gone')).toMatchObject({ mode: 0o020000, major: 0, minor: 0 });
    expect(index.xattr(at('o')!.xattrs)[0]).toBe('trusted.overlay.opaque');
    expect(at('o/new')!.size).toBe(1);
    expect(at('kept')!.mode).toBe(0o100644);
  });

  it('is known by its compressed digest too', async () => {
    const plain = tar(file('a', 'a'));
    const packed = gzipSync(plain);
    await ingest(packed, { digest: digest(packed), size: packed.length, diffId: digest(plain) });
    expect(store.layerOf(digest(packed))).toBe(digest(plain));
  });
});

const good = tar(file('a', 'text'));
const REFUSED: readonly (readonly [what: string, bytes: Uint8Array, reason: RegExp, options?: LayerOptions])[] = [
  ['..', tar(file('a/../../etc/passwd')), /leads out of the layer/],
  ['a way through a link', tar(link('d', '/etc'), file('d/passwd')), /goes through d, which is a symbolic link to \/etc/],
  ['a way through a file', tar(file('d'), file('d/x')), /no directory/],
  ['a hard link out', tar(hard('h', '../../etc/shadow')), /leads out/],
  ['a hard link to what only another layer has', tar(hard('h', '/etc/shadow')), /does not come before it/],
  ['a hard link to itself', tar(hard('h', 'h')), /does not come before it/],
  ['a circle of hard links', tar(hard('a', 'b'), hard('b', 'a')), /does not come before it/],
  ['a hard link to a folder', tar(dir('d'), hard('h', 'd')), /names the directory/],
  ['a device that is a whiteout', tar({ name: 'c', mode: 0o020000 }), /0:0/],
  ['a whiteout of ..', tar(file('.wh...')), /names no file/],
  ['a file as the root', tar(file('.')), /root/],
  ['a name that is too long', tar(file('n'.repeat(300))), /NAME_MAX/],
  ['a truncated archive', good.subarray(0, 600), /cut short/],
  ['a damaged header', Buffer.concat([Buffer.from('x'), good.subarray(1)]), /no tar header/],
  ['truncated gzip', gzipSync(good).subarray(0, 60), /damaged or cut short/],
  ['another digest', good, /has digest/, { digest: `sha256:${'0'.repeat(64)}` }],
  ['another plain digest', gzipSync(good), /unpacked layer has digest/, { diffId: `sha256:${'0'.repeat(64)}` }],
  ['more bytes than announced', good, /more bytes/, { size: 1000 }],
  ['fewer bytes than announced', good, /cut short/, { size: 1 << 20 }],
  ['a bomb', gzipSync(Buffer.alloc(10 << 20)), /unpacks to more than/, { maxBytes: 1 << 20 }],
  ['bzip2', Buffer.from('BZh91AY&SY'), /bzip2/],
]; // prettier-ignore

describe('a hostile layer is refused with the reason, and nothing of it stays', () => {
  for (const [what, bytes, reason, options] of REFUSED)
    it(what, async () => {
      await expect(ingest(bytes, options)).rejects.toThrow(reason);
      for (const name of ['layers', 'blobs', 'digests', 'tmp']) expect(readdirSync(join(folder, name)), name).toEqual([]); // prettier-ignore
    });
});

describe('a layer that would fill memory is refused', () => {
  it('with headers and no member', async () => {
    const pax = tar({ name: 'x', mode: 0o100644, mtime: 1.5, data: Buffer.from('') }).subarray(
      0,
      1024,
    );
    const many = Buffer.concat([...Array.from({ length: 200 }, () => pax), good]);
    await expect(ingest(many)).rejects.toThrow('headers stand before a member');
  });

  it('with an attribute larger than Linux has', async () => {
    const big = new Map([['user.big', new Uint8Array(70_000)]]);
    await expect(ingest(tar(file('a', '', { xattrs: big })))).rejects.toThrow(
      'larger than Linux allows',
    );
  });
});
