import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome } from '../support/native.ts';

/** A shell script of the suite. */
export interface Case {
  /** File and name: `shell/heredoc`. */
  readonly id: string;
  readonly script: string;
}

const FOLDER = join(import.meta.dirname, 'cases');
const RECORDED = join(import.meta.dirname, 'recorded');
/** Cases that do not give what Linux gives yet; the list only shrinks. */
export const knownFile: string = join(import.meta.dirname, 'known-failures.txt');

export const suites: readonly string[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -4));

/** The cases of a file: each starts with a line `=== name`; what stands before the first is a comment. */
export function casesOf(suite: string): Case[] {
  const [, ...parts] = readFileSync(join(FOLDER, `${suite}.txt`), 'utf8').split(/^=== /m);
  return parts.map((part) => {
    const end = part.indexOf('\n');
    return { id: `${suite}/${part.slice(0, end).trim()}`, script: part.slice(end + 1).trimEnd() };
  });
}

/** Results of native Linux, by case id, with a hash of the script that gave them. */
export type Recorded = Record<string, Outcome & { script: string }>;

export const hashOf = (script: string): string =>
  createHash('sha256').update(script).digest('hex').slice(0, 12);

export const recordedFile = (suite: string): string => join(RECORDED, `${suite}.json`);

export function recordedOf(suite: string): Recorded {
  const file = recordedFile(suite);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Recorded) : {};
}

/** Names in a list of known failures: `name: reason`, a line each; `#` starts a comment. */
export function knownFailures(file: string): Map<string, string> {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(': ');
      if (colon < 0) throw new Error(`a known failure needs a reason: ${line}`);
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
}
