import type { HostLayer } from '@vitrine/kernel/include/host.ts';
import { DEFAULT_CONFIG, type Image, type ImageConfig } from './entry.ts';
import { LayerTree } from './layer.ts';
import { writeLayerIndex } from './layer_index.ts';
import { MemorySource } from './source.ts';
import { tarMembers } from './tar.ts';

/** A layer whose plain archive is in memory: where there is no disk, as in browsers. */
class MemoryLayer implements HostLayer {
  readonly index: Uint8Array;
  readonly #bytes: Uint8Array;

  constructor(archive: Uint8Array) {
    const tree = new LayerTree();
    for (const member of tarMembers(new MemorySource(archive))) tree.add(member);
    this.index = writeLayerIndex(tree.root);
    this.#bytes = archive;
  }

  read(into: Uint8Array, position: number): number {
    const bytes = this.#bytes.subarray(position, position + into.length);
    into.set(bytes);
    return bytes.length;
  }
}

let made = 0;

/**
 * An image of plain tar archives as layers, lowest first. All machines booted from it share their bytes.
 * Throws TarError or LayerError for an archive that is refused.
 */
export function layeredImage(
  archives: readonly Uint8Array[],
  config: Partial<ImageConfig> = {},
): Image {
  const layers = archives.map((archive) => ({
    id: `memory:${++made}`,
    layer: new MemoryLayer(archive),
  }));
  return { entries: [], layers, config: { ...DEFAULT_CONFIG, ...config } };
}
