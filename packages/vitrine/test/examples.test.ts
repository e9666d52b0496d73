import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { busyboxImage } from '@vitrine/image';
import { type TarEntry, writeTar } from '@vitrine/image/tar_write.ts';
import { layeredImage, Machine } from '../src/index.ts';

const ROOT = join(import.meta.dirname, '../../..');
const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>; // prettier-ignore

/** Stands for reading rootfs.tar: the embedded image as an archive. */
async function rootfs(): Promise<Uint8Array> {
  const { entries } = busyboxImage(readFileSync(join(ROOT, 'packages/image/dist/busybox')));
  const files = entries.map((entry): TarEntry => ({ ...entry, name: entry.path || '.', data: entry.data as Uint8Array })); // prettier-ignore
  return Buffer.concat([...writeTar([...files, { name: 'srv', mode: 0o040755 }])]);
}

/** The examples of the documentation do what it says. */
describe.each(['Documentation/sdk.md', 'README.md'])('%s', (file) => {
  const examples = [
    ...readFileSync(join(ROOT, file), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm),
  ];
  for (const [i, example] of examples.entries()) {
    const code = example[1]!.replace(/^import .* from 'vitrine';$/m, '');
    it(`example ${i + 1}`, async () => {
      const silent = { log() {} };
      await new AsyncFunction('Machine', 'layeredImage', 'readFile', 'assert', 'console', code)(Machine, layeredImage, rootfs, assert, silent); // prettier-ignore
    });
  }
});
