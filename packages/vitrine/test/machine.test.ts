import { afterEach, describe, expect, it, vi } from 'vitest';
import { type BootOptions, LinuxError, type LinuxMachine, Machine } from '../src/index.ts';
import { signalNumber } from '../src/process.ts';

const open: LinuxMachine[] = [];
async function boot(options: BootOptions = {}): Promise<LinuxMachine> {
  const machine = await Machine.boot({ memory: '64m', ...options });
  open.push(machine);
  return machine;
}
afterEach(async () => {
  for (const machine of open.splice(0)) await machine.close();
});

describe('spawn', () => {
  it('runs a program and tells how it ended', async () => {
    const machine = await boot();
    const process = await machine.spawn(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    expect(await process.stdout.text()).toBe('out\n');
    expect(await process.stderr.text()).toBe('err\n');
    expect(await process.wait()).toEqual({ status: 3, signal: null });
  });

  it('takes environment, folder and user', async () => {
    const machine = await boot({ hostname: 'here' });
    const script = 'echo $X $HOME $HOSTNAME; pwd; id -un; hostname';
    const options = { env: { X: 'ä' }, cwd: '/usr', user: 'user' };
    const { stdout } = await machine.spawn(['sh', '-c', script], options);
    expect(await stdout.text()).toBe('ä /home/user here\n/usr\nuser\nhere\n');
  });

  it('rejects with a reason when there is no such program', async () => {
    const machine = await boot();
    const refusal = machine.spawn(['/nosuch']);
    await expect(refusal).rejects.toBeInstanceOf(LinuxError);
    await expect(refusal).rejects.toMatchObject({ code: 'ENOENT', errno: 2 });
    await expect(machine.spawn(['/etc/passwd'])).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('feeds standard input: bytes, a stream, a pipe that is written', async () => {
    const machine = await boot();
    const upper = (stdin: Parameters<LinuxMachine['spawn']>[1]) => machine.spawn(['tr', 'a-z', 'A-Z'], stdin); // prettier-ignore
    expect(await (await upper({ stdin: 'bytes' })).stdout.text()).toBe('BYTES');
    async function* parts(): AsyncGenerator<Uint8Array> {
      yield new TextEncoder().encode('in ');
      yield new TextEncoder().encode('parts');
    }
    expect(await (await upper({ stdin: parts() })).stdout.text()).toBe('IN PARTS');
    const piped = await upper({ stdin: 'pipe' });
    await piped.stdin!.write('written');
    piped.stdin!.close();
    expect(await piped.stdout.text()).toBe('WRITTEN');
    expect(await (await machine.spawn(['cat'])).stdout.text()).toBe('');
  });

  it('moves much data both ways, unchanged', async () => {
    const machine = await boot();
    const data = new Uint8Array(1_500_000).map((_, i) => (i * 7) ^ (i >> 8));
    const process = await machine.spawn(['cat'], { stdin: data });
    expect(Buffer.compare(await process.stdout.bytes(), data)).toBe(0);
  });

  it('lets a writer wait for its reader, and kills it when the reader goes', async () => {
    const machine = await boot();
    const process = await machine.spawn(['yes']);
    await new Promise((resolve) => setTimeout(resolve, 100));
    let seen = 0;
    for await (const chunk of process.stdout) if ((seen += chunk.length) > 300_000) break;
    expect(await process.wait()).toEqual({ status: null, signal: 'SIGPIPE' });
  });

  it('kills: by call and by AbortSignal', async () => {
    const machine = await boot();
    const sleeper = await machine.spawn(['sleep', '100']);
    sleeper.kill('SIGTERM');
    expect(await sleeper.wait()).toEqual({ status: null, signal: 'SIGTERM' });
    const real = await machine.spawn(['sh', '-c', 'kill -40 $$']);
    const ended = await real.wait();
    expect(ended).toEqual({ status: null, signal: 'SIGRTMIN+6' });
    expect(signalNumber(ended.signal!)).toBe(40);
    const controller = new AbortController();
    const other = await machine.spawn(['sleep', '100'], { signal: controller.signal });
    controller.abort();
    expect(await other.wait()).toEqual({ status: null, signal: 'SIGKILL' });
  });

  it('gives a terminal', async () => {
    const machine = await boot();
    const shell = await machine.spawn(['sh', '-i'], { tty: { columns: 90, rows: 30 }, env: { PS1: '$ ' } }); // prettier-ignore
    let text = '';
    const reading = (async () => {
      for await (const chunk of shell.stdout) text += new TextDecoder().decode(chunk);
    })();
    const until = async (pattern: RegExp): Promise<void> => {
      for (let i = 0; i < 200 && !pattern.test(text); i++)
        await new Promise((r) => setTimeout(r, 10));
      expect(text).toMatch(pattern);
    };
    const type = (keys: string): void => shell.terminal!.input(new TextEncoder().encode(keys));
    await until(/\$ /);
    type('stty size; tty\r');
    await until(/30 90\r\n\/dev\//);
    shell.resize(100, 40);
    type('stty size\r');
    await until(/40 100/);
    type('sleep 100\r');
    await until(/sleep 100\r\n/);
    await new Promise((resolve) => setTimeout(resolve, 100));
    type('\x03');
    await until(/\^C/);
    type('echo status $?\r');
    await until(/status 130/);
    type('exit 5\r');
    expect(await shell.wait()).toEqual({ status: 5, signal: null });
    await reading;
  });
});

describe('machines', () => {
  it('are independent of each other', async () => {
    const [a, b] = await Promise.all([boot({ hostname: 'a' }), boot({ hostname: 'b' })]);
    await a.fs.writeFile('/root/f', 'of a');
    expect(await b.fs.exists('/root/f')).toBe(false);
    const run = async (machine: LinuxMachine): Promise<string> =>
      (await machine.spawn(['sh', '-c', 'hostname; cat /root/f 2>/dev/null'])).stdout.text();
    expect(await Promise.all([run(a), run(b)])).toEqual(['a\nof a', 'b\n']);
  });

  it('list their processes', async () => {
    const machine = await boot();
    const sleeper = await machine.spawn(['sleep', '100']);
    await vi.waitFor(() =>
      expect(machine.processes()).toMatchObject([
        { pid: 1, comm: 'init' },
        { pid: sleeper.pid, ppid: 1, comm: 'sleep', state: 'S', uid: 0 },
      ]),
    );
  });

  it('tell what happens through tracepoints', async () => {
    const machine = await boot();
    const opened: string[] = [];
    const stop = machine.on('sched_process_exec', ({ filename }) => opened.push(filename));
    await (await machine.spawn(['sh', '-c', 'true; /bin/echo x'])).wait();
    stop();
    await (await machine.spawn(['/bin/true'])).wait();
    expect(opened).toEqual(['/bin/sh', '/bin/echo']);
  });

  it('stop with their first process when they have no init', async () => {
    const machine = await boot({ init: false });
    const first = await machine.spawn(['sh', '-c', 'sleep 100 & exit 4']);
    expect(first.pid).toBe(1);
    expect(await first.wait()).toEqual({ status: 4, signal: null });
    await machine.stopped();
    expect(machine.halted).toMatchObject({ status: 4 << 8 });
  });

  it('close while programs run', async () => {
    const machine = await boot();
    const process = await machine.spawn(['sh', '-c', 'while :; do :; done']);
    await machine.close();
    expect(await process.wait()).toEqual({ status: null, signal: 'SIGKILL' });
    await expect(machine.spawn(['true'])).rejects.toThrow('closed');
  });

  it('give the same run twice with the virtual clock', async () => {
    const run = async (): Promise<string> => {
      const machine = await boot({ clock: 'virtual' });
      const events: string[] = [];
      for (const point of [
        'sys_enter',
        'sys_exit',
        'sched_switch',
        'sched_process_fork',
        'sched_process_exit',
      ] as const)
        // prettier-ignore
        machine.on(point, (event) => void events.push(`${point} ${JSON.stringify(event)}`));
      const script = 'date; (sleep 5; echo late) & for i in 3 1 2; do (sleep $i; echo $i $RANDOM) & done; wait; head -c 8 /dev/urandom | od -x'; // prettier-ignore
      const process = await machine.spawn(['sh', '-c', script]);
      const text = await process.stdout.text();
      expect(text).toContain('late');
      return `${events.join('\n')}\n${text}`;
    };
    const first = await run();
    expect(await run()).toBe(first);
  });
});

describe('machine.fs', () => {
  it('reads, writes, lists and removes files', async () => {
    const { fs } = await boot();
    await fs.mkdir('/a/b/c', { recursive: true });
    await fs.writeFile('/a/f', 'text', { mode: 0o600 });
    await fs.appendFile('/a/f', ' and more');
    expect(await fs.readFile('/a/f', 'utf8')).toBe('text and more');
    expect(await fs.stat('/a/f')).toMatchObject({ type: 'file', mode: 0o600, size: 13, uid: 0 });
    await fs.symlink('f', '/a/l');
    expect(await fs.readlink('/a/l')).toBe('f');
    expect((await fs.lstat('/a/l')).type).toBe('symlink');
    await fs.link('/a/f', '/a/hard');
    expect((await fs.stat('/a/hard')).nlink).toBe(2);
    await fs.chmod('/a/f', 0o4755);
    await fs.chown('/a/f', 5, 6);
    expect(await fs.stat('/a/f')).toMatchObject({ uid: 5, gid: 6 });
    await fs.rename('/a/hard', '/a/b/moved');
    expect(await fs.readdir('/a')).toEqual(['b', 'f', 'l']);
    await fs.truncate('/a/f', 4);
    expect(await fs.readFile('/a/f', 'utf8')).toBe('text');
    await fs.unlink('/a/l');
    await fs.rm('/a', { recursive: true });
    expect(await fs.exists('/a')).toBe(false);
    await fs.rm('/a', { force: true });
  });

  it('shares files with programs, and names and bytes of every kind', async () => {
    const machine = await boot();
    const bytes = new Uint8Array(100_000).map((_, i) => i);
    await machine.fs.writeFile('/tmp/näme with space', bytes);
    const sum = await machine.spawn(['sh', '-c', 'cd /tmp; cat n* | wc -c; echo n*']);
    expect(await sum.stdout.text()).toBe('100000\nnäme with space\n');
    expect(Buffer.compare(await machine.fs.readFile('/tmp/näme with space'), bytes)).toBe(0);
    expect(await machine.fs.readFile('/proc/version', 'utf8')).toMatch(/^Linux version 6\./);
  });

  it('says why it refuses', async () => {
    const { fs } = await boot();
    await expect(fs.readFile('/nosuch')).rejects.toMatchObject({ code: 'ENOENT', reason: expect.stringContaining('nosuch') }); // prettier-ignore
    await expect(fs.rmdir('/etc')).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    await expect(fs.mkdir('/etc')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(fs.readdir('/etc/passwd')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

it('says which option is wrong, and what it should be', async () => {
  const wrong: readonly (readonly [options: object, reason: RegExp])[] = [
    [{ memory: true }, /memory is true, but must be a number of bytes, or text like 256m/],
    [{ memory: '1' }, /from 64m to 3.5g of memory, not 1/],
    [{ hostname: 'x'.repeat(65) }, /hostname is "x+…", but must be a string of 1 to 64 bytes/],
    [{ volumes: { '/a': '/tmp' } }, /volumes is an object, but must be an object of \{ host, readonly \}/],
    [{ limits: { cpu: 1 } }, /limits: there is no option cpu/],
    [{ clock: 'fast' }, /clock is "fast", but must be 'real' or 'virtual'/],
    [{ memmory: '1g' }, /there is no option memmory/],
  ]; // prettier-ignore
  for (const [options, reason] of wrong)
    await expect(Machine.boot(options)).rejects.toThrow(reason);
  const machine = await boot();
  await expect(machine.spawn(['a\0b'])).rejects.toThrow('an array of strings without NUL');
  await expect(machine.spawn(['true'], { env: { A: 1 } as never })).rejects.toThrow('env is an object, but must be an object of strings'); // prettier-ignore
  await expect(machine.spawn(['true'], { user: '99999999999' })).rejects.toThrow('the largest is');
  await expect(machine.spawn(['true'], { tty: { columns: -1, rows: 24 } })).rejects.toThrow('tty is an object, but must be'); // prettier-ignore
  // A terminal whose size nobody has set, as script(1) makes it.
  const process = await machine.spawn(['sh', '-c', 'test -t 1 && echo yes'], { tty: { columns: 0, rows: 0 } }); // prettier-ignore
  expect(await process.stdout.text()).toBe('yes\r\n');
});
