/**
 * Tight loops that go through arrays: each of their accesses keeps the page that it was in last in locals, and looks in the TLB
 * where it comes to another one. It pays in loops that run for long, which those of numbers are; most others have ended by then.
 */
import type { Var } from '../ir/node.ts';
import type { Block } from './region.ts';
import type { Structure } from './structure.ts';

/** Arithmetic of floating point, and of vectors of integers. */
const NUMBERS =
  /^((add|sub|mul|div|sqrt)[sp][sd]|cvt.*|p(add|sub|mul|madd|avg|s[lr][lr]|sra|unpck|shuf).*)$/;

/** What looks for a byte in a string ends soon. */
const STRINGS = /^(pmovmskb|pcmp[ie]str.*)$/;

/** Accesses of a loop that have a page each. */
const MOST_PAGES = 6;

/** An access's page, and what makes its addresses physical. */
export interface KeptPage {
  readonly page: Var;
  readonly addend: Var;
}

export class Stream {
  readonly pages: KeptPage[] = [];

  /** Undefined when there are enough. */
  take(): KeptPage | undefined {
    if (this.pages.length === MOST_PAGES) return undefined;
    const kept: KeptPage = {
      page: { type: 'i64', local: -1, kept: true },
      addend: { type: 'i32', local: -1, kept: true },
    };
    this.pages.push(kept);
    return kept;
  }
}

/** The streams of a region, by the loops' heads. */
export function streamsOf(blocks: readonly Block[], { tight }: Structure): Map<number, Stream> {
  const counts = new Map<number, Set<string>>();
  for (const { index, code } of blocks) {
    const head = tight[index]!;
    if (head < 0) continue;
    let names = counts.get(head);
    if (!names) counts.set(head, (names = new Set()));
    for (const { row } of code.insns) names.add(row.sem);
  }
  const streams = new Map<number, Stream>();
  for (const [head, names] of counts) {
    const all = [...names];
    if (all.some((name) => NUMBERS.test(name)) && !all.some((name) => STRINGS.test(name)))
      streams.set(head, new Stream());
  }
  return streams;
}
