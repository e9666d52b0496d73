import { closeSync, fstatSync, ftruncateSync, openSync, createReadStream, rmSync } from 'node:fs';
import { canonical, parseReference, type Reference } from '../../reference.ts';
import { storedImage } from '../archive.ts';
import { CorruptImage } from '../errors.ts';
import { writeFully } from '../files.ts';
import { ingestLayer } from '../ingest.ts';
import { choose, DEFAULT_PLATFORM, type Descriptor, type Manifest, parseConfig, parseManifest } from '../manifest.ts'; // prettier-ignore
import { sha256, type Store, type StoredImage, verify } from '../store.ts';
import { type ClientOptions, RegistryClient } from './client.ts';

/** How far a layer is. */
export interface LayerProgress {
  readonly digest: string;
  readonly phase: 'waiting' | 'here' | 'downloading' | 'unpacking' | 'done';
  readonly done: number;
  readonly total: number;
}

export interface PullOptions extends ClientOptions {
  readonly platform?: string;
  readonly progress?: (progress: LayerProgress) => void;
}

/** Layers fetched at a time, as Docker does. */
const PARALLEL = 3;

/** Follows indexes to the platform's manifest, verifying every step by its digest. */
async function resolve(
  client: RegistryClient,
  reference: Reference,
  platform: string,
): Promise<{ manifest: Manifest; bytes: Uint8Array }> {
  let digest = reference.digest;
  for (let depth = 0; depth < 5; depth++) {
    const name = digest ?? reference.tag!;
    const bytes = await client.manifest(name);
    if (digest !== null) verify(bytes, digest, 'the manifest');
    const parsed = parseManifest(bytes, 'the manifest');
    if ('config' in parsed) return { manifest: parsed, bytes };
    digest = choose(parsed, platform, canonical(reference)).digest;
  }
  throw new CorruptImage('indexes lead to indexes more than four times');
}

async function fetchSmall(
  client: RegistryClient,
  { digest, size }: Descriptor,
): Promise<Uint8Array> {
  if (size > 16 * 2 ** 20) throw new CorruptImage(`the configuration has ${size} bytes`);
  let chunks: Uint8Array[] = [];
  let have = 0;
  await client.blob(digest, size, () => have, (chunk) => {
    chunks.push(chunk);
    have += chunk.length;
  }, () => {
    chunks = [];
    have = 0;
  }); // prettier-ignore
  const bytes = Buffer.concat(chunks);
  verify(bytes, digest, 'the configuration');
  return bytes;
}

/** Fetches one layer into a file, going on with what an earlier attempt left, and takes it into the store. */
async function fetchLayer(
  store: Store,
  client: RegistryClient,
  layer: Descriptor,
  diffId: string,
  report: (phase: LayerProgress['phase'], done: number) => void,
): Promise<void> {
  const file = store.claimPartial(layer.digest);
  const fd = openSync(file, 'a+');
  let size = fstatSync(fd).size;
  try {
    await client.blob(layer.digest, layer.size, () => size, (chunk) => {
      writeFully(fd, chunk);
      size += chunk.length;
      report('downloading', size);
    }, () => {
      ftruncateSync(fd, 0);
      size = 0;
    }); // prettier-ignore
    report('unpacking', 0);
    await ingestLayer(store, createReadStream(file, { highWaterMark: 1 << 18 }), {
      digest: layer.digest,
      size: layer.size,
      diffId,
      progress: (bytes) => report('unpacking', bytes),
    });
    rmSync(file, { force: true });
  } catch (error) {
    // Bytes that are wrong are no beginning for the next attempt.
    if (error instanceof CorruptImage || size === 0) rmSync(file, { force: true });
    else store.releasePartial(file, layer.digest);
    throw error;
  } finally {
    closeSync(fd);
  }
  report('done', layer.size);
}

/** Runs the jobs, a few at a time; the first failure stops what has not begun. */
async function parallel(jobs: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = [...jobs];
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined && !failed; job = queue.shift()) {
      try {
        await job();
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Fetches an image from its registry into the store. What the store has is not fetched again. */
export async function pull(
  store: Store,
  name: string,
  options: PullOptions = {},
): Promise<StoredImage> {
  const reference = parseReference(name);
  const client = new RegistryClient(reference, options);
  using pin = store.pin();
  try {
    const { manifest, bytes } = await resolve(
      client,
      reference,
      options.platform ?? DEFAULT_PLATFORM,
    );
    const config = await fetchSmall(client, manifest.config);
    const parsed = parseConfig(config, manifest.layers.length, 'the configuration');
    const diffIds = parsed.rootfs!.diff_ids!;
    pin.add(...diffIds, sha256(config), sha256(bytes));
    const report = (digest: string, total: number) => (phase: LayerProgress['phase'], done: number): void =>
      options.progress?.({ digest, phase, done, total }); // prettier-ignore
    const wanted = new Map(manifest.layers.map((layer, i) => [diffIds[i]!, layer]));
    const here = await store.lock(
      () => new Set([...wanted.keys()].filter((id) => store.hasLayer(id))),
    );
    for (const [id, { digest, size }] of wanted)
      report(digest, size)(here.has(id) ? 'here' : 'waiting', 0);
    await parallel(
      [...wanted].filter(([id]) => !here.has(id)).map(([id, layer]) => () => fetchLayer(store, client, layer, id, report(layer.digest, layer.size))),
    ); // prettier-ignore
    const image = storedImage(store, canonical(reference), parsed, config, bytes);
    store.putImage(image);
    return image;
  } catch (error) {
    pin[Symbol.dispose]();
    if (error instanceof CorruptImage) await store.collect();
    throw error;
  }
}
