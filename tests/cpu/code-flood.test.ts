import { expect, test } from 'vitest';
import { DEFAULT_JIT } from '@vitrine/x86/tier1/jit.ts';
import { flood } from './code-flood.ts';

test('what tier 1 keeps of much code that runs a few times is bounded', () => {
  const { most, regions } = flood(8 * 2 ** 20);
  expect(regions).toBeGreaterThan(2);
  expect(most).toBeLessThanOrEqual(DEFAULT_JIT.limit);
});
