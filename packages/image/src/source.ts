/** Bytes that can be read anywhere: an archive in memory or in a file. */
export interface ByteSource {
  readonly size: number;
  /** @returns exactly the bytes [at, at + length); the caller stays inside `size` */
  read(at: number, length: number): Uint8Array;
}

export class MemorySource implements ByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(at: number, length: number): Uint8Array {
    return this.#bytes.subarray(at, at + length);
  }
}
