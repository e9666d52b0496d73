import { Errno } from './errno.ts';
import { PAGE_SIZE } from './ram.ts';
import type { UserMemory } from './uaccess.ts';

/** One piece of a caller's buffer. */
export interface IoVec {
  readonly base: number;
  readonly length: number;
}

/**
 * Where the bytes of a read go or the bytes of a write come from (analogous to `struct iov_iter`): pieces of user
 * memory, or a buffer inside the kernel. The copy functions move forward through it. When user memory faults after some
 * bytes they return the shorter count, as Linux does; when it faults at the first byte they throw EFAULT.
 */
export class IovIter {
  /** Bytes left. */
  count: number;
  readonly #mem: UserMemory | null;
  readonly #vecs: readonly IoVec[];
  readonly #buffer: Uint8Array | null;
  #vec = 0;
  /** Offset into the current piece, or into the buffer. */
  #offset = 0;

  private constructor(
    mem: UserMemory | null,
    vecs: readonly IoVec[],
    buffer: Uint8Array | null,
    count: number,
  ) {
    this.#mem = mem;
    this.#vecs = vecs;
    this.#buffer = buffer;
    this.count = count;
  }

  static user(mem: UserMemory, base: number, length: number): IovIter {
    return new IovIter(mem, [{ base, length }], null, length);
  }

  static vector(mem: UserMemory, vecs: readonly IoVec[]): IovIter {
    let count = 0;
    for (const vec of vecs) count += vec.length;
    return new IovIter(mem, vecs, null, count);
  }

  static kernel(buffer: Uint8Array): IovIter {
    return new IovIter(null, [], buffer, buffer.length);
  }

  /** Limits what is left to `max` bytes (iov_iter_truncate). */
  truncate(max: number): void {
    if (this.count > max) this.count = max;
  }

  /** Copies from `bytes[from…]` into the caller's buffer; at most `length` and at most what is left. */
  copyTo(bytes: Uint8Array, from: number, length: number): number {
    return this.#each(length, true, (ram, at, n, done) => {
      if (n === 1) ram[at] = bytes[from + done]!;
      else ram.set(bytes.subarray(from + done, from + done + n), at);
    });
  }

  /** Copies from the caller's buffer into `bytes[to…]`. */
  copyFrom(bytes: Uint8Array, to: number, length: number): number {
    return this.#each(length, false, (ram, at, n, done) => {
      if (n === 1) bytes[to + done] = ram[at]!;
      else bytes.set(ram.subarray(at, at + n), to + done);
    });
  }

  /** Fills the caller's buffer with zeros. */
  zero(length: number): number {
    return this.#each(length, true, (ram, at, n) => ram.fill(0, at, at + n));
  }

  /** Moves forward without a look at the memory (iov_iter_advance): what lies there was moved before. */
  advance(length: number): void {
    let left = Math.min(length, this.count);
    this.count -= left;
    if (this.#buffer !== null) {
      this.#offset += left;
      return;
    }
    while (left > 0) {
      const n = Math.min(left, this.#vecs[this.#vec]!.length - this.#offset);
      left -= n;
      this.#offset += n;
      if (left > 0) {
        this.#vec++;
        this.#offset = 0;
      }
    }
  }

  /** Moves forward without copying. */
  /** Bytes up to the end of the piece or of its page. */
  get pageLength(): number {
    if (this.#buffer !== null) return Math.min(this.count, PAGE_SIZE);
    let vec = this.#vec;
    let offset = this.#offset;
    while (vec < this.#vecs.length && this.#vecs[vec]!.length === offset) {
      vec++;
      offset = 0;
    }
    const { base, length } = this.#vecs[vec]!;
    return Math.min(this.count, length - offset, PAGE_SIZE - ((base + offset) % PAGE_SIZE));
  }

  /** Has every page of the next `length` bytes there, or throws before a byte is moved. */
  #demand(mem: UserMemory, length: number, write: boolean): void {
    let offset = this.#offset;
    for (let vec = this.#vec; length > 0 && vec < this.#vecs.length; vec++, offset = 0) {
      const { base, length: size } = this.#vecs[vec]!;
      const end = base + Math.min(size, offset + length);
      length -= end - base - offset;
      try {
        for (let at = base + offset; at < end; at += PAGE_SIZE - (at % PAGE_SIZE))
          mem.translate(at, write);
      } catch (error) {
        // A page that nobody will bring ends the transfer where it is reached.
        if (!(error instanceof Errno) || error.constructor !== Errno) throw error;
        return;
      }
    }
  }

  skip(length: number): number {
    return this.#each(length, false, () => {});
  }

  /**
   * Calls `copy` for each contiguous piece: the array it lies in, where, how long, and how many bytes were done before.
   */
  #each(
    length: number,
    write: boolean,
    copy: (array: Uint8Array, at: number, n: number, done: number) => void,
  ): number {
    const want = Math.min(length, this.count);
    if (this.#buffer !== null) {
      if (want > 0) copy(this.#buffer, this.#offset, want, 0);
      this.#offset += want;
      this.count -= want;
      return want;
    }
    const mem = this.#mem!;
    if (mem.served === true) this.#demand(mem, write ? want : this.count, write);
    let done = 0;
    while (done < want) {
      const vec = this.#vecs[this.#vec]!;
      const left = vec.length - this.#offset;
      if (left === 0) {
        this.#vec++;
        this.#offset = 0;
        continue;
      }
      const address = vec.base + this.#offset;
      const n = Math.min(want - done, left, PAGE_SIZE - (address % PAGE_SIZE));
      let at: number;
      try {
        at = mem.translate(address, write);
      } catch (error) {
        if (done === 0 || !(error instanceof Errno)) throw error;
        return done;
      }
      copy(mem.ram, at, n, done);
      this.#offset += n;
      this.count -= n;
      done += n;
    }
    return done;
  }
}
