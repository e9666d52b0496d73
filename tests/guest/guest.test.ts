import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { knownFailures } from '../oracle/cases.ts';
import { runInGuest, unexplained } from '../support/guest.ts';
import { build, programs, recorded } from './programs.ts';

const known = knownFailures(join(import.meta.dirname, 'known-failures.txt'));
const list = programs();
const results = recorded();

/** Programs that look at how long something took: a busy host may hold the machine up once. */
const TIMED = /^(timers|timerules|deadline|cputimers|futexpi)\./;

/** Compiling everything first takes time that a program may notice, too; the second time it is there. */
const retriesOf = (id: string): number =>
  process.env['JIT'] === 'force' || TIMED.test(id) ? 2 : 0;

if (list.length === 0)
  console.warn('no C compiler for x86-64 Linux here: guest programs are skipped');

describe.skipIf(list.length === 0)('static programs', () => {
  for (const program of list) {
    const { id } = program;
    const run = async (): Promise<void> => {
      const expected = results[id];
      expect(expected, 'recorded: npx tsx tests/guest/record.ts').toBeDefined();
      const check = unexplained();
      const programs = { [id]: readFileSync(build(program)) };
      const got = await runInGuest([id], { programs, refused: check.refused });
      expect(got).toEqual({ status: expected!.status, stdout: expected!.stdout, stderr: expected!.stderr }); // prettier-ignore
      expect(check.list, 'refusals without a reason').toEqual([]);
    };
    if (known.has(id)) it.fails(`${id} (known: ${known.get(id)})`, run);
    else it(id, { retry: retriesOf(id) }, run);
  }
});
