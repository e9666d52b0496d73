import type { Builder } from '../ir/builder.ts';
import { VECTOR } from '../insn/sse-float.ts';
import type { Node } from '../ir/node.ts';
import { XMM_BASE } from '../layout.ts';
import type { Frame, Kept } from './frame.ts';
import { FORMATS, Numbers } from './numbers.ts';
import type { State } from './state.ts';
import type { Compute, Unwritten } from './unwritten.ts';

/** How a scalar access touches a lane: type of the vector, bytes of a lane, and the suffix of the extraction. */
const LANES: Readonly<Record<string, readonly [string, number, string]>> = {
  'i32.load8_u': ['i8x16', 1, '_u'],
  'i32.load8_s': ['i8x16', 1, '_s'],
  'i32.load16_u': ['i16x8', 2, '_u'],
  'i32.load16_s': ['i16x8', 2, '_s'],
  'i32.load': ['i32x4', 4, ''],
  'i64.load': ['i64x2', 8, ''],
  'f32.load': ['f32x4', 4, ''],
  'f64.load': ['f64x2', 8, ''],
  'i32.store8': ['i8x16', 1, ''],
  'i32.store16': ['i16x8', 2, ''],
  'i32.store': ['i32x4', 4, ''],
  'i64.store': ['i64x2', 8, ''],
  'f32.store': ['f32x4', 4, ''],
  'f64.store': ['f64x2', 8, ''],
};

/** Types of what is looked at of a value, by how that is read. */
const SPREADS: Readonly<Record<string, 'i32' | 'i64' | 'v128'>> = {
  'f32.load': 'i32',
  'f64.load': 'i64',
  'v128.load': 'v128',
};

/** What takes a lane of a vector as a load would, from the register. */
export const laneOf = (load: string): string => {
  const [type, , suffix] = LANES[load]!;
  return `${type}.extract_lane${suffix}`;
};

/** How the bits of a number are read and written. */
const BITS = {
  f32: { load: 'i32.load', store: 'i32.store', of: 'i32.reinterpret_f32' },
  f64: { load: 'i64.load', store: 'i64.store', of: 'i64.reinterpret_f64' },
} as const;

const ones = (count: number): number[] =>
  Array.from({ length: 16 }, (_, i) => (i < count ? 0xff : 0));

/** The low float or double of a register, which its local does not hold yet. */
interface Low {
  readonly type: 'f32' | 'f64';
  readonly value: Node;
  /** The local has it, too. */
  settled: boolean;
}

/** XMM registers in locals; the last scalar result stays a scalar until more of the register is needed. */
export class Vectors {
  readonly #frame: Frame;
  readonly #state: State;
  readonly #unwritten: Unwritten | undefined;
  /** Values of registers that the loop around leaves alone: which, and how they were read. */
  readonly #constants = new Map<Node, readonly [register: number, load: string]>();
  readonly #lows = new Map<number, Low>();
  readonly numbers: Numbers;
  /** What was last written to a register as a whole. */
  readonly #wholes = new Map<number, Node>();
  /** Registers whose cells an instruction works on. */
  readonly #spilled = new Set<number>();

  constructor(frame: Frame, state: State, unwritten: Unwritten | undefined) {
    this.#unwritten = unwritten;
    this.#frame = frame;
    this.#state = state;
    this.numbers = new Numbers(frame.isTame);
  }

  /** MXCSR was written: nothing is known of numbers any longer. */
  forget(): void {
    this.numbers.forget();
    this.#state.lows.clear();
  }

  #kept(register: number): Kept {
    return this.#frame.vectors[register]!;
  }

  /** What is computed of a value, if that is done before the loop. */
  ofUnwritten(b: Builder, value: Node, compute: Compute): Node | undefined {
    const constant = this.#constants.get(value);
    if (!constant) return undefined;
    const [register, load] = constant;
    const kept = this.#unwritten!.keep(register, load, SPREADS[load]!, compute);
    return kept && b.value(kept);
  }

  /** Puts a pending scalar into the local. In a nested region it stays pending for the paths around. */
  #settle(b: Builder, register: number): void {
    const low = this.#lows.get(register);
    if (!low || low.settled) return;
    const kept = this.#kept(register);
    const whole = b.lane(
      `${VECTOR[low.type]}.replace_lane`,
      [this.#frame.read(b, kept), low.value],
      0,
    );
    this.#frame.write(b, kept, whole);
    if (!b.nested) low.settled = true;
  }

  /** Settles everything: before a jump or an exit. */
  flush(b: Builder): void {
    for (const register of this.#lows.keys()) this.#settle(b, register);
  }

  #whole(b: Builder, register: number): Node {
    this.#settle(b, register);
    return this.#frame.read(b, this.#kept(register));
  }

  read(b: Builder, register: number, load: string, offset: number): Node {
    if (this.#spilled.has(register))
      return b.load(load, b.i32(0), XMM_BASE + register * 16 + offset);
    const low = this.#lows.get(register);
    if (low && offset === 0 && load === `${low.type}.load`) return low.value;
    if (low && offset === 0 && load === BITS[low.type].load)
      return b.op(BITS[low.type].of, low.value);
    const whole = this.#whole(b, register);
    if (load === 'v128.load') {
      const written = this.#wholes.get(register);
      if (this.#unwritten?.has(register)) this.#constants.set(whole, [register, load]);
      if (written)
        for (const f of FORMATS) this.numbers.inherit(whole, f, this.numbers.known(written, f));
      return whole;
    }
    if (load === 'v128.load64_zero') return b.op('v128.and', whole, b.v128(ones(8)));
    if (load === 'v128.load32_zero') return b.op('v128.and', whole, b.v128(ones(4)));
    const lane = LANES[load];
    if (!lane || offset % lane[1] !== 0) {
      this.spill(b, register);
      return b.load(load, b.i32(0), XMM_BASE + register * 16 + offset);
    }
    const [, bytes] = lane;
    const value = b.lane(laneOf(load), [whole], offset / bytes);
    const isFloat = load === 'f32.load' || load === 'f64.load';
    if (isFloat && offset === 0 && !b.nested) {
      const format = load === 'f64.load' ? 'f64' : 'f32';
      this.#lows.set(register, { type: format, value, settled: true });
      if (this.#unwritten?.has(register)) this.#constants.set(value, [register, load]);
      const known = this.#state.lows.get(register);
      if (known?.type === format) this.numbers.inherit(value, format, known.known);
    }
    return value;
  }

  write(b: Builder, register: number, store: string, offset: number, value: Node): void {
    if (this.#spilled.has(register))
      return b.store(store, b.i32(0), value, XMM_BASE + register * 16 + offset);
    if (b.nested) throw new Error('a vector register is written on one path only');
    if (this.#unwritten?.has(register)) throw new Error('a register is written that is not');
    for (const f of FORMATS)
      if (store === BITS[f].store && value.op === BITS[f].of)
        return this.write(b, register, `${f}.store`, offset, value.args[0]!);
    const kept = this.#kept(register);
    this.#state.lows.delete(register);
    this.#wholes.delete(register);
    if (store === 'v128.store') {
      this.#lows.delete(register);
      this.#wholes.set(register, value);
      return this.#frame.write(b, kept, value);
    }
    if (offset === 0 && (store === 'f64.store' || store === 'f32.store')) {
      const type = store === 'f64.store' ? 'f64' : 'f32';
      const before = this.#lows.get(register);
      if (before && before.type !== type) this.#settle(b, register);
      this.#lows.set(register, { type, value, settled: false });
      const known = this.numbers.known(value, type);
      if (known) this.#state.lows.set(register, { type, known });
      return;
    }
    const whole = this.#whole(b, register);
    this.#lows.delete(register);
    const [type, bytes] = LANES[store]!;
    this.#frame.write(b, kept, b.lane(`${type}.replace_lane`, [whole, value], offset / bytes));
  }

  /** Has an instruction work on a register's cell. */
  spill(b: Builder, register: number): void {
    if (this.#spilled.has(register)) return;
    b.store('v128.store', b.i32(0), this.#whole(b, register), XMM_BASE + register * 16);
    this.#spilled.add(register);
    this.#wholes.delete(register);
    this.#state.lows.delete(register);
  }

  /** Takes back what an instruction may have done to cells. */
  reload(b: Builder): void {
    for (const register of this.#spilled) {
      this.#lows.delete(register);
      const value = b.load('v128.load', b.i32(0), XMM_BASE + register * 16);
      this.#frame.write(b, this.#kept(register), value);
    }
    this.#spilled.clear();
  }
}
