import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Descriptor } from '../src/node/manifest.ts';
import { type TarEntry, writeTar, writeTarEnd } from '../src/tar_write.ts';

export const digest = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export const file = (name: string, text: string | Uint8Array = ''): TarEntry => ({ name, mode: 0o100644, data: typeof text === 'string' ? Buffer.from(text) : text }); // prettier-ignore
export const tar = (...entries: TarEntry[]): Uint8Array =>
  Buffer.concat([...writeTar(entries), writeTarEnd()]);

/** An image in memory: everything a registry or a layout has of it, by digest. */
export interface Built {
  readonly blobs: Map<string, Uint8Array>;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly string[];
}

export function buildImage(
  layers: readonly Uint8Array[],
  config: object = {},
  compress: (tar: Uint8Array) => Uint8Array = gzipSync,
): Built {
  const blobs = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array, mediaType: string): Descriptor => {
    blobs.set(digest(bytes), bytes);
    return { mediaType, digest: digest(bytes), size: bytes.length };
  };
  const diffIds = layers.map((layer) => digest(layer));
  const descriptors = layers.map((layer) => put(compress(layer), 'application/vnd.oci.image.layer.v1.tar+gzip')); // prettier-ignore
  const text = JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds }, config }); // prettier-ignore
  const configuration = put(Buffer.from(text), 'application/vnd.oci.image.config.v1+json');
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: configuration, layers: descriptors })), mediaType); // prettier-ignore
  return { blobs, manifest, config: configuration, layers: descriptors, diffIds };
}

/** An OCI layout in a folder. */
export function writeLayout(
  folder: string,
  built: Built,
  annotations: Record<string, string> = {},
): void {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  for (const [name, bytes] of built.blobs) writeFileSync(join(folder, 'blobs', name.replace(':', '/')), bytes); // prettier-ignore
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...built.manifest, annotations }] })); // prettier-ignore
}
