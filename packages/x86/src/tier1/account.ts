/**
 * What compiling may take: about a third of what tier 0 has spent. Everything is counted, not measured, so that runs repeat. All times
 * are microseconds.
 */
import type { Translation } from './translation.ts';

/**
 * The generator itself is cold at first, and V8's compiler of WebAssembly, too: the first region takes 35 to 60 ms. So what is
 * over within twenty million instructions of tier 0 compiles nothing.
 */
export const COLD: number = -40_000;

/** What a sample is good for: a third of the time that it stands for. */
const SAMPLE = 40;
/**
 * What each of the periods is good for, at which regions are looked at: what runs for long gets rid of its last ways through tier 0. It is
 * little, since a period of good code takes 3 ms, and compiling several times what is counted here of both processors: with 300, CoreMark
 * and gzip are compiled again and again for the few ways out that are left, and take 7% longer; with 50, SQLite takes 4% longer.
 */
const PERIOD = 150;

/** What compiling takes, with V8's part and the time that a region runs in the baseline compiler's code. */
const REGION = 300;
const INSTRUCTION = 46;
/** The same when another thread generates it and has it compiled: what V8 does there is not for nothing, either. */
const REMOTE_INSTRUCTION = 37;

/**
 * The same for installing what is in the store, which V8 optimises on another thread, if at all; and how much of it a
 * sample is good for, since what was hot before most likely will be so again.
 */
const RECALL = 700;
const RECALLED_INSTRUCTION = 8;
const RECALL_SHARE = 3;
/** How much more that costs when it was installed already and had to make room: what comes and goes costs V8 more than it saves. */
const EVICTED = 12;
/** The same for what is machine code already: V8 has to find room for it, and the machine its blocks. */
const READY = 250;
const READY_INSTRUCTION = 3;
/** For another one in the same module. */
const READY_MORE = 60;
/** What an instruction takes less in a region than in tier 0. */
const SAVED = 0.0044;
/** Instructions of tier 0 between two samples. */
export const SAMPLED = 20_000;
/** How likely it is that what was seen once executes as much as in an earlier run. */
const LIKELY = 0.5;

/**
 * What a larger region around another one saves of each entry of that: entering takes 10 to 30 ns, but most who enter would have to
 * enter the larger one, too.
 */
const ENTRY = 0.004;
/** What an instruction takes less, on an average, where accesses have extents at hand. */
const EXTENTS = 0.0001;
/** What entering a region takes less when it is in a module with others, by measurement. */
const BUNDLED_ENTRY = 0.05;
/** How much more than it has cost already that may cost: for this process, and for those that find it on a disk. */
const BUNDLED_ADVANCE = 4;
const KEPT_ADVANCE = 48;

export class Account {
  #credit: number;
  #recallCredit: number;

  /** @param advance what may go into compiling before anything has been executed; less than 0: what tier 0 executes before */
  constructor(advance: number) {
    this.#credit = advance;
    this.#recallCredit = RECALL_SHARE * advance;
  }

  sample(): void {
    this.#credit += SAMPLE;
    this.#recallCredit += RECALL_SHARE * SAMPLE;
  }

  passes(periods: number): void {
    this.#credit += periods * PERIOD;
  }

  get mayCompile(): boolean {
    return this.#credit >= 0;
  }

  get mayRecall(): boolean {
    return this.#recallCredit >= 0;
  }

  /** @param remote whether another thread does it */
  compiles(instructions: number, remote: boolean): void {
    this.#credit -= costOf(instructions, remote);
  }

  /** In place of compiling it is paid for as that is. @param some what was in one module */
  recalls(some: readonly Translation[], state: Readiness): void {
    const cost = recallCost(some, state);
    if (this.mayRecall) this.#recallCredit -= cost;
    else this.#credit -= cost;
  }
}

/** What has become of a module: it has to be compiled, had to make room since it was, or is machine code. */
export type Readiness = 'bytes' | 'evicted' | 'ready';

/** Of machine code, for another translation of its module. */
const moreCost = ({ instructions }: Translation): number =>
  READY_MORE + instructions * READY_INSTRUCTION;

function recallCost(some: readonly Translation[], state: Readiness): number {
  if (state === 'ready') return READY - READY_MORE + some.reduce((sum, one) => sum + moreCost(one), 0); // prettier-ignore
  const instructions = instructionsOf(some);
  return (RECALL + instructions * RECALLED_INSTRUCTION) * (state === 'evicted' ? EVICTED : 1);
}

/** Whether installing a translation pays. @param seen how often tier 0 was seen in it */
export function recallPays(translation: Translation, seen: number, state: Readiness): boolean {
  const expected = seen * SAMPLED + LIKELY * translation.executed;
  return expected * SAVED >= recallCost([translation], state);
}

/** Whether it pays that another one of the same module is installed with that. */
export const joins = (translation: Translation): boolean =>
  translation.executed * SAVED >= moreCost(translation);

const instructionsOf = (some: readonly Translation[]): number =>
  some.reduce((sum, { instructions }) => sum + instructions, 0);

function costOf(instructions: number, remote: boolean): number {
  return REGION + instructions * (remote ? REMOTE_INSTRUCTION : INSTRUCTION);
}

/** What entering a region so often has taken. */
export const lostIn = (entered: number): number => entered * ENTRY;

/** What must have been lost before a region is looked at that is entered all the time, and before one of so many instructions takes its place. */
export const growthSeeks = ({ instructions }: Translation, remote: boolean): number =>
  2 * costOf(instructions, remote);
export const growthTakes = (instructions: number, remote: boolean): number =>
  costOf(instructions, remote) / 2;

/** Whether giving a region extents pays, by what it has executed. */
export const extentsPay = (
  { instructions }: Translation,
  executed: number,
  remote: boolean,
): boolean => executed * EXTENTS >= costOf(instructions, remote);

/** Whether making one module of regions pays, for those that have been entered so often. @param kept whether other processes find it */
export function bundlingPays(
  some: readonly Translation[],
  entered: number,
  kept: boolean,
): boolean {
  const cost = some.length * REGION + instructionsOf(some) * REMOTE_INSTRUCTION;
  return entered * BUNDLED_ENTRY * (kept ? KEPT_ADVANCE : BUNDLED_ADVANCE) > cost;
}
