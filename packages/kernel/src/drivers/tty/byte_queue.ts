import { serializable } from '../../include/serial.ts';

/** Bytes in the order they came, at most `limit`; the buffer grows as needed. */
export class ByteQueue {
  length = 0;
  readonly limit: number;
  private buf: Uint8Array = new Uint8Array(256);
  private head = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  static {
    serializable('ByteQueue', this);
  }

  get room(): number {
    return Math.max(0, this.limit - this.length);
  }

  /** Appends one byte, whatever the limit. */
  push(byte: number): void {
    if (this.length === this.buf.length) this.grow(this.length + 1);
    this.buf[(this.head + this.length) % this.buf.length] = byte;
    this.length++;
  }

  pushAll(bytes: Uint8Array): void {
    this.grow(this.length + bytes.length);
    const tail = (this.head + this.length) % this.buf.length;
    const first = Math.min(bytes.length, this.buf.length - tail);
    this.buf.set(bytes.subarray(0, first), tail);
    this.buf.set(bytes.subarray(first), 0);
    this.length += bytes.length;
  }

  private grow(need: number): void {
    if (need <= this.buf.length) return;
    let size = this.buf.length;
    while (size < need) size *= 2;
    const next = new Uint8Array(size);
    const first = Math.min(this.length, this.buf.length - this.head);
    next.set(this.buf.subarray(this.head, this.head + first), 0);
    next.set(this.buf.subarray(0, this.length - first), first);
    this.buf = next;
    this.head = 0;
  }

  shift(): number {
    const byte = this.buf[this.head]!;
    this.head = (this.head + 1) % this.buf.length;
    this.length--;
    return byte;
  }

  /** Takes up to `max` bytes. */
  take(max: number): Uint8Array {
    const n = Math.min(max, this.length);
    const out = new Uint8Array(n);
    const first = Math.min(n, this.buf.length - this.head);
    out.set(this.buf.subarray(this.head, this.head + first), 0);
    out.set(this.buf.subarray(0, n - first), first);
    this.head = (this.head + n) % this.buf.length;
    this.length -= n;
    if (this.length === 0 && this.buf.length > 4096) {
      this.buf = new Uint8Array(256);
      this.head = 0;
    }
    return out;
  }

  /** Forgets all but the first `length` bytes. */
  truncate(length: number): void {
    if (length < this.length) this.length = length;
  }

  clear(): void {
    this.length = 0;
    this.head = 0;
  }
}
