/**
 * Loops that go through arrays, a strip at a time: as long as what they access stays in the pages that it is in, nothing need be
 * looked up. Such a loop is there twice. In front of both a *way* says how it goes on: the first times, and where a page ends within
 * an access or is not in the TLB, by the loop as it is; then, since it goes on for long, by one that has no looks, for as many times
 * round as all of its accesses stay in their pages.
 */
import { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { TLB_ADDEND } from '../layout.ts';
import { missesTlb, tlbEntry } from '../mmu.ts';
import { Tier0Target } from '../tier0/target.ts';
import { type Frame, kindOf } from './frame.ts';
import type { Lines } from './lines.ts';
import { Use } from './liveness.ts';
import { type Loop, loopsOf } from './loops.ts';
import type { Block, BlockCode, Region } from './region.ts';
import type { Place, State } from './state.ts';
import { jumpsOf, type Structure } from './structure.ts';
import type { Edge } from './target.ts';

/** Times round before a loop is taken to be a long one. */
const PROBED = 16;

/** Strips of fewer times round are not worth what they take; longer ones need not be. */
const SHORTEST = 4;
const LONGEST = 0x4000;

/** Times round before another look where there is none for now: a page ends within an access. */
const REFUSED = 4;

/** And where there will be none: something is not aligned. The count is below 0 then. */
const NEVER = -1;
const RESIGNED = 1024;

/** Bytes from one time round to the next: a page has several. */
const MOST_STEP = 256n;

/** Groups of a loop. */
const MOST_GROUPS = 8;

/** Accesses that are made alike and near to one another. */
interface Group {
  readonly root: string;
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
  /** Makes addresses physical, as far as they are the sum of what goes on. */
  readonly addend: Var;
}

/** A register at the loop's head, shifted. */
interface Term {
  readonly register: number;
  readonly shift: number;
}

/** Copies of a loop's blocks. */
type Copies = ReadonlyMap<Block, Block>;

/** A loop that is there twice. */
export class Strip {
  readonly way: Block;
  /** The heads of the loop as it is, and of the one without looks. */
  readonly plain: Block;
  readonly fast: Block;
  /** All of their blocks. */
  readonly blocks: ReadonlySet<Block>;
  /** The loop goes on as it does as long as there is more fuel than this. */
  readonly stop: Var = { type: 'i32', local: -1, kept: true };
  /** Whether it has gone on for some time. */
  readonly isLong: Var = { type: 'i32', local: -1, kept: true };
  /** Registers where blocks without looks begin. */
  readonly #starts: ReadonlyMap<Block, Lines>;
  /** How much more each register is after a time round. */
  readonly #steps: readonly (bigint | undefined)[];
  readonly #groups: Group[] = [];
  /** Fewest instructions of a time round. */
  readonly #least: number;
  /** What the flags are of behind each way round: it has gone round before it does without looks. */
  readonly #flags: State['flags'][] = [];

  constructor(loop: Loop, way: Block, plain: Copies, fast: Copies) {
    this.way = way;
    this.plain = plain.get(loop.head)!;
    this.fast = fast.get(loop.head)!;
    this.blocks = new Set([...plain.values(), ...fast.values()]);
    this.#starts = new Map([...loop.starts].map(([block, lines]) => [fast.get(block)!, lines]));
    this.#steps = loop.steps;
    this.#least = loop.least;
  }

  /** Names what registers are known to be at the start of a block. */
  name(block: Block, state: State): void {
    this.#starts.get(block)?.forEach((line, i) => {
      if (line) state.gprs[i] = { root: this.#nameOf(line.register), delta: line.delta };
    });
  }

  /** The loop as it is goes round here. */
  ends({ flags }: State): void {
    this.#flags.push(flags);
  }

  /** Says what the flags are of where the loop without looks begins, so that its round need not keep it. */
  begin(b: Builder, frame: Frame, state: State): void {
    const [flags, ...others] = this.#flags;
    if (typeof flags !== 'object') return;
    const { operation, width, second } = flags;
    const isSame = (other: State['flags']): boolean =>
      typeof other === 'object' && other.operation === operation && other.width === width;
    if (!others.every(isSame)) return;
    state.flags = { operation, width };
    b.assign(frame.kind, b.i32(kindOf(operation, width)));
    if (second !== undefined && others.length === 0) b.assign(frame.y, b.i64(second));
  }

  #nameOf(register: number): string {
    return `s${this.way.index}r${register}`;
  }

  /** The physical address of an access; undefined where it does not go on evenly. */
  physicalOf(
    b: Builder,
    va: Node,
    placeOf: (node: Node) => Place | undefined,
    size: number,
    write: boolean,
  ): Node | undefined {
    const group = this.#groupOf(placeOf(va)!, size, write);
    if (!group) return undefined;
    let offset = 0n;
    const add = (sum: Node | undefined, part: Node): Node | undefined => {
      const place = placeOf(part);
      if (place && this.#isFixed(place)) {
        offset += place.delta;
        return sum;
      }
      if (part.op === 'i64.add') return part.args.reduce(add, sum);
      const low = lowOf(b, part);
      return sum ? b.add(sum, low) : low;
    };
    const sum = add(undefined, va);
    const addend = b.value(group.addend);
    const physical = sum ? b.add(sum, addend) : addend;
    return b.add(physical, b.i32(Number(BigInt.asIntN(32, offset))));
  }

  /** Whether an address is a multiple of 16 all the time. */
  isAligned(place: Place, size: number, write: boolean): boolean {
    const group = this.#groupOf(place, size, write);
    if (!group || group.step % 16n !== 0n) return false;
    group.aligned ??= place.delta;
    return (group.aligned - place.delta) % 16n === 0n;
  }

  #groupOf({ root, delta }: Place, size: number, write: boolean): Group | undefined {
    const high = delta + BigInt(size);
    for (const group of this.#groups) {
      if (group.root !== root) continue;
      const [from, to] = [
        delta < group.low ? delta : group.low,
        high > group.high ? high : group.high,
      ];
      // What is no larger than a step, and aligned, is never in two pages.
      const step = group.step < 0n ? -group.step : group.step;
      if (to - from > (step > 16n ? step : 16n)) continue;
      Object.assign(group, { low: from, high: to, write: group.write || write });
      return group;
    }
    if (this.#groups.length === MOST_GROUPS) return undefined;
    const terms = this.#termsOf(root);
    if (!terms) return undefined;
    const step = terms.reduce((sum, term) => sum + this.#stepOf(term), 0n);
    if (step > MOST_STEP || step < -MOST_STEP) return undefined;
    const addend: Var = { type: 'i32', local: -1, kept: true };
    const group = { root, terms, step, low: delta, high, write, aligned: undefined, addend };
    this.#groups.push(group);
    return group;
  }

  #stepOf({ register, shift }: Term): bigint {
    return this.#steps[register]! << BigInt(shift);
  }

  /** Whether it is the same each time round. */
  #isFixed({ root }: Place): boolean {
    return this.#termsOf(root)?.every((term) => this.#stepOf(term) === 0n) ?? false;
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

  /** What the way does, and the registers that it needs. @param longest instructions before the next look at the fuel */
  build(frame: Frame, longest: number): { nodes: Builder; use: Use } {
    const use = new Use(this.way);
    frame.use = use;
    const b = new Builder(new Tier0Target(undefined));
    const count: Var = b.var(b.i32(PROBED));
    const isFast: Var = b.var(b.i32(0));
    b.if(
      b.value(this.isLong),
      () => {
        b.assign(count, b.i32(LONGEST));
        for (const group of this.#groups) this.#look(b, frame, group, count);
        b.assign(isFast, b.op('i32.ge_s', b.value(count), b.i32(SHORTEST)));
        b.if(b.eqz(b.value(isFast)), () => {
          const times = b.select(b.value(count), b.value(count), b.i32(REFUSED));
          b.assign(count, b.select(b.ltS(times, b.i32(0)), b.i32(RESIGNED), times));
        });
      },
      () => b.assign(this.isLong, b.i32(1)),
    );
    const stop = b.var(b.sub(b.value(frame.fuel), b.mul(b.value(count), b.i32(this.#least))));
    b.assign(
      this.stop,
      b.select(b.ltS(b.value(stop), b.i32(longest)), b.i32(longest), b.value(stop)),
    );
    const goto = (to: Block): void => {
      const edge: Edge = { from: this.way, to, state: undefined };
      b.node('goto', undefined, 'effect', [], edge);
    };
    b.if(b.value(isFast), () => goto(this.fast));
    goto(this.plain);
    return { nodes: b, use };
  }

  /** Looks up where a group is, and for how many times round it stays in its page: not once where it is in none. */
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
    b.assign(addend, b.add(found, b.wrap(b.value(fixed))));
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
    const length = Number(step > 0n ? step : -step);
    const times = b.add(b.op('i32.div_u', room, b.i32(length)), b.i32(1));
    b.assign(count, leastOf(b, times, b.value(count)));
  }
}

/** The low half of a part of an address: shifted as one of 32 bits, it is added by the same instruction. */
function lowOf(b: Builder, part: Node): Node {
  const [value, by] = part.args;
  if (part.op !== 'i64.shl' || by!.op !== 'i64.const') return b.wrap(part);
  return b.shl(b.wrap(value!), b.wrap(by!));
}

const leastOf = (b: Builder, x: Node, y: Node): Node => b.select(b.ltS(x, y), x, y);

/** A region in which loops are there twice. */
export interface Stripped {
  readonly region: Region;
  readonly strips: readonly Strip[];
}

export function stripLoops(region: Region, structure: Structure): Stripped {
  const loops = loopsOf(region, structure);
  if (loops.length === 0) return { region, strips: [] };
  const blocks: Block[] = [];
  const clone = (block: Block): Block => {
    const made = { ...block, index: blocks.length, targets: [] };
    blocks.push(made);
    return made;
  };
  const clones = new Map(region.blocks.map((block) => [block, clone(block)]));
  const ways = new Map<Block, Block>();
  const outside = (to: Block): Block => ways.get(to) ?? clones.get(to)!;
  const made = loops.map((loop) => {
    const { head, members } = loop;
    const copies = [
      new Map(members.map((block) => [block, clones.get(block)!])),
      new Map(members.map((block) => [block, clone(block)])),
    ] as const;
    const way = clone({ ...head, code: nothingOf(head.code) });
    ways.set(head, way);
    return { loop, copies, way };
  });
  for (const [block, one] of clones) link(block, one, outside);
  for (const { copies, way, loop } of made) {
    const [plain, fast] = copies.map((some) => some.get(loop.head)!);
    Object.assign(way, { taken: fast, next: plain });
    for (const some of copies)
      for (const [block, one] of some) {
        link(block, one, (to) => some.get(to) ?? outside(to));
        if (jumpsOf(block).includes(loop.head)) one.again = way;
      }
  }
  return {
    region: {
      ...region,
      blocks,
      entries: region.entries.map(outside),
      hub: region.hub.map(outside),
    },
    strips: made.map(({ loop, copies, way }) => new Strip(loop, way, ...copies)),
  };
}

/** Code without instructions. */
const nothingOf = (code: BlockCode): BlockCode => ({
  ...code,
  insns: [],
  live: new Uint8Array(0),
  records: code.records.slice(0, 1),
  addresses: [code.va],
});

/** Has a copy of a block go on where copies of the others are. */
function link(block: Block, made: Block, copyOf: (to: Block) => Block): void {
  const to = (one: Block | undefined): Block | undefined => one && copyOf(one);
  Object.assign(made, { taken: to(block.taken), next: to(block.next), behind: to(block.behind) });
  made.targets.splice(0, Infinity, ...block.targets.map(copyOf));
}
