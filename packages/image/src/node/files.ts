import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ByteSource } from '../source.ts';

/** A file's bytes, read where they are asked for; the descriptor is the caller's. */
export class FileSource implements ByteSource {
  readonly size: number;
  readonly #fd: number;
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  read(at: number, length: number): Uint8Array {
    const start = at - this.#start;
    if (start < 0 || start + length > this.#window.length) {
      const wanted = Math.min(Math.max(length, 1 << 16), this.size - at);
      const window = new Uint8Array(wanted);
      const n = readFully(this.#fd, window, at);
      this.#window = window.subarray(0, n);
      this.#start = at;
      return this.#window.subarray(0, length);
    }
    return this.#window.subarray(start, start + length);
  }
}

/** Reads until the buffer is full or the file ends. @returns bytes read */
export function readFully(fd: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const n = readSync(fd, into, done, into.length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

/** Makes what was renamed into a folder survive a power cut; file systems that cannot do it do not matter. */
function syncFolder(path: string): void {
  try {
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Windows opens no folders.
  }
}

/** Puts a finished file in its place: written to the disk first, then renamed, so that it is there whole or not at all. */
export function publish(temporary: string, place: string): void {
  const fd = openSync(temporary, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, place);
  syncFolder(dirname(place));
}

/** Writes a small file so that it is there whole or not at all. */
export function writeAtomically(
  temporary: string,
  place: string,
  bytes: Uint8Array | string,
): void {
  const fd = openSync(temporary, 'wx');
  try {
    writeFully(fd, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  } finally {
    closeSync(fd);
  }
  try {
    publish(temporary, place);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
