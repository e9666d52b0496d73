import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { busyboxImage, layeredImage } from '@vitrine/image';
import { type TarEntry, writeTar } from '@vitrine/image/tar_write.ts';
import { type LinuxMachine, Machine } from '../src/index.ts';

/** 50 machines from one image share its layers: what each further idle one costs is its own memory alone. */
it('fifty idle machines cost at most 25 MiB each', async () => {
  const { entries } = busyboxImage(
    readFileSync(join(import.meta.dirname, '../../image/dist/busybox')),
  );
  const files = entries.map((entry): TarEntry => ({ ...entry, name: entry.path || '.', data: entry.data as Uint8Array })); // prettier-ignore
  const ballast = { name: 'ballast', mode: 0o100644, data: new Uint8Array(64 << 20).fill(1) };
  const image = layeredImage([Buffer.concat([...writeTar([...files, ballast])])]);
  const machines: LinuxMachine[] = [];
  const add = async (): Promise<void> => {
    const machine = await Machine.boot({ image });
    const shell = await machine.spawn(['sh', '-c', 'echo ready; read x'], { stdin: 'pipe' });
    await shell.stdout.read();
    machines.push(machine);
  };
  await add();
  const first = process.memoryUsage().rss;
  for (let i = 1; i < 50; i++) await add();
  const each = (process.memoryUsage().rss - first) / 49 / 2 ** 20;
  console.log(`each further idle machine: ${each.toFixed(1)} MiB`);
  expect(each).toBeLessThan(25);
  for (const machine of machines) await machine.close();
});
