/**
 * The bench's root directory: Debian packages, our own programs compiled with -O2 -static, and their input. It is kept in
 * the user's cache directory; native runs, qemu-user and Vitrine all use it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const cache = process.env['VITRINE_BENCH_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vitrine-bench'); // prettier-ignore

/** Debian 12's: the programs and what they link to. */
const PACKAGES =
  'libc6 libgcc-s1 libstdc++6 zlib1g libzstd1 libtinfo6 libreadline8 libgmp10 libmpfr6 libmpc3 libisl23 libexpat1 ' +
  'busybox-static lua5.4 sqlite3 libsqlite3-0 cpp-12 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib git libpcre2-8-0';

const C_PROGRAMS = ['corelike', 'sha256', 'qsort', 'nbody', 'spectral', 'matmul', 'simd', 'integer', 'kernel', 'commands']; // prettier-ignore
const INPUTS = ['corelike.c', 'fib.lua', 'mixed.py'];

export interface BenchRoot {
  readonly root: string;
  /** Starts a program in the root and times it (launch.c). */
  readonly launch: string;
  /** In the root, or null where the host has no qemu-x86_64-static. */
  readonly qemu: string | null;
}

const hash = (...parts: (string | Uint8Array)[]): string => {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest('hex');
};

/** Does a step unless its stamp says that it was done with the same input. */
function step(stamp: string, key: string, action: () => void): void {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  rmSync(stamp, { force: true });
  action();
  writeFileSync(stamp, key);
}

function unpackPackages(root: string): void {
  const debs = join(cache, 'debs');
  rmSync(root, { recursive: true, force: true });
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  for (const dir of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'bench', 'dev', 'proc', 'tmp']) mkdirSync(join(root, dir), { recursive: true }); // prettier-ignore
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) execFileSync('ln', ['-s', `usr/${name}`, join(root, name)]); // prettier-ignore
  console.error(`bench: fetching ${PACKAGES} with apt-get`);
  execFileSync('apt-get', ['-q', 'download', ...PACKAGES.split(' ')], { cwd: debs, stdio: ['ignore', 'ignore', 'inherit'] }); // prettier-ignore
  for (const deb of readdirSync(debs)) {
    // Not dpkg-deb -x, which would put a directory in the place of the link that is /bin.
    const data = execFileSync('dpkg-deb', ['--fsys-tarfile', join(debs, deb)], { maxBuffer: 2 ** 30 }); // prettier-ignore
    execFileSync('tar', ['-x', '--keep-directory-symlink', '-C', root], { input: data });
  }
  // git looks for both; Vitrine has its own.
  for (const [name, minor] of [['null', '3'], ['urandom', '9']] as const) execFileSync('mknod', ['-m', '666', join(root, 'dev', name), 'c', '1', minor]); // prettier-ignore
  rmSync(join(root, 'usr/share/doc'), { recursive: true, force: true });
}

/** The same pseudo-random numbers everywhere. */
function* random(seed: number): Generator<number, never> {
  for (;;) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    yield seed >>> 8;
  }
}

/** 20 MB that look like a log: words of very different frequency, numbers, lines. */
function makeText(): string {
  const next = random(1);
  const vocabulary = Array.from({ length: 4000 }, () => {
    const length = 2 + (next.next().value % 9);
    return Array.from({ length }, () => String.fromCharCode(97 + (next.next().value % 26))).join(
      '',
    );
  });
  const lines: string[] = [];
  for (let size = 0; size < 20e6;) {
    const words: string[] = [String(next.next().value)];
    for (let n = 4 + (next.next().value % 12); n > 0; n--)
      words.push(vocabulary[Math.floor(4000 * (next.next().value / 2 ** 24) ** 3)]!);
    const line = `${words.join(' ')}\n`;
    size += line.length;
    lines.push(line);
  }
  return lines.join('');
}

function makeInserts(): string {
  const next = random(2);
  const lines = ['CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, score INTEGER);', 'CREATE INDEX by_score ON t(score);', 'BEGIN;']; // prettier-ignore
  for (let i = 1; i <= 200_000; i++)
    lines.push(`INSERT INTO t VALUES(${i}, 'name ${next.next().value}', ${next.next().value % 1000});`); // prettier-ignore
  lines.push('COMMIT;', 'SELECT count(*), sum(score), max(name) FROM t;', 'SELECT score, count(*) FROM t GROUP BY score ORDER BY 2 DESC, 1 LIMIT 5;'); // prettier-ignore
  return `${lines.join('\n')}\n`;
}

function compilePrograms(root: string, launch: string): void {
  const source = (name: string): string => join(here, 'programs', name);
  for (const name of C_PROGRAMS)
    execFileSync('gcc', [name === 'simd' ? '-O3' : '-O2', '-w', '-static', '-o', join(root, 'bench', name), source(`${name}.c`), '-lm']); // prettier-ignore
  execFileSync('gcc', ['-O2', '-o', launch, join(here, 'launch.c')]);
  for (const name of INPUTS) copyFileSync(source(name), join(root, 'bench', name));
  writeFileSync(join(root, 'bench/text'), makeText());
  writeFileSync(join(root, 'bench/inserts.sql'), makeInserts());
}

/** Makes the root, or finds it made. */
export function setUp(): BenchRoot {
  const root = join(cache, 'root');
  const launch = join(cache, 'launch');
  mkdirSync(cache, { recursive: true });
  step(join(cache, 'packages.stamp'), hash(PACKAGES), () => unpackPackages(root));
  const sources = readdirSync(join(here, 'programs')).toSorted().map((name) => readFileSync(join(here, 'programs', name))); // prettier-ignore
  const own = [readFileSync(fileURLToPath(import.meta.url)), readFileSync(join(here, 'launch.c'))];
  step(join(root, 'bench/.stamp'), hash(...sources, ...own), () => compilePrograms(root, launch));
  const host = '/usr/bin/qemu-x86_64-static';
  const inside = '/bench/qemu-x86_64-static';
  if (existsSync(host) && !existsSync(join(root, inside))) copyFileSync(host, join(root, inside));
  return { root, launch, qemu: existsSync(host) ? inside : null };
}
