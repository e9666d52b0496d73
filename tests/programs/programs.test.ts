// What needs no Debian: a static Go program, which this repository has for its build.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runInGuest } from '../support/guest.ts';
import { goBinary } from './cases.ts';

const go = process.platform === 'linux' && process.arch === 'x64' ? goBinary() : null;

const SOURCES: Readonly<Record<string, string>> = {
  'main.ts': `import { sum } from './lib'; enum Kind { A = 1, B } class Box<T> { #v: T; constructor(v: T) { this.#v = v } get value() { return this.#v } }
console.log(sum([1, 2, 3]), new Box(Kind.B).value, process.argv?.[9] ?? 'none');`,
  'lib.ts': `export const sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0); export const unused = () => 'dropped';`,
};
const ARGUMENTS = ['main.ts', '--bundle', '--minify', '--target=es2017', '--sourcemap=inline'];

describe.skipIf(go === null)('a static Go program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-go-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('bundles as it does natively', async () => {
    for (const [name, text] of Object.entries(SOURCES))
      writeFileSync(join(folder, name), `${text}\n`);
    const native = execFileSync(go!, ARGUMENTS, { cwd: folder, encoding: 'latin1' });
    const write = Object.entries(SOURCES).map(([name, text]) => `cat > ${name} <<'END'\n${text}\nEND\n`); // prettier-ignore
    const script = `${write.join('')}esbuild ${ARGUMENTS.join(' ')}`;
    const guest = await runInGuest(['sh', '-c', script], { programs: { esbuild: readFileSync(go!) }, memory: '512m' }); // prettier-ignore
    expect(guest).toEqual({ status: 0, stdout: native, stderr: '' });
  });
});
