import { expect, test } from 'vitest';
import { fuzz, fuzzPrograms, fuzzSequences } from './fuzz.ts';
import { hasOracle } from './oracle.ts';

test.skipIf(!hasOracle())('random instructions do what the host does', () => {
  expect(fuzz(20_000, 1).failures).toEqual([]);
});

test.skipIf(!hasOracle())('random sequences do what the host does', () => {
  expect(fuzzSequences(10_000, 1).failures).toEqual([]);
});

test.skipIf(!hasOracle())('random programs do what the host does', () => {
  expect(fuzzPrograms(10_000, 1).failures).toEqual([]);
});
