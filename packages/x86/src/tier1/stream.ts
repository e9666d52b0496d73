/**
 * Tight loops that go through arrays: each of their accesses keeps the page that it was in last, and looks in the TLB where it comes to
 * another one. It is kept in memory: a local that is written where that is seldom would be moved about wherever it is not. It pays in
 * loops that run for long, which those of numbers are; most others have ended by then.
 */
import type { Insn } from '../decode.ts';
import { STREAMS } from '../layout.ts';
import type { Block } from './region.ts';
import { type Structure, tightInsns } from './structure.ts';

/** Arithmetic of floating point, and of vectors of integers. */
const NUMBERS =
  /^((add|sub|mul|div|sqrt)[sp][sd]|cvt.*|p(add|sub|mul|madd|avg|s[lr][lr]|sra|unpck|shuf).*)$/;

/** What looks for a byte in a string ends soon. */
const STRINGS = /^(pmovmskb|pcmp[ie]str.*)$/;

/** Accesses of a loop that have a page each. */
const MOST_PAGES = 6;

/** Bytes of a page that is kept: its address, how much of it an access may begin in (0 while there is none), and what makes addresses physical. */
const KEPT_SIZE = 32;
export const KEPT_LIMIT = 8;
export const KEPT_ADDEND = 16;

export class Stream {
  #taken = 0;

  /** Where a page is kept; undefined when there are enough. */
  take(): number | undefined {
    return this.#taken === MOST_PAGES ? undefined : STREAMS + KEPT_SIZE * this.#taken++;
  }

  /** Where pages are kept. */
  get pages(): number[] {
    return Array.from({ length: this.#taken }, (_, i) => STREAMS + KEPT_SIZE * i);
  }
}

/** Whether a loop most likely runs for long. */
export function isOfNumbers(insns: readonly Insn[]): boolean {
  const names = insns.map(({ row }) => row.sem);
  return names.some((name) => NUMBERS.test(name)) && !names.some((name) => STRINGS.test(name));
}

/** The streams of a region, by the loops' heads. */
export function streamsOf(blocks: readonly Block[], structure: Structure): Map<number, Stream> {
  const streams = new Map<number, Stream>();
  for (const [head, insns] of tightInsns(blocks, structure)) {
    if (isOfNumbers(insns)) streams.set(head, new Stream());
  }
  return streams;
}
