import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';

describe.skipIf(!canCompile)('kernel objects', () => {
  it('take no more than half of the memory: who has most of them is killed, nobody else is refused', async () => {
    const kmem = compile(join(import.meta.dirname, 'kmem.c'));
    const script =
      'kmem; dmesg | grep -q "Out of memory: Killed process [0-9]* (kmem)" && echo logged';
    const { stdout } = await runInGuest(['sh', '-c', script], {
      programs: { kmem },
      memory: '64m',
    });
    expect(stdout).toBe(
      'mappings: 1, 1, 0, then again\nfiles: 1, 1, 0, then again\nmemfds: 1, 1, 0, then again\n' +
        'rules: 1, 1, 0, then again\nrules: taken 1, back 1, status 0, nothing left\n' +
        'memfds: status 0, nothing left\nlogged\n',
    );
  });
});

describe('symbolic links that find no room', () => {
  it('leave nothing behind', async () => {
    const script = `mount -t tmpfs -o size=4k t /mnt; head -c 4096 /dev/zero > /mnt/full
      name=$(printf %200s x | tr ' ' y); grep Slab /proc/meminfo
      for i in $(seq 300); do ln -s $name /mnt/$i 2> /dev/null && echo made; done; grep Slab /proc/meminfo`;
    const { stdout } = await runInGuest(['sh', '-c', script]);
    const [before, after, ...more] = stdout.trim().split('\n').map((line) => parseInt(line.slice(5), 10)); // prettier-ignore
    expect(more).toEqual([]);
    expect(after! - before!).toBeLessThan(100);
  });
});

describe('fs.file-max', () => {
  it('is a tenth of the memory in KiB, and binds who is not root', async () => {
    const script = `cat /proc/sys/fs/file-max
      echo 9223372036854775807 > /proc/sys/fs/file-max; cat /proc/sys/fs/file-max
      echo 4 > /proc/sys/fs/file-max; cut -f3 /proc/sys/fs/file-nr
      setuidgid nobody cat /etc/passwd`;
    const { stdout, stderr } = await runInGuest(['sh', '-c', script], { memory: '128m' });
    expect(stdout).toMatch(/^1[0-3]\d{3}\n9223372036854775807\n4\n$/);
    expect(stderr).toMatch(/Too many open files in system|No file descriptors available|File table overflow/); // prettier-ignore
  });
});
