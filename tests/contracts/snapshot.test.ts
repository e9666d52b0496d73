import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Machine } from '../../packages/vitrine/src/index.ts';

/** Background jobs, a pipe half full, a sleeping timer, open files, a trap: all of it in flight when the snapshot is taken. */
const SCRIPT = `
exec >/tmp/log 2>&1
trap 'echo trapped >> /tmp/jobs' USR1
mkfifo /tmp/fifo
(i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done > /tmp/fifo; echo writer done >> /tmp/jobs) &
exec 3< /tmp/fifo
read first <&3
echo "first: $first"
(sleep 0.4; echo slept >> /tmp/jobs; kill -USR1 $$) &
echo ready > /tmp/ready
sleep 0.2
cat <&3 | md5sum
wait
wait
sort /tmp/jobs
echo end
`;

/** Runs the script with a pause at its "ready", and gives its log. */
async function untilReady(machine: Awaited<ReturnType<typeof Machine.boot>>): Promise<void> {
  await machine.spawn(['sh', '-c', SCRIPT]);
  while (!(await machine.fs.exists('/tmp/ready'))) await new Promise((r) => setTimeout(r, 5));
}

async function logOf(machine: Awaited<ReturnType<typeof Machine.boot>>): Promise<string> {
  for (let i = 0; i < 2000; i++) {
    const log = await machine.fs.readFile('/tmp/log', 'utf8');
    if (log.endsWith('end\n')) return log;
    await new Promise((r) => setTimeout(r, 5));
  }
  throw new Error(`the script does not end: ${await machine.fs.readFile('/tmp/log', 'utf8')}`);
}

test('a running machine goes on from its snapshot in another process', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  // A terminal with a shell that waits for input is open, too.
  const shell = await machine.spawn(['sh'], { tty: true });
  await untilReady(machine);
  const bytes = machine.snapshot();
  const undisturbed = await logOf(machine);
  shell.kill('SIGKILL');
  await machine.close();

  const file = join(mkdtempSync(join(tmpdir(), 'snapshot-')), 'machine');
  writeFileSync(file, bytes);
  const program = join(import.meta.dirname, 'restore.mts');
  const tsx = import.meta.resolve('tsx');
  const restored = execFileSync(process.execPath, ['--import', tsx, program, file], { encoding: 'utf8', timeout: 30_000 }); // prettier-ignore
  expect(restored).toBe(undisturbed);
  expect(restored).toContain('trapped');
});

test('two machines go on from one snapshot, each on its own', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  await untilReady(machine);
  const bytes = machine.snapshot();
  await machine.close();
  const forks = await Promise.all([0, 1].map(() => Machine.restore(bytes)));
  await forks[0]!.fs.writeFile('/tmp/own', 'first');
  const logs = await Promise.all(forks.map(logOf));
  expect(logs[0]).toBe(logs[1]);
  expect(await forks[1]!.fs.exists('/tmp/own')).toBe(false);
  await Promise.all(forks.map((fork) => fork.close()));
});

test('what is no snapshot is refused with the reason', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  const bytes = machine.snapshot();
  await machine.close();
  await expect(Machine.restore(new Uint8Array(10))).rejects.toThrow(/no Vitrine snapshot/);
  await expect(Machine.restore(bytes.subarray(0, 5000))).rejects.toThrow(/truncated/);
  const other = bytes.slice();
  other[4] = 99;
  await expect(Machine.restore(other)).rejects.toThrow(/version 99/);
});
