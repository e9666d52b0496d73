/**
 * One row, once, in this process; for profiling.
 *
 *     npx tsx tests/bench/one.mts NAME [--no-jit] [--runs N] [--source] [--json] [--profile DIR] [--jit-cache DIR]
 *     node --import tsx --cpu-prof tests/bench/one.mts NAME
 *
 * `--profile DIR` writes the guest's profile: DIR/NAME.txt, and DIR/NAME.speedscope.json for speedscope.
 * `--jit-cache DIR` keeps translations there: the next process finds them.
 * `--runs 2`: the second run in the same machine is the warm one. `--source`: the sources instead of the built package.
 */
import { parseArgs } from 'node:util';
import { selectRows } from './rows.ts';
import { setUp } from './setup.ts';
import { type Api, runGuest } from './vitrine.ts';

const { values, positionals } = parseArgs({
  options: {
    'no-jit': { type: 'boolean', default: false },
    runs: { type: 'string', default: '1' },
    source: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    profile: { type: 'string' },
    'jit-cache': { type: 'string' },
  },
  allowPositionals: true,
});
const { root } = setUp();
const [row] = selectRows(positionals[0]);
const entry = values.source ? 'src/index.ts' : 'dist/index.mjs';
const api = (await import(`../../packages/vitrine/${entry}`)) as Api;
const jit = !values['no-jit'];
const runs = await runGuest(api, row!, {
  root,
  jit,
  runs: Number(values.runs),
  jitCache: values['jit-cache'],
  profile: values.profile,
});
if (values.json) console.log(JSON.stringify(runs));
else
  for (const { wall, cpu, instructions, status, output } of runs)
    console.log(`${row!.name}: ${wall.toFixed(3)} s wall, ${cpu.toFixed(3)} s CPU, ${(instructions! / 1e6).toFixed(1)} M instructions, ${(instructions! / wall / 1e6).toFixed(0)} M/s, status ${status}, ${output.trimEnd()}`); // prettier-ignore
