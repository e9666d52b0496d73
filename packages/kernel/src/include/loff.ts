/**
 * A file position (`loff_t`), 64 bits with sign: a number where that is exact, a bigint from 2^53 on. Comparisons take both;
 * sums are made here.
 */
export type Loff = number | bigint;

/** Analogous to MAX_LFS_FILESIZE and OFFSET_MAX. */
export const LLONG_MAX: bigint = 2n ** 63n - 1n;

/** The position as a number where it has one. */
export function narrow(value: bigint): Loff {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : value;
}

/** The sum, which wraps as 64 bits do. */
export function loff_add(a: Loff, b: Loff): Loff {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrow(BigInt.asIntN(64, BigInt(a) + BigInt(b)));
}

/** The same for two numbers of which the first is at least the second and they are near each other. */
export function loff_sub(a: Loff, b: Loff): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : Number(BigInt(a) - BigInt(b));
}

/** The page that holds the position. */
export function page_index(pos: Loff): number {
  return typeof pos === 'number' ? Math.floor(pos / 4096) : Number(pos >> 12n);
}

/** Where the page begins. */
export function page_start(index: number): Loff {
  return index < 2 ** 41 ? index * 4096 : narrow(BigInt(index) << 12n);
}

/** Its place in that page. */
export function page_offset(pos: Loff): number {
  return typeof pos === 'number' ? pos % 4096 : Number(pos & 4095n);
}
