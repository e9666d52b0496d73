import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { build, mutations, sequences } from './hostile.ts';

const compiler = existsSync('/usr/bin/gcc');

test.skipIf(!compiler)('ten thousand mutated programs', async () => {
  expect(await mutations(build('calls'), 10_000, 1)).toEqual([]);
});

test.skipIf(!compiler)('ten thousand random sequences of system calls', async () => {
  expect(await sequences(build('calls'), 10_000, 1)).toEqual([]);
});
