import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const BIN = join(import.meta.dirname, '../bin/vitrine.cjs');

interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
}

function vitrine(
  args: readonly string[],
  options: { input?: string | Buffer; env?: Record<string, string>; shell?: boolean } = {},
): Result {
  // prettier-ignore
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    input: options.input ?? '',
    env: { ...process.env, ...options.env },
    encoding: 'latin1',
    timeout: 20_000,
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

/** A shell command in which $V is the command under test. */
const shell = (script: string): Result =>
  spawnSync('sh', ['-c', script], { env: { ...process.env, V: `${process.execPath} ${BIN}` }, encoding: 'latin1', timeout: 20_000 }); // prettier-ignore

describe('vitrine run', () => {
  it('passes exit status and signals on', () => {
    expect(vitrine(['run', 'true']).status).toBe(0);
    expect(vitrine(['run', 'sh', '-c', 'exit 7']).status).toBe(7);
    expect(vitrine(['run', '--init', 'sh', '-c', 'kill -TERM $$']).status).toBe(143);
  });

  it.skipIf(!existsSync('/dev/full'))('says when what a program wrote is lost', () => {
    const { status, stderr } = shell('$V run sh -c "seq 100000; exit 0" > /dev/full');
    expect([status, stderr]).toEqual([125, expect.stringMatching(/output was lost: ENOSPC/)]);
    expect(shell('$V run seq 100000 | head -1').stdout).toBe('1\n');
  });

  it('hands signals on', async () => {
    const child = spawn(process.execPath, [BIN, 'run', 'sh', '-c', 'trap "echo got" USR1; trap "exit 5" USR2; echo ready; while :; do sleep 0.05; done']); // prettier-ignore
    const waited = new Promise((resolve) => child.on('close', resolve));
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      child.kill(text.includes('got') ? 'SIGUSR2' : 'SIGUSR1');
    });
    expect([await waited, text]).toEqual([5, 'ready\ngot\n']);
  });

  it('takes any number of bytes, and refuses what makes no sense', () => {
    expect(vitrine(['run', '-m', '100000000', '-u', ':5', 'id', '-g']).stdout).toBe('5\n');
    for (const [args, reason] of [
      [['-m', '1k', 'true'], /from 64m to 3.5g/],
      [['-u', '99999999999', 'true'], /the largest is 2147483647/],
      [['-w', 'rel', 'pwd'], /-w rel: write a path from the root on/],
      [['-h', 'h'.repeat(65), 'true'], /hostname is/],
      [['--profile', '/nosuch/file', 'echo', 'ran'], /ENOENT/],
    ] as const) {
      const { status, stdout, stderr } = vitrine(['run', ...args]);
      expect([status, stdout, stderr]).toEqual([125, '', expect.stringMatching(reason)]);
    }
    expect(vitrine(['images', 'extra']).stderr).toContain('images takes no names');
  });

  it('has the image, or leaves it out', () => {
    expect(vitrine(['run', 'busybox', 'echo', 'a']).stdout).toBe('a\n');
    expect(vitrine(['run', 'busybox:1.35', 'echo', 'b']).stdout).toBe('b\n');
    expect(vitrine(['run', 'echo', 'c']).stdout).toBe('c\n');
    expect(vitrine(['run'], { input: 'echo from a script' }).stdout).toBe('from a script\n');
    expect(vitrine([], { input: 'echo shell' }).stdout).toBe('shell\n');
  });

  it('takes options as docker does, in both spellings', () => {
    const args = ['run', '-e', 'A=1', '-eB=2', '--env=C=3', '-e', 'FROM_HOST', '-w', '/usr', '-u', 'user', '--hostname', 'box', '-m', '128m']; // prettier-ignore
    const script = 'echo $A $B $C $FROM_HOST $HOME; pwd; id -un; hostname; awk "/MemTotal/{print \\$2 < 131072}" /proc/meminfo'; // prettier-ignore
    const { stdout, stderr } = vitrine([...args, 'sh', '-c', script], {
      env: { FROM_HOST: 'yes' },
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('1 2 3 yes /home/user\n/usr\nuser\nbox\n1\n');
    expect(vitrine(['run', '--', 'echo', '--', '-x']).stdout).toBe('-- -x\n');
    expect(vitrine(['run', '--entrypoint', 'echo', 'busybox', 'by', 'entrypoint']).stdout).toBe('by entrypoint\n'); // prettier-ignore
  });

  it('is PID 1, or has an init', () => {
    expect(vitrine(['run', 'sh', '-c', 'echo $$']).stdout).toBe('1\n');
    expect(vitrine(['run', '--init', 'sh', '-c', 'echo $$; ps -o pid,comm | head -2 | tail -1']).stdout).toBe('2\n    1 init\n'); // prettier-ignore
  });

  it('moves bytes unchanged through pipes', () => {
    const data = Buffer.from(new Uint8Array(700_000).map((_, i) => (i * 31) ^ (i >> 7)));
    const { stdout } = vitrine(['run', '-i', 'cat'], { input: data });
    expect(Buffer.compare(Buffer.from(stdout, 'latin1'), data)).toBe(0);
    expect(shell('head -c 3000000 /dev/zero | $V run sh -c "wc -c"').stdout).toBe('3000000\n');
    expect(shell('$V run yes | head -n 2').stdout).toBe('y\ny\n');
    expect(shell('$V run cat <&-').status).toBe(0);
    expect(shell('$V run sh -c "echo out; echo err >&2" 2>&1 >/dev/null').stdout).toBe('err\n');
    expect(shell('$V run echo x >&-; echo $?').stdout).toMatch(/^\d+\n$/);
  });

  it('says what is wrong with the command line', () => {
    expect(vitrine(['run', '--bogus', 'true'])).toMatchObject({ status: 125, stderr: expect.stringContaining('unknown option --bogus') }); // prettier-ignore
    expect(vitrine(['run', '--memry', '1g'])).toMatchObject({ status: 125, stderr: expect.stringContaining('did you mean --memory?') }); // prettier-ignore
    expect(vitrine(['run', '-w'])).toMatchObject({ status: 125, stderr: expect.stringContaining('needs a value') }); // prettier-ignore
    expect(vitrine(['run', '-m', 'lots', 'true'])).toMatchObject({ status: 125, stderr: expect.stringContaining('no amount of memory') }); // prettier-ignore
    expect(vitrine(['run', './no/image', 'true'])).toMatchObject({ status: 125, stderr: expect.stringContaining('no image ./no/image') }); // prettier-ignore
    expect(vitrine(['run', '-u', 'nosuch', 'true'])).toMatchObject({ status: 125, stderr: expect.stringContaining('no user nosuch') }); // prettier-ignore
    expect(vitrine(['frobnicate']).status).toBe(125);
    expect(vitrine(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage: vitrine') }); // prettier-ignore
    expect(vitrine(['run', '--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--rootfs') }); // prettier-ignore
    expect(vitrine(['--version']).stdout).toMatch(/^vitrine \d/);
  });

  it('tells apart programs that are missing, not executable, or not for this machine', () => {
    expect(vitrine(['run', 'nosuch'])).toMatchObject({ status: 127, stderr: expect.stringContaining('not found') }); // prettier-ignore
    expect(vitrine(['run', '/etc/passwd'])).toMatchObject({ status: 126, stderr: expect.stringContaining('permission denied') }); // prettier-ignore
    expect(vitrine(['run', 'busybox', '/etc'])).toMatchObject({ status: 126 });
  });

  it('prints system calls and reasons', () => {
    const { stderr } = vitrine(['run', '--strace', 'cat', '/etc/hostname']);
    expect(stderr).toContain('open("/etc/hostname", O_RDONLY)');
    expect(stderr).toMatch(/\+\+\+ exited with 0 \+\+\+\n$/);
    const why = vitrine(['run', '--why', '-u', 'nobody', 'cat', '/etc/shadow']);
    expect(why).toMatchObject({ status: 1, stderr: expect.stringMatching(/cat\[1\] open: EACCES: .*\/etc\/shadow.*65534/) }); // prettier-ignore
  });
});

describe('vitrine run --rootfs', () => {
  let work: string;
  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'vitrine-cli-'));
    mkdirSync(join(work, 'root/bin'), { recursive: true });
    writeFileSync(join(work, 'root/bin/sh'), readFileSync(join(import.meta.dirname, '../../image/dist/busybox')), { mode: 0o755 }); // prettier-ignore
    writeFileSync(join(work, 'root/hello'), 'from the host\n');
    writeFileSync(join(work, 'root/bin/text'), 'no program\n', { mode: 0o755 });
    const arm = Buffer.alloc(64);
    arm.write('\x7fELF\x02\x01\x01', 'latin1');
    arm.writeUInt16LE(2, 16);
    arm.writeUInt16LE(183, 18);
    writeFileSync(join(work, 'root/bin/arm'), arm, { mode: 0o755 });
  });
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  const script = ['sh', '-c', 'read x < /hello; echo "$x"; echo *'];
  const expected = 'from the host\nbin dev hello proc';

  it('boots a folder', () => {
    const { stdout, stderr } = vitrine(['run', '--rootfs', join(work, 'root'), ...script]);
    expect(stderr).toBe('');
    expect(stdout).toContain(expected);
  });

  it.skipIf(process.platform === 'win32')('boots an archive', () => {
    for (const [file, flag] of [
      ['a.tar', 'cf'],
      ['a.tar.gz', 'czf'],
    ] as const) {
      // prettier-ignore
      spawnSync('tar', [flag, join(work, file), '-C', join(work, 'root'), '.']);
      expect(vitrine(['run', join(work, file), ...script]).stdout).toContain(expected);
    }
  });

  it('refuses what it cannot run', () => {
    const rootfs = ['run', '--rootfs', join(work, 'root')];
    expect(vitrine([...rootfs, '/bin/text'])).toMatchObject({ status: 126 });
    expect(vitrine([...rootfs, '/bin/arm'])).toMatchObject({ status: 126, stderr: expect.stringMatching(/machine|x86-64/) }); // prettier-ignore
    writeFileSync(join(work, 'junk.tar'), 'x'.repeat(2000));
    expect(vitrine(['run', join(work, 'junk.tar'), 'sh'])).toMatchObject({ status: 125, stderr: expect.stringContaining('neither a folder nor a tar archive') }); // prettier-ignore
  });
});

/** A terminal for the command: Python's pty module is on most systems that have one at all. */
const PTY = `
import os, pty, select, struct, fcntl, termios, sys, time, signal
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 77, 0, 0))
before = termios.tcgetattr(fd)
steps = [eval(line) for line in sys.stdin.read().splitlines()]
seen = b''
def wait_for(text):
    global seen
    end = time.time() + 15
    while text not in seen:
        if time.time() > end: print('TIMEOUT waiting for', text, seen); sys.exit(1)
        if select.select([fd], [], [], 0.1)[0]:
            try: seen += os.read(fd, 4096)
            except OSError: break
    seen = seen[seen.find(text) + len(text):] if text in seen else b''
for step in steps:
    if step[0] == 'wait': wait_for(step[1])
    if step[0] == 'pause': time.sleep(step[1])
    if step[0] == 'type': os.write(fd, step[1])
    if step[0] == 'size':
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', step[1], step[2], 0, 0)); os.kill(pid, signal.SIGWINCH)
_, status = os.waitpid(pid, 0)
print('status', os.waitstatus_to_exitcode(status), 'restored', termios.tcgetattr(fd) == before)
`;
const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

describe.skipIf(!hasPython)('in a terminal', () => {
  const interact = (args: readonly string[], steps: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn('python3', ['-c', PTY, process.execPath, BIN, ...args]);
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.on('close', () => resolve(text.trim()));
      child.stdin.end(steps.join('\n'));
    });

  it('is an interactive shell with job control, and restores the terminal', async () => {
    const steps = [
      String.raw`('wait', b'# ')`,
      String.raw`('type', b'stty size; echo $((6*7))\r')`,
      String.raw`('wait', b'33 77\r\n42')`,
      String.raw`('size', 40, 100)`,
      String.raw`('type', b'stty size\r')`,
      String.raw`('wait', b'40 100')`,
      String.raw`('type', b'sleep 50\r')`,
      String.raw`('wait', b'sleep 50\r\n')`,
      String.raw`('pause', 0.3)`,
      String.raw`('type', b'\x1a')`,
      String.raw`('wait', b'Stopped')`,
      String.raw`('type', b'jobs; bg; kill %1; wait; echo done $?\r')`,
      String.raw`('wait', b'done 0')`,
      String.raw`('type', b'cat\r')`,
      String.raw`('wait', b'cat\r\n')`,
      String.raw`('pause', 0.3)`,
      String.raw`('type', b'echoed\r')`,
      String.raw`('wait', b'echoed\r\nechoed')`,
      String.raw`('pause', 0.1)`,
      String.raw`('type', b'\x03')`,
      String.raw`('wait', b'# ')`,
      String.raw`('type', b'exit 9\r')`,
    ];
    expect(await interact([], steps)).toBe('status 9 restored True');
  });

  it('runs full-screen programs', async () => {
    const steps = [
      String.raw`('wait', b'one')`,
      String.raw`('type', b'ihello ')`,
      String.raw`('wait', b'hello')`,
      String.raw`('type', b'\x1b')`,
      String.raw`('pause', 0.5)`,
      String.raw`('type', b':wq\r')`,
      String.raw`('wait', b'hello one\r\ntwo')`,
    ];
    const script = 'printf "one\\ntwo\\n" > f; vi f; cat f';
    expect(await interact(['run', '-it', 'sh', '-c', script], steps)).toMatch(
      /status 0 restored True/,
    );
  });

  it('ends at ^C what is PID 1 and has no handler for it', async () => {
    const steps = [String.raw`('pause', 1.5)`, String.raw`('type', b'\x03')`];
    expect(await interact(['run', '-it', 'sleep', '100'], steps)).toBe('status 130 restored True');
    const caught = [String.raw`('wait', b'ready')`, String.raw`('type', b'\x03')`, String.raw`('wait', b'caught')`]; // prettier-ignore
    const script = 'trap "echo caught; exit 4" INT; echo ready; while :; do sleep 0.1; done';
    expect(await interact(['run', '-it', 'sh', '-c', script], caught)).toBe('status 4 restored True'); // prettier-ignore
  });

  it('is restored when the command is killed', async () => {
    const steps = [String.raw`('wait', b'started')`];
    const script = 'echo started; kill -KILL $PPID; exec sleep 0.2';
    expect(await interact(['run', '-it', 'sh', '-c', script], steps)).toBe(
      'status 0 restored True',
    );
  });
});

describe('starting', () => {
  it('keeps a code cache, which the next start takes', () => {
    vitrine(['run', 'true']);
    const dist = join(import.meta.dirname, '../dist');
    // By the build it is of: V8 takes a cache of any source of the same length.
    const build = readFileSync(join(dist, 'cli.cjs'), 'latin1').slice(-16);
    expect(build).toMatch(/^[0-9a-f]{16}$/);
    const cache = join(dist, `cli-${build}-${process.version}-${process.arch}.cache`);
    const { ino } = statSync(cache);
    vitrine(['run', 'true']);
    expect(statSync(cache).ino).toBe(ino);
  });
});
