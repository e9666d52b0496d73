import { openSync, readFileSync } from 'node:fs';
import type { HostLayer } from '@vitrine/kernel/include/host.ts';
import { imageConfig, type OciConfig } from '../config.ts';
import type { Image, ImageLayer } from '../entry.ts';
import { ImageError } from './errors.ts';
import { readFully } from './files.ts';
import { parsePlatform } from './manifest.ts';
import type { Store, StoredImage } from './store.ts';

/** A layer of the store: one index and one descriptor for all machines of this process. */
class FileLayer implements HostLayer {
  readonly index: Uint8Array;
  readonly #fd: number;

  constructor(data: string, index: string) {
    this.#fd = openSync(data, 'r');
    this.index = readFileSync(index);
  }

  read(into: Uint8Array, position: number): number {
    return readFully(this.#fd, into, position);
  }
}

/** By the path of the archive, whatever the store object. */
const opened = new Map<string, FileLayer>();

export function openLayer(store: Store, diffId: string): HostLayer {
  const { data, index } = store.layerPaths(diffId);
  let layer = opened.get(data);
  if (layer === undefined) {
    layer = new FileLayer(data, index);
    opened.set(data, layer);
  }
  return layer;
}

/** A stored image, ready to boot from: its layers are opened, so that removing it takes nothing from who runs it. */
export function openImage(
  store: Store,
  image: StoredImage,
  config: OciConfig = store.config(image),
): Image {
  const { os, architecture } = parsePlatform(image.platform);
  if (os !== 'linux' || architecture !== 'amd64')
    throw new ImageError(`${image.name} is for ${image.platform}; vitrine runs linux/amd64`);
  const layers: ImageLayer[] = image.layers.map((id) => ({ id, layer: openLayer(store, id) }));
  return { entries: [], layers, config: imageConfig(config) };
}
