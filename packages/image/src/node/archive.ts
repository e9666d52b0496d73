import type { OciConfig } from '../config.ts';
import { canonical, parseReference } from '../reference.ts';
import { type ArchiveFiles, inside, openArchive, readSmall } from './archive_files.ts';
import { CorruptImage, ImageError } from './errors.ts';
import { ingestLayer, plainLimit } from './ingest.ts';
import { choose, type Descriptor, type Manifest, parseConfig, parseManifest, platformName } from './manifest.ts'; // prettier-ignore
import { type Pin, sha256, type Store, type StoredImage, verify } from './store.ts';

/** One image of an archive: names it is known by, and what it is made of. */
interface ArchivedImage {
  readonly names: readonly string[];
  readonly manifest: Uint8Array | null;
  readonly config: Uint8Array;
  readonly layers: readonly { readonly path: string; readonly descriptor: Descriptor | null }[];
}

/** Is this a folder or archive of images, rather than a root file system? */
export const isImageArchive = (files: ArchiveFiles): boolean =>
  (files.has('oci-layout') && files.has('index.json')) || files.has('manifest.json');

const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

async function verified(
  files: ArchiveFiles,
  { digest, size }: Descriptor,
  what: string,
): Promise<Uint8Array> {
  const bytes = await readSmall(files, blobPath(digest));
  if (bytes.length !== size)
    throw new CorruptImage(`${what} has ${bytes.length} bytes, not ${size}`);
  verify(bytes, digest, what);
  return bytes;
}

/** Names that tools write into the index of a layout. */
function namesOf({ annotations = {} }: Descriptor): string[] {
  const name =
    annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
  if (name === undefined || !/[/:]/.test(name)) return [];
  return [name];
}

/** OCI image layout: index.json names manifests, perhaps through other indexes. */
async function readLayout(files: ArchiveFiles, platform: string): Promise<ArchivedImage[]> {
  const top = parseManifest(await readSmall(files, 'index.json'), 'index.json');
  if (!Array.isArray(top)) throw new CorruptImage('index.json is no index');
  const entries = top as readonly Descriptor[];
  const named = entries.filter((entry) => namesOf(entry).length > 0);
  const images: ArchivedImage[] = [];
  for (const entry of named.length > 1 ? named : [choose1(entries, platform)]) {
    const { manifest, bytes } = await descend(files, entry, platform, 0);
    images.push({
      names: namesOf(entry),
      manifest: bytes,
      config: await verified(files, manifest.config, 'the configuration'),
      layers: manifest.layers.map((layer) => ({ path: blobPath(layer.digest), descriptor: layer })),
    });
  }
  return images;
}

/** An index with one entry needs no platform. */
const choose1 = (entries: readonly Descriptor[], platform: string): Descriptor =>
  entries.length === 1 ? entries[0]! : choose(entries, platform, 'the image');

async function descend(
  files: ArchiveFiles,
  entry: Descriptor,
  platform: string,
  depth: number,
): Promise<{ manifest: Manifest; bytes: Uint8Array }> {
  if (depth > 4) throw new CorruptImage('indexes lead to indexes more than four times');
  const bytes = await verified(files, entry, 'the manifest');
  const parsed = parseManifest(bytes, 'the manifest');
  if ('config' in parsed) return { manifest: parsed, bytes };
  return descend(files, choose(parsed, platform, 'the image'), platform, depth + 1);
}

/** What `docker save` wrote before it wrote layouts, and still writes beside them. */
async function readDockerArchive(files: ArchiveFiles): Promise<ArchivedImage[]> {
  const text = Buffer.from(await readSmall(files, 'manifest.json')).toString();
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new CorruptImage(`manifest.json is no JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(list) || list.length === 0)
    throw new CorruptImage('manifest.json names no image');
  return Promise.all(
    list.map(async (value: { Config?: unknown; RepoTags?: unknown; Layers?: unknown } | null) => {
      const { Config: config, RepoTags: tags, Layers: layers } = value ?? {};
      if (typeof config !== 'string' || !Array.isArray(layers)) throw new CorruptImage('manifest.json has an entry without Config or Layers'); // prettier-ignore
      const bytes = await readSmall(files, config);
      const hex = /([0-9a-f]{64})(?:\.json)?$/.exec(config)?.[1];
      if (hex !== undefined) verify(bytes, `sha256:${hex}`, 'the configuration');
      return {
        names: Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [],
        manifest: null,
        config: bytes,
        layers: layers.map((path) => ({ path: inside(String(path)), descriptor: null })),
      };
    }),
  );
}

export interface ImportOptions {
  readonly platform?: string;
  /** The name to keep it under, in place of the archive's own. */
  readonly name?: string;
  readonly progress?: (layer: string, bytes: number, total: number) => void;
}

/** Takes the images of a folder or archive into the store. What is wrong with one keeps all out. */
export async function importArchive(
  store: Store,
  path: string,
  options: ImportOptions = {},
): Promise<StoredImage[]> {
  using files = await openArchive(store, path);
  if (!isImageArchive(files)) throw new ImageError(`${path} holds no image: it has neither an OCI layout (oci-layout, index.json) nor docker's manifest.json`); // prettier-ignore
  using pin = store.pin();
  try {
    const platform = options.platform ?? 'linux/amd64';
    const images = files.has('oci-layout')
      ? await readLayout(files, platform)
      : await readDockerArchive(files);
    const stored: StoredImage[] = [];
    for (const image of images)
      stored.push(...(await importImage(store, files, image, options, pin)));
    for (const image of stored) if (image.name !== '') store.putImage(image);
    return stored;
  } catch (error) {
    pin[Symbol.dispose]();
    if (error instanceof CorruptImage) await store.collect();
    throw error;
  }
}

async function importImage(
  store: Store,
  files: ArchiveFiles,
  image: ArchivedImage,
  options: ImportOptions,
  pin: Pin,
): Promise<StoredImage[]> {
  const config = parseConfig(image.config, image.layers.length, 'the configuration');
  const diffIds = config.rootfs!.diff_ids!;
  pin.add(...diffIds, sha256(image.config), ...(image.manifest === null ? [] : [sha256(image.manifest)])); // prettier-ignore
  for (const [i, { path, descriptor }] of image.layers.entries()) {
    const diffId = diffIds[i]!;
    if (await store.lock(() => store.hasLayer(diffId))) continue;
    if (!files.has(path)) throw new CorruptImage(`the archive has no layer ${path}`);
    const total = files.size(path);
    await ingestLayer(store, files.stream(path), {
      diffId,
      ...(descriptor === null ? {} : { digest: descriptor.digest, size: descriptor.size }),
      maxBytes: plainLimit(total),
      progress: (bytes) => options.progress?.(diffId, bytes, total),
    });
  }
  const names = options.name !== undefined ? [options.name] : image.names.length > 0 ? image.names : ['']; // prettier-ignore
  return names.map((name) => storedImage(store, name, config, image.config, image.manifest));
}

/** The store's record of an image whose layers are all there. */
export function storedImage(
  store: Store,
  name: string,
  config: OciConfig,
  configBytes: Uint8Array,
  manifest: Uint8Array | null,
): StoredImage {
  const layers = config.rootfs!.diff_ids!;
  return {
    name: name === '' ? '' : canonical(parseReference(name)),
    id: store.putBlob(configBytes),
    manifest: manifest === null ? null : store.putBlob(manifest),
    layers,
    size: layers.reduce((sum, id) => sum + store.layerSize(id), 0),
    platform: platformName(config),
    created: config.created ?? '',
    fetched: new Date().toISOString(),
  };
}
