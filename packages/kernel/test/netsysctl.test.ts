import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';

describe.skipIf(!canCompile)('settings of sockets', () => {
  it('act on sockets that are made after them', async () => {
    const netsysctl = compile(join(import.meta.dirname, 'netsysctl.c'));
    const script = `netsysctl; cd /proc/sys/net
      echo 4 > unix/max_dgram_qlen; echo 6 > core/somaxconn
      echo 100000 > core/wmem_default; echo 90000 > core/rmem_default
      echo 300000 > core/wmem_max; echo 400000 > core/rmem_max; netsysctl
      echo 4607 > core/wmem_max; cat core/wmem_max`;
    const { stdout } = await runInGuest(['sh', '-c', script], { programs: { netsysctl } });
    expect(stdout).toBe(
      'buffers 212992 212992 at most 425984 425984\ndatagrams 11 connections 100\n' +
        'buffers 100000 90000 at most 600000 800000\ndatagrams 5 connections 7\n300000\n',
    );
  });
});
