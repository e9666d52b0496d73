import type { ByteSource } from './source.ts';
import { BLOCK, TarError, number } from './tar_fields.ts';

/** A piece of a file's content: `length` bytes that belong at `at` stand at `from` in the archive. The rest is zeros. */
export interface Extent {
  readonly at: number;
  readonly length: number;
  readonly from: number;
}

/** Where sparse pieces go, in the order in which they are stored. */
type SparseMap = readonly (readonly [offset: number, length: number])[];

export const pairs = (numbers: readonly number[]): SparseMap =>
  Array.from({ length: numbers.length >> 1 }, (_, i) => [numbers[2 * i]!, numbers[2 * i + 1]!]);

/** The most pieces one file may have. */
const MAX_PIECES = 1 << 20;

/** Puts a map's pieces behind each other from `from` on. Throws when they overlap, or leave the file or the data. */
export function placed(
  map: SparseMap,
  from: number,
  stored: number,
  size: number,
  name: string,
): Extent[] {
  const extents: Extent[] = [];
  let taken = 0;
  let end = 0;
  for (const [at, length] of map) {
    if (!(at >= end && length >= 0 && at + length <= size && taken + length <= stored))
      throw new TarError(`${name} has a sparse map that does not fit it`);
    if (length > 0) extents.push({ at, length, from: from + taken });
    taken += length;
    end = at + length;
  }
  return extents;
}

/** GNU sparse 1.0: the map stands before the data, as decimal lines padded to a block. */
export function sparseMapInData(
  source: ByteSource,
  at: number,
  length: number,
): { map: SparseMap; used: number } {
  let offset = 0;
  let chunk = new Uint8Array(0);
  let start = 0;
  const byte = (): number => {
    if (offset >= length) throw new TarError('a sparse map is cut short');
    if (offset - start >= chunk.length) {
      start = offset;
      chunk = Uint8Array.from(source.read(at + offset, Math.min(BLOCK, length - offset)));
    }
    return chunk[offset++ - start]!;
  };
  const line = (): number => {
    let value = 0;
    for (let c = byte(); c !== 10; c = byte()) {
      if (c < 48 || c > 57 || value > Number.MAX_SAFE_INTEGER / 10) throw new TarError('a sparse map is no list of numbers'); // prettier-ignore
      value = value * 10 + c - 48;
    }
    return value;
  };
  const count = line();
  if (count > MAX_PIECES) throw new TarError(`a sparse map has ${count} pieces`);
  const numbers = Array.from({ length: 2 * count }, line);
  return { map: pairs(numbers), used: Math.ceil(offset / BLOCK) * BLOCK };
}

/** Old GNU sparse headers (type S): four pieces in the header, 21 in each block that follows. */
export function oldSparseMap(
  source: ByteSource,
  header: number,
): { map: SparseMap; blocks: number } {
  const numbers: number[] = [];
  const take = (block: Uint8Array, at: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      if (block[at + 24 * i] === 0) return;
      numbers.push(number(block, at + 24 * i, 12), number(block, at + 24 * i + 12, 12));
    }
  };
  const first = source.read(header, BLOCK);
  take(first, 386, 4);
  let blocks = 0;
  for (let more = first[482]; more === 1; blocks++) {
    const at = header + BLOCK * (blocks + 1);
    if (at + BLOCK > source.size || numbers.length > 2 * MAX_PIECES) throw new TarError('a sparse map is cut short'); // prettier-ignore
    const block = source.read(at, BLOCK);
    take(block, 0, 21);
    more = block[504];
  }
  return { map: pairs(numbers), blocks };
}
