/** The table of programs that compute: native, qemu-user, Vitrine's interpreter, its JIT cold, warm, in the next process and settled, in turn. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runNative } from './native.ts';
import type { BenchRow } from './rows.ts';
import type { BenchRoot } from './setup.ts';
import { geometricMean, median, printTable, ratio } from './table.ts';
import type { Run } from './vitrine.ts';

export const WAYS = ['native', 'qemu', 'interpreter', 'cold', 'warm', 'second', 'settled'] as const;
export type Way = (typeof WAYS)[number];

/** The process whose second run is the settled one: each of those before adds to what is translated. */
const SETTLED = 5;

export interface ProgramOptions {
  readonly rounds: number;
  /** Whether what is settled is measured, too, which takes eight more runs. */
  readonly settled: boolean;
  /** Rounds of the slow interpreter; 0 leaves it out. */
  readonly interpreterRounds: number;
  readonly qemu: boolean;
  /** A folder for a profile of each row, taken in a run that is not timed. */
  readonly profile?: string | undefined;
  /** Seconds after which one run is given up. */
  readonly timeout: number;
  /** CPU time of all threads instead of the time that passed: for a busy host. */
  readonly cpu: boolean;
}

export interface ProgramResult {
  readonly name: string;
  readonly title: string;
  readonly float: boolean;
  readonly extra: boolean;
  /** Every round. */
  readonly runs: Partial<Record<Way, Run[]>>;
  /** Medians, in seconds. */
  readonly seconds: Partial<Record<Way, number>>;
  /** What went wrong: an output or a status that is not native's. */
  readonly wrong: readonly string[];
}

const one = join(dirname(fileURLToPath(import.meta.url)), 'one.mts');
const run = promisify(execFile);

/** In a process of its own: empty translation caches, and V8 has seen none of it. */
async function inProcess(row: BenchRow, seconds: number, ...args: string[]): Promise<Run[]> {
  const timeout = seconds * 1000 * (args.includes('2') ? 2 : 1);
  const { stdout, stderr } = await run(process.execPath, ['--import', 'tsx', one, row.name, '--json', ...args], { maxBuffer: 2 ** 28, timeout }); // prettier-ignore
  if (stderr !== '') process.stderr.write(stderr);
  return JSON.parse(stdout) as Run[];
}

function* checkRuns(runs: ProgramResult['runs']): Generator<string> {
  const expected = runs.native![0]!;
  if (expected.status !== 0) yield `native: status ${expected.status}`;
  for (const way of WAYS)
    for (const { output, status } of runs[way] ?? [])
      if (output !== expected.output || status !== expected.status)
        yield `${way}: status ${status}, ${output.trimEnd()}; native: status ${expected.status}, ${expected.output.trimEnd()}`; // prettier-ignore
}

export async function benchProgram(
  bench: BenchRoot,
  row: BenchRow,
  options: ProgramOptions,
): Promise<ProgramResult> {
  const runs: Partial<Record<Way, Run[]>> = {};
  const failed: string[] = [];
  const add = (way: Way, result: Run): void => void (runs[way] ??= []).push(result);
  const qemu = options.qemu ? bench.qemu : null;
  /** @param ways what the runs are, where they count */
  const guest = async (ways: readonly (Way | undefined)[], ...args: string[]): Promise<void> => {
    try {
      const results = await inProcess(row, options.timeout, ...args);
      ways.forEach((way, i) => way && add(way, results[i]!));
    } catch (error) {
      const { killed } = error as { killed?: boolean };
      failed.push(`${ways.filter((way) => way).join(' and ')}: ${killed ? `not done after ${options.timeout} s a run` : String(error)}`); // prettier-ignore
    }
  };
  for (let round = 0; round < Math.max(options.rounds, options.interpreterRounds); round++) {
    if (round < options.rounds) {
      add('native', runNative(bench, row.argv));
      if (qemu !== null) add('qemu', runNative(bench, [qemu, ...row.argv]));
      const cache = mkdtempSync(join(tmpdir(), 'vitrine-bench-'));
      await guest(['cold', 'warm'], '--runs', '2', '--jit-cache', cache);
      await guest(
        ['second', undefined],
        '--runs',
        options.settled ? '2' : '1',
        '--jit-cache',
        cache,
      );
      for (let process = 3; options.settled && process < SETTLED; process++)
        await guest([undefined, undefined], '--runs', '2', '--jit-cache', cache);
      if (options.settled) await guest([undefined, 'settled'], '--runs', '2', '--jit-cache', cache);
      rmSync(cache, { recursive: true });
    }
    if (round < options.interpreterRounds) await guest(['interpreter'], '--no-jit');
    if (failed.length > 0) break;
  }
  if (options.profile !== undefined && failed.length === 0)
    await inProcess(row, 2 * options.timeout, '--runs', '2', '--profile', options.profile);
  const seconds: Partial<Record<Way, number>> = {};
  for (const way of WAYS) {
    const values = runs[way]?.map(({ wall, cpu }) => (options.cpu ? cpu : wall));
    if (values) seconds[way] = median(values);
  }
  const wrong = [...failed, ...new Set(checkRuns(runs))];
  return {
    name: row.name,
    title: row.title,
    float: row.float ?? false,
    extra: row.extra ?? false,
    runs,
    seconds,
    wrong,
  };
}

/** The ratios whose geometric means the project has targets for. */
export const RATIOS: readonly (readonly [Way, Way])[] = [
  ['settled', 'native'],
  ['settled', 'qemu'],
  ['warm', 'native'],
  ['warm', 'qemu'],
  ['second', 'qemu'],
  ['cold', 'qemu'],
  ['interpreter', 'native'],
];

export function meanRatio(
  results: readonly ProgramResult[],
  [a, b]: readonly [Way, Way],
): number | undefined {
  const values = results.flatMap(({ seconds, extra }) =>
    !extra && seconds[a] !== undefined && seconds[b] !== undefined ? [seconds[a] / seconds[b]] : [],
  );
  return values.length === 0 ? undefined : geometricMean(values);
}

export function printPrograms(results: readonly ProgramResult[]): void {
  const cell = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(3));
  const head = ['seconds', 'native', 'qemu-user', 'interpreter', 'cold JIT', 'warm JIT', '2nd process', 'settled', ...RATIOS.map(([a, b]) => `${a}/${b}`)]; // prettier-ignore
  const lines = results.map(({ title, seconds, wrong }) => [
    wrong.length === 0 ? title : `${title} WRONG`,
    ...WAYS.map((way) => cell(seconds[way])),
    ...RATIOS.map(([a, b]) => ratio(seconds[a], seconds[b])),
  ]);
  const means = ['geometric mean', ...WAYS.map(() => ''), ...RATIOS.map((pair) => ratio(meanRatio(results, pair), 1))]; // prettier-ignore
  printTable([head, ...lines, means]);
  for (const { name, wrong } of results) for (const text of wrong) console.log(`${name}: ${text}`);
}
