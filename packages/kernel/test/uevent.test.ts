import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';

describe.skipIf(!canCompile)('news of devices', () => {
  it('go to who listens, and are as Linux tells them', async () => {
    const uevent = compile(join(import.meta.dirname, 'uevent.c'));
    const { stdout } = await runInGuest(['uevent'], { programs: { uevent } });
    expect(stdout).toBe(readFileSync(join(import.meta.dirname, 'uevent.txt'), 'utf8'));
  });
});
