/** The programs of Debian that run here as they are, each with a script that puts them to use. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface Program {
  readonly name: string;
  /** Debian packages that bring it; libraries come with them. */
  readonly packages: readonly string[];
  /** For bash, run in an empty /tmp. */
  readonly script: string;
  readonly memory?: string;
  readonly cpus?: number;
  /** Seconds in Vitrine. */
  readonly timeout?: number;
  /** Programs that are no part of Debian, by the place where they go. */
  readonly files?: Readonly<Record<string, () => Uint8Array>>;
  /** What must differ: replaced in both outputs. */
  readonly differs?: readonly (readonly [RegExp, string])[];
}

/** The environment every program gets. */
export const ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  SHELL: '/bin/bash',
  USER: 'root',
  LOGNAME: 'root',
  LANG: 'C.UTF-8',
  TERM: 'xterm',
};

/** A static Go program that this repository has anyway. */
export function goBinary(): string | null {
  try {
    const path = createRequire(import.meta.url).resolve('@esbuild/linux-x64/bin/esbuild');
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}

const script = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'cases', `${name}.sh`), 'utf8');

type Row = readonly [name: string, packages: string, more?: Omit<Partial<Program>, 'name' | 'packages' | 'script'>]; // prettier-ignore

const TABLE: readonly Row[] = [
  ['bash', 'bash coreutils'],
  ['dash', 'dash'],
  ['coreutils', 'coreutils'],
  ['findutils', 'findutils'],
  ['grep', 'grep'],
  ['sed', 'sed'],
  ['gawk', 'gawk'],
  ['tar', 'tar gzip xz-utils zstd'],
  ['gzip', 'gzip'],
  ['xz', 'xz-utils'],
  ['zstd', 'zstd'],
  ['procps', 'procps'],
  // fuser warns where there is no IP stack.
  ['psmisc', 'psmisc', { differs: [[/Cannot open a network socket\.\n/g, '']] }],
  ['util-linux', 'util-linux'],
  ['lsof', 'lsof'],
  ['htop', 'htop tmux'],
  ['vim', 'vim tmux'],
  ['less', 'less tmux'],
  ['tmux', 'tmux'],
  ['perl', 'perl'],
  ['python-threads', 'python3'],
  ['python-multiprocessing', 'python3'],
  ['python-asyncio', 'python3'],
  ['python-subprocess', 'python3'],
  ['python-sqlite3', 'python3'],
  ['python-ctypes', 'python3'],
  ['python-library', 'python3'],
  ['ruby', 'ruby'],
  ['lua', 'lua5.4'],
  // The processor's features, and an address.
  ['luajit', 'luajit', { differs: [[/BMI2\t/g, ''], [/0x[0-9a-f]+/g, 'ADDRESS']] }], // prettier-ignore
  ['nodejs', 'nodejs', { memory: '2g' }],
  ['go', 'coreutils', { files: { '/usr/local/bin/esbuild': () => readFileSync(goBinary()!) } }],
  ['java', 'openjdk-17-jdk-headless', { memory: '2g', timeout: 900 }],
  ['gcc', 'gcc libc6-dev', { timeout: 600 }],
  ['g++', 'g++', { timeout: 1200 }],
  ['make', 'make gcc', { timeout: 600, differs: [[/\/tmp\/Gm\w{6}/g, 'MAKEFILE']] }],
  ['git', 'git', { timeout: 600 }],
  ['sqlite3', 'sqlite3'],
  ['redis', 'redis-server', { timeout: 600 }],
  ['postgresql', 'postgresql postgresql-contrib', { timeout: 900, differs: [[/(process with PID) \d+/g, '$1 N']] }], // prettier-ignore
  ['gdb', 'gdb gcc', { timeout: 600 }],
  ['file', 'file'],
  ['bc', 'bc'],
  ['jq', 'jq'],
  // OpenSSL's errors begin with the thread's address.
  ['openssl', 'openssl', { timeout: 600, differs: [[/^[0-9A-F]{16}(?=:error:)/gm, 'THREAD']] }], // prettier-ignore
  ['gnupg', 'gnupg', { timeout: 600, differs: [[/\d{4}-\d\d-\d\d/g, 'DATE']] }],
  ['stress-ng', 'stress-ng', { timeout: 900 }],
];

export const programs: readonly Program[] = TABLE.map(([name, packages, more]) => ({
  name,
  packages: packages.split(' '),
  script: script(name),
  ...more,
}));

/** The shell tells the process IDs of those that a signal killed. */
const KILLED = /(line \d+:) +\d+ (?=[A-Z])/g;

/** An outcome without what must differ. */
export function normalised<T extends { stdout: string; stderr: string }>(
  { differs = [] }: Program,
  outcome: T,
): T {
  const text = (from: string): string =>
    differs.reduce(
      (so, [pattern, to]) => so.replaceAll(pattern, to),
      from.replaceAll(KILLED, '$1 PID '),
    );
  return { ...outcome, stdout: text(outcome.stdout), stderr: text(outcome.stderr) };
}
