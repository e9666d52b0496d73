import { expect, test, vi } from 'vitest';
import { hasOracle } from './oracle.ts';

// The harness decides when it is loaded.
vi.stubEnv('JIT', 'force');
const { fuzz, fuzzPrograms } = await import('./fuzz.ts');

test.skipIf(!hasOracle())('random instructions do what the host does in regions', () => {
  const { failures, tier1, cases } = fuzz(20_000, 1);
  expect(failures).toEqual([]);
  expect(tier1 / cases).toBeGreaterThan(0.8);
});

test.skipIf(!hasOracle())('and so do random programs', () => {
  const { failures, tier1, cases } = fuzzPrograms(4000, 1);
  expect(failures).toEqual([]);
  expect(tier1 / cases).toBeGreaterThan(0.8);
});
