// Runs the cases on this machine's Linux and writes what they gave; needs root (see support/native.ts).
//   npx tsx tests/oracle/record.ts [SUITE[/CASE]…]
// Each case runs twice: one that does not give the same twice cannot be compared, and is reported.
import { writeFileSync } from 'node:fs';
import { canRunNatively, NativeLinux } from '../support/native.ts';
import { casesOf, hashOf, type Recorded, recordedFile, recordedOf, suites } from './cases.ts';

if (!canRunNatively) throw new Error('recording needs x86-64 Linux, root and the built image');
const wanted = process.argv.slice(2);
const linux = new NativeLinux();
let unsteady = 0;
for (const suite of suites) {
  const before = recordedOf(suite);
  const after: Recorded = {};
  for (const { id, script } of casesOf(suite)) {
    const old = before[id];
    const chosen =
      wanted.length === 0
        ? old?.script !== hashOf(script)
        : wanted.some((w) => id === w || suite === w);
    if (!chosen && old !== undefined) {
      after[id] = old;
      continue;
    }
    const started = performance.now();
    const first = await linux.run(['sh', '-c', script]);
    const took = performance.now() - started;
    const second = await linux.run(['sh', '-c', script]);
    if (JSON.stringify(first) !== JSON.stringify(second)) {
      unsteady++;
      console.log(
        `UNSTEADY ${id}\n--- first\n${first.stdout}${first.stderr}--- second\n${second.stdout}${second.stderr}`,
      );
    } else if (first.status < 0) console.log(`TIMEOUT ${id}`);
    if (took > 3000) console.log(`SLOW ${id} ${Math.round(took)} ms`);
    after[id] = { script: hashOf(script), ...first };
  }
  writeFileSync(recordedFile(suite), `${JSON.stringify(after, null, 1)}\n`);
  console.log(suite, Object.keys(after).length);
}
linux.close();
if (unsteady > 0) process.exitCode = 1;
