/**
 * A block without ways out on its way, put into an order in which its numbers can be looked at before anything is done: all loads,
 * the look, all stores, and then the registers.
 */
import type { Of } from '../insn/gathered.ts';
import { type Float, VECTOR } from '../insn/sse-float.ts';
import { accessSize, Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { type Pack, Packs, sideBySide } from './packs.ts';

/** What is near to one another: the lowest of it is so far from an address that is known by name. */
export interface Near {
  readonly root: string;
  readonly low: bigint;
}

/** Where an access is: so far from an address that is known by name. It is the address of loads and stores until that is physical. */
export interface Spot {
  readonly from: Near;
  readonly at: bigint;
}

export const SPOT = 'spot';

/** The physical address of the lowest of what is near to one another. */
export type Locate = (b: Builder, near: Near, read: (of: Var) => Node) => Node;

/** What takes a number from a vector, and how that is loaded if there is only one in it. */
const SINGLE: ReadonlyMap<string, string> = new Map([
  ['f64x2.extract_lane', 'v128.load64_zero'],
  ['f32x4.extract_lane', 'v128.load32_zero'],
]);

interface Bytes extends Spot {
  readonly size: number;
}

const overlap = (x: Bytes, y: Bytes): boolean =>
  x.from.root === y.from.root && x.at < y.at + BigInt(y.size) && y.at < x.at + BigInt(x.size);

/**
 * V8 has the address of memory plus an offset in a register if two accesses have the same offset. So that none have, addresses are
 * less than they are by a multiple of this, a different one for each kind of accesses. It is more than rounds at once go back, and far
 * less than the address of any RAM.
 */
const APART = 0x400;

const ACCESS = /\.(load|store)/;
const NUMBER_LOAD = /^f(32|64)\.load$/;
const NUMBER_STORE = /^f(32|64)\.store$/;

/** The processor's own state has addresses that are constants. */
const CONSTANT: ReadonlySet<string> = new Set(['i32.const', 'i64.const']);

export interface Access extends Bytes {
  readonly node: Node;
}

/** A store of a vector: of a pack, or of one number in all lanes. */
interface Wide {
  readonly stores: readonly Access[];
  readonly isPack: boolean;
}

export class Straight {
  /** Whether the block can be put into that order. */
  readonly isStraight: boolean;
  readonly #b: Builder;
  readonly #locate: Locate;
  /** What values are, in terms of those that variables have at the block's start. */
  readonly #resolved = new Map<Node, Node | Var>();
  /** What variables are at its end. */
  readonly #ends = new Map<Var, Node | Var>();
  readonly #loads = new Map<Node, Access>();
  /** Numbers that are read: by a load, or as the only one that the load of a vector reads. */
  readonly #numbers = new Map<Node, Access>();
  /** All that is read, by names and places. */
  readonly #read = new Map<object, Map<string, Access>>();
  readonly #stores: Access[] = [];
  /** Stores of numbers that one of a vector stands for, by the first of them. */
  readonly #wide = new Map<Access, Wide>();
  readonly #copies = new Map<Node, Node>();
  readonly #starts = new Map<Var, Node>();
  /** Addresses that accesses add an offset to, and how much less they are than those of {@link Near.low}. */
  readonly #bases = {
    load: new Map<Near, readonly [Node, number]>(),
    store: new Map<Near, readonly [Node, number]>(),
  };
  readonly #packs: Packs;
  readonly #vectors = new Map<Pack | Node | Var, Node>();

  private constructor({ root: { nodes }, target }: Builder, locate: Locate) {
    this.#b = new Builder(target);
    this.#locate = locate;
    this.isStraight = nodes.every((node) => this.#take(node));
    const resolve = (node: Node): Node | Var => this.#resolve(node);
    this.#packs = new Packs(this.isStraight ? nodes : [], this.#numbers.values(), resolve);
    if (this.isStraight) this.#packStores();
  }

  /**
   * A block up to its jump; undefined if it cannot be put into that order, since it may leave on the way, or reads what it has
   * written. Bytes whose addresses are from different names are taken to be different.
   */
  static of(block: Builder, locate: Locate): Straight | undefined {
    const straight = new Straight(block, locate);
    return straight.isStraight ? straight : undefined;
  }

  #of(): Of {
    const of = (node: Node): Node => this.#value(this.#resolve(node));
    const firstOf = (node: Node): Node | undefined => {
      const value = this.#resolve(node);
      return isVar(value) ? undefined : this.#packs.laneOf(value)?.pack.lanes[0];
    };
    const vectorOf = (node: Node): Node => this.#vectorOf(this.#resolve(node), node.type as Float);
    return Object.assign(of, { firstOf, vectorOf });
  }

  /** Takes a node over; false if that cannot be. */
  #take(node: Node): boolean {
    const { op, args, imm, kind } = node;
    if (op === SPOT) return true;
    if (op === 'var.set') this.#ends.set(imm as Var, this.#resolve(args[0]!));
    else if (op === 'var.get') this.#resolved.set(node, this.#ends.get(imm as Var) ?? (imm as Var));
    else if (ACCESS.test(op) && !CONSTANT.has(args[0]!.op)) return this.#access(node);
    else if (SINGLE.has(op)) this.#readSingle(node);
    else return kind !== 'effect';
    return true;
  }

  /** A number that a load reads and fills a vector with zeros. */
  #readSingle(node: Node): void {
    const vector = this.#resolve(node.args[0]!);
    const [lane] = node.imm as readonly number[];
    const load = isVar(vector) ? undefined : this.#loads.get(vector);
    if (lane === 0 && load && load.node.op === SINGLE.get(node.op))
      this.#readNumber({ ...load, node });
  }

  #access(node: Node): boolean {
    const { op, args, imm, kind } = node;
    if (args[0]!.op !== SPOT) return false;
    const { from, at } = args[0]!.imm as Spot;
    const access = { node, from, at: at + BigInt(imm as number), size: accessSize(op) };
    if (kind === 'effect') {
      this.#stores.push(access);
      return true;
    }
    if (this.#stores.some((store) => overlap(store, access))) return false;
    if (NUMBER_LOAD.test(op)) this.#readNumber(access);
    else this.#loads.set(node, this.#once(op, access));
    return true;
  }

  /** A number that is read. */
  #readNumber(access: Access): void {
    const first = this.#once(access.node.type!, access);
    if (first === access) this.#numbers.set(access.node, access);
  }

  /** The first access of what is read here again: nothing has been written there. */
  #once(what: string, access: Access): Access {
    const { node, from, at } = access;
    const known = this.#read.get(from) ?? new Map<string, Access>();
    this.#read.set(from, known);
    const first = known.get(`${what} ${at}`);
    if (!first) known.set(`${what} ${at}`, access);
    else this.#resolved.set(node, first.node);
    return first ?? access;
  }

  #resolve(node: Node): Node | Var {
    return this.#resolved.get(node) ?? node;
  }

  /**
   * @param look looks at numbers before anything is done: a value of the block is got by `of`, in the builder that it is given
   * @param jump ends the block
   */
  write(look: (b: Builder, of: Of) => void, jump: (b: Builder) => void): Builder {
    const b = this.#b;
    const of = this.#of();
    const narrow = new Set([...this.#wide.values()].flatMap((wide) => wide.stores.slice(1)));
    const stores = this.#stores.filter((store) => !narrow.has(store));
    const stored = stores.map((store) => this.#stored(store));
    const ends = [...this.#ends].filter(([variable, end]) => variable.kept && end !== variable);
    const values = ends.map(([, end]) => this.#value(end));
    look(b, of);
    stores.forEach((access, i) => {
      const { op, kind } = access.node;
      const [base, distance] = this.#place(access, 'store');
      const store = this.#wide.has(access) ? 'v128.store' : op;
      b.node(store, undefined, kind, [base, stored[i]!], distance);
    });
    ends.forEach(([variable], i) => b.assign(variable, values[i]!));
    jump(b);
    return b;
  }

  #stored(store: Access): Node {
    const { node } = store;
    const value = this.#resolve(node.args[1]!);
    const wide = this.#wide.get(store);
    if (!wide) return this.#value(value);
    const format = node.op.slice(0, 3) as Float;
    return wide.isPack ? this.#vectorOf(value, format) : this.#splat(value, format);
  }

  /**
   * What a variable is at the block's start, if it is what going through it once leaves: another one plus a constant, as at the end,
   * or a constant.
   */
  again(variable: Var): Node | undefined {
    const end = this.#ends.get(variable);
    if (!end || isVar(end)) return end && this.#before(end, 0n);
    if (CONSTANT.has(end.op)) return end;
    const sum = this.#sumOf(end);
    return sum && this.#before(...sum);
  }

  /** What was a variable's value plus a constant when the block ended before. */
  #before(variable: Var, delta: bigint): Node | undefined {
    const end = this.#ends.get(variable) ?? variable;
    const sum = isVar(end) ? ([end, 0n] as const) : this.#sumOf(end);
    if (sum?.[0] !== variable) return undefined;
    return this.#b.add(this.#start(variable), this.#b.i64(delta - sum[1]));
  }

  /** A value as a variable's at the start plus a constant. */
  #sumOf(value: Node | Var): readonly [Var, bigint] | undefined {
    if (isVar(value)) return value.type === 'i64' ? [value, 0n] : undefined;
    const [x, y] = value.args;
    if (value.op !== 'i64.add' || y!.op !== 'i64.const') return undefined;
    const sum = this.#sumOf(this.#resolve(x!));
    return sum && [sum[0], sum[1] + (y!.imm as bigint)];
  }

  #start(variable: Var): Node {
    let value = this.#starts.get(variable);
    if (!value) this.#starts.set(variable, (value = this.#b.value(variable)));
    return value;
  }

  #value(value: Node | Var): Node {
    if (isVar(value)) return this.#start(value);
    if (value.kind === 'const') return value;
    let copy = this.#copies.get(value);
    if (!copy) this.#copies.set(value, (copy = this.#copy(value)));
    return copy;
  }

  /** Stores of packs side by side are one, unless others write the same bytes. */
  #packStores(): void {
    for (const some of sideBySide(this.#stores.filter(({ node }) => NUMBER_STORE.test(node.op)))) {
      const values = some.map(({ node }) => this.#resolve(node.args[1]!));
      const others = this.#stores.filter((store) => !some.includes(store));
      if (others.some((other) => some.some((one) => overlap(one, other)))) continue;
      const isPack = this.#packs.isPack(values);
      if (isPack || values.every((value) => value === values[0]))
        this.#wide.set(some[0]!, { stores: some, isPack });
    }
  }

  #splat(value: Node | Var, format: Float): Node {
    return this.#b.op(`${VECTOR[format]}.splat`, this.#value(value));
  }

  /** The pack that a value is in as a vector; or one whose lanes are all that value, if it is in none. */
  #vectorOf(value: Node | Var, format: Float): Node {
    const lane = isVar(value) ? undefined : this.#packs.laneOf(value);
    const key = lane?.pack ?? value;
    let vector = this.#vectors.get(key);
    if (!vector) {
      vector = lane ? this.#vector(lane.pack) : this.#splat(value, format);
      this.#vectors.set(key, vector);
    }
    return vector;
  }

  #vector({ lanes, format }: Pack): Node {
    const b = this.#b;
    const { op, args } = lanes[0]!;
    const load = this.#numbers.get(lanes[0]!);
    if (load) {
      const [base, distance] = this.#place(load, 'load');
      return b.node('v128.load', 'v128', 'read', [base], distance);
    }
    const vectors = args.map((arg) => this.#vectorOf(this.#resolve(arg), format));
    return b.op(`${VECTOR[format]}.${op.slice(4)}`, ...vectors);
  }

  #copy(node: Node): Node {
    const b = this.#b;
    const { op, type, kind, imm } = node;
    const lane = this.#packs.laneOf(node);
    if (lane) {
      const { format } = lane.pack;
      return b.lane(`${VECTOR[format]}.extract_lane`, [this.#vectorOf(node, format)], lane.number);
    }
    const number = this.#numbers.get(node);
    const load = number ?? this.#loads.get(node);
    if (load) {
      const [base, distance] = this.#place(load, 'load');
      return b.node(number ? `${type}.load` : op, type, 'read', [base], distance);
    }
    if (op === 'f64x2.replace_lane' || op === 'f32x4.replace_lane') {
      const [whole, value] = node.args.map((arg) => this.#resolve(arg));
      const shape = op.slice(0, 5);
      const zeros = !isVar(whole!) && whole!.op === SINGLE.get(`${shape}.extract_lane`);
      if (zeros && (imm as readonly number[])[0] === 0)
        return b.lane(op, [b.v128(Array<number>(16).fill(0)), this.#value(value!)], 0);
    }
    const args = node.args.map((arg) => this.#value(this.#resolve(arg)));
    return op === 'i64.add' ? b.add(args[0]!, args[1]!) : b.node(op, type, kind, args, imm);
  }

  /** The address of an access, and the offset that it adds. */
  #place({ from, at }: Spot, kind: 'load' | 'store'): readonly [Node, number] {
    const b = this.#b;
    const { load, store } = this.#bases;
    let base = this.#bases[kind].get(from);
    if (!base) {
      const apart = APART * (1 + load.size + store.size);
      const lowest = this.#locate(b, from, (of) => this.#start(of));
      base = [b.sub(lowest, b.i32(apart)), apart];
      this.#bases[kind].set(from, base);
    }
    return [base[0], base[1] + Number(at - from.low)];
  }
}

const isVar = (value: Node | Var): value is Var => !('op' in value);
