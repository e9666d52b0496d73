/**
 * The benchmarks: native, qemu-user and Vitrine in turn, in one run, as tables and, with --json FILE, as JSON.
 *
 *     npm run bench [-- --only sha,nbody] [-- --rounds 3] [-- --no-interp] [-- --json FILE]
 *
 * Documentation/benchmarks.md says what the figures mean. Uses the built package (npm run build).
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { kernelRows, printKernelRows, startRows } from './kernel-rows.ts';
import { benchProgram, meanRatio, printPrograms, type ProgramResult, RATIOS } from './programs.ts';
import { selectRows } from './rows.ts';
import { setUp } from './setup.ts';
import type { Api } from './vitrine.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'interp-rounds': { type: 'string', default: '1' },
    'no-interp': { type: 'boolean', default: false },
    'no-qemu': { type: 'boolean', default: false },
    'no-kernel': { type: 'boolean', default: false },
    'no-settled': { type: 'boolean', default: false },
    'no-jit': { type: 'boolean', default: false },
    cpu: { type: 'boolean', default: false },
    timeout: { type: 'string', default: '600' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
});

const bench = setUp();
const results: ProgramResult[] = [];
const KERNEL = 'kernel';
const only = options.only
  ?.split(',')
  .filter((name) => name !== KERNEL)
  .join(',');
if (only !== '')
  for (const row of selectRows(only)) {
    process.stderr.write(`bench: ${row.title} … `);
    const result = await benchProgram(bench, row, {
      rounds: Number(options.rounds),
      interpreterRounds: options['no-interp'] ? 0 : Number(options['interp-rounds']),
      settled: !options['no-settled'],
      qemu: !options['no-qemu'],
      cpu: options.cpu,
      timeout: Number(options.timeout),
      profile: options.profile,
    });
    const times = Object.entries(result.seconds).map(([way, s]) => `${way} ${s.toFixed(3)} s`);
    process.stderr.write(`${result.wrong.length === 0 ? 'right' : 'WRONG'}, ${times.join(', ')}\n`);
    results.push(result);
  }
if (results.length > 0) printPrograms(results);

const kernel = options.only === undefined ? !options['no-kernel'] : options.only.split(',').includes(KERNEL); // prettier-ignore
const system = [];
if (kernel) {
  const api = (await import('../../packages/vitrine/dist/index.mjs' as string)) as Api;
  system.push(...(await startRows(api, !options['no-jit'])), ...(await kernelRows(api, bench, !options['no-jit']))); // prettier-ignore
  console.log();
  printKernelRows(system);
}

if (options.json !== undefined) {
  const means = Object.fromEntries(
    RATIOS.map((pair) => [pair.join('/'), meanRatio(results, pair)]),
  );
  const host = { node: process.version, v8: process.versions.v8, cpu: cpus()[0]!.model, cpus: cpus().length }; // prettier-ignore
  writeFileSync(options.json, JSON.stringify({ host, programs: results, means, system }, null, 2));
}
if (results.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1;
