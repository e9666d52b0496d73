/** What a loop accesses that goes through arrays: groups of accesses that are alike and near to one another, and the pages they are in. */
import type { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { TLB_ADDEND } from '../layout.ts';
import { missesTlb, tlbEntry } from '../mmu.ts';
import type { Frame } from './frame.ts';
import type { Place } from './state.ts';
import type { Locate, Near } from './straight.ts';

/** Bytes from one time round to the next: a page has several. */
const MOST_STEP = 256n;

/** Groups of a loop. */
const MOST_GROUPS = 8;

/** How many times round, where accesses cannot be made without looks at all: something is not aligned, or others read what is written. */
export const NEVER = -1;

/** Accesses that are made alike and near to one another. */
export interface Group extends Near {
  /** What the address is the sum of. */
  readonly terms: readonly Term[];
  /** How far it goes each time round. */
  readonly step: bigint;
  /** The bytes that are accessed, as distances from the root. */
  low: bigint;
  high: bigint;
  write: boolean;
  /** How far from the root it has to be a multiple of 16. */
  aligned: bigint | undefined;
  /** Makes addresses physical, as far as they are the sum of what goes on; of rounds at once, that of {@link Group.low}. */
  readonly addend: Var;
}

/** A register at the loop's head, shifted. */
interface Term {
  readonly register: number;
  readonly shift: number;
}

export class Groups {
  /** How much more each register is after a time round. */
  readonly #steps: readonly (bigint | undefined)[];
  readonly #nameOf: (register: number) => string;
  readonly #groups: Group[] = [];
  /** How many times the loop goes round at once. */
  atOnce = 1;
  /** Which of them is being built. */
  round = 0;

  /** @param nameOf names registers at the loop's head */
  constructor(steps: readonly (bigint | undefined)[], nameOf: (register: number) => string) {
    this.#steps = steps;
    this.#nameOf = nameOf;
  }

  /** There are none any longer, and the loop goes round once at a time. */
  forget(): void {
    this.atOnce = 1;
    this.round = 0;
    this.#groups.length = 0;
  }

  /** The group of an access; undefined where it does not go on evenly. */
  of({ root, delta: distance }: Place, size: number, write: boolean): Group | undefined {
    const terms = this.#termsOf(root);
    if (!terms) return undefined;
    const step = terms.reduce((sum, term) => sum + this.#stepOf(term), 0n);
    // As it is the first time of those at once.
    const delta = distance - step * BigInt(this.round);
    const high = delta + BigInt(size);
    for (const group of this.#groups) {
      if (group.root !== root) continue;
      const from = delta < group.low ? delta : group.low;
      const to = high > group.high ? high : group.high;
      // What is no larger than a step, and aligned, is never in two pages.
      const apart = magnitude(step);
      if (to - from > (apart > 16n ? apart : 16n)) continue;
      Object.assign(group, { low: from, high: to, write: group.write || write });
      return group;
    }
    if (this.#groups.length === MOST_GROUPS || magnitude(step) > MOST_STEP) return undefined;
    const addend: Var = { type: 'i32', local: -1, kept: true };
    const group = { root, terms, step, low: delta, high, write, aligned: undefined, addend };
    this.#groups.push(group);
    return group;
  }

  /** Whether an address is a multiple of 16 all the time. */
  isAligned(place: Place, size: number, write: boolean): boolean {
    const group = this.of(place, size, write);
    if (!group || group.step % 16n !== 0n) return false;
    group.aligned ??= place.delta;
    return (group.aligned - place.delta) % 16n === 0n;
  }

  /** Whether an address, or part of one, is the same each time round. */
  isFixed({ root }: Place): boolean {
    return this.#termsOf(root)?.every((term) => this.#stepOf(term) === 0n) ?? false;
  }

  /** Where what rounds at once access is. */
  locate(frame: Frame): Locate {
    return (b, near, read) => {
      const { terms, addend } = near as Group;
      return terms
        .filter((term) => this.#stepOf(term) !== 0n)
        .map(({ register, shift }) => {
          const value = b.wrap(read(frame.gprs[register]!.variable));
          return shift > 0 ? b.shl(value, b.i32(shift)) : value;
        })
        .reduce((x, y) => b.add(x, y), b.value(addend));
    };
  }

  /** Looks up where all are, and lowers `count` to how many times round they stay in their pages: 0 where one is in none. */
  look(b: Builder, frame: Frame, count: Var): void {
    for (const group of this.#groups) this.#look(b, frame, group, count);
    if (this.atOnce > 1) this.#lookApart(b, frame, count);
  }

  #stepOf({ register, shift }: Term): bigint {
    return this.#steps[register]! << BigInt(shift);
  }

  #termsOf(root: string): Term[] | undefined {
    if (root === 'zero') return [];
    const terms: Term[] = [];
    for (const part of root.split('+')) {
      const [name, shift = '0'] = part.split('<<');
      const register = this.#steps.findIndex((_, i) => this.#nameOf(i) === name);
      if (register < 0 || this.#steps[register] === undefined) return undefined;
      terms.push({ register, shift: Number(shift) });
    }
    return terms;
  }

  /** Bytes from the first that rounds at once access to the last. */
  #length({ low, high, step }: Group): number {
    return Number(high - low + magnitude(step) * BigInt(this.atOnce - 1));
  }

  /** What is written must not be what others access that go at once. */
  #lookApart(b: Builder, frame: Frame, count: Var): void {
    const locate = this.locate(frame);
    const startOf = (group: Group): Node => locate(b, group, (of) => b.value(of));
    this.#groups.forEach((one, i) => {
      for (const other of this.#groups.slice(i + 1)) {
        if ((!one.write && !other.write) || one.root === other.root) continue;
        const [x, y] = [startOf(one), startOf(other)];
        const [length, others] = [this.#length(one), this.#length(other)];
        // What goes on in the same way, back or forth, stays as far apart as it is; other things have to be in other pages.
        const meets =
          one.step === other.step
            ? b.ltU(b.add(b.sub(x, y), b.i32(length - 1)), b.i32(length + others - 1))
            : b.ltU(b.xor(x, y), b.i32(4096));
        b.assign(count, b.select(meets, b.i32(NEVER), b.value(count)));
      }
    });
  }

  #look(b: Builder, frame: Frame, group: Group, count: Var): void {
    const { terms, low, high, step, write, aligned, addend } = group;
    const sumOf = (some: readonly Term[], first: Node): Node =>
      some.reduce((sum, { register, shift }) => {
        const value = frame.read(b, frame.gprs[register]!);
        return b.add(sum, b.shl(value, b.i64(shift)));
      }, first);
    const fixed = b.var(
      sumOf(
        terms.filter((term) => this.#stepOf(term) === 0n),
        b.i64(0),
      ),
    );
    const goingOn = terms.filter((term) => this.#stepOf(term) !== 0n);
    const va = b.var(sumOf(goingOn, b.add(b.value(fixed), b.i64(low))));
    const size = Number(high - low);
    const at = b.and(b.wrap(b.value(va)), b.i32(4095));
    const entry = b.var(tlbEntry(b, b.value(va), b.param(2, 'i32')));
    const found = b.load('i32.load', b.value(entry), TLB_ADDEND);
    const first = this.atOnce > 1 ? low : 0n;
    const physical = b.add(b.wrap(b.value(fixed)), b.i32(Number(BigInt.asIntN(32, first))));
    b.assign(addend, b.add(found, physical));
    const last = b.add(b.value(va), b.i64(size - 1));
    const misses = missesTlb(b, b.value(entry), last, write);
    b.assign(count, b.select(misses, leastOf(b, b.value(count), b.i32(0)), b.value(count)));
    if (aligned !== undefined) {
      const isOdd = b.and(b.add(at, b.i32(Number(aligned - low))), b.i32(15));
      b.assign(count, b.select(isOdd, b.i32(NEVER), b.value(count)));
    }
    if (step === 0n) return;
    const farthest = b.i32(4096 - size);
    const room = step > 0n ? b.sub(farthest, leastOf(b, at, farthest)) : at;
    const times = b.add(b.op('i32.div_u', room, b.i32(Number(magnitude(step)))), b.i32(1));
    b.assign(count, leastOf(b, times, b.value(count)));
  }
}

const magnitude = (step: bigint): bigint => (step < 0n ? -step : step);

const leastOf = (b: Builder, x: Node, y: Node): Node => b.select(b.ltS(x, y), x, y);
