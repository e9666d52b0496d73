/**
 * Compares the processor with the host's on random code:
 * `npx tsx tests/cpu/fuzz.ts [cases] [seed] [name… | v3 | sequences | programs]`.
 */
import { setFlagsFromString } from 'node:v8';
import { pathToFileURL } from 'node:url';
import { disassemble } from '@vitrine/x86/disassemble.ts';
import { rows, type Row } from '@vitrine/x86/opcodes.ts';
import { AC, allRows, type Code, fuzzable, makeCode, makeState, Stock, TF } from './cases.ts';
import { compare, SIGVTALRM, view } from './compare.ts';
import { FORCED, V3 } from './flat.ts';
import { CASE_BYTES, CODE_BYTES, runOracle, State, STATE_BYTES } from './oracle.ts';
import { Random } from './random.ts';
import { chainable, makeProgram, makeSequence } from './sequences.ts';
import { Subject } from './subject.ts';

export interface FuzzResult {
  /** Pieces of code, and states that they were run from in all. */
  readonly codes: number;
  readonly cases: number;
  /** Cases that have changed their code so that it does not end: where it stops is chance. */
  readonly endless: number;
  readonly failures: readonly string[];
  /** Cases that have executed in a region of tier 1; and those that go by single steps in any tier. */
  readonly tier1: number;
  readonly stepped: number;
  /** Others, by first instruction: those that a region has left to tier 0, and those that are in none. */
  readonly left: ReadonlyMap<string, number>;
  readonly tier0: ReadonlyMap<string, number>;
}

/** States that each piece of code is run from: compiling it takes longer than running it does. */
const INPUTS = FORCED ? 16 : 1;

/** Cases that the host is given at once. */
const BATCH = 4096;

/** Instructions that the processor is given at once; code of several at times stops in the middle. */
const fuelOf = ({ pointers }: Code, random: Random): number =>
  pointers && random.chance(6) ? 1 + random.below(30) : 1000;

class Fuzzer {
  readonly #random: Random;
  readonly #make: (index: number, random: Random) => Code;
  readonly #subject = new Subject();
  readonly #stock = new Stock();
  readonly #host = new State();
  readonly #ours = new State();
  readonly failures: string[] = [];
  readonly left = new Map<string, number>();
  readonly tier0 = new Map<string, number>();
  codes = 0;
  cases = 0;
  endless = 0;
  tier1 = 0;
  stepped = 0;

  constructor(seed: number, make: (index: number, random: Random) => Code) {
    this.#random = new Random(seed);
    this.#make = make;
  }

  batch(size: number): void {
    const input = new Uint8Array(size * CASE_BYTES);
    const codes = this.#fill(input, size);
    const output = runOracle(input);
    this.#subject.clear();
    for (let i = 0; i < size; i++) {
      const code = codes[Math.floor(i / INPUTS)]!;
      if (i % INPUTS === 0) this.#subject.load(code);
      this.#host.bytes.set(output.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES));
      this.#run(code, input.subarray(i * CASE_BYTES, (i + 1) * CASE_BYTES));
    }
    this.codes += codes.length;
    this.cases += size;
  }

  /** Makes cases for the oracle; returns their code. */
  #fill(input: Uint8Array, size: number): Code[] {
    const codes: Code[] = [];
    const state = new State();
    this.#stock.fill(this.#random);
    for (let i = 0; i < size; i++) {
      if (i % INPUTS === 0) codes.push(this.#make(this.codes + codes.length, this.#random));
      const code = codes.at(-1)!;
      makeState(code, this.#random, this.#stock, state);
      input.set(code.bytes, i * CASE_BYTES);
      input.set(state.bytes, i * CASE_BYTES + CODE_BYTES);
    }
    return codes;
  }

  #run(code: Code, input: Uint8Array): void {
    const [host, ours] = [this.#host, this.#ours];
    const before = new State(input.subarray(CODE_BYTES));
    ours.bytes.set(before.bytes);
    const isStepped = (ours.rflags & (TF | AC)) !== 0;
    const where = this.#subject.run(ours, fuelOf(code, this.#random), this.#random.chance(16));
    if (where === 'region') this.tier1++;
    else if (isStepped) this.stepped++;
    else this[where].set(code.row.name, (this[where].get(code.row.name) ?? 0) + 1);
    if (host.signal === SIGVTALRM) {
      this.endless++;
      return this.#subject.clear();
    }
    if (this.#compare(code, before, host).length === 0) return;
    // The host's kernel clears x87 pointers when it takes the processor away in the middle: once more.
    const differences = this.#compare(code, before, new State(runOracle(input)));
    if (differences.length > 0) this.failures.push(describe(code, before, differences));
  }

  #compare(code: Code, before: State, host: State): string[] {
    return compare(code, before, host, new State(this.#ours.bytes.slice()));
  }
}

/** @param limit stop after so many differing cases */
function run(
  count: number,
  seed: number,
  limit: number,
  make: (index: number, random: Random) => Code,
): FuzzResult {
  const fuzzer = new Fuzzer(seed, make);
  for (let batch = 0; fuzzer.cases < count && fuzzer.failures.length < limit; batch++) {
    // Both of V8's compilers: the one that is quick, and the one that regions go to when they are hot.
    if (FORCED) setFlagsFromString(batch % 2 === 0 ? '--liftoff' : '--no-liftoff');
    fuzzer.batch(Math.min(BATCH, count - fuzzer.cases));
  }
  return fuzzer;
}

/** Each of the rows in turn. */
export function fuzz(
  count: number,
  seed: number,
  chosen: readonly Row[] = allRows.filter(fuzzable),
  limit = 50,
): FuzzResult {
  return run(count, seed, limit, (i, random) => makeCode(chosen[i % chosen.length]!, random));
}

export function fuzzSequences(count: number, seed: number, limit = 50): FuzzResult {
  const from = allRows.filter(chainable);
  return run(count, seed, limit, (_, random) => makeSequence(from, random));
}

export function fuzzPrograms(count: number, seed: number, limit = 50): FuzzResult {
  const from = allRows.filter(chainable);
  return run(count, seed, limit, (_, random) => makeProgram(from, random));
}

/** @param before the state that the case began with */
function describe(
  { row, bytes, length, at, pointers }: Code,
  before: State,
  differences: readonly string[],
): string {
  const lines: string[] = [];
  for (let from = 0; from < length;) {
    const one = disassemble(bytes, from, BigInt(at + from), Number(V3));
    const hex = [...bytes.subarray(from, from + one.length)].map((b) => b.toString(16).padStart(2, '0')); // prettier-ignore
    lines.push(`${(at + from).toString(16)} [${hex.join(' ')}] ${one.text}`);
    from += one.length;
  }
  const registers = [...before.gpr].map((v) => v.toString(16)).join(' ');
  const fx = view(before);
  const st = [32, 48].map((i) => `${fx.getUint16(i + 8, true).toString(16)}:${fx.getBigUint64(i, true).toString(16)}`); // prettier-ignore
  const words = `fcw ${fx.getUint16(0, true).toString(16)} fsw ${fx.getUint16(2, true).toString(16)} st ${st.join(' ')} mxcsr ${fx.getUint32(24, true).toString(16)}`; // prettier-ignore
  return `${pointers ? 'sequence' : row.name}\n  ${lines.join('\n  ')}\n  flags ${before.rflags.toString(16)} gpr ${registers}\n  ${words}\n  ${differences.join('\n  ')}`;
}

/** How many there are, and the names with most of them. */
function most(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const all = sorted.reduce((sum, [, n]) => sum + n, 0);
  const names = sorted.slice(0, 20).map(([name, n]) => `${name} ${n}`);
  return all === 0 ? 'none' : `${all} (${names.join(', ')})`;
}

function report(result: FuzzResult, seconds: number): void {
  const seen = new Map<string, number>();
  for (const failure of result.failures) {
    const name = failure.split('\n')[0]!;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    if (times <= 2) console.log(failure);
  }
  if (seen.size > 0) console.log(most(seen));
  if (FORCED) {
    console.log(`in regions: ${result.tier1}; by single steps: ${result.stepped}`);
    console.log(`left to tier 0: ${most(result.left)}`);
    console.log(`in tier 0 from the first: ${most(result.tier0)}`);
  }
  console.log(
    `${result.cases} cases of ${result.codes} pieces of code, ${result.endless} endless, ${result.failures.length} differ, ${seconds.toFixed(1)} s`,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [cases = '20000', seed = '1', ...names] = process.argv.slice(2);
  const chosen = allRows.filter(
    (row) =>
      fuzzable(row) &&
      (names.length === 0 ||
        names.includes(row.name) ||
        (names[0] === 'v3' && row.id >= rows.length)),
  );
  const [count, from] = [Number(cases), Number(seed)];
  const start = performance.now();
  const result =
    names[0] === 'sequences'
      ? fuzzSequences(count, from, 10)
      : names[0] === 'programs'
        ? fuzzPrograms(count, from, 10)
        : fuzz(count, from, chosen, 400);
  report(result, (performance.now() - start) / 1000);
  process.exitCode = result.failures.length > 0 ? 1 : 0;
}
