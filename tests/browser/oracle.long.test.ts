/** The scripts of tests/oracle in Chromium: interpreted, with the JIT as it is, and with every block compiled at once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shellStatus } from '../../packages/vitrine/src/process.ts';
import { casesOf, knownFailures, knownFile, recordedOf, suites } from '../oracle/cases.ts';
import { ENV } from '../support/native.ts';
import { hasChromium, type Opened, openPage } from './page.ts';
import type { Request } from './worker.ts';

const TIERS: readonly [name: string, jit: Request['jit']][] = [
  ['interpreted', false],
  ['with the JIT', true],
  ['with every block compiled', { threshold: 0, advance: 10_000 }],
];

const known = knownFailures(knownFile);
const TIMEOUT = 120_000;

describe.skipIf(!hasChromium)('in Chromium', () => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await openPage();
  });
  afterAll(() => opened?.close());

  describe.each(TIERS)('%s', (_, jit) => {
    for (const suite of suites) {
      const recorded = recordedOf(suite);
      for (const { id, script } of casesOf(suite).filter((one) => !known.has(one.id)))
        it(id, { timeout: TIMEOUT }, async () => {
          const env = { ...ENV, HOSTNAME: undefined };
          const answer = await opened.run({ script, jit, hostname: 'vitrine', cwd: '/tmp', env });
          expect(answer.error).toBeUndefined();
          const { stdout, stderr, exit } = answer;
          const { script: _hash, ...expected } = recorded[id]!;
          expect({ status: shellStatus(exit), stdout, stderr }).toEqual(expected);
        });
    }
  });
});
