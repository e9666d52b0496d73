import { expect, test } from 'vitest';
import { fuzz, fuzzPrograms, fuzzSequences } from './fuzz.ts';
import { hasOracle } from './oracle.ts';

test.skipIf(!hasOracle())('a million random instructions do what the host does', () => {
  for (let seed = 100; seed < 110; seed++) expect(fuzz(100_000, seed).failures).toEqual([]);
});

test.skipIf(!hasOracle())('half a million random sequences do what the host does', () => {
  for (let seed = 200; seed < 205; seed++)
    expect(fuzzSequences(100_000, seed).failures).toEqual([]);
});

test.skipIf(!hasOracle())('a hundred thousand random programs do what the host does', () => {
  expect(fuzzPrograms(100_000, 300).failures).toEqual([]);
});
