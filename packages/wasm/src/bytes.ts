/** A growing byte buffer with the WebAssembly binary format's primitive encodings. */
export class Bytes {
  #data = new Uint8Array(64);
  length = 0;

  #reserve(n: number): void {
    if (this.length + n <= this.#data.length) return;
    const grown = new Uint8Array(Math.max(this.#data.length * 2, this.length + n));
    grown.set(this.#data.subarray(0, this.length));
    this.#data = grown;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#data[this.length++] = value;
    return this;
  }

  raw(bytes: ArrayLike<number>): this {
    this.#reserve(bytes.length);
    this.#data.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  bytes(other: Bytes): this {
    return this.raw(other.view());
  }

  /** Unsigned LEB128 of a number below 2^32. */
  uleb(value: number): this {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  sleb(value: number): this {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    return this.u8(rest & 0x7f);
  }

  /** Signed LEB128 of a 64-bit integer; any BigInt is taken modulo 2^64. */
  sleb64(value: bigint): this {
    let rest = BigInt.asIntN(64, value);
    while (rest < -64n || rest > 63n) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.u8(Number(rest & 0x7fn));
  }

  name(text: string): this {
    const utf8 = unescape(encodeURIComponent(text));
    this.uleb(utf8.length);
    for (let i = 0; i < utf8.length; i++) this.u8(utf8.charCodeAt(i));
    return this;
  }

  f32(value: number): this {
    return this.raw(new Uint8Array(new Float32Array([value]).buffer));
  }

  f64(value: number): this {
    return this.raw(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** What has been written so far; valid until the next write. */
  view(): Uint8Array {
    return this.#data.subarray(0, this.length);
  }
}
