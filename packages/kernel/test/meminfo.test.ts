import { describe, expect, it } from 'vitest';
import { runInGuest } from '../../../tests/support/guest.ts';

/** MiB of a line of /proc/meminfo at each of several moments of a script. */
async function moments(name: string, script: string): Promise<number[]> {
  const text = `tell() { sed -n 's/^${name}: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo; }\n${script}`;
  const { stdout } = await runInGuest(['sh', '-c', text], { memory: '128m' });
  return stdout
    .trim()
    .split('\n')
    .map((kib) => Math.round(Number(kib) / 1024));
}

const FILE = 'mount -t tmpfs t /tmp; dd if=/dev/zero of=/tmp/f bs=1M count=8 2>/dev/null';

// On a real machine others use memory as well: only here is a script alone.
describe('/proc/meminfo', () => {
  it('counts pages of files in memory', async () => {
    const script = `tell; ${FILE}; tell; rm /tmp/f; tell`;
    for (const name of ['Shmem', 'Cached', 'Committed_AS', 'Inactive(anon)']) {
      const [before, file, after] = await moments(name, script);
      expect([name, file! - before!, after! - before!]).toEqual([name, 8, 0]);
    }
  });

  it('counts private memory once, however many share it', async () => {
    const script = `x=$(dd if=/dev/zero bs=1M count=4 2>/dev/null | tr '\\0' x); tell
      (tell; (tell; :); :); tell`;
    const [own, ...shared] = await moments('AnonPages', script);
    expect(own).toBeGreaterThanOrEqual(4);
    for (const n of shared) expect(Math.abs(n - own!)).toBeLessThanOrEqual(1);
  });
});
