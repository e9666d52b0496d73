import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appletNames, busyboxImage } from '../src/busybox.ts';

const BINARY = join(import.meta.dirname, '../dist/busybox');
const runsHere = process.platform === 'linux' && process.arch === 'x64' && existsSync(BINARY);

describe('the embedded image', () => {
  const { entries } = busyboxImage(new Uint8Array([1]));
  const paths = entries.map(({ path }) => path);

  it('names every file once, parents first', () => {
    expect(new Set(paths).size).toBe(paths.length);
    for (const [i, path] of paths.entries())
      if (path.includes('/'))
        expect(paths.indexOf(path.slice(0, path.lastIndexOf('/')))).toBeLessThan(i);
  });

  it('gives the folders the modes that Linux systems give them', () => {
    const modes = Object.fromEntries(entries.map((e) => [e.path, e.mode & 0o7777]));
    expect(modes).toMatchObject({ tmp: 0o1777, root: 0o700, etc: 0o755, 'etc/shadow': 0o640 });
  });

  it.skipIf(!runsHere)('links every applet that the binary has', () => {
    const all = execFileSync(BINARY, ['--list-full'], { encoding: 'utf8' }).trim().split('\n');
    const linked = ['bin', 'sbin', 'usr/bin', 'usr/sbin'].flatMap((folder) =>
      appletNames(folder).map((name) => `${folder}/${name}`),
    );
    expect(linked.toSorted()).toEqual(all.filter((path) => path !== 'linuxrc').toSorted());
  });

  it.skipIf(!existsSync(BINARY))('is busybox 1.35.0 for x86-64', () => {
    const bytes = readFileSync(BINARY);
    expect(bytes.subarray(0, 5).toString('latin1')).toBe('\x7fELF\x02');
    expect(bytes.includes('BusyBox v1.35.0')).toBe(true);
  });
});
