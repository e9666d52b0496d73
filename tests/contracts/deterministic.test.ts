import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Jit } from '@vitrine/x86';
import { type BootOptions, Machine } from '../../packages/vitrine/src/index.ts';
import { traceScript } from './deterministic.ts';

/** Compiles what is a little warm, at once. */
const HOT = { threshold: 1, advance: 1e6 };

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

test('the same inputs give the same tracepoints, byte for byte', async () => {
  const first = await traceScript((options) => Machine.boot(options), hash);
  const second = await traceScript((options) => Machine.boot(options), hash);
  expect(first.events.length).toBeGreaterThan(1000);
  expect(second.events).toEqual(first.events);
  expect(second.output).toBe(first.output);
});

test('no tier and no translation from elsewhere shows in the tracepoints', async () => {
  const recalled: number[] = [];
  const ways: BootOptions['jit'][] = [false, { threshold: 0 }, { threshold: 0 }, HOT, HOT];
  const traces = [];
  for (const jit of ways)
    traces.push(
      await traceScript(async (options) => {
        const machine = await Machine.boot({ ...options, jit });
        const tier1 = (machine.kernel.cpu as unknown as { jit?: Jit }).jit;
        machine.on('sched_process_exit', () => void (recalled[ways.indexOf(jit)] = tier1?.counters.recalled ?? 0)); // prettier-ignore
        return machine;
      }, hash),
    );
  for (const { events, output } of traces.slice(1)) {
    expect(output).toBe(traces[0]!.output);
    expect(events).toEqual(traces[0]!.events);
  }
  expect(recalled[3]).toBeGreaterThan(0);
}, 180_000);

/** Other Node binaries to compare with: `OTHER_NODES=/path/node22:/path/node24 npx vitest …`. */
const others = (process.env['OTHER_NODES'] ?? '').split(':').filter(Boolean);

test.skipIf(others.length === 0)('other releases of Node give the same tracepoints', () => {
  const program = join(import.meta.dirname, 'trace.mts');
  const run = (node: string): string =>
    execFileSync(node, ['--import', import.meta.resolve('tsx'), program], { encoding: 'utf8', timeout: 60_000 }); // prettier-ignore
  const here = run(process.execPath);
  for (const node of others) expect(run(node)).toBe(here);
});
