import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { file } from '@vitrine/image/entry.ts';
import { describe, expect, it } from 'vitest';
import { boot, run } from './machine.ts';

/** Guest programs print what each call returns; Linux is the oracle. They need its root, a compiler, and x86-64. */
const sources = join(import.meta.dirname, 'guest');
const compiler = spawnSync('musl-gcc', ['--version']).status === 0;
const possible =
  compiler && process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const built = possible ? mkdtempSync(join(tmpdir(), 'vitrine-fs-')) : '';
const busybox = existsSync(join(import.meta.dirname, '../../../image/dist/busybox'));

describe.skipIf(!possible || !busybox)('files as Linux has them', () => {
  for (const source of readdirSync(sources)) {
    const name = source.replace(/\.c$/, '');
    it(
      name,
      () => {
        const program = join(built, name);
        execFileSync('musl-gcc', ['-static', '-O1', '-w', '-o', program, join(sources, source)]);
        const native = spawnSync(program, { encoding: 'latin1', input: '', timeout: 15000 });
        const machine = boot({ files: [file(`bin/${name}`, readFileSync(program), 0o755)] });
        const here = run(machine, [`/bin/${name}`]);
        expect(here.output.replaceAll('\r\n', '\n')).toBe(native.stdout);
      },
      60_000,
    );
  }
});
