import type { ImportOptions } from '@vitrine/image/node/archive.ts';
import type { PullOptions } from '@vitrine/image/node/registry/pull.ts';
import type { StoredImage } from '@vitrine/image/node/store.ts';

/** The images on this computer, as the command has them. Loaded when it is used: most programs fetch nothing. */
export interface Images {
  /** Fetches an image from its registry; what is here already is not fetched again. */
  pull(name: string, options?: PullOptions): Promise<StoredImage>;
  /** Takes the images of an OCI layout or `docker save` archive. */
  load(path: string, options?: ImportOptions): Promise<StoredImage[]>;
  list(): Promise<StoredImage[]>;
  /** @returns whether it was there */
  remove(name: string): Promise<boolean>;
  /** Removes what no image needs. @returns bytes freed */
  prune(): Promise<number>;
}

export const images: Images = {
  async pull(name, options) {
    const { imageStore, pull } = await import('./images.ts');
    return pull(imageStore(), name, options);
  },
  async load(path, options) {
    const { imageStore, importArchive } = await import('./images.ts');
    return importArchive(imageStore(), path, options);
  },
  async list() {
    const { imageStore } = await import('./images.ts');
    return imageStore().images();
  },
  async remove(name) {
    const { findImage, imageStore } = await import('./images.ts');
    const image = findImage(name);
    const removed = image !== null && imageStore().removeImage(image.name);
    await imageStore().collect();
    return removed;
  },
  async prune() {
    const { imageStore } = await import('./images.ts');
    return imageStore().collect({ partial: true });
  },
};
