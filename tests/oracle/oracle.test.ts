import { describe, expect, it } from 'vitest';
import { canRunNatively, NativeLinux } from '../support/native.ts';
import { runInGuest, unexplained } from '../support/guest.ts';
import { casesOf, hashOf, knownFailures, knownFile, recordedOf, suites } from './cases.ts';

const known = knownFailures(knownFile);

describe.each(suites)('%s', (suite) => {
  const recorded = recordedOf(suite);
  for (const { id, script } of casesOf(suite)) {
    const run = async (): Promise<void> => {
      const expected = recorded[id];
      expect(expected?.script, 'recorded with this script: npx tsx tests/oracle/record.ts').toBe(hashOf(script)); // prettier-ignore
      const check = unexplained();
      const got = await runInGuest(['sh', '-c', script], { refused: check.refused });
      expect(got).toEqual({ status: expected!.status, stdout: expected!.stdout, stderr: expected!.stderr }); // prettier-ignore
      expect(check.list, 'refusals without a reason').toEqual([]);
    };
    // A case on the list must fail; when it passes, its line has to go.
    if (known.has(id)) it.fails(`${id} (known: ${known.get(id)})`, run);
    else it(id, run);
  }
});

describe.skipIf(!canRunNatively)('this Linux', () => {
  // On a busy host a script with pauses may go another way once.
  it('gives what was recorded', { retry: 2 }, async () => {
    const linux = new NativeLinux();
    try {
      // A sample: recording runs them all.
      for (const suite of suites) {
        const recorded = recordedOf(suite);
        for (const { id, script } of casesOf(suite).filter((_, i) => i % 25 === 7)) {
          const { script: _, ...expected } = recorded[id]!;
          expect(await linux.run(['sh', '-c', script]), id).toEqual(expected);
        }
      }
    } finally {
      linux.close();
    }
  });
});
