import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';

describe.skipIf(!canCompile)('I/O ports', () => {
  it('are for who was allowed them, and nobody answers', async () => {
    const ioport = compile(join(import.meta.dirname, 'ioport.c'));
    const { stdout } = await runInGuest(['ioport'], { programs: { ioport } });
    expect(stdout.split('\n').slice(0, -1)).toEqual([
      'iopl(4) = -1 errno 22',
      'ioperm(0, 0, 1) = -1 errno 22',
      'ioperm(65535, 2, 1) = -1 errno 22',
      'none 80: signal 11',
      'ioperm(0x80, 4, 0) = 0 errno 0',
      'ioperm(0x80, 4, 1) = 0 errno 0',
      'four ports 80: ff ffff ffffffff',
      'four ports 81: signal 11',
      'ioperm(0x82, 1, 0) = 0 errno 0',
      'all but one 80: signal 11',
      'iopl(1) = 0 errno 0',
      'level 1 fff0: signal 11',
      'iopl(3) = 0 errno 0',
      'level 3 fff0: ff ffff ffffffff',
      'iopl(2) = 0 errno 0',
      'iopl(3) = -1 errno 1',
      'ioperm(0x80, 1, 1) = -1 errno 1',
      'exec 80: signal 11',
    ]);
  });
});
