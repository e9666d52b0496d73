import { afterEach, describe, expect, it } from 'vitest';
import { type LinuxMachine, Machine } from '../src/index.ts';
import { attachStrace } from '../src/strace/strace.ts';
import { attachWhy } from '../src/strace/why.ts';

let machine: LinuxMachine | undefined;
afterEach(() => machine?.close());

/** The trace of a shell script, without what differs from run to run. */
async function trace(script: string, attach = attachStrace): Promise<string[]> {
  machine = await Machine.boot({ memory: '64m', clock: 'virtual' });
  let text = '';
  attach(machine.kernel, (part) => (text += part));
  const process = await machine.spawn(['sh', '-c', script]);
  await Promise.all([process.stdout.text(), process.stderr.text(), process.wait()]);
  return text
    .split('\n')
    .map((line) => line.replace(/0x[0-9a-f]{6,}/g, 'ADDR').replace(/ +=/, ' ='));
}

// The expectations are lines of strace 6's output for the same commands on Linux.
describe('--strace', () => {
  it('decodes paths, flags and modes', async () => {
    const lines = await trace(
      'cd /tmp; : > f; exec 3<f; umask 077; mkdir d; ln -s x d/l; readlink d/l; cat nosuch',
    );
    expect(lines).toContain('chdir("/tmp") = 0');
    expect(lines).toContain('open("f", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3');
    expect(lines).toContain('umask(077) = 022');
    expect(lines.join('\n')).toMatch(/mkdir\("d", 0777\) = 0/);
    expect(lines.join('\n')).toMatch(/symlink\("x", "d\/l"\) = 0/);
    expect(lines.join('\n')).toMatch(/readlink\("d\/l", "x", 80\) = 1/);
    expect(lines.join('\n')).toMatch(
      /open\("nosuch", O_RDONLY\) = -1 ENOENT \(No such file or directory\)/,
    );
  });

  it('decodes structures', async () => {
    const text = (
      await trace('ls -l /etc/passwd /dev/null; sleep 1; uname; trap : USR1; kill -USR1 $$')
    ).join('\n');
    expect(text).toMatch(
      /lstat\("\/etc\/passwd", \{st_mode=S_IFREG\|0644, st_size=\d+, ...\}\) = 0/,
    );
    expect(text).toMatch(
      /lstat\("\/dev\/null", \{st_mode=S_IFCHR\|0666, st_rdev=makedev\(0x1, 0x3\), ...\}\) = 0/,
    );
    expect(text).toMatch(/nanosleep\(\{tv_sec=1, tv_nsec=0\}, (ADDR|0x[0-9a-f]+)\) = 0/);
    expect(text).toMatch(/uname\(\{sysname="Linux", nodename="vitrine", ...\}\) = 0/);
    expect(text).toMatch(
      /rt_sigaction\(SIGUSR1, \{sa_handler=ADDR, sa_mask=~\[[^\]]*\], sa_flags=SA_RESTORER, sa_restorer=ADDR\}, (NULL|\{.*\}), 8\) = 0/,
    );
    expect(text).toMatch(
      /--- SIGUSR1 \{si_signo=SIGUSR1, si_code=SI_USER, si_pid=2, si_uid=0\} ---/,
    );
    expect(text).toMatch(/rt_sigreturn\(\{mask=\[\]\}\) = 0/);
  });

  it('escapes and cuts strings', async () => {
    const text = (
      await trace(
        String.raw`printf 'a\tb\001\0012\377"\\'; echo 0123456789012345678901234567890123456789`,
      )
    ).join('\n');
    expect(text).toContain(
      String.raw`[{iov_base="a\tb\1\0012\377\"\\", iov_len=9}, {iov_base=NULL, iov_len=0}], 2) = 9`,
    );
    expect(text).toContain('"01234567890123456789012345678901"..., ');
  });

  it('follows processes', async () => {
    const lines = await trace('(exit 3); sleep 1 & wait');
    const text = lines.join('\n');
    expect(lines[0]).toMatch(
      /^execve\("\/bin\/sh", \["sh", "-c", "\(exit 3\); sleep 1 & wait"\], ADDR \/\* \d+ vars \*\/\) = 0$/,
    );
    expect(text).toMatch(/wait4\(-1,  ?<unfinished ...>/);
    expect(text).toMatch(
      /<... wait4 resumed>\[\{WIFEXITED\(s\) && WEXITSTATUS\(s\) == 3\}\], 0, NULL\) = 3/,
    );
    expect(text).toMatch(/\[pid +3\] exit_group\(3\) = \?/);
    expect(text).toMatch(/\[pid +3\] \+\+\+ exited with 3 \+\+\+/);
    expect(text).toMatch(
      /--- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, si_uid=0, si_status=3, si_utime=\d+, si_stime=\d+\} ---/,
    );
    expect(lines.at(-2)).toBe('+++ exited with 0 +++');
  });
});

describe('--why', () => {
  it('names rule, subject and object of each refusal, and each kill', async () => {
    const text = (
      await trace(
        'cat /nosuch; setuidgid nobody cat /etc/shadow; sleep 5 & sleep 0.1; kill $!; wait; ulimit -n 3; : < /etc/passwd',
        attachWhy,
      )
    ).join('\n');
    expect(text).toMatch(/^cat\[\d+\] open: ENOENT: nosuch does not exist in directory \//m);
    expect(text).toMatch(
      /^cat\[\d+\] open: EACCES: .*\/etc\/shadow .*uid 65534.* without CAP_DAC_OVERRIDE/m,
    );
    expect(text).toMatch(/^sleep\[\d+\] killed by SIGTERM: .+/m);
    expect(text).toMatch(/EMFILE: process \d+ may open 3 files \(RLIMIT_NOFILE\)/);
  });
});
