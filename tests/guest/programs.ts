import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Recorded, hashOf } from '../oracle/cases.ts';
import { has } from '../support/native.ts';

/** A program of this folder, as one C library's static executable. */
export interface Program {
  /** `signals.musl` */
  readonly id: string;
  readonly source: string;
  readonly command: readonly string[];
}

const FOLDER = import.meta.dirname;
const OUT = join(FOLDER, '../../node_modules/.cache/vitrine/guest');

/** The comment lines `// link: …` and `// libc: …` at the top of a source. */
function directive(text: string, name: string): string[] {
  return (new RegExp(`^// ${name}: (.*)$`, 'm').exec(text)?.[1] ?? '').split(' ').filter(Boolean);
}

// Debian's musl-gcc knows musl's headers only; the kernel's are behind them.
const MUSL_INCLUDES = ['-idirafter', '/usr/include', '-idirafter', '/usr/include/x86_64-linux-gnu'];

/** Every program that the compilers of this host can make. */
export function programs(): Program[] {
  if (process.platform !== 'linux' || process.arch !== 'x64') return [];
  const list: Program[] = [];
  for (const file of readdirSync(FOLDER).toSorted()) {
    if (!/\.(c|cpp)$/.test(file)) continue;
    const source = join(FOLDER, file);
    const text = readFileSync(source, 'utf8');
    const name = file.replace(/\.\w+$/, '');
    const link = directive(text, 'link');
    const libc = directive(text, 'libc');
    const add = (kind: string, compiler: string, options: readonly string[]): void => {
      if ((libc.length > 0 && !libc.includes(kind)) || !has(compiler)) return;
      list.push({ id: `${name}.${kind}`, source, command: [compiler, '-O1', '-static', '-w', ...options, source, ...link] }); // prettier-ignore
    };
    if (file.endsWith('.cpp')) add('glibc', 'g++', ['-std=c++20']);
    else {
      add('glibc', 'gcc', ['-std=gnu17', '-U_FORTIFY_SOURCE']);
      add('musl', 'musl-gcc', ['-std=gnu17', ...MUSL_INCLUDES]);
    }
  }
  return list;
}

/** Compiles it, unless that was done before. @returns the executable's path */
export function build({ id, source, command }: Program): string {
  const out = join(OUT, id);
  const header = join(FOLDER, 'guest.h');
  const newest = Math.max(statSync(source).mtimeMs, statSync(header).mtimeMs);
  if (!existsSync(out) || statSync(out).mtimeMs < newest) {
    mkdirSync(OUT, { recursive: true });
    const [compiler, ...options] = command;
    execFileSync(compiler!, [...options, '-o', out], { stdio: 'inherit' });
  }
  return out;
}

const RECORDED = join(FOLDER, '../oracle/recorded/guest.json');
export const guestRecorded: string = RECORDED;

export function recorded(): Recorded {
  return existsSync(RECORDED) ? (JSON.parse(readFileSync(RECORDED, 'utf8')) as Recorded) : {};
}

export const sourceHash = ({ source }: Program): string => hashOf(readFileSync(source, 'utf8'));
