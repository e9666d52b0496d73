/** Restores a machine from a file, lets its script end, and prints the script's log. */
import { readFileSync } from 'node:fs';
import { Machine } from '../../packages/vitrine/src/index.ts';

const machine = await Machine.restore(readFileSync(process.argv[2]!));
for (;;) {
  const log = await machine.fs.readFile('/tmp/log', 'utf8');
  if (log.endsWith('end\n')) {
    process.stdout.write(log);
    break;
  }
  await new Promise((r) => setTimeout(r, 5));
}
await machine.close();
