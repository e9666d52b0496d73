import { expect, it } from 'vitest';
import { Machine } from '../src/index.ts';

it('gives each line of the log once to the readers of /proc/kmsg, in parts where they ask for few bytes', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  const process = await machine.spawn(['sh', '-c', `
    exec 3</proc/kmsg
    dd bs=65536 count=1 <&3 2>/dev/null >/tmp/all
    grep -c '^<[0-9]*>\\[ *[0-9.]*] ' /tmp/all
    for word in one two; do echo "<12>$word" >/dev/kmsg; done
    dd bs=5 count=1 <&3 2>/dev/null; echo
    dd bs=4096 count=1 <&3 2>/dev/null | sed 's/.*] /] /'
    dd bs=4096 count=1 <&3 2>/dev/null | sed 's/.*] /] /' &
    sleep 0.1
    echo "<12>late" >/dev/kmsg
    wait
    # cat of busybox tries sendfile, which would have to wait.
    cat /dev/kmsg >/dev/null &
    sleep 0.1; kill $!
    # Positions of a file in /sys end at its size, and cp comes to an end.
    cp /sys/kernel/address_bits /tmp/copy && cat /tmp/copy
  `]); // prettier-ignore
  const lines = (await process.stdout.text()).split('\n');
  expect(lines.slice(1)).toEqual(['<12>[', '] one', '] two', '] late', '64', '']);
  expect(await process.stderr.text()).toBe('');
  await machine.close();
});
