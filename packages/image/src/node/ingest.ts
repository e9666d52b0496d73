import { createHash } from 'node:crypto';
import { closeSync, openSync, rmSync } from 'node:fs';
import { LayerError, LayerTree } from '../layer.ts';
import { writeLayerIndex } from '../layer_index.ts';
import { TarError, tarMembers } from '../tar.ts';
import { decompress } from './decompress.ts';
import { CorruptImage } from './errors.ts';
import { FileSource, writeFully } from './files.ts';
import type { Store } from './store.ts';

export interface LayerOptions {
  /** Digest of the bytes as they come, compressed or not. */
  readonly digest?: string;
  /** Their number. */
  readonly size?: number;
  /** Digest of the plain archive. */
  readonly diffId?: string;
  /** The most bytes the plain archive may have. */
  readonly maxBytes?: number;
  readonly progress?: (bytes: number) => void;
}

/** Plain bytes of one layer: nothing that is shipped as an image comes near. */
const MAX_LAYER = 64 * 2 ** 30;
/** What compresses better than this, and is large, is no layer but a bomb. */
const MAX_RATIO = 100;
const SMALL = 4 * 2 ** 30;

/** The most plain bytes that so many compressed ones may become. */
export const plainLimit = (compressed: number): number =>
  Math.min(MAX_LAYER, Math.max(SMALL, compressed * MAX_RATIO));

function check(actual: string, wanted: string | undefined, what: string): void {
  if (wanted !== undefined && actual !== wanted)
    throw new CorruptImage(`${what} has digest ${actual}, not ${wanted}`);
}

/** Counts and hashes what passes. */
async function* watched(
  source: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
  options: LayerOptions,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of source) {
    total += chunk.length;
    if (options.size !== undefined && total > options.size)
      throw new CorruptImage(
        `the layer has more bytes than the ${options.size} that its manifest says`,
      );
    hash.update(chunk);
    options.progress?.(total);
    yield chunk;
  }
  if (options.size !== undefined && total < options.size)
    throw new CorruptImage(`the layer is cut short: ${total} of ${options.size} bytes`);
}

/**
 * Takes a layer into the store: decompresses it aside, verifies both digests, makes its index. Whatever is wrong, nothing
 * stays behind. @returns the digest of the plain archive, and its size
 */
export async function ingestLayer(
  store: Store,
  source: AsyncIterable<Uint8Array>,
  options: LayerOptions = {},
): Promise<{ diffId: string; size: number }> {
  const file = store.temporary();
  const fd = openSync(file, 'wx+');
  try {
    const outer = createHash('sha256');
    const inner = createHash('sha256');
    const max = options.maxBytes ?? plainLimit(options.size ?? MAX_LAYER);
    let size = 0;
    for await (const chunk of decompress(watched(source, outer, options))) {
      size += chunk.length;
      if (size > max) throw new CorruptImage(`the layer unpacks to more than ${max} bytes`);
      inner.update(chunk);
      writeFully(fd, chunk);
    }
    const digest = `sha256:${outer.digest('hex')}`;
    const diffId = `sha256:${inner.digest('hex')}`;
    check(digest, options.digest, 'the layer');
    check(diffId, options.diffId, 'the unpacked layer');
    if (!store.hasLayer(diffId)) store.putLayer(diffId, file, index(new FileSource(fd, size)));
    store.rememberDigest(digest, diffId);
    return { diffId, size };
  } finally {
    closeSync(fd);
    rmSync(file, { force: true });
  }
}

function index(source: FileSource): Uint8Array {
  try {
    const tree = new LayerTree();
    for (const member of tarMembers(source)) tree.add(member);
    return writeLayerIndex(tree.root);
  } catch (error) {
    if (error instanceof TarError || error instanceof LayerError)
      throw new CorruptImage(`the layer is refused: ${error.message}`);
    throw error;
  }
}
