/** The tiers do the same, on whatever host: random code in each, from the same states. */
import { expect, test } from 'vitest';
import { allRows, type Code, fuzzable, makeCode, makeState, Stock } from './cases.ts';
import { State } from './oracle.ts';
import { Random } from './random.ts';
import { chainable, makeProgram, makeSequence } from './sequences.ts';
import { type Kind, Subject } from './subject.ts';

const ALONE: Kind = { coreAfter: Infinity };
const CORE: Kind = { coreAfter: 0 };
const REGIONS: Kind = { jit: { threshold: 0 }, coreAfter: 0 };

const rows = allRows.filter(fuzzable);
const chained = allRows.filter(chainable);

/** How many of some cases end in different states. @param states that each piece of code is run from */
function differences(
  one: Kind,
  other: Kind,
  codes: number,
  states: number,
  make: (i: number, random: Random) => Code,
): number {
  const random = new Random(codes);
  const stock = new Stock();
  const subjects = [new Subject([one]), new Subject([other])];
  let differ = 0;
  for (let i = 0; i < codes; i++) {
    if (i % 100 === 0) stock.fill(random);
    const code = make(i, random);
    for (const subject of subjects) subject.load(code);
    for (let n = 0; n < states; n++) {
      const state = new State();
      makeState(code, random, stock, state);
      const fuel = random.chance(6) ? 1 + random.below(30) : 1000;
      const cold = random.chance(16);
      const [a, b] = subjects.map((subject) => {
        const end = new State(state.bytes.slice());
        subject.run(end, fuel, cold);
        return end.words;
      });
      if (a!.some((word, at) => word !== b![at])) differ++;
    }
  }
  return differ;
}

const instruction = (i: number, random: Random): Code => makeCode(rows[i % rows.length]!, random);
const sequence = (_: number, random: Random): Code => makeSequence(chained, random);
const program = (_: number, random: Random): Code => makeProgram(chained, random);

const MAKERS = [
  ['instructions', instruction],
  ['sequences', sequence],
  ['programs', program],
] as const;

test.each(MAKERS)('the core does with %s what each handler does alone', (_, make) => {
  expect(differences(ALONE, CORE, 5000, 2, make)).toBe(0);
});

test.each(MAKERS)('and so do regions with %s', (_, make) => {
  expect(differences(ALONE, REGIONS, 400, 16, make)).toBe(0);
});
