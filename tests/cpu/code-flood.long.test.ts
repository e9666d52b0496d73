import { expect, test } from 'vitest';
import { DEFAULT_JIT } from '@vitrine/x86/tier1/jit.ts';
import { flood, nativeCode } from './code-flood.ts';

const MIB = 2 ** 20;

test('a GiB of distinct code: translations and the process stay bounded', () => {
  flood(64 * MIB);
  const before = process.memoryUsage().rss;
  const { most } = flood(1024 * MIB);
  expect(most).toBeLessThanOrEqual(DEFAULT_JIT.limit);
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * MIB);
});

test('more compiled code than there is room for, all of it live', () => {
  const before = nativeCode() ?? 0;
  const { most, shrinks } = flood(8 * MIB, { frames: 2048, threshold: 0, loops: 2000 });
  expect(shrinks).toBeGreaterThan(4);
  expect(most).toBeLessThanOrEqual(DEFAULT_JIT.limit);
  expect((nativeCode() ?? 0) - before).toBeLessThan(64 * MIB);
});
