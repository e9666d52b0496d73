// Runs cases in Vitrine and shows where they differ from native Linux.
//   npx tsx tests/oracle/run.ts [-v] [SUITE[/CASE]…]
import { runInGuest } from '../support/guest.ts';
import { casesOf, knownFailures, knownFile, recordedOf, suites } from './cases.ts';

const verbose = process.argv.includes('-v');
const wanted = process.argv.slice(2).filter((argument) => argument !== '-v');
const known = knownFailures(knownFile);

function difference(expected: string, got: string): string {
  const a = expected.split('\n');
  const b = got.split('\n');
  const at = a.findIndex((line, i) => line !== b[i]);
  const from = Math.max(0, at < 0 ? a.length - 1 : at);
  const count = verbose ? 1000 : 4;
  return `  line ${from + 1}\n${a.slice(from, from + count).map((line) => `  - ${line}`).join('\n')}\n${b.slice(from, from + count).map((line) => `  + ${line}`).join('\n')}`; // prettier-ignore
}

let passed = 0;
const failed: string[] = [];
for (const suite of suites) {
  const recorded = recordedOf(suite);
  for (const { id, script } of casesOf(suite)) {
    if (wanted.length > 0 && !wanted.some((w) => id === w || suite === w)) continue;
    const expected = recorded[id]!;
    const started = performance.now();
    const got = await runInGuest(['sh', '-c', script], { timeout: 20_000 });
    const took = Math.round(performance.now() - started);
    const same = got.stdout === expected.stdout && got.stderr === expected.stderr && got.status === expected.status; // prettier-ignore
    if (same) passed++;
    else {
      failed.push(id);
      console.log(`FAIL ${id} (${took} ms)${known.has(id) ? ' known' : ''}`);
      if (got.status !== expected.status)
        console.log(`  status ${expected.status}, got ${got.status}`);
      if (got.stdout !== expected.stdout)
        console.log(`  stdout${difference(expected.stdout, got.stdout)}`);
      if (got.stderr !== expected.stderr)
        console.log(`  stderr${difference(expected.stderr, got.stderr)}`);
    }
    if (took > 5000) console.log(`SLOW ${id} ${took} ms`);
  }
}
console.log(`${passed} passed, ${failed.length} failed: ${failed.join(' ')}`);
