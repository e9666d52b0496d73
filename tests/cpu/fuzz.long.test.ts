import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { oracleProgram } from './oracle.ts';

test.skipIf(!oracleProgram())('a million random instructions do what the host does', () => {
  for (let seed = 100; seed < 110; seed++) expect(fuzz(100_000, seed).failures).toEqual([]);
});
