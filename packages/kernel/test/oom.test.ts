import { join } from 'node:path';
import { expect, test } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';

test.skipIf(!canCompile)(
  'who is killed for want of memory in the middle of a fault takes no page of others along',
  async () => {
    const oom = compile(join(import.meta.dirname, 'oom.c'));
    const { stdout } = await runInGuest(['oom', '64'], { programs: { oom }, memory: '64m' });
    expect(stdout).toBe('copies: -9\ncopies: -9\ncopies: -9\nshares: right\nin peace: 0 0\n');
  },
);
