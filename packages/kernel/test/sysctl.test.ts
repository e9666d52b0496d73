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

it('a setting takes back what it said, and nothing above', async () => {
  const text = await sh(`cd /proc/sys/fs
    for n in 9223372036854775807 9223372036854775808 18446744073709551616 100000; do
      echo $n > file-max || echo refused
      cat file-max
    done
    find /proc/sys/fs /proc/sys/vm /proc/sys/kernel/[a-l]* -type f -perm -200 ! -name drop_caches ! -name compact_memory |
      while read f; do v=$(cat $f) && echo "$v" > $f && [ "$v" = "$(cat $f)" ] || echo $f; done`);
  const most = '9223372036854775807\n';
  expect(text).toBe(`${most}refused\n${most}refused\n${most}100000\n`);
});

it('the largest pipe is a power of two, of the low 32 bits of what is written', async () => {
  const text = await sh(`cd /proc/sys/fs
    for n in 0 5000 99999999999 2147483649 -1; do
      echo $n > pipe-max-size || echo refused
      cat pipe-max-size
    done`);
  expect(text).toBe('4096\n8192\n2147483648\nrefused\n2147483648\nrefused\n2147483648\n');
});

it('the mask for interrupt lines to come names processors that there are', async () => {
  const text = await sh(`cd /proc/irq
    ls; for mask in 1 0 2 1,00000001 00000001 x; do
      echo $mask > default_smp_affinity || echo refused
      cat default_smp_affinity
    done 2>&1 | grep -v sh:`);
  expect(text).toBe('default_smp_affinity\n1\nrefused\n1\nrefused\n1\nrefused\n1\n1\nrefused\n1\n');
});

it('fs.nr_open bounds RLIMIT_NOFILE and how far tables of descriptors grow', async () => {
  const text = await sh(`cd /proc/sys/fs
    echo 63 > nr_open || echo refused
    sh -c 'ulimit -n 1000; exec 300>&1; echo 256 > nr_open; exec 400>&1; echo room in the table; (echo child); echo not here'
    ulimit -Hn 500 || echo refused
    sh -c 'echo 128 > nr_open; exec 100>&1; echo 100; (echo child); exec 128>&1; echo not here'`);
  expect(text).toBe('refused\nroom in the table\nrefused\n100\nchild\n');
});
