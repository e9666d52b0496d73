import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDependencies, parseParagraph } from '../src/deb/control.ts';
import { type Package, PackageIndex, resolve } from '../src/deb/resolve.ts';
import { compareVersions, satisfies } from '../src/deb/version.ts';
import { addDebFiles } from '../src/node/deb/apt.ts';
import { readDeb } from '../src/node/deb/deb_file.ts';
import { unpackedRoot } from '../src/node/deb/unpack.ts';
import { readTar } from '../src/tar.ts';

const VERSIONS = ['0', '1', '1.0', '1.0-1', '1.0-1+b1', '1:0.1', '1.0~rc1', '1.0~rc1-1', '1.0~', '1.0a', '1.0+dfsg-2', '1.10', '1.9', '1.09', '2.36-9+deb12u14', '2.36-9', '20230304', '1.0-~1', '3.11.2-1+b1', 'a', '0:1.0', '1.0.', '1.0-0']; // prettier-ignore
const hasDpkg = spawnSync('dpkg', ['--version']).status === 0;

describe('versions', () => {
  it('have the order of Debian policy', () => {
    for (const [a, b] of [['1.0~rc1', '1.0'], ['1.9', '1.10'], ['1.0', '1.0a'], ['1.0a', '1.0+'], ['2.0', '1:0.1'], ['1.0-1', '1.0-1+b1'], ['1.0~~', '1.0~']] as const) {
      expect(compareVersions(a, b), `${a} ${b}`).toBeLessThan(0);
      expect(compareVersions(b, a), `${b} ${a}`).toBeGreaterThan(0);
    } // prettier-ignore
  });

  it.skipIf(!hasDpkg)(
    "have dpkg's order",
    () => {
      const script = VERSIONS.flatMap((a) => VERSIONS.map((b) => `for op in lt eq gt; do dpkg --compare-versions '${a}' $op '${b}' 2>/dev/null && echo $op; done`)); // prettier-ignore
      const words = execFileSync('sh', ['-c', script.join('\n') + '\n:'], { encoding: 'utf8' }).trim().split('\n'); // prettier-ignore
      const ours = VERSIONS.flatMap((a) => VERSIONS.map((b) => ['lt', 'eq', 'gt'][Math.sign(compareVersions(a, b)) + 1]!)); // prettier-ignore
      expect(ours).toEqual(words);
    },
    60_000,
  );

  it('fulfil relations', () => {
    expect(['<<', '<=', '=', '>=', '>>'].map((op) => satisfies('1.0', op, '1.0'))).toEqual([false, true, true, true, false]); // prettier-ignore
  });
});

const pkg = (name: string, version: string, more: Partial<Package> = {}): Package => ({
  name, version, architecture: 'amd64', essential: false, priority: 'optional', preDepends: '', depends: '',
  conflicts: '', breaks: '', provides: '', sha256: '', filename: '', ...more,
}); // prettier-ignore

function indexOf(...packages: Package[]): PackageIndex {
  const index = new PackageIndex();
  for (const each of packages) index.add(each);
  return index;
}
const names = (index: PackageIndex, ...wanted: string[]): string[] => resolve(index, wanted).map(({ name }) => name).toSorted(); // prettier-ignore

describe('dependencies', () => {
  it('are followed, pre-dependencies too, around circles', () => {
    const index = indexOf(pkg('a', '1', { depends: 'b, c (>= 2)' }), pkg('b', '1', { preDepends: 'a:any' }), pkg('c', '3'), pkg('d', '1')); // prettier-ignore
    expect(names(index, 'a')).toEqual(['a', 'b', 'c']);
  });

  it('take what is chosen already, else the first alternative there is', () => {
    const index = indexOf(pkg('a', '1', { depends: 'x | y | z' }), pkg('y', '1'), pkg('z', '1'));
    expect(names(index, 'a')).toEqual(['a', 'y']);
    expect(names(index, 'a', 'z')).toEqual(['a', 'z']);
  });

  it('are fulfilled by what others provide, with a version only where one is said', () => {
    const index = indexOf(pkg('a', '1', { depends: 'mta' }), pkg('exim', '1', { provides: 'mta, awk (= 2)' }), pkg('b', '1', { depends: 'mta (>= 1)' }), pkg('c', '1', { depends: 'awk (>= 2)' })); // prettier-ignore
    expect(names(index, 'a')).toEqual(['a', 'exim']);
    expect(names(index, 'c')).toEqual(['c', 'exim']);
    expect(() => names(index, 'b')).toThrow(
      'b depends on mta (>= 1), and no package here fulfils it',
    );
  });

  it('prefer the highest version, and a version that was asked for', () => {
    const index = indexOf(pkg('a', '1.9'), pkg('a', '1.10'));
    expect(resolve(index, ['a'])[0]!.version).toBe('1.10');
    expect(() => resolve(index, ['a=1.9'])).toThrow('there is no package a of version 1.9');
    expect(() => resolve(index, ['b'])).toThrow('there is no package b');
  });

  it('that exclude each other are refused', () => {
    const index = indexOf(pkg('a', '1', { conflicts: 'b (<< 2)' }), pkg('b', '1'), pkg('c', '1', { provides: 'mta', conflicts: 'mta' })); // prettier-ignore
    expect(() => names(index, 'a', 'b')).toThrow('a conflicts b (<< 2), and b 1 is wanted too');
    expect(names(index, 'c')).toEqual(['c']);
  });

  it('are parsed', () => {
    expect(parseDependencies('libc6 (>= 2.36), a:any | b [amd64] , c(=1)')).toEqual([
      [{ name: 'libc6', relation: '>=', version: '2.36' }],
      [{ name: 'a', relation: '', version: '' }, { name: 'b', relation: '', version: '' }],
      [{ name: 'c', relation: '=', version: '1' }],
    ]); // prettier-ignore
    expect(parseParagraph('Package: x\nDescription: a\n b\n .\nDepends:\n y').get('depends')).toBe('\n y'); // prettier-ignore
  });
});

describe.skipIf(spawnSync('dpkg-deb', ['--version']).status !== 0)('a .deb', () => {
  let work: string;
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'vitrine-deb-'));
    for (const dir of ['p/DEBIAN', 'p/etc', 'p/bin', 'p/usr/share/p']) mkdirSync(join(work, dir), { recursive: true }); // prettier-ignore
    writeFileSync(join(work, 'p/DEBIAN/control'), 'Package: p\nVersion: 1:2-3\nArchitecture: amd64\nMaintainer: nobody\nDepends: q | r\nDescription: a package\n with a text\n'); // prettier-ignore
    writeFileSync(join(work, 'p/DEBIAN/conffiles'), '/etc/p.conf\n');
    writeFileSync(
      join(work, 'p/DEBIAN/triggers'),
      'interest-noawait /usr/share/p\ninterest named\n',
    );
    writeFileSync(join(work, 'p/DEBIAN/postinst'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(join(work, 'p/etc/p.conf'), 'conf');
    writeFileSync(join(work, 'p/bin/tool'), 'tool', { mode: 0o755 });
  });
  afterEach(() => rmSync(work, { recursive: true, force: true }));

  const build = (compression: string): string => {
    const file = join(work, `p-${compression}.deb`);
    const { status } = spawnSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '--build', join(work, 'p'), file]); // prettier-ignore
    return status === 0 ? file : '';
  };

  for (const compression of ['gzip', 'xz', 'zstd', 'none'])
    it(`is read with ${compression}`, async () => {
      const file = build(compression);
      if (file === '') return; // an older dpkg-deb without it
      const deb = await readDeb(file);
      expect(deb.control.get('version')).toBe('1:2-3');
      expect([...deb.info.keys()].toSorted()).toEqual([
        'conffiles',
        'control',
        'postinst',
        'triggers',
      ]);
      expect((await deb.data()).members.map(({ name }) => name)).toContain('./bin/tool');
    });

  it('is unpacked as dpkg leaves it before it is configured', async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of unpackedRoot([build('xz')], () => {})) chunks.push(chunk);
    const entries = new Map(readTar(Buffer.concat(chunks)).map((entry) => [entry.path, entry]));
    const text = (path: string): string =>
      Buffer.from(entries.get(path)!.data as Uint8Array).toString();
    expect(entries.get('bin')).toMatchObject({ target: 'usr/bin' });
    expect(entries.get('usr/bin/tool')).toMatchObject({ mode: 0o100755, uid: 0 });
    expect(text('etc/p.conf.dpkg-new')).toBe('conf');
    expect(entries.has('etc/p.conf')).toBe(false);
    expect(text('var/lib/dpkg/status')).toMatch(/^Package: p\nStatus: install ok unpacked\n[^]*Conffiles:\n \/etc\/p\.conf newconffile\n\n$/); // prettier-ignore
    expect(text('var/lib/dpkg/info/p.list')).toBe('/.\n/bin\n/bin/tool\n/etc\n/etc/p.conf\n/usr\n/usr/share\n/usr/share/p\n'); // prettier-ignore
    expect(entries.get('var/lib/dpkg/info/p.postinst')!.mode).toBe(0o100755);
    expect(text('var/lib/dpkg/triggers/File')).toBe('/usr/share/p p/noawait\n');
    expect(text('var/lib/dpkg/triggers/named')).toBe('p\n');
  });

  it('that is none is refused', async () => {
    const file = build('gzip');
    truncateSync(file, readFileSync(file).length - 100);
    await expect(readDeb(file)).rejects.toThrow('cut short');
    writeFileSync(file, 'x');
    await expect(readDeb(file)).rejects.toThrow('no ar archive');
    await expect(addDebFiles(new PackageIndex(), [join(work, 'none.deb')])).rejects.toThrow('there is no file'); // prettier-ignore
    await expect(addDebFiles(new PackageIndex(), [join(work, 'p')])).rejects.toThrow(
      'there is no .deb',
    );
  });
});
