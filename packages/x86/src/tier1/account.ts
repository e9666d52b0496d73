/**
 * What compiling may take: half as much as tier 0 has spent. Everything is counted, not measured, so that runs repeat. All times
 * are microseconds.
 */
import type { Translation } from './translation.ts';

/**
 * The generator itself is cold at first, and V8's compiler of WebAssembly, too: the first region takes 35 to 60 ms. So what is
 * over within fifteen million instructions compiles nothing.
 */
export const COLD: number = -60_000;

/** What a sample is good for: half of the time that it stands for. */
const SAMPLE = 60;
/** What each of the periods is good for, at which regions are looked at: what runs for long gets rid of its last ways through tier 0. */
const PERIOD = 2000;

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

/**
 * The same for what is machine code already: V8 has to find room for it, and the machine to enter it. It waits for a million
 * instructions only.
 */
const READY = 300;
/** The same for another one in the same module. */
const READY_MORE = 60;
const READY_INSTRUCTION = 1;
const READY_SHARE = 4;
const READY_ADVANCE = 0.2;

/** What entering a region takes, which a larger one around it would save. */
const ENTRY = 0.03;
/** What entering a region takes less when it is in a module with others, by measurement. */
const BUNDLED_ENTRY = 0.05;
/** How much more than it has cost already that may cost: for this process, and for those that find it on a disk. */
const BUNDLED_ADVANCE = 4;
const KEPT_ADVANCE = 48;

export class Account {
  #credit: number;
  #recallCredit: number;
  #readyCredit: number;

  /** @param advance what may go into compiling before anything has been executed; less than 0: what tier 0 executes before */
  constructor(advance: number) {
    this.#credit = advance;
    this.#recallCredit = RECALL_SHARE * advance;
    this.#readyCredit = READY_ADVANCE * advance;
  }

  sample(): void {
    this.#credit += SAMPLE;
    this.#recallCredit += RECALL_SHARE * SAMPLE;
    this.#readyCredit += READY_SHARE * SAMPLE;
  }

  passes(periods: number): void {
    this.#credit += periods * PERIOD;
  }

  get mayCompile(): boolean {
    return this.#credit >= 0;
  }

  /** @param ready whether it is machine code already */
  mayRecall(ready: boolean): boolean {
    return (ready ? this.#readyCredit : this.#recallCredit) >= 0;
  }

  /** @param remote whether another thread does it */
  compiles(instructions: number, remote: boolean): void {
    this.#credit -= costOf(instructions, remote);
  }

  /** @param some what was in one module; @param evicted whether that has made room before */
  recalls(some: readonly Translation[], ready: boolean, evicted: boolean): void {
    const instructions = instructionsOf(some);
    if (ready) this.#readyCredit -= READY + (some.length - 1) * READY_MORE + instructions * READY_INSTRUCTION; // prettier-ignore
    else this.#recallCredit -= (RECALL + instructions * RECALLED_INSTRUCTION) * (evicted ? EVICTED : 1); // prettier-ignore
  }
}

const instructionsOf = (some: readonly Translation[]): number =>
  some.reduce((sum, { instructions }) => sum + instructions, 0);

function costOf(instructions: number, remote: boolean): number {
  return REGION + instructions * (remote ? REMOTE_INSTRUCTION : INSTRUCTION);
}

/** What entering a region has taken, if it is so much that a larger one in its place pays; else 0. */
export function lostIn({ instructions }: Translation, entered: number, remote: boolean): number {
  const lost = entered * ENTRY;
  return lost > 2 * costOf(instructions, remote) ? lost : 0;
}

/** Whether making one module of regions pays, for those that have been entered so often. @param kept whether other processes find it */
export function bundlingPays(
  some: readonly Translation[],
  entered: number,
  kept: boolean,
): boolean {
  const cost = some.length * REGION + instructionsOf(some) * REMOTE_INSTRUCTION;
  return entered * BUNDLED_ENTRY * (kept ? KEPT_ADVANCE : BUNDLED_ADVANCE) > cost;
}
