import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LinuxError, Machine, type WorkerMachine } from '../src/index.ts';

const boot = (options = {}): Promise<WorkerMachine> =>
  Machine.boot({ worker: true, memory: '64m', ...options });

describe('a machine in a worker', () => {
  it('has the same processes', async () => {
    const machine = await boot({ hostname: 'off' });
    const hello = await machine.spawn(['sh', '-c', 'echo out; echo err >&2; hostname; exit 3'], {
      env: { A: 'b' },
    });
    expect(hello.pid).toBeGreaterThan(0);
    expect(await hello.stdout.text()).toBe('out\noff\n');
    expect(await hello.stderr.text()).toBe('err\n');
    expect(await hello.wait()).toEqual({ status: 3, signal: null });
    const cat = await machine.spawn(['cat'], { stdin: 'pipe' });
    await cat.stdin!.write('typed ');
    await cat.stdin!.write(Buffer.from('bytes'));
    cat.stdin!.close();
    expect(await cat.stdout.text()).toBe('typed bytes');
    const stream = await machine.spawn(['wc', '-c'], { stdin: (async function* () { for (let i = 0; i < 5; i++) yield new Uint8Array(100_000); })() }); // prettier-ignore
    expect(await stream.stdout.text()).toBe('500000\n');
    const sleep = await machine.spawn(['sleep', '1000'], { signal: AbortSignal.timeout(50) });
    expect((await machine.processes()).map(({ comm }) => comm)).toContain('sleep');
    expect(await sleep.wait()).toEqual({ status: null, signal: 'SIGKILL' });
    await machine.close();
    await expect(machine.spawn(['true'])).rejects.toThrow('closed');
  });

  it('has the same files, errors and terminals', async () => {
    const machine = await boot();
    await machine.fs.writeFile('/root/x', 'abc');
    expect(await machine.fs.readFile('/root/x', 'utf8')).toBe('abc');
    expect((await machine.fs.stat('/root/x')).mtime).toBeInstanceOf(Date);
    const error = await machine.fs.readFile('/none').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LinuxError);
    expect(error).toMatchObject({ code: 'ENOENT', reason: expect.stringContaining('/none') });
    await expect(machine.spawn(['/etc/passwd'])).rejects.toMatchObject({ code: 'EACCES' });
    const tty = await machine.spawn(['sh', '-c', 'stty size; read x; echo got $x'], {
      tty: { columns: 50, rows: 10 },
    });
    tty.terminal!.input(Buffer.from('key\r'));
    expect(await tty.stdout.text()).toMatch(/10 50\r\n[^]*got key\r\n/);
    await machine.close();
  });

  it('stops a writer that nobody reads, and lets a reader leave', async () => {
    const machine = await boot();
    const yes = await machine.spawn(['yes']);
    for await (const chunk of yes.stdout) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(await yes.wait()).toEqual({ status: null, signal: 'SIGPIPE' });
    const seq = await machine.spawn(['seq', '1000000']);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await seq.stdout.text()).length).toBe(6_888_896);
    await machine.close();
  });

  it('tells of tracepoints, and goes on from snapshots', async () => {
    const machine = await boot();
    const refusals: string[] = [];
    const stop = machine.on(
      'sys_exit',
      ({ ret, reason }) => void (ret < 0 && reason !== null && refusals.push(reason)),
    );
    await (await machine.spawn(['cat', '/etc/shadow'], { user: 'nobody' })).wait();
    await machine.processes();
    expect(refusals.some((reason) => reason.includes('CAP_DAC_OVERRIDE'))).toBe(true);
    stop();
    const loop = await machine.spawn([
      'sh',
      '-c',
      'x=kept; while [ ! -e /go ]; do sleep 0.02; done; echo $x',
    ]);
    const bytes = await machine.snapshot();
    await machine.close();
    const again = await Machine.restore(bytes, { worker: true });
    const process = await again.attach(loop.pid);
    await again.fs.writeFile('/go', '');
    expect(await process.stdout.text()).toBe('kept\n');
    await again.close();
  });

  it('never keeps the thread', async () => {
    const machine = await boot();
    const loop = await machine.spawn(['sh', '-c', 'while :; do :; done']);
    let turns = 0;
    for (const end = performance.now() + 300; performance.now() < end; turns++) await new Promise((resolve) => setImmediate(resolve)); // prettier-ignore
    expect(turns).toBeGreaterThan(1000);
    loop.kill('SIGKILL');
    expect(await loop.wait()).toEqual({ status: null, signal: 'SIGKILL' });
    await machine.close();
  });

  it('refuses what cannot be taken to a worker', async () => {
    await expect(boot({ profile: true })).rejects.toThrow('profile');
    await expect(boot({ image: './none' })).rejects.toThrow('no image ./none');
    await expect(boot({ memory: 'much' })).rejects.toThrow('no amount of memory');
  });
});

it('does not let the process end before a close is done', () => {
  const script = `import { Machine } from ${JSON.stringify(new URL('../dist/index.mjs', import.meta.url).href)};
    for (let i = 0; i < 8; i++) {
      const machine = await Machine.boot({ worker: true, memory: '64m' });
      const yes = await machine.spawn(['yes']);
      await yes.stdout.read();
      await machine.close();
    }
    console.log('all');`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }); // prettier-ignore
  expect([status, stdout]).toEqual([0, 'all\n']);
});

it.each([
  { options: [] },
  { options: ['--max-old-space-size=300'] },
  { options: ['--max-old-space-size=300', '--no-warnings'] },
])('starts in a process with the options $options', ({ options }) => {
  const script = `import { Machine } from ${JSON.stringify(new URL('../dist/index.mjs', import.meta.url).href)};
    const machine = await Machine.boot({ worker: true, memory: '64m' });
    console.log(await (await machine.spawn(['echo', 'there'])).stdout.text());
    await machine.close();`;
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-worker-'));
  const file = join(folder, 'program.mjs');
  writeFileSync(file, script);
  for (const program of [[file], ['--input-type=module', '-e', script]]) {
    const { status, stdout } = spawnSync(process.execPath, [...options, ...program], { encoding: 'utf8' }); // prettier-ignore
    expect([status, stdout]).toEqual([0, 'there\n\n']);
  }
  rmSync(folder, { recursive: true });
});
