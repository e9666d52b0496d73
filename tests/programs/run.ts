// Runs programs natively and in Vitrine and shows where they differ.
//   npx tsx tests/programs/run.ts [-v] [--no-jit] [--native] [--vitrine] [NAME…]
// -v: Vitrine's output as it comes; --native or --vitrine: only that side, with its output.
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from '../support/native.ts';
import { normalised, type Program, programs } from './cases.ts';
import { imageOf, runInVitrine } from './guest.ts';
import { runNatively } from './native.ts';
import { debianRoot, missingPackages } from './root.ts';

const args = process.argv.slice(2);
const has = (flag: string): boolean => args.includes(flag);
const wanted = args.filter((argument) => !argument.startsWith('-'));
const root = debianRoot();
if (root === null) throw new Error('no Debian root here');
const image = await imageOf(root);

/** Both outputs as files, for diff. */
function keep(program: Program, side: string, { status, stdout, stderr }: Outcome): string {
  const folder = join(tmpdir(), 'vitrine-programs');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${program.name}.${side}`);
  writeFileSync(file, `${stdout}--- stderr\n${stderr}--- status ${status}\n`);
  return file;
}

const failed: string[] = [];
for (const program of programs) {
  if (wanted.length > 0 && !wanted.includes(program.name)) continue;
  const missing = missingPackages(root, program);
  if (missing.length > 0) {
    failed.push(program.name);
    console.log(`FAIL ${program.name}: the root has no ${missing.join(', ')}`);
    continue;
  }
  const start = performance.now();
  const native = has('--vitrine') ? undefined : await runNatively(root, program);
  const middle = performance.now();
  const watch = has('-v') ? { watch: (text: string) => void process.stdout.write(text) } : {};
  const guest = has('--native')
    ? undefined
    : await runInVitrine(image, program, { jit: !has('--no-jit'), ...watch });
  const end = performance.now();
  const files = [
    native && keep(program, 'native', normalised(program, native)),
    guest && keep(program, 'vitrine', normalised(program, guest)),
  ];
  const time = `native ${((middle - start) / 1000).toFixed(2)} s, Vitrine ${((end - middle) / 1000).toFixed(2)} s`;
  if (!native || !guest) {
    console.log(`${program.name}: ${time}: ${files.join('')}`);
    continue;
  }
  const [a, b] = [JSON.stringify(normalised(program, native)), JSON.stringify(normalised(program, guest))]; // prettier-ignore
  if (a !== b) failed.push(program.name);
  console.log(`${a === b ? 'ok  ' : 'FAIL'} ${program.name} (${time})${a === b ? '' : `: diff ${files.join(' ')}`}`); // prettier-ignore
}
console.log(`${failed.length} failed: ${failed.join(' ')}`);
process.exit(failed.length > 0 ? 1 : 0);
