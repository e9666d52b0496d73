import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { has } from './native.ts';

/** Whether guest programs can be compiled here. */
export const canCompile: boolean =
  has('musl-gcc') && process.platform === 'linux' && process.arch === 'x64';

/** A static guest program from one C file. */
export function compile(source: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-compile-'));
  try {
    const program = join(folder, 'program');
    execFileSync('musl-gcc', ['-static', '-O1', '-w', '-o', program, source]);
    return readFileSync(program);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
