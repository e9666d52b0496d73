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

const programs = readdirSync(sources).map((source) => source.replace(/\.c$/, ''));

function build(name: string): string {
  const program = join(built, name);
  if (!existsSync(program)) {
    execFileSync('musl-gcc', ['-static', '-O1', '-w', '-o', program, join(sources, `${name}.c`)]);
  }
  return program;
}

/** What the program prints here, and in Vitrine. */
function both(name: string, moving: boolean): { native: string; here: string; snapshots: number } {
  const program = build(name);
  const machine = boot({
    memory: 64 << 20,
    files: [file(`bin/${name}`, readFileSync(program), 0o755)],
  });
  const { output, snapshots } = run(machine, [`/bin/${name}`], { moving });
  const here = output.replaceAll('\r\n', '\n');
  // A pty of the host hands bytes over from a work queue: on a busy machine Linux itself gives more than one answer.
  let native = '';
  for (let i = 0; i < 12 && native !== here; i++) {
    native = spawnSync(program, { encoding: 'latin1', input: '', timeout: 15_000 }).stdout;
  }
  return { native, here, snapshots };
}

describe.skipIf(!possible || !busybox)('files as Linux has them', () => {
  it.each(programs)('%s', { timeout: 60_000 }, (name) => {
    const { native, here } = both(name, false);
    expect(here).toBe(native);
  });

  it.each(['unix', 'tty'])(
    '%s, moved to a new machine at every moment',
    { timeout: 60_000 },
    (name) => {
      const { native, here, snapshots } = both(name, true);
      expect(here).toBe(native);
      expect(snapshots).toBeGreaterThan(3);
    },
  );
});
