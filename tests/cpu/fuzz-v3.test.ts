import { existsSync, readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

// The harness decides when it is loaded.
vi.stubEnv('V3', '1');
const { allRows, fuzzable } = await import('./cases.ts');
const { fuzz, fuzzSequences } = await import('./fuzz.ts');
const { rows } = await import('@vitrine/x86/opcodes.ts');
const { hasOracle } = await import('./oracle.ts');

const WANTED = ['avx2', 'fma', 'bmi2', 'sha_ni', 'f16c', 'pclmulqdq'];
const flags = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'latin1') : '';
const able = WANTED.every((name) => flags.includes(` ${name} `)) && hasOracle();

test.skipIf(!able)('random instructions beyond x86-64-v2 do what the host does', () => {
  const beyond = allRows.filter((row) => row.id >= rows.length && fuzzable(row));
  expect(beyond.length).toBeGreaterThan(400);
  expect(fuzz(20_000, 1, beyond).failures).toEqual([]);
});

test.skipIf(!able)('and so do sequences of all instructions', () => {
  expect(fuzzSequences(5000, 1).failures).toEqual([]);
});
