import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Machine } from '../../packages/vitrine/src/index.ts';
import { traceScript } from './deterministic.ts';

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

test('the same inputs give the same tracepoints, byte for byte', async () => {
  const first = await traceScript((options) => Machine.boot(options), hash);
  const second = await traceScript((options) => Machine.boot(options), hash);
  expect(first.events.length).toBeGreaterThan(1000);
  expect(second.events).toEqual(first.events);
  expect(second.output).toBe(first.output);
});

/** Other Node binaries to compare with: `OTHER_NODES=/path/node22:/path/node24 npx vitest …`. */
const others = (process.env['OTHER_NODES'] ?? '').split(':').filter(Boolean);

test.skipIf(others.length === 0)('other releases of Node give the same tracepoints', () => {
  const program = join(import.meta.dirname, 'trace.mts');
  const run = (node: string): string =>
    execFileSync(node, ['--import', import.meta.resolve('tsx'), program], { encoding: 'utf8', timeout: 60_000 }); // prettier-ignore
  const here = run(process.execPath);
  for (const node of others) expect(run(node)).toBe(here);
});
