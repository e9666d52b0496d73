import { expect, test } from 'vitest';
import { DEFAULT_JIT } from '@vitrine/x86/tier1/jit.ts';
import { flood } from './code-flood.ts';

test('a GiB of distinct code: translations and the process stay bounded', () => {
  flood(64 * 2 ** 20);
  const before = process.memoryUsage().rss;
  const { most } = flood(2 ** 30);
  expect(most).toBeLessThanOrEqual(DEFAULT_JIT.limit);
  expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20);
});
