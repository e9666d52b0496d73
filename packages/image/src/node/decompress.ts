import { pipeline, Readable, type Duplex } from 'node:stream';
import { createGunzip, constants } from 'node:zlib';
import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import * as xzModule from 'xz-decompress';
import { CorruptImage } from './errors.ts';

/** The library is CommonJS: what Node makes of its names depends on who loads it. */
const { XzReadableStream } =
  (xzModule as unknown as { default?: typeof xzModule }).default ?? xzModule;

export type Compression = 'gzip' | 'zstd' | 'xz' | 'none';

const starts = (bytes: Uint8Array, ...magic: readonly number[]): boolean =>
  magic.every((byte, i) => bytes[i] === byte);

/** By the first bytes. Throws for a form that is known and not read here. */
export function compressionOf(head: Uint8Array): Compression {
  if (starts(head, 0x1f, 0x8b)) return 'gzip';
  if (starts(head, 0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A zstd frame to be skipped may come first.
  if (head.length >= 4 && (head[0]! & 0xf0) === 0x50 && starts(head.subarray(1), 0x2a, 0x4d, 0x18)) return 'zstd'; // prettier-ignore
  if (starts(head, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)) return 'xz';
  if (starts(head, 0x42, 0x5a, 0x68)) throw new CorruptImage('bzip2 archives are not read here (gzip, zstd, xz and plain ones are)'); // prettier-ignore
  return 'none';
}

/** The first bytes of a stream, and the stream with them still in it. */
async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<[head: Uint8Array, all: AsyncIterable<Uint8Array>]> {
  const iterator = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < 6) {
    const next = await iterator.next();
    if (next.done) break;
    first.push(next.value);
    length += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      for (let next = await iterator.next(); !next.done; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return [Buffer.concat(first), all()];
}

function through(source: AsyncIterable<Uint8Array>, transform: Duplex): AsyncIterable<Uint8Array> {
  // An error of either side destroys both, and the reader of `transform` sees it.
  pipeline(Readable.from(source, { objectMode: false }), transform, () => {});
  return transform;
}

/** Node has zstd from 22.15 on; before that, a decoder in JavaScript. */
async function* zstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const native = (zlib as { createZstdDecompress?: (options: object) => Duplex })
    .createZstdDecompress;
  if (native !== undefined) {
    // Layers of `zstd --long` have windows of up to 128 MiB.
    const ZSTD_d_windowLogMax = (constants as Record<string, number>)['ZSTD_d_windowLogMax'] ?? 100;
    yield* through(source, native({ params: { [ZSTD_d_windowLogMax]: 27 } }));
    return;
  }
  let out: Uint8Array[] = [];
  const decoder = new Decompress((chunk) => void out.push(chunk));
  for await (const chunk of source) {
    // A small piece at a time: a bomb is noticed before its next piece is blown up.
    for (let at = 0; at < chunk.length; at += 1 << 14) {
      decoder.push(chunk.subarray(at, at + (1 << 14)));
      yield* out;
      out = [];
    }
  }
  decoder.push(new Uint8Array(0), true);
  yield* out;
}

async function* xz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
  });
  const reader = (new XzReadableStream(input) as ReadableStream<Uint8Array>).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    void reader.cancel().catch(() => {});
    await iterator.return?.();
  }
}

/** The plain bytes of a stream in any of the forms. Throws CorruptImage when it is damaged or cut short. */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const [head, all] = await peek(source);
  const kind = compressionOf(head);
  try {
    if (kind === 'gzip') yield* through(all, createGunzip());
    else if (kind === 'zstd') yield* zstd(all);
    else if (kind === 'xz') yield* xz(all);
    else yield* all;
  } catch (error) {
    if (error instanceof CorruptImage || !(error instanceof Error)) throw error;
    throw new CorruptImage(`the ${kind} data are damaged or cut short: ${error.message}`);
  }
}
