import { existsSync, statSync } from 'node:fs';
import type { Image } from '@vitrine/image';
import { importArchive, isImageArchive } from '@vitrine/image/node/archive.ts';
import { openArchive } from '@vitrine/image/node/archive_files.ts';
import { ImageError } from '@vitrine/image/node/errors.ts';
import { openImage, openLayer } from '@vitrine/image/node/open.ts';
import { Store, type StoredImage } from '@vitrine/image/node/store.ts';
import { canonical, parseReference } from '@vitrine/image/reference.ts';
import type { HostLayer } from '@vitrine/kernel/include/host.ts';
import { loadRootfs } from './rootfs.ts';

export { importArchive } from '@vitrine/image/node/archive.ts';
export { pull } from '@vitrine/image/node/registry/pull.ts';

let store: Store | undefined;

/** The user's store of images; `XDG_CACHE_HOME` counts when it is first asked for. */
export const imageStore = (): Store => (store ??= new Store());

/** Is it written like a path? Names of images have no `./`, no leading slash, no archive's ending. */
export const isPath = (name: string): boolean =>
  /^(?:\/|\.\.?(?:\/|$)|[A-Za-z]:[\\/])/.test(name) ||
  /\.(?:tar|tgz|tar\.(?:gz|zst|xz))$/.test(name);

/** A stored image by any of its spellings, or by the beginning of its id. */
export function findImage(name: string): StoredImage | null {
  const exact = imageStore().image(canonical(parseReference(name)));
  if (exact !== null || !/^(?:sha256:)?[0-9a-f]{6,64}$/.test(name)) return exact;
  const id = `sha256:${name.replace(/^sha256:/, '')}`;
  return (
    imageStore()
      .images()
      .find((image) => image.id.startsWith(id)) ?? null
  );
}

/** A folder or archive: of images (the first one counts), or a plain root file system. */
async function loadPath(path: string): Promise<Image> {
  if (!(await holdsImages(path))) return loadRootfs(path);
  const [image] = await importArchive(imageStore(), path);
  return openImage(imageStore(), image!);
}

async function holdsImages(path: string): Promise<boolean> {
  if (statSync(path).isDirectory()) return existsSync(`${path}/oci-layout`) || existsSync(`${path}/manifest.json`); // prettier-ignore
  using files = await openArchive(imageStore(), path);
  return isImageArchive(files);
}

/** An image that is on this computer: nothing is fetched. */
export async function loadImage(name: string): Promise<Image> {
  if (isPath(name) || (existsSync(name) && name.includes('/'))) {
    if (!existsSync(name))
      throw new ImageError(`no image ${name}: there is no such folder or archive`);
    return loadPath(name);
  }
  const image = findImage(name);
  if (image !== null) return openImage(imageStore(), image);
  if (existsSync(name)) return loadPath(name);
  throw new ImageError(`no image ${name} is here: \`vitrine pull ${name}\` fetches it from a registry, \`vitrine images\` lists those that are`); // prettier-ignore
}

/** A layer that a snapshot names. */
export function storedLayer(id: string): HostLayer | undefined {
  return imageStore().hasLayer(id) ? openLayer(imageStore(), id) : undefined;
}
