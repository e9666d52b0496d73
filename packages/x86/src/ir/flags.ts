import { FLAGS_AUX, FLAGS_REST, FLAGS_RESULT } from '../layout.ts';
import type { Builder } from './builder.ts';
import type { Node } from './node.ts';
import type { Width } from './operand.ts';

export const CF = 1;
export const PF = 4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const IF = 0x200;
export const DF = 0x400;
export const OF = 0x800;
export const NT = 0x4000;
/** Set in what a fault saves; the kernel keeps it for the frame of its signal. Nothing that runs has it. */
export const RF = 0x1_0000;
export const AC = 0x4_0000;
export const ID = 0x20_0000;

/** The condition codes in encoding order (SDM vol. 1, appendix B). */
export const CONDITIONS: readonly string[] = 'o no b nb z nz be nbe s ns p np l nl le nle'.split(
  ' ',
);

/** What is known of the last instruction that set the flags, when it was built in the same function. */
export interface Comparison {
  readonly kind: 'sub' | 'logic' | 'float' | 'other';
  readonly x?: Node;
  readonly y?: Node;
  readonly result: Node;
  readonly width: Width;
}

/**
 * Operations whose flags a tier may keep as the operands: `x` and `y` of an addition or a subtraction, the result `x` of
 * a logical operation, the status flags `x` of a floating-point comparison in their RFLAGS places; `x` before INC or DEC,
 * and CF, which they leave alone, as bit 31 of `y`.
 */
export type Operation = 'add' | 'sub' | 'logic' | 'word' | 'inc' | 'dec';

/** The two words of an operation's flags (see {@link Flags}). */
export function flagWords(
  b: Builder,
  operation: Operation,
  width: Width,
  x: Node,
  y: Node,
): { result: Node; aux: Node } {
  if (operation === 'word') return unpackStatus(b, b.wrap(x));
  if (operation === 'logic') return { result: extended(b, x, width), aux: b.i32(0) };
  if (operation === 'inc') return stepWords(b, width, x, b.add(x, b.constant(x, 1)), false, y);
  if (operation === 'dec') return stepWords(b, width, x, b.sub(x, b.constant(x, 1)), true, y);
  const result = operation === 'add' ? b.add(x, y) : b.sub(x, y);
  const carry = operation === 'add' ? addCarries(b, x, y, result) : subBorrows(b, x, y, result);
  return { result: extended(b, result, width), aux: carries(b, carry, width) };
}

/** The words of INC or DEC; CF is bit 31 of `kept`. */
function stepWords(
  b: Builder,
  width: Width,
  x: Node,
  result: Node,
  subtract: boolean,
  kept: Node,
): { result: Node; aux: Node } {
  const one = b.constant(x, 1);
  const carry = subtract ? subBorrows(b, x, one, result) : addCarries(b, x, one, result);
  const fresh = carries(b, carry, width);
  return { result: extended(b, result, width), aux: withCarry(b, fresh, b.wrap(kept)) };
}

/** An aux word with CF as in bit 31 of another: flipping bits 31 and 30 together changes CF and keeps OF. */
export function withCarry(b: Builder, aux: Node, kept: Node): Node {
  const differs = b.shrS(b.xor(aux, kept), b.i32(31));
  return b.xor(aux, b.and(differs, b.i32(0xc000_0000)));
}

const extended = (b: Builder, value: Node, width: Width): Node =>
  b.extendS(b.signExtend(value, width));

function addCarries(b: Builder, x: Node, y: Node, result: Node): Node {
  return b.or(b.and(x, y), b.and(b.or(x, y), b.not(result)));
}

function subBorrows(b: Builder, x: Node, y: Node, result: Node): Node {
  const notX = b.not(x);
  return b.or(b.and(notX, y), b.and(b.or(notX, y), result));
}

/** Moves the adder's carries to their place in the aux word. */
function carries(b: Builder, carry: Node, width: Width): Node {
  if (width === 32) return b.and(carry, b.i32(0xc000_0008));
  if (width === 64) {
    const high = b.and(b.wrap(b.shrU(carry, b.i64(32))), b.i32(0xc000_0000));
    return b.or(high, b.and(b.wrap(carry), b.i32(8)));
  }
  return b.or(b.shl(carry, b.i32(32 - width)), b.and(carry, b.i32(8)));
}

/** CF, OF and AF (0 or 1) in the aux word. */
function packed(b: Builder, cf: Node, of: Node, af?: Node): Node {
  const aux = b.or(b.shl(cf, b.i32(AUX_CARRY)), b.shl(b.xor(of, cf), b.i32(AUX_OVERFLOW)));
  return af ? b.or(aux, b.shl(af, b.i32(AUX_ADJUST))) : aux;
}

/** The words of six status flags in their RFLAGS places. */
function unpackStatus(b: Builder, word: Node): { result: Node; aux: Node } {
  const bit = (n: number): Node => b.and(b.shrU(word, b.i32(n)), b.i32(1));
  const notZero = b.xor(bit(6), b.i32(1));
  // The result is 0 or 1, whose parity flag is 1 or 0; the parity field corrects it.
  const parity = b.xor(b.xor(bit(2), notZero), b.i32(1));
  const aux = b.or(
    packed(b, bit(0), bit(11), bit(4)),
    b.or(b.shl(parity, b.i32(AUX_PARITY)), bit(7)),
  );
  return { result: b.extendU(notZero), aux };
}

/** Aux bits: CF; CF xor OF; AF; a byte xored into the result for PF; a bit xored into SF. */
const AUX_CARRY = 31;
const AUX_OVERFLOW = 30;
const AUX_ADJUST = 3;
const AUX_PARITY = 8;

/**
 * The six status flags, kept lazily as two words: the result, sign-extended to 64 bits, and a word of carries.
 * ZF, SF and PF are made from the result. The carries are those of the adder: bit n is the carry out of bit n, moved so
 * that the operand's top bit comes to bit 31; then bit 31 is CF, bit 31 xor bit 30 is OF, and bit 3 (not moved) is AF.
 * Flags that no result can show together (POPF: ZF and SF) are xored in from two more fields of the word.
 */
export class Flags {
  readonly #b: Builder;
  /** False when a later instruction of the block overwrites what this one would set. */
  live = true;
  #last: Comparison | undefined;

  constructor(b: Builder) {
    this.#b = b;
  }

  /** Forgets a comparison made in a nested region: the next instruction of the function cannot see its values. */
  settle(): void {
    if (this.#last && this.#last.result.region !== this.#b.root) this.#last = undefined;
  }

  /** What the instruction before, in another block, compared: the tier kept its operands. */
  adopt(comparison: Comparison | undefined): void {
    this.#last = comparison;
  }

  get last(): Comparison | undefined {
    return this.#last;
  }

  #both(result: Node, aux: Node): void {
    this.#b.target.writeFlags(this.#b, result, aux);
  }

  #aux(value: Node): void {
    this.#b.setCell(FLAGS_AUX, 'i32.store', value);
  }

  get aux(): Node {
    return this.#b.cell(FLAGS_AUX, 'i32.load');
  }

  get result(): Node {
    return this.#b.cell(FLAGS_RESULT, 'i64.load');
  }

  /** Sets the flags of an operation: as its operands where the tier keeps those, else as the two words. */
  #set(operation: Operation, width: Width, x: Node, y: Node, result: Node): void {
    const b = this.#b;
    if (b.target.keepOperands?.(b, operation, width, x, y)) return;
    const narrow = extended(b, result, width);
    if (operation === 'logic') return this.#both(narrow, b.i32(0));
    const carry = operation === 'add' ? addCarries(b, x, y, result) : subBorrows(b, x, y, result);
    this.#both(narrow, carries(b, carry, width));
  }

  /** ADD: `result` = x + y. With a carry in (ADC), the operands alone do not tell the flags. */
  add(x: Node, y: Node, result: Node, width: Width, carryIn = false): void {
    if (!this.live) return;
    this.#last = { kind: 'other', result, width };
    if (carryIn) this.#words(addCarries(this.#b, x, y, result), result, width);
    else this.#set('add', width, x, y, result);
  }

  /** SUB, SBB, CMP, NEG. `borrowIn` is true for SBB. */
  sub(x: Node, y: Node, result: Node, width: Width, borrowIn = false): void {
    this.#last = { kind: borrowIn ? 'other' : 'sub', x, y, result, width };
    if (!this.live) return;
    if (borrowIn) this.#words(subBorrows(this.#b, x, y, result), result, width);
    else this.#set('sub', width, x, y, result);
  }

  #words(carry: Node, result: Node, width: Width): void {
    this.#both(extended(this.#b, result, width), carries(this.#b, carry, width));
  }

  /** AND, OR, XOR, TEST: CF = OF = 0; AF, undefined, is cleared. */
  logic(result: Node, width: Width): void {
    this.#last = { kind: 'logic', result, width };
    if (this.live) this.#set('logic', width, result, result, result);
  }

  /** INC and DEC: as ADD and SUB of 1, but CF stays. */
  keepCarry(x: Node, result: Node, width: Width, subtract: boolean): void {
    if (!this.live) return;
    const b = this.#b;
    const { target } = b;
    this.#last = { kind: 'other', result, width };
    const kept = target.keptCarry?.(b);
    if (kept && target.keepOperands?.(b, subtract ? 'dec' : 'inc', width, x, kept)) return;
    const words = stepWords(b, width, x, result, subtract, this.aux);
    this.#both(words.result, words.aux);
  }

  /** Sets ZF, SF and PF from the result, CF and OF (0 or 1) as given; AF is cleared. */
  explicit(result: Node, width: Width, cf: Node, of: Node): void {
    if (!this.live) return;
    this.#last = { kind: 'other', result, width };
    this.#both(extended(this.#b, result, width), packed(this.#b, cf, of));
  }

  /** As {@link explicit}, but leaves every flag alone where `when` is 0 (shifts by zero). */
  explicitIf(when: Node, result: Node, width: Width, cf: Node, of: Node): void {
    if (!this.live) return;
    const b = this.#b;
    this.#last = undefined;
    const set = (): void => this.#both(extended(b, result, width), packed(b, cf, of));
    if (when.op === 'i32.const') return when.imm === 0 ? undefined : set();
    // Where the two words have to be made up, they are left alone.
    if (b.target.keepOperands) return b.if(when, set);
    const aux = b.select(when, packed(b, cf, of), this.aux);
    this.#both(b.select(when, extended(b, result, width), this.result), aux);
  }

  /**
   * UCOMISD and its family: CF and PF when unordered, ZF with them; else ZF for equal, CF for less. `word` has the
   * flags in their RFLAGS places.
   */
  float(x: Node, y: Node, word: Node): void {
    const b = this.#b;
    this.#last = { kind: 'float', x, y, result: word, width: 64 };
    if (!this.live) return;
    if (b.target.keepOperands?.(b, 'word', 32, word, word)) return;
    const { result, aux } = unpackStatus(b, word);
    this.#both(result, aux);
  }

  /** Replaces CF alone (BT, CLC, CMC, STC). */
  setCarry(cf: Node): void {
    if (!this.live) return;
    const b = this.#b;
    this.#last = undefined;
    const flip = b.and(b.sub(b.i32(0), b.xor(this.get('c'), cf)), b.i32(0xc000_0000));
    this.#aux(b.xor(this.aux, flip));
  }

  /** Replaces CF and OF where `when` is not 0 (rotates). */
  setCarryOverflowIf(when: Node, cf: Node, of: Node): void {
    if (!this.live) return;
    const b = this.#b;
    this.#last = undefined;
    const aux = this.aux;
    const fresh = b.or(b.and(aux, b.i32(0x3fff_ffff)), packed(b, cf, of));
    this.#aux(b.select(when, fresh, aux));
  }

  /** Replaces ZF alone and keeps the others (CMPXCHG8B/16B, and the like). */
  setZero(zf: Node): void {
    const b = this.#b;
    const kept = b.and(this.statusWord(), b.i32(~ZF));
    this.setStatusWord(b.or(kept, b.shl(zf, b.i32(6))));
  }

  /** One flag as 0 or 1: c p a z s o. */
  get(flag: 'c' | 'p' | 'a' | 'z' | 's' | 'o'): Node {
    const b = this.#b;
    switch (flag) {
      case 'c':
        return b.shrU(this.aux, b.i32(AUX_CARRY));
      case 'o': {
        const aux = this.aux;
        return b.shrU(b.xor(aux, b.shl(aux, b.i32(1))), b.i32(31));
      }
      case 'a':
        return b.and(b.shrU(this.aux, b.i32(AUX_ADJUST)), b.i32(1));
      case 'z':
        return b.eqz(this.result);
      case 's': {
        const sign = b.wrap(b.shrU(this.result, b.i64(63)));
        return b.xor(sign, b.and(this.aux, b.i32(1)));
      }
      case 'p': {
        const low = b.xor(b.wrap(this.result), b.shrU(this.aux, b.i32(AUX_PARITY)));
        const odd = b.op('i32.popcnt', b.and(low, b.i32(0xff)));
        return b.and(b.not(odd), b.i32(1));
      }
    }
  }

  /** The condition of Jcc, SETcc and CMOVcc number `code`, as 0 or not 0. */
  condition(code: number): Node {
    const direct = this.#direct(code & ~1);
    const positive = direct ?? this.#fromCells(code & ~1);
    return code & 1 ? this.#b.eqz(positive) : positive;
  }

  #fromCells(code: number): Node {
    const b = this.#b;
    switch (code) {
      case 0:
        return this.get('o');
      case 2:
        return this.get('c');
      case 4:
        return this.get('z');
      case 6:
        return b.or(this.get('c'), this.get('z'));
      case 8:
        return this.get('s');
      case 10:
        return this.get('p');
      case 12:
        return b.xor(this.get('s'), this.get('o'));
      default:
        return b.or(this.get('z'), b.xor(this.get('s'), this.get('o')));
    }
  }

  /** The condition straight from the operands of the comparison before it. */
  #direct(code: number): Node | undefined {
    const last = this.#last;
    if (!last) return undefined;
    const b = this.#b;
    const { result, width } = last;
    const signed = (x: Node): Node => b.signExtend(x, width);
    if (last.kind === 'float') return this.#compared(code, last.x!, last.y!);
    if (code === 4) return b.eqz(b.zeroExtend(result, width));
    if (code === 8) return b.ltS(signed(result), b.constant(result, 0));
    if (last.kind === 'other') return undefined;
    const { x, y } = last;
    if (x && y) {
      if (code === 2) return b.ltU(b.zeroExtend(x, width), b.zeroExtend(y, width));
      if (code === 6) return b.op(`${x.type}.le_u`, b.zeroExtend(x, width), b.zeroExtend(y, width));
      if (code === 12) return b.ltS(signed(x), signed(y));
      if (code === 14) return b.op(`${x.type}.le_s`, signed(x), signed(y));
      return undefined;
    }
    if (code === 0 || code === 2) return b.i32(0);
    if (code === 6) return b.eqz(b.zeroExtend(result, width));
    if (code === 12) return b.ltS(signed(result), b.constant(result, 0));
    if (code === 14) return b.op(`${result.type}.le_s`, signed(result), b.constant(result, 0));
    return undefined;
  }

  /** A condition straight from the operands of a floating-point comparison. */
  #compared(code: number, x: Node, y: Node): Node | undefined {
    const b = this.#b;
    const op = (name: string): Node => b.op(`${x.type}.${name}`, x, y);
    if (code === 2) return b.eqz(op('ge'));
    if (code === 4) return b.eqz(b.or(op('lt'), op('gt')));
    if (code === 6) return b.eqz(op('gt'));
    if (code === 10) return b.or(b.op(`${x.type}.ne`, x, x), b.op(`${y.type}.ne`, y, y));
    return undefined;
  }

  /** The status flags in their RFLAGS places. */
  statusWord(): Node {
    const b = this.#b;
    const at = (flag: 'c' | 'p' | 'a' | 'z' | 's' | 'o', bit: number): Node =>
      b.shl(this.get(flag), b.i32(bit));
    const low = b.or(b.or(this.get('c'), at('p', 2)), b.or(at('a', 4), at('z', 6)));
    return b.or(low, b.or(at('s', 7), at('o', 11)));
  }

  /** Sets all six status flags from their RFLAGS places; other bits are ignored. */
  setStatusWord(word: Node): void {
    const b = this.#b;
    this.#last = undefined;
    const { result, aux } = unpackStatus(b, word);
    this.#both(result, aux);
  }

  /** All of RFLAGS as PUSHF shows it (RF and VM are clear). */
  rflags(): Node {
    const b = this.#b;
    return b.or(b.cell(FLAGS_REST, 'i32.load'), this.statusWord());
  }
}
