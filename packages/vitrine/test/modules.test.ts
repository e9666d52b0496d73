import { expect, it } from 'vitest';
import { Machine } from '../src/index.ts';
import { nodePlatform } from '../src/node/platform.ts';

/** Runs a script in a machine that has a /lib. */
async function run(script: string): Promise<string> {
  const image = await nodePlatform.image('busybox');
  const lib = { path: 'lib', mode: 0o40755, uid: 0, gid: 0, mtime: 1e9 };
  const entries = [...image.entries, lib];
  const machine = await Machine.boot({ memory: '64m', image: { ...image, entries } });
  const process = await machine.spawn(['sh', '-c', script]);
  const text = await process.stdout.text();
  expect(await process.stderr.text()).toBe('');
  await machine.close();
  return text;
}

it('loads a file system that a mount asks for, and counts its users', async () => {
  const text = await run(`
    cat /proc/modules
    mkdir /l /u /w /m
    grep -c overlay /proc/filesystems
    mount -t overlay overlay -o lowerdir=/l,upperdir=/u,workdir=/w /m
    cat /proc/modules
    cat /sys/module/overlay/refcnt /sys/module/overlay/initstate
    rmmod overlay 2>&1
    umount /m
    rmmod overlay
    cat /proc/modules
  `);
  const lines = text.split('\n').map((line) => line.replace(/ \d{4,} /, ' SIZE '));
  expect(lines).toEqual([
    '0',
    'overlay SIZE 1 - Live 0x0000000000000000',
    '1',
    'live',
    "rmmod: can't unload module 'overlay': Resource temporarily unavailable",
    '',
  ]);
});

it('has files for modprobe', async () => {
  const text = await run(`
    modprobe overlay
    lsmod | tail -1 | cut -d' ' -f1
    modprobe -r overlay
    cat /lib/modules/$(uname -r)/modules.order
    insmod /lib/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko
    cat /sys/module/overlay/refcnt
  `);
  expect(text.split('\n')).toEqual([
    'overlay',
    'kernel/fs/overlayfs/overlay.ko',
    'kernel/fs/layerfs/layerfs.ko',
    'kernel/fs/hostfs/hostfs.ko',
    '0',
    '',
  ]);
});
