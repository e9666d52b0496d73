import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { busyboxImage } from '@vitrine/image';
import { type TarEntry, writeTar, writeTarEnd } from '@vitrine/image/tar_write.ts';
import { layeredImage, type LinuxMachine, Machine } from '../src/index.ts';
import { nodePlatform } from '../src/node/platform.ts';

const BUSYBOX = join(import.meta.dirname, '../../image/dist/busybox');
const open: LinuxMachine[] = [];
afterEach(async () => {
  for (const machine of open.splice(0)) await machine.close();
});

const common = { mode: 0o100644, uid: 0, gid: 0, mtime: 1e9 };

async function boot(read: () => Uint8Array): Promise<LinuxMachine> {
  const image = await nodePlatform.image('busybox');
  const file = { ...common, path: 'opt/file', data: { size: 5, read } };
  const entries = [...image.entries, { ...common, path: 'opt', mode: 0o40755 }, file];
  const machine = await Machine.boot({ memory: '64m', image: { ...image, entries } });
  open.push(machine);
  return machine;
}

async function sh(machine: LinuxMachine, script: string): Promise<string> {
  const process = await machine.spawn(['sh', '-c', script]);
  return (await process.stdout.text()) + (await process.stderr.text());
}

it('fetches a file of the image with its first byte, not before', async () => {
  let reads = 0;
  const machine = await boot(() => {
    reads++;
    return new TextEncoder().encode('bytes');
  });
  expect(await sh(machine, 'stat -c "%s %Y" /opt/file /opt')).toBe('5 1000000000\n60 1000000000\n');
  expect(reads).toBe(0);
  expect(await sh(machine, 'cat /opt/file /opt/file; truncate -s 2 /opt/file; truncate -s 4 /opt/file; cat /opt/file')).toBe('bytesbytesby\0\0'); // prettier-ignore
  expect(reads).toBe(1);
});

it('answers EIO when the image does not give the bytes any more', async () => {
  const machine = await boot(() => {
    throw new Error('gone');
  });
  expect(await sh(machine, 'cat /opt/file')).toBe('cat: read error: I/O error\n');
});

it('gives back what it read of layers when memory is short', async () => {
  const base = busyboxImage(readFileSync(BUSYBOX)).entries.map((entry): TarEntry => ({ ...entry, name: `./${entry.path}`, data: entry.data as Uint8Array })); // prettier-ignore
  const big = Buffer.alloc(80 << 20, 'all of it');
  const layers = [base, [{ name: 'big', mode: 0o100644, data: big }]];
  const image = layeredImage(layers.map((files) => Buffer.concat([...writeTar(files), writeTarEnd()]))); // prettier-ignore
  const machine = await Machine.boot({ memory: '64m', image });
  open.push(machine);
  const sum = createHash('md5').update(big).digest('hex');
  expect(await sh(machine, 'md5sum /big; md5sum < /big; dmesg | grep -c Killed')).toBe(
    `${sum}  /big\n${sum}  -\n0\n`,
  );
});

it('takes everything along in a snapshot', async () => {
  const machine = await boot(() => new TextEncoder().encode('bytes'));
  const bytes = machine.snapshot();
  const restored = await Machine.restore(bytes);
  open.push(restored);
  expect(await sh(restored, 'cat /opt/file')).toBe('bytes');
});
