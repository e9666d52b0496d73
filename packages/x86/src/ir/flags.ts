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
export const AC = 0x4_0000;
export const ID = 0x20_0000;

/** The condition codes in encoding order (SDM vol. 1, appendix B). */
export const CONDITIONS: readonly string[] = 'o no b nb z nz be nbe s ns p np l nl le nle'.split(
  ' ',
);

/** What is known of the last instruction that set the flags, when it was built in the same function. */
interface Comparison {
  readonly kind: 'sub' | 'logic' | 'other';
  readonly x?: Node;
  readonly y?: Node;
  readonly result: Node;
  readonly width: Width;
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

  #result(value: Node, width: Width): void {
    const b = this.#b;
    b.setCell(FLAGS_RESULT, 'i64.store', b.extendS(b.signExtend(value, width)));
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

  /** Moves the adder's carries to their place in the aux word. */
  #carries(carry: Node, width: Width): Node {
    const b = this.#b;
    if (width === 32) return b.and(carry, b.i32(0xc000_0008));
    if (width === 64) {
      const high = b.and(b.wrap(b.shrU(carry, b.i64(32))), b.i32(0xc000_0000));
      return b.or(high, b.and(b.wrap(carry), b.i32(8)));
    }
    return b.or(b.shl(carry, b.i32(32 - width)), b.and(carry, b.i32(8)));
  }

  #addCarries(x: Node, y: Node, result: Node): Node {
    const b = this.#b;
    return b.or(b.and(x, y), b.and(b.or(x, y), b.not(result)));
  }

  #subBorrows(x: Node, y: Node, result: Node): Node {
    const b = this.#b;
    const notX = b.not(x);
    return b.or(b.and(notX, y), b.and(b.or(notX, y), result));
  }

  /** ADD, ADC: `result` = x + y (+ carry). */
  add(x: Node, y: Node, result: Node, width: Width): void {
    if (!this.live) return;
    this.#last = { kind: 'other', result, width };
    this.#result(result, width);
    this.#aux(this.#carries(this.#addCarries(x, y, result), width));
  }

  /** SUB, SBB, CMP, NEG. `borrowIn` is true for SBB, where the operands alone do not tell the flags. */
  sub(x: Node, y: Node, result: Node, width: Width, borrowIn = false): void {
    this.#last = { kind: borrowIn ? 'other' : 'sub', x, y, result, width };
    if (!this.live) return;
    this.#result(result, width);
    this.#aux(this.#carries(this.#subBorrows(x, y, result), width));
  }

  /** AND, OR, XOR, TEST: CF = OF = 0; AF, undefined, is cleared. */
  logic(result: Node, width: Width): void {
    this.#last = { kind: 'logic', result, width };
    if (!this.live) return;
    this.#result(result, width);
    this.#aux(this.#b.i32(0));
  }

  /** INC and DEC: as ADD and SUB of 1, but CF stays. */
  keepCarry(x: Node, y: Node, result: Node, width: Width, subtract: boolean): void {
    if (!this.live) return;
    const b = this.#b;
    this.#last = { kind: 'other', result, width };
    const carry = subtract ? this.#subBorrows(x, y, result) : this.#addCarries(x, y, result);
    const fresh = this.#carries(carry, width);
    // Flipping bits 31 and 30 together changes CF and keeps OF.
    const differs = b.shrS(b.xor(fresh, this.aux), b.i32(31));
    const aux = b.xor(fresh, b.and(differs, b.i32(0xc000_0000)));
    this.#aux(aux);
    this.#result(result, width);
  }

  #pack(cf: Node, of: Node, af?: Node): Node {
    const b = this.#b;
    const aux = b.or(b.shl(cf, b.i32(AUX_CARRY)), b.shl(b.xor(of, cf), b.i32(AUX_OVERFLOW)));
    return af ? b.or(aux, b.shl(af, b.i32(AUX_ADJUST))) : aux;
  }

  /** Sets ZF, SF and PF from the result, CF and OF (0 or 1) as given; AF is cleared. */
  explicit(result: Node, width: Width, cf: Node, of: Node): void {
    if (!this.live) return;
    this.#last = { kind: 'other', result, width };
    const aux = this.#pack(cf, of);
    this.#aux(aux);
    this.#result(result, width);
  }

  /** As {@link explicit}, but leaves every flag alone where `when` is 0 (shifts by zero). */
  explicitIf(when: Node, result: Node, width: Width, cf: Node, of: Node): void {
    if (!this.live) return;
    const b = this.#b;
    this.#last = undefined;
    const aux = b.select(when, this.#pack(cf, of), this.aux);
    const value = b.select(when, b.extendS(b.signExtend(result, width)), this.result);
    this.#aux(aux);
    b.setCell(FLAGS_RESULT, 'i64.store', value);
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
    const fresh = b.or(b.and(aux, b.i32(0x3fff_ffff)), this.#pack(cf, of));
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
    const bit = (n: number): Node => b.and(b.shrU(word, b.i32(n)), b.i32(1));
    const notZero = b.xor(bit(6), b.i32(1));
    // The result is 0 or 1, whose parity flag is 1 or 0; the parity field corrects it.
    const parity = b.xor(b.xor(bit(2), notZero), b.i32(1));
    const aux = b.or(
      this.#pack(bit(0), bit(11), bit(4)),
      b.or(b.shl(parity, b.i32(AUX_PARITY)), bit(7)),
    );
    this.#aux(aux);
    b.setCell(FLAGS_RESULT, 'i64.store', b.extendU(notZero));
  }

  /** All of RFLAGS as PUSHF shows it (RF and VM are clear). */
  rflags(): Node {
    const b = this.#b;
    return b.or(b.cell(FLAGS_REST, 'i32.load'), this.statusWord());
  }
}
