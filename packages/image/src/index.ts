export { busyboxImage } from './busybox.ts';
export { DEFAULT_CONFIG, DEFAULT_PATH, type Image, type ImageConfig, type LazyBytes, type RootEntry } from './entry.ts'; // prettier-ignore
export { layeredImage } from './memory_image.ts';
export { isTar, readTar, TarError } from './tar.ts';
