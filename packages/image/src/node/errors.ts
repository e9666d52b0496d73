/** An image cannot be had: what is wrong with it, or with where it should come from. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** The bytes are not what they should be: nothing of them is kept. */
export class CorruptImage extends ImageError {}
