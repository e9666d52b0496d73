import { expect, it } from 'vitest';
import { Machine } from '../src/index.ts';

it('shows processors, caches and devices in /sys', async () => {
  const machine = await Machine.boot({ memory: '64m' });
  const process = await machine.spawn(['sh', '-c', `
    cd /sys
    cat devices/system/cpu/online devices/system/cpu/cpu0/cache/index0/size class/mem/null/dev
    cat dev/char/1:3/uevent
    stat -c '%a %s' . kernel kernel/address_bits
    find -L class/tty/console -type f -maxdepth 1 | sort
    { echo 1 > kernel/address_bits; } 2>&1
    { echo 1 > kernel/new; } 2>&1
    find . -type f | while read f; do cat $f || echo $f; done | wc -l
  `]); // prettier-ignore
  const lines = (await process.stdout.text()).split('\n');
  expect(lines.slice(0, 12)).toEqual([
    '0', '32K', '1:3', 'MAJOR=1', 'MINOR=3', 'DEVNAME=null', 'DEVMODE=0666', '555 0', '755 0', '444 4096',
    'class/tty/console/dev', 'class/tty/console/uevent',
  ]); // prettier-ignore
  expect(lines[12]).toContain('Permission denied');
  expect(lines[13]).toMatch(/nonexistent directory|No such file|Permission denied/);
  expect(await process.stderr.text()).toBe('');
  await machine.close();
});
