/** Bytes fetched when they are first needed. */
export interface LazyBytes {
  readonly size: number;
  read(): Uint8Array;
  /** The bytes [from, to) alone, where the place they are in can give them. */
  slice?(from: number, to: number): Uint8Array;
}
