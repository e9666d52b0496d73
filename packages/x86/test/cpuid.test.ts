import { expect, test } from 'vitest';
import { cpuid } from '../src/cpuid.ts';
import { rows, v3Rows } from '../src/opcodes.ts';

const text = (words: readonly number[]): string =>
  String.fromCharCode(
    ...words.flatMap((w) => [w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24]),
  );

/** An instruction of each feature, by leaf, word and bit. */
const V2: readonly (readonly [leaf: number, word: number, bit: number, instruction: string])[] = [
  [1, 3, 0, 'fld'], [1, 3, 4, 'rdtsc'], [1, 3, 8, 'cmpxchg8b'], [1, 3, 15, 'cmovcc'], [1, 3, 19, 'clflush'],
  [1, 3, 23, 'emms'], [1, 3, 24, 'fxsave'], [1, 3, 25, 'addps'], [1, 3, 26, 'addpd'],
  [1, 2, 0, 'haddps'], [1, 2, 9, 'pshufb'], [1, 2, 13, 'cmpxchg8b'], [1, 2, 19, 'pmulld'], [1, 2, 20, 'crc32'],
  [1, 2, 23, 'popcnt'], [0x8000_0001, 2, 0, 'lahf'], [0x8000_0001, 2, 8, 'prefetchw'], [0x8000_0001, 3, 11, 'syscall'],
  [0x8000_0001, 3, 27, 'rdtscp'], [0x8000_0001, 3, 22, 'pavgb'],
]; // prettier-ignore
const V3: typeof V2 = [
  [1, 2, 1, 'pclmulqdq'], [1, 2, 12, 'vfmadd132ps'], [1, 2, 22, 'movbe'], [1, 2, 25, 'aesenc'], [1, 2, 26, 'xsave'],
  [1, 2, 27, 'xgetbv'], [1, 2, 28, 'vaddps'], [1, 2, 29, 'vcvtph2ps'], [7, 1, 3, 'andn'], [7, 1, 5, 'vpermq'],
  [7, 1, 8, 'pdep'], [7, 1, 29, 'sha256rnds2'], [0x8000_0001, 2, 5, 'lzcnt'],
]; // prettier-ignore
/** Bits that stand for no instruction of user mode: MSR, NX, long mode, and the mirror of leaf 1. */
const OTHERS: readonly (readonly [number, number, number])[] = [
  [1, 3, 5], [0x8000_0001, 3, 20], [0x8000_0001, 3, 29],
  ...[0, 4, 5, 8, 15, 23, 24].map((bit) => [0x8000_0001, 3, bit] as const),
]; // prettier-ignore

test.each([false, true])('features and instructions go together (v3: %s)', (v3) => {
  const names = new Set([...rows, ...(v3 ? v3Rows() : [])].flatMap(({ name, sem }) => [name, sem]));
  const expected = new Map<string, number>();
  for (const [leaf, word, bit] of [...V2, ...(v3 ? V3 : []), ...OTHERS])
    expected.set(`${leaf}:${word}`, (expected.get(`${leaf}:${word}`) ?? 0) | (1 << bit));
  for (const [, , , name] of [...V2, ...(v3 ? V3 : [])]) expect(names).toContain(name);
  for (const [leaf, words] of [[1, [2, 3]], [7, [1, 2, 3]], [0x8000_0001, [2, 3]]] as const) // prettier-ignore
    for (const word of words)
      expect([leaf, word, cpuid(leaf, 0, v3)[word]! >>> 0]).toEqual([leaf, word, (expected.get(`${leaf}:${word}`) ?? 0) >>> 0]); // prettier-ignore
});

test('names and leaves', () => {
  const [highest, b, c, d] = cpuid(0, 0);
  expect([highest, text([b, d, c])]).toEqual([7, 'AuthenticAMD']);
  expect(cpuid(0, 0, true)[0]).toBe(13);
  expect(cpuid(0x8000_0000, 0)[0]! >>> 0).toBe(0x8000_0008);
  const brand = [2, 3, 4].flatMap((i) => [...cpuid(0x8000_0000 + i, 0)]);
  expect(text(brand)).toBe('Vitrine x86-64 processor'.padEnd(48, '\0'));
  // Line of 64 bytes, one to a tag, two ways and more; sizes in KiB, KiB and 512 KiB.
  const [, , data] = cpuid(0x8000_0005, 0);
  expect([data! >>> 24, data! & 0xff]).toEqual([32, 64]);
  const [, , l2, l3] = cpuid(0x8000_0006, 0);
  expect([l2! >>> 16, l3! >>> 18]).toEqual([512, 16]);
  expect(cpuid(13, 0, true)).toEqual([7, 832, 832, 0]);
  expect(cpuid(13, 2, true)).toEqual([256, 576, 0, 0]);
  for (const leaf of [2, 4, 6, 13, 0x2000_0000, 0x4000_0000, 0x8000_0009]) expect(cpuid(leaf, 0)).toEqual([0, 0, 0, 0]); // prettier-ignore
});
