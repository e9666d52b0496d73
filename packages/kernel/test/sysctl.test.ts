import { expect, it } from 'vitest';
import { runInGuest } from '../../../tests/support/guest.ts';

const sh = async (script: string): Promise<string> =>
  (await runInGuest(['sh', '-c', script])).stdout;

it('/proc/config.gz tells how the kernel is configured', async () => {
  const text = await sh('zcat /proc/config.gz | grep -E "CONFIG_(SYSVIPC|USER_NS|HZ)[= ]"');
  expect(text).toBe('CONFIG_HZ=100\nCONFIG_SYSVIPC=y\n# CONFIG_USER_NS is not set\n');
});

it('limits act and keep to their bounds', async () => {
  const text = await sh(`cd /proc/sys
    echo 50 > kernel/sched_rr_timeslice_ms; cat kernel/sched_rr_timeslice_ms
    echo -1 > kernel/sched_rr_timeslice_ms; cat kernel/sched_rr_timeslice_ms
    echo 4096 > vm/min_free_kbytes; cat vm/min_free_kbytes
    echo 5 > kernel/threads-max; cat kernel/threads-max
    echo 2 > vm/compact_memory || echo refused`);
  expect(text).toBe('50\n100\n4096\n20\nrefused\n');
});
