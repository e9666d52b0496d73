/**
 * Loops that go through arrays, a strip at a time: as long as what they access stays in the pages that it is in, nothing need be
 * looked up. Such a loop is there twice. In front of both a *way* says how it goes on: the first times, and where a page ends within
 * an access or is not in the TLB, by the loop as it is; then, since it goes on for long, by one that has no looks, for as many times
 * round as all of its accesses stay in their pages.
 *
 * Where it is known how many times a loop of one block goes round (counted.ts), the one without looks goes round several times at
 * once: then numbers are looked at together, before anything of these rounds is done (straight.ts).
 */
import { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { Tier0Target } from '../tier0/target.ts';
import { type Count, timesRound } from './counted.ts';
import { type Frame, kindOf } from './frame.ts';
import { Groups } from './groups.ts';
import type { Lines } from './lines.ts';
import { Use } from './liveness.ts';
import type { Loop } from './loops.ts';
import type { Block, BlockCode } from './region.ts';
import type { Place, State } from './state.ts';
import { SPOT, type Spot } from './straight.ts';
import type { Edge } from './target.ts';

/** Times round before a loop is taken to be a long one. */
const PROBED = 16;

/** The same where it is known how long it is: the flags are then what it leaves. */
const PROBED_COUNTED = 2;

/** Times round at once, and instructions of all of them. */
const MOST_AT_ONCE = 4;
const MOST_INSNS_AT_ONCE = 64;

/** Strips of fewer times round are not worth what they take; longer ones need not be. */
const SHORTEST = 4;
const LONGEST = 0x4000;

/** Times round before another look where there is none for now: a page ends within an access. */
const REFUSED = 4;

/** And where there will be none ({@link NEVER}). */
const RESIGNED = 1024;

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
  readonly groups: Groups;
  /** Fewest instructions of a time round. */
  readonly #least: number;
  /** Where the loop without looks goes round several times at once. */
  #count: Count | undefined;
  /** What the flags are of behind each way round: it has gone round before it does without looks. */
  readonly #flags: State['flags'][] = [];

  constructor(loop: Loop, way: Block, plain: Copies, fast: Copies) {
    this.way = way;
    this.plain = plain.get(loop.head)!;
    this.fast = fast.get(loop.head)!;
    this.blocks = new Set([...plain.values(), ...fast.values()]);
    this.#starts = new Map([...loop.starts].map(([block, lines]) => [fast.get(block)!, lines]));
    this.groups = new Groups(loop.steps, (register) => this.#nameOf(register));
    this.#least = loop.least;
    const times = loop.count ? timesAtOnce(loop) : 1;
    if (times === 1) return;
    this.#count = loop.count;
    this.groups.atOnce = times;
    this.fast.code = repeated(this.plain.code, times);
  }

  /** The loop without looks goes round once at a time, since its block does something that cannot be done for several. */
  giveUpCounting(): void {
    this.#count = undefined;
    this.groups.forget();
    this.fast.code = this.plain.code;
  }

  /** Of rounds at once nothing has been done, since there are unusual numbers: some go the other way. */
  refuse(b: Builder): void {
    b.assign(this.isLong, b.i32(0));
    goto(b, this.fast, this.way);
  }

  /** Rounds at once have been done. */
  goRound(b: Builder): void {
    goto(b, this.fast, this.fast);
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
    const place = placeOf(va)!;
    const group = this.groups.of(place, size, write);
    if (!group) return undefined;
    if (this.groups.atOnce > 1) {
      const spot: Spot = { from: group, at: place.delta };
      return b.node(SPOT, 'i32', 'pure', [], spot);
    }
    let offset = 0n;
    const add = (sum: Node | undefined, part: Node): Node | undefined => {
      const place = placeOf(part);
      if (place && this.groups.isFixed(place)) {
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

  /** What the way does, and the registers that it needs. @param longest instructions before the next look at the fuel */
  build(frame: Frame, longest: number): { nodes: Builder; use: Use } {
    const use = new Use(this.way);
    frame.use = use;
    const b = new Builder(new Tier0Target(undefined));
    const count: Var = b.var(b.i32(this.#count ? PROBED_COUNTED : PROBED));
    const isFast: Var = b.var(b.i32(0));
    b.if(
      b.value(this.isLong),
      () =>
        this.#count
          ? this.#goOnCounted(b, frame, count, isFast)
          : this.#goOn(b, frame, count, isFast),
      () => b.assign(this.isLong, b.i32(1)),
    );
    const stop = b.var(b.sub(b.value(frame.fuel), b.mul(b.value(count), b.i32(this.#least))));
    b.assign(
      this.stop,
      b.select(b.ltS(b.value(stop), b.i32(longest)), b.i32(longest), b.value(stop)),
    );
    b.if(b.value(isFast), () => goto(b, this.way, this.fast));
    goto(b, this.way, this.plain);
    return { nodes: b, use };
  }

  /** For how many times round, and without looks if that are enough. */
  #goOn(b: Builder, frame: Frame, count: Var, isFast: Var): void {
    b.assign(count, b.i32(LONGEST));
    this.groups.look(b, frame, count);
    b.assign(isFast, b.op('i32.ge_s', b.value(count), b.i32(SHORTEST)));
    b.if(b.eqz(b.value(isFast)), () => b.assign(count, refused(b, b.value(count))));
  }

  /** The same where it is known how many there are: the last ones, fewer than go at once, are left to the loop as it is. */
  #goOnCounted(b: Builder, frame: Frame, count: Var, isFast: Var): void {
    const read = (register: number): Node => frame.read(b, frame.gprs[register]!);
    b.assign(count, timesRound(b, this.#count!, read, LONGEST));
    b.if(
      b.ltS(b.value(count), b.i32(SHORTEST * this.groups.atOnce)),
      () => b.assign(count, b.i32(LONGEST)),
      () => {
        this.groups.look(b, frame, count);
        const rest = b.op('i32.rem_s', b.value(count), b.i32(this.groups.atOnce));
        const whole = b.var(b.sub(b.value(count), rest));
        b.assign(isFast, b.op('i32.gt_s', b.value(whole), b.i32(0)));
        b.assign(count, b.select(b.value(isFast), b.value(whole), refused(b, b.value(count))));
      },
    );
  }
}

function goto(b: Builder, from: Block, to: Block): void {
  const edge: Edge = { from, to, state: undefined };
  b.node('goto', undefined, 'effect', [], edge);
}

/** The low half of a part of an address: shifted as one of 32 bits, it is added by the same instruction. */
function lowOf(b: Builder, part: Node): Node {
  const [value, by] = part.args;
  if (part.op !== 'i64.shl' || by!.op !== 'i64.const') return b.wrap(part);
  return b.shl(b.wrap(value!), b.wrap(by!));
}

/** How many times round a loop goes as it is, when it cannot go on without looks for more than `count`. */
function refused(b: Builder, count: Node): Node {
  const times = b.select(count, count, b.i32(REFUSED));
  return b.select(b.ltS(count, b.i32(0)), b.i32(RESIGNED), times);
}

/** How many times a loop goes round at once. */
const timesAtOnce = ({ head }: Loop): number =>
  Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(MOST_INSNS_AT_ONCE / head.code.insns.length)));

/** Code of several times round. */
function repeated(code: BlockCode, times: number): BlockCode {
  const each = <T>(some: readonly T[]): T[] => Array<readonly T[]>(times).fill(some).flat();
  const { addresses } = code;
  return {
    ...code,
    insns: each(code.insns),
    records: each(code.records),
    addresses: [...each(addresses.slice(0, -1)), addresses.at(-1)!],
    live: Uint8Array.from(each([...code.live])),
  };
}
