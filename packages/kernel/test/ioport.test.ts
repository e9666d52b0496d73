import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runInGuest } from '../../../tests/support/guest.ts';
import { has } from '../../../tests/support/native.ts';

const possible = has('musl-gcc') && process.platform === 'linux' && process.arch === 'x64';

function build(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-ioport-'));
  try {
    const program = join(folder, 'ioport');
    execFileSync('musl-gcc', ['-static', '-O1', '-w', '-o', program, join(import.meta.dirname, 'ioport.c')]); // prettier-ignore
    return readFileSync(program);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!possible)('I/O ports', () => {
  it('are for who was allowed them, and nobody answers', async () => {
    const { stdout } = await runInGuest(['ioport'], { programs: { ioport: build() } });
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
