// Runs the programs in Vitrine and shows where they differ from native Linux.
//   npx tsx tests/guest/run.ts [PROGRAM…]
import { readFileSync } from 'node:fs';
import { runInGuest } from '../support/guest.ts';
import { build, programs, recorded } from './programs.ts';

const wanted = process.argv.slice(2);
const results = recorded();
let passed = 0;
const failed: string[] = [];
for (const program of programs()) {
  const { id } = program;
  if (wanted.length > 0 && !wanted.some((w) => id === w || id.startsWith(`${w}.`))) continue;
  const expected = results[id];
  if (expected === undefined) continue;
  const started = performance.now();
  const got = await runInGuest([id], {
    programs: { [id]: readFileSync(build(program)) },
    timeout: 60_000,
  });
  const took = Math.round(performance.now() - started);
  if (
    got.stdout === expected.stdout &&
    got.stderr === expected.stderr &&
    got.status === expected.status
  ) {
    passed++;
    continue;
  }
  failed.push(id);
  console.log(
    `FAIL ${id} (${took} ms) status ${expected.status}, got ${got.status} ${got.stderr.slice(0, 200)}`,
  );
  const a = expected.stdout.split('\n');
  const b = got.stdout.split('\n');
  let shown = 0;
  for (let i = 0; i < Math.max(a.length, b.length) && shown < 8; i++)
    if (a[i] !== b[i]) {
      shown++;
      console.log(`  ${i + 1} - ${a[i]}\n  ${i + 1} + ${b[i]}`);
    }
}
console.log(`${passed} passed, ${failed.length} failed: ${failed.join(' ')}`);
