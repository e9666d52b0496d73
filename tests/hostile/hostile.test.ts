import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Machine } from '../../packages/vitrine/src/index.ts';
import { build, mutations, sequences } from './hostile.ts';

const compiler = existsSync('/usr/bin/gcc');

test.skipIf(!compiler)('mutated programs harm nobody but themselves', async () => {
  expect(await mutations(build('calls'), 300, 5)).toEqual([]);
});

test.skipIf(!compiler)('random system calls harm nobody but their caller', async () => {
  expect(await sequences(build('calls'), 100, 50_000)).toEqual([]);
});

/** The machine still works: a shell pipeline gives its answer. */
async function stillWorks(machine: Awaited<ReturnType<typeof Machine.boot>>): Promise<void> {
  const process = await machine.spawn(['sh', '-c', 'seq 10 | tail -1']);
  expect(await process.stdout.text()).toBe('10\n');
}

test('a fork bomb runs into its limit and can be killed', async () => {
  const machine = await Machine.boot({ memory: '128m' });
  const bomb = await machine.spawn(['sh', '-c', 'ulimit -u 200; :() { : | : & }; :; sleep 60'], { user: '1000' }); // prettier-ignore
  await new Promise((r) => setTimeout(r, 1500));
  await stillWorks(machine);
  const killer = await machine.spawn(['sh', '-c', 'for i in 1 2 3 4 5; do killall -9 sh 2>/dev/null; done; true'], { user: '1000' }); // prettier-ignore
  await killer.wait();
  bomb.kill('SIGKILL');
  await stillWorks(machine);
  await machine.close();
});

test('a memory hog is killed with the reason, and the rest goes on', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  const reasons: string[] = [];
  machine.on('oom_kill', ({ reason }) => void reasons.push(reason));
  const hog = await machine.spawn(['sh', '-c', 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done']);
  expect((await hog.wait()).signal).toBe('SIGKILL');
  expect(reasons[0]).toMatch(/out of memory.*highest badness.*\(sh\)/);
  const filler = await machine.spawn(['sh', '-c', 'cat /dev/zero > /tmp/fill; rm /tmp/fill']);
  await filler.wait();
  await stillWorks(machine);
  await machine.close();
});

test('endless output that nobody reads stops its writer, not the machine', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  const before = process.memoryUsage().rss;
  const yes = await machine.spawn(['yes']);
  await new Promise((r) => setTimeout(r, 300));
  await stillWorks(machine);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  yes.kill('SIGKILL');
  await machine.close();
});

test('a hundred thousand files', async () => {
  const machine = await Machine.boot({ memory: '256m' });
  const many = await machine.spawn(['sh', '-c', 'mkdir /tmp/d; cd /tmp/d; seq 100000 | xargs touch; ls | wc -l; cd /; rm -r /tmp/d; ls /tmp']); // prettier-ignore
  expect(await many.stdout.text()).toBe('100000\n');
  await machine.close();
});

test('busy loops leave the shell responsive', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  const loops = await machine.spawn([
    'sh',
    '-c',
    'while :; do :; done & while :; do :; done & wait',
  ]);
  const start = performance.now();
  await stillWorks(machine);
  expect(performance.now() - start).toBeLessThan(5000);
  loops.kill('SIGKILL');
  await machine.close();
});

test('the end of PID 1 stops the machine and tells why', async () => {
  const machine = await Machine.boot({ memory: '64m', init: false });
  const init = await machine.spawn(['sh', '-c', 'kill -9 $$; echo unkillable; exit 7']);
  expect(await init.stdout.text()).toBe('unkillable\n');
  expect((await init.wait()).status).toBe(7);
  await machine.stopped();
  expect(machine.halted?.reason).toContain('exited with 7');
  await machine.close();
});

test('errors of the embedder name what is wrong', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  await expect(machine.spawn([])).rejects.toThrow(/at least a program name/);
  await expect(machine.spawn(['/nothing'])).rejects.toThrow(/ENOENT/);
  await expect(machine.spawn(['/etc/passwd'])).rejects.toThrow(/EACCES/);
  await machine.fs.writeFile('/tmp/bad', readFileSync(import.meta.filename).subarray(0, 300), { mode: 0o755 }); // prettier-ignore
  await expect(machine.spawn(['/tmp/bad'])).rejects.toThrow(/ENOEXEC.*neither an ELF header/);
  await machine.close();
  await expect(machine.spawn(['true'])).rejects.toThrow(/closed/);
});
