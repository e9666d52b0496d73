import { RSP } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { EXTENT_ADDEND, EXTENT_LEFT, EXTENT_LIMIT, EXTENT_PERIOD, EXTENT_START, EXTENT_VA, EXTENT_WANTED, SLOT_ZERO, TLB_ADDEND } from '../layout.ts'; // prettier-ignore
import { FAULT, missesTlb, readMiss, tlbEntry, writeMiss } from '../mmu.ts';
import { extentOf, WIDEST } from '../extents.ts';
import { regSlot, rmSlot } from '../tier0/translate.ts';
import { countIn, NOTES_STRAYED } from './exits.ts';
import type { Frame } from './frame.ts';
import type { Block } from './region.ts';
import { BASE } from './stack.ts';
import type { Place, State, Translated } from './state.ts';
import { KEPT_ADDEND, KEPT_LIMIT, type Stream } from './stream.ts';
import type { Strip } from './strip.ts';

/** Reads of the stack, which is written all the time. */
const ON_STACK: ReadonlySet<string> = new Set(['pop', 'ret', 'leave']);

/** Instructions that write no register but their first operand. */
const SIMPLE =
  /^(mov.*|add.*|sub.*|and|or|xor|cmp|test|lea|inc|dec|neg|not|shl|shr|sar|imul|mul[sp].|div[sp].|p.*|cvt.*)$/;
const simple = new Map<string, boolean>();

/** Whether a register that an address is made of surely keeps its value. */
function keeps(insn: Insn, register: number): boolean {
  if (register === SLOT_ZERO) return true;
  const { row } = insn;
  let known = simple.get(row.sem);
  if (known === undefined) simple.set(row.sem, (known = SIMPLE.test(row.sem) && row.sem !== 'pop'));
  if (!known || row.end || row.operands.some((o) => o.code === 'fixed' || o.code === 'Z'))
    return row.sem === 'mov' && insn.isReg && (regSlot(insn) | 7) !== register * 8 + 7;
  const [first] = row.operands;
  if (!first || first.access === 'r') return true;
  const slot = 'GVPZS'.includes(first.code) ? regSlot(insn) : insn.isReg ? rmSlot(insn) : -8;
  return 'VWUPQN'.includes(first.code) || slot >> 3 !== register;
}

/** Whether the operand that ModRM names is written. */
const writesMemory = ({ row: { operands } }: Insn): boolean =>
  operands.some(({ code, access }) => 'EMWQ'.includes(code) && access !== 'r');

/** No canonical address is near it. */
const NOWHERE: bigint = 1n << 62n;

/** Neighbours within this distance are looked for in the same page. */
const NEAR = 2048n;

/** Translates the addresses of a block's accesses, with as few looks at the TLB as what is known of them allows. */
export class Memory {
  readonly #frame: Frame;
  readonly #block: Block;
  readonly #insns: readonly Insn[];
  readonly #state: State;
  /** The instruction at hand. */
  index = 0;
  readonly #stream: Stream | undefined;
  readonly #strip: Strip | undefined;

  /**
   * @param stream the loop that the block is in, when that keeps pages
   * @param strip the same, when it stays in the pages that it is in
   */
  constructor(
    frame: Frame,
    block: Block,
    state: State,
    stream: Stream | undefined,
    strip: Strip | undefined,
  ) {
    this.#strip = strip;
    this.#stream = stream;
    this.#frame = frame;
    this.#block = block;
    this.#insns = block.code.insns;
    this.#state = state;
  }

  /** Whether an address is known to be a multiple of 16. */
  isAligned(place: Place | undefined, size: number, write: boolean): boolean {
    return place !== undefined && this.#strip?.groups.isAligned(place, size, write) === true;
  }

  /**
   * @param placeOf what is known of an address, and of what it is the sum of
   * @param miss leaves to where the access is carried out
   */
  translate(
    b: Builder,
    va: Node,
    placeOf: (node: Node) => Place | undefined,
    size: number,
    write: boolean,
    miss: () => void,
  ): Node {
    const physical: Var = { type: 'i32', local: -1 };
    const place = placeOf(va);
    if (place?.root === BASE) {
      const found = this.#frame.stack.at(b, this.#block, place.delta, size, write);
      if (found) return found;
    }
    const known = place && this.#strip?.physicalOf(b, va, placeOf, size, write);
    if (known) return known;
    const near = place && this.#near(place, write);
    if (near) this.#besides(b, va, place, size, write, near, physical, miss);
    else this.#lookUp(b, va, place, size, write, physical, miss);
    return b.value(physical);
  }

  /**
   * Within a loop or a condition the instruction may have done something already, so that a miss is dealt with at once.
   * Everywhere else it is left to tier 0: with no calls in their way, V8 keeps registers in registers.
   */
  translateInside(b: Builder, va: Node, size: number, write: boolean, fault: () => void): Node {
    const physical: Var = { type: 'i32', local: -1 };
    const { last, entry } = this.#entryOf(b, va, size);
    b.assign(physical, b.add(b.wrap(va), b.load('i32.load', entry, TLB_ADDEND)));
    b.unlikely(missesTlb(b, entry, last, write), () => {
      const miss = write ? writeMiss : readMiss;
      b.assign(physical, b.call(miss, va, b.i32(size), b.param(2, 'i32')));
      b.if(b.eq(b.value(physical), b.i32(FAULT)), fault);
      if (write) b.assign(this.#frame.missed, b.i32(1));
    });
    return b.value(physical);
  }

  /** Whether an instruction reads the stack, which most likely is written soon, if it has not been. */
  #readsStack(): boolean {
    const { base, row } = this.#insns[this.index]!;
    return base === RSP || ON_STACK.has(row.sem);
  }

  /** Whether the block goes on to write where this instruction reads: then one look at the TLB serves both. */
  #writesLater(): boolean {
    const insns = this.#insns;
    const { base, index, scale, segment, isReg, disp, dispHigh } = insns[this.index]!;
    if (isReg) return false;
    for (let i = this.index; i < insns.length; i++) {
      const later = insns[i]!;
      const writes = !later.isReg && writesMemory(later);
      const same = later.base === base && later.index === index && later.scale === scale;
      const near = later.dispHigh === dispHigh && Math.abs(later.disp - disp) < Number(NEAR);
      if (writes && same && near && later.segment === segment) return true;
      if (!keeps(later, base) || !keeps(later, index)) return false;
    }
    return false;
  }

  #near(place: Place, write: boolean): Translated | undefined {
    const all = this.#state.translated.get(place.root) ?? [];
    return all.findLast(({ delta, write: writable }) => {
      const distance = place.delta - delta;
      return (writable || !write) && distance < NEAR && distance > -NEAR;
    });
  }

  /** An address close to one that has been translated is nearly always in the same page. */
  #besides(
    b: Builder,
    va: Node,
    place: Place,
    size: number,
    write: boolean,
    near: Translated,
    physical: Var,
    miss: () => void,
  ): void {
    const distance = place.delta - near.delta;
    const within = distance >= 0 && distance + BigInt(size) <= near.size;
    b.assign(physical, b.add(b.value(near.physical), b.i32(Number(distance))));
    const ends: Node[] = [];
    if (distance < 0) ends.push(va);
    if (distance + BigInt(size) > near.size) ends.push(b.add(va, b.i64(size - 1)));
    // Within what is known to be translated there is nothing to check, but that it can be written if that is not sure.
    if (within && (near.sure || !write)) return;
    if (within) ends.push(va);
    const outside = ends.map((end) => b.op('i64.ge_u', b.xor(end, b.value(near.va)), b.i64(4096)));
    b.unlikely(
      outside.reduce((x, y) => b.or(x, y)),
      () => this.#elsewhere(b, va, size, write, physical, miss),
    );
  }

  #lookUp(
    b: Builder,
    va: Node,
    place: Place | undefined,
    size: number,
    write: boolean,
    physical: Var,
    miss: () => void,
  ): void {
    const streamed = this.#stream?.take();
    const sure = write || (place !== undefined && this.#writesLater());
    const writable = sure || (place !== undefined && this.#readsStack());
    const isMoving = writable === sure && size <= WIDEST && va.op !== 'i64.const';
    if (streamed !== undefined || (this.#frame.hasExtents && isMoving)) {
      if (streamed === undefined) this.#inExtent(b, va, size, sure, physical, miss);
      else this.#inStream(b, va, size, sure, physical, streamed, miss);
      if (place)
        this.#keep(place, { delta: place.delta, size, write: sure, sure, va: b.var(va), physical });
      return;
    }
    const { last, entry } = this.#entryOf(b, va, size);
    const addend = b.load('i32.load', entry, TLB_ADDEND);
    b.assign(physical, b.add(b.wrap(va), addend));
    const kept: Translated | undefined = place && {
      delta: place.delta,
      size,
      write: writable,
      sure,
      va: b.var(va),
      physical,
    };
    b.unlikely(missesTlb(b, entry, last, writable), () => {
      if (sure || !writable) return miss();
      b.unlikely(missesTlb(b, entry, last, false), miss);
      if (kept) b.assign(kept.va, b.i64(NOWHERE));
    });
    if (kept) this.#keep(place!, kept);
  }

  #keep({ root }: Place, kept: Translated): void {
    this.#state.translated.set(root, [...(this.#state.translated.get(root) ?? []), kept]);
  }

  /** Looks an address up where it is not in the extent of this access, which is filled when that has been so for some time. */
  #inExtent(
    b: Builder,
    va: Node,
    size: number,
    write: boolean,
    physical: Var,
    miss: () => void,
  ): void {
    const extent = extentOf(this.#block.code.addresses[this.index]!, write);
    const cell = (load: string, offset: number): Node => b.load(load, b.i32(0), extent + offset);
    const distance = b.sub(va, cell('i64.load', EXTENT_START));
    b.assign(physical, b.add(b.wrap(va), cell('i32.load', EXTENT_ADDEND)));
    b.unlikely(b.op('i64.ge_u', distance, cell('i64.load', EXTENT_LIMIT)), () => {
      this.#elsewhere(b, va, size, write, physical, miss);
      const left = b.var(b.sub(cell('i32.load', EXTENT_LEFT), b.i32(1)));
      b.store('i32.store', b.i32(0), b.value(left), extent + EXTENT_LEFT);
      b.unlikely(b.ltS(b.value(left), b.i32(0)), () => {
        countIn(b, NOTES_STRAYED, cell('i32.load', EXTENT_PERIOD));
        b.store('i32.store', b.i32(0), b.i32(extent + Number(write)), EXTENT_WANTED);
        b.store('i64.store', b.i32(0), va, EXTENT_VA);
        miss();
      });
    });
  }

  /** Looks an address up where it is not in the page that this access was in last. */
  #inStream(
    b: Builder,
    va: Node,
    size: number,
    write: boolean,
    physical: Var,
    page: number,
    miss: () => void,
  ): void {
    const distance = b.sub(va, b.load('i64.load', b.i32(0), page));
    const limit = b.load('i64.load', b.i32(0), page + KEPT_LIMIT);
    b.unlikely(b.op('i64.ge_u', distance, limit), () => {
      const found = this.#addendOf(b, va, size, write, miss);
      b.store('i64.store', b.i32(0), b.and(va, b.i64(-4096)), page);
      b.store('i64.store', b.i32(0), b.i64(4097 - size), page + KEPT_LIMIT);
      b.store('i32.store', b.i32(0), found, page + KEPT_ADDEND);
    });
    b.assign(physical, b.add(b.wrap(va), b.load('i32.load', b.i32(0), page + KEPT_ADDEND)));
  }

  /** Looks an address up that is not where its neighbour is. */
  #elsewhere(
    b: Builder,
    va: Node,
    size: number,
    write: boolean,
    physical: Var,
    miss: () => void,
  ): void {
    b.assign(physical, b.add(b.wrap(va), this.#addendOf(b, va, size, write, miss)));
  }

  /** What makes an address physical. */
  #addendOf(b: Builder, va: Node, size: number, write: boolean, miss: () => void): Node {
    const { last, entry } = this.#entryOf(b, va, size);
    b.unlikely(missesTlb(b, entry, last, write), miss);
    return b.load('i32.load', entry, TLB_ADDEND);
  }

  #entryOf(b: Builder, va: Node, size: number): { last: Node; entry: Node } {
    const last = size > 1 ? b.add(va, b.i64(size - 1)) : va;
    return { last, entry: tlbEntry(b, va, b.param(2, 'i32')) };
  }
}
