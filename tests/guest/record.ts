// Runs the programs on this machine's Linux, twice, and writes what they gave.
//   npx tsx tests/guest/record.ts [PROGRAM…]
import { writeFileSync } from 'node:fs';
import { canRunNatively, NativeLinux } from '../support/native.ts';
import { build, guestRecorded, programs, recorded, sourceHash } from './programs.ts';

if (!canRunNatively) throw new Error('recording needs x86-64 Linux, root and the built image');
const wanted = process.argv.slice(2);
const results = recorded();
const linux = new NativeLinux();
for (const program of programs()) {
  const { id } = program;
  const hash = sourceHash(program);
  if (wanted.length > 0 ? !wanted.includes(id) : results[id]?.script === hash) continue;
  const path = build(program);
  const first = await linux.run([id], { extra: path });
  const second = await linux.run([id], { extra: path });
  const same = JSON.stringify(first) === JSON.stringify(second);
  console.log(id, first.status, first.stdout.length, same ? '' : 'UNSTEADY');
  if (!same) {
    const b = second.stdout.split('\n');
    first.stdout
      .split('\n')
      .forEach((line, i) => line !== b[i] && console.log(`  ${line}\n  ${b[i]}`));
  }
  if (same && first.stdout.length < 100_000) results[id] = { script: hash, ...first };
}
writeFileSync(guestRecorded, `${JSON.stringify(results, null, 1)}\n`);
linux.close();
