import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTar, type RootEntry } from '../src/index.ts';
import { writeTar, writeTarEnd } from '../src/tar_write.ts';

const hasGnuTar = (() => {
  try {
    return execFileSync('tar', ['--version'], { encoding: 'utf8' }).includes('GNU tar');
  } catch {
    return false;
  }
})();

const LONG = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`;

/** A folder with every kind of file that needs no privilege, made by the shell. */
const MAKE = `
  mkdir -p src/sub "src/$(dirname ${LONG})"
  printf hello > src/file; chmod 4755 src/file; touch -d @1000000000 src/file
  ln src/file src/hard; ln -s ../file src/sub/link; mkfifo src/fifo
  printf long > src/${LONG}
  ln -s ${LONG} src/longlink
  truncate -s 1M src/sparse; printf middle | dd of=src/sparse bs=1 seek=500000 conv=notrunc 2>/dev/null
  printf end | dd of=src/sparse bs=1 seek=1048576 conv=notrunc 2>/dev/null
  : > src/empty
`;

const bytesOf = ({ data }: RootEntry): Uint8Array =>
  data === undefined ? new Uint8Array() : data instanceof Uint8Array ? data : data.read();

describe.skipIf(!hasGnuTar)('readTar', () => {
  let work: string;
  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'vitrine-tar-'));
    execFileSync('sh', ['-ec', MAKE], { cwd: work });
  });
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  const archive = (...options: string[]): RootEntry[] => {
    execFileSync('tar', ['-cf', 'a.tar', ...options, '-C', 'src', '.'], { cwd: work });
    return readTar(readFileSync(join(work, 'a.tar')));
  };

  for (const options of [
    ['--format=gnu'],
    ['--format=pax'],
    ['--format=gnu', '-S'],
    ['--format=pax', '-S'],
    ['--format=pax', '-S', '--sparse-version=0.0'],
    ['--format=pax', '-S', '--sparse-version=0.1'],
  ])
    // prettier-ignore
    it(`reads ${options.join(' ')}`, () => {
      const entries = new Map(archive(...options, '--sort=name').map((e) => [e.path, e]));
      const at = (path: string): RootEntry => entries.get(path)!;
      expect(at('').mode & 0o170000).toBe(0o040000);
      expect(at('file')).toMatchObject({ mode: 0o104755, mtime: 1_000_000_000 });
      expect(Buffer.from(bytesOf(at('file'))).toString()).toBe('hello');
      expect(at('hard').hardLink).toBe('file');
      expect(at('sub/link').target).toBe('../file');
      expect(at('fifo').mode & 0o170000).toBe(0o010000);
      expect(Buffer.from(bytesOf(at(LONG))).toString()).toBe('long');
      expect(at('longlink').target).toBe(LONG);
      expect(bytesOf(at('empty'))).toHaveLength(0);
      const expected = readFileSync(join(work, 'src/sparse'));
      expect(Buffer.compare(Buffer.from(bytesOf(at('sparse'))), expected)).toBe(0);
    });

  it('refuses what is no archive, or half of one', () => {
    expect(() => readTar(new Uint8Array(1024).fill(65))).toThrow('no tar header at byte 0');
    execFileSync('tar', ['-cf', 'a.tar', '-C', 'src', 'sparse'], { cwd: work });
    const whole = readFileSync(join(work, 'a.tar'));
    expect(() => readTar(whole.subarray(0, 4096))).toThrow('cut short');
  });
});

describe('extended attributes', () => {
  it("are read in star's form and in libarchive's", () => {
    const record = (key: string, value: string): string => {
      const rest = ` ${key}=${value}\n`;
      return `${rest.length + 2}${rest}`;
    };
    const pax =
      record('LIBARCHIVE.xattr.user.a%3Db', 'AQL/') + record('SCHILY.xattr.user.c', 'plain');
    const [header, body, ...rest] = [...writeTar([{ name: 'f', mode: 0o100644, mtime: 1.5 }])];
    const padded = Buffer.alloc(512);
    padded.write(pax, 'latin1');
    // The header's size and checksum for the other records.
    const block = Buffer.from(header!);
    block.write(`${pax.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    block.fill(0x20, 148, 156);
    block.write(
      `${block
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(7, '0')}`,
      148,
      'latin1',
    );
    const [entry] = readTar(Buffer.concat([block, padded, ...rest.slice(1), writeTarEnd()]));
    expect(body!.length).toBeLessThan(512);
    expect([...entry!.xattrs!].map(([name, value]) => [name, [...value]])).toEqual([
      ['user.a=b', [1, 2, 255]],
      ['user.c', [...Buffer.from('plain')]],
    ]);
  });
});
