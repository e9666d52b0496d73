import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const BIN = join(import.meta.dirname, '../bin/vitrine.cjs');
const hasIndex = spawnSync('apt-get', ['indextargets', '--format', '$(FILENAME)', 'Created-By: Packages'], { encoding: 'utf8' }).stdout?.trim() !== ''; // prettier-ignore
if (!hasIndex)
  console.warn('no apt with an index of packages here: images from packages are skipped');

describe.skipIf(!hasIndex)('vitrine image from-debs', () => {
  let cache: string;
  const vitrine = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: cache } }); // prettier-ignore
  beforeAll(() => void (cache = mkdtempSync(join(tmpdir(), 'vitrine-debs-'))));
  afterAll(() => rmSync(cache, { recursive: true, force: true }));

  it('makes a Debian whose packages are all configured', () => {
    const built = vitrine('image', 'from-debs', 'debian', 'file', 'bc');
    expect(built.stderr).toMatch(/configuring the packages inside a machine/);
    expect(built).toMatchObject({ status: 0, stdout: expect.stringMatching(/^debian:latest\nsha256:/) }); // prettier-ignore
    expect(vitrine('run', 'debian', 'bash', '-c', 'dpkg --audit; dpkg -V; dpkg -l bc | tail -1')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^ii +bc /) }); // prettier-ignore
    expect(vitrine('run', 'debian', 'bash', '-c', 'file -b /usr/bin/bc; echo 6*7 | bc; id nobody').stdout).toMatch(/^ELF 64-bit LSB pie executable.*\n42\nuid=65534\(nobody\)/); // prettier-ignore
  });
});
