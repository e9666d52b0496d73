import { SEG_NONE, type Insn } from '../decode.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Slot, Width } from '../ir/operand.ts';
import type { Target } from '../ir/target.ts';
import {
  ASSIST_CELL,
  BOUNCE,
  EXIT_ASSIST,
  EXIT_FAULT,
  EXIT_FUEL_RIP,
  EXIT_RESYNC,
  FAULT_CODE,
  FAULT_VECTOR,
  SLOT_ZERO,
  ST_BASE,
  TLB_ADDEND,
  TLB_READ,
  TLB_WRITE,
  XMM_BASE,
} from '../layout.ts';
import { commitStore, FAULT, readMiss, tlbEntry, writeMiss } from '../mmu.ts';
import { MICRO_RESYNC } from '../tier0/record.ts';
import { regSlot, rmSlot, SEGMENT_SLOT, x87Place } from '../tier0/translate.ts';
import { DISPATCH, TO_LOOKUP, type Frame, type Kept } from './frame.ts';
import type { Block, Region } from './region.ts';

/**
 * Compiles a block of a region: what tier 0 reads from records is constant here, and the integer registers and the
 * flags are locals (frame.ts). Leaving writes them back and tells RIP and the fuel exactly, so EXIT_REC is 0.
 */
export class Tier1Target implements Target {
  readonly #frame: Frame;
  readonly #region: Region;
  readonly #block: Block;
  readonly #place: number;
  #insn!: Insn;
  /** Index of the instruction in its block. */
  #index = 0;
  #addressNode: Node | undefined;
  /** The instruction contains a store. */
  #stores = false;
  ended = false;

  constructor(frame: Frame, region: Region, place: number) {
    this.#frame = frame;
    this.#region = region;
    this.#place = place;
    this.#block = region.blocks[place]!;
  }

  /** Goes to an instruction of the block. */
  begin(index: number): Insn {
    this.#index = index;
    this.#insn = this.#block.insns[index]!;
    this.#addressNode = undefined;
    this.#stores = false;
    return this.#insn;
  }

  /** Ends an instruction: what follows one that changed the page's code must be decoded again. */
  finish(b: Builder): void {
    if (this.ended || !this.#stores) return;
    this.#ifDropped(b, () => {
      this.#frame.spend(b, this.#index + 1);
      this.#frame.leave(b, EXIT_RESYNC, this.nextIp(b));
    });
    this.#stores = false;
  }

  #ifDropped(b: Builder, then: () => void): void {
    b.if(b.value(this.#frame.missed), () => {
      b.assign(this.#frame.missed, b.i32(0));
      const handler = b.load('i32.load16_u', b.param(0, 'i32'));
      b.if(b.eq(handler, b.i32(MICRO_RESYNC)), then);
    });
  }

  // ---- operands

  #va(b: Builder, offset: number): Node {
    return b.i64(BigInt(this.#region.page.va) + BigInt(offset));
  }

  /** Byte offset of a register in its file. */
  #slot(slot: Slot, size: number): number {
    if (slot === 'reg') return regSlot(this.#insn);
    return slot === 'rm' ? rmSlot(this.#insn) : slot * size;
  }

  /** An integer register, or the base of a segment, by its slot of eight bytes. */
  #base(b: Builder, slot: number): Node {
    if (slot === SLOT_ZERO) return b.i64(0);
    const kept = this.#frame.gprs[slot];
    return kept ? this.#frame.read(b, kept) : b.load('i64.load', b.i32(0), slot * 8);
  }

  readGpr(b: Builder, slot: Slot, width: Width): Node {
    const at = this.#slot(slot, 8);
    const value = this.#base(b, at >> 3);
    if (width === 64) return value;
    const low = b.wrap(value);
    if (width === 32) return low;
    return b.zeroExtend(at & 1 ? b.shrU(low, b.i32(8)) : low, width);
  }

  writeGpr(b: Builder, slot: Slot, width: Width, value: Node): void {
    const at = this.#slot(slot, 8);
    const kept = this.#frame.gprs[at >> 3]!;
    const wide = b.extendU(width === 64 ? value : b.zeroExtend(b.wrap(value), width));
    if (width >= 32) return this.#frame.write(b, kept, wide);
    const shift = (at & 1) * 8;
    const mask = (width === 8 ? 0xffn : 0xffffn) << BigInt(shift);
    const rest = b.and(this.#frame.read(b, kept), b.i64(~mask));
    this.#frame.write(b, kept, b.or(rest, shift ? b.shl(wide, b.i64(shift)) : wide));
  }

  #vector(file: 'xmm' | 'mmx', slot: Slot): number {
    return (file === 'xmm' ? XMM_BASE : ST_BASE) + this.#slot(slot, 16);
  }

  readVector(b: Builder, file: 'xmm' | 'mmx', slot: Slot, load: string, offset: number): Node {
    return b.load(load, b.i32(0), this.#vector(file, slot) + offset);
  }

  writeVector(
    b: Builder,
    file: 'xmm' | 'mmx',
    slot: Slot,
    store: string,
    offset: number,
    value: Node,
  ): void {
    const at = this.#vector(file, slot);
    b.store(store, b.i32(0), value, at + offset);
    // Seen as an x87 register, one written by MMX has all ones for sign and exponent.
    if (file === 'mmx') b.store('i32.store16', b.i32(0), b.i32(0xffff), at + 8);
  }

  vectorAddress(b: Builder, file: 'xmm' | 'mmx', slot: Slot): Node {
    return b.i32(this.#vector(file, slot));
  }

  #cell(address: number): Kept | undefined {
    return this.#frame.flags.find((kept) => kept.address === address);
  }

  readCell(b: Builder, address: number, load: string): Node {
    const kept = this.#cell(address);
    return kept ? this.#frame.read(b, kept) : b.load(load, b.i32(0), address);
  }

  writeCell(b: Builder, address: number, store: string, value: Node): void {
    const kept = this.#cell(address);
    if (kept) this.#frame.write(b, kept, value);
    else b.store(store, b.i32(0), value, address);
  }

  immediate(b: Builder, type: 'i32' | 'i64'): Node {
    const low = this.#insn.imm | (this.#insn.imm2 << 16);
    return type === 'i32' ? b.i32(low) : b.i64(pair(low, this.#insn.immHigh));
  }

  address(b: Builder): Node {
    this.#addressNode ??= this.#effectiveAddress(b);
    return this.#addressNode;
  }

  #effectiveAddress(b: Builder): Node {
    const { row, disp, dispHigh, base, index, scale, ripRelative, segment, address32, opsize } =
      this.#insn;
    let offset = ripRelative
      ? BigInt(this.#region.page.va + this.#block.offsets[this.#index + 1]! + disp)
      : pair(disp, dispHigh);
    // POP computes its destination's address after incrementing RSP.
    if (row.sem === 'pop' && base === 4) offset += BigInt(opsize / 8);
    let va = base === SLOT_ZERO ? b.i64(offset) : this.#base(b, base);
    if (base !== SLOT_ZERO && offset !== 0n) va = b.add(va, b.i64(offset));
    if (index !== SLOT_ZERO) va = b.add(va, b.shl(this.#base(b, index), b.i64(scale)));
    if (address32) va = b.and(va, b.i64(0xffff_ffffn));
    const segmented = segment !== SEG_NONE && row.sem !== 'lea';
    return segmented ? b.add(va, this.#base(b, SEGMENT_SLOT[segment]!)) : va;
  }

  nextIp(b: Builder): Node {
    return this.#va(b, this.#block.offsets[this.#index + 1]!);
  }

  x87Place(b: Builder): Node {
    const va = this.#region.page.va + this.#block.offsets[this.#index]!;
    return b.i64(x87Place(this.#insn, va));
  }

  // ---- memory

  translate(b: Builder, va: Node, size: number, write: boolean): Node {
    const last = size > 1 ? b.add(va, b.i64(size - 1)) : va;
    const page = b.and(last, b.i64(-4096));
    const entry = tlbEntry(b, va, b.param(2, 'i32'));
    const physical = b.var(b.add(b.wrap(va), b.load('i32.load', entry, TLB_ADDEND)));
    b.if(b.ne(page, b.load('i64.load', entry, write ? TLB_WRITE : TLB_READ)), () => {
      const miss = write ? writeMiss : readMiss;
      b.assign(physical, b.call(miss, va, b.i32(size), b.param(2, 'i32')));
      b.if(b.eq(b.value(physical), b.i32(FAULT)), () => this.#leaveHere(b, EXIT_FAULT));
      if (write) b.assign(this.#frame.missed, b.i32(1));
    });
    this.#stores ||= write;
    return b.value(physical);
  }

  commit(b: Builder, physical: Node): void {
    b.if(b.eq(physical, b.i32(BOUNCE)), () => b.call(commitStore));
  }

  // ---- control

  /** Leaves with this instruction not executed. */
  #leaveHere(b: Builder, code: number): void {
    this.#frame.spend(b, this.#index);
    this.#frame.leave(b, code, this.#va(b, this.#block.offsets[this.#index]!));
  }

  /** Continues at an offset from the page, after the block's fuel was spent. */
  #goto(b: Builder, offset: number): void {
    const frame = this.#frame;
    const exhausted = b.op('i32.le_s', b.value(frame.fuel), b.i32(0));
    b.if(exhausted, () => frame.leave(b, EXIT_FUEL_RIP, this.#va(b, offset)));
    this.#continue(b, offset);
  }

  #continue(b: Builder, offset: number): void {
    const frame = this.#frame;
    const to = this.#region.indexOf.get(offset);
    if (to === undefined) return frame.leave(b, TO_LOOKUP, this.#va(b, offset));
    if (this.#stores) this.#ifDropped(b, () => frame.leave(b, TO_LOOKUP, this.#va(b, offset)));
    if (to > this.#place) {
      const label = DISPATCH + this.#region.blocks.length - to;
      b.node('br', undefined, 'effect', [], label);
      return;
    }
    b.assign(frame.block, b.i32(to));
    b.node('br', undefined, 'effect', [], DISPATCH);
  }

  /** Ends the block: this instruction has been executed. */
  #spendBlock(b: Builder): void {
    this.#frame.spend(b, this.#index + 1);
    this.ended = true;
  }

  get #targetOffset(): number {
    return this.#block.offsets[this.#index + 1]! + this.#insn.imm;
  }

  jump(b: Builder): void {
    this.#spendBlock(b);
    this.#goto(b, this.#targetOffset);
  }

  /** Ends a block that no branch ends. */
  fallThrough(b: Builder): void {
    this.#spendBlock(b);
    this.#goto(b, this.#block.offsets.at(-1)!);
  }

  branch(b: Builder, condition: Node): void {
    this.#spendBlock(b);
    b.if(condition, () => this.#goto(b, this.#targetOffset));
    this.#goto(b, this.#block.offsets.at(-1)!);
  }

  jumpTo(b: Builder, va: Node): void {
    const frame = this.#frame;
    this.#spendBlock(b);
    const exhausted = b.op('i32.le_s', b.value(frame.fuel), b.i32(0));
    b.if(exhausted, () => frame.leave(b, EXIT_FUEL_RIP, va));
    if (this.#insn.row.sem === 'ret')
      for (const offset of this.#region.returns)
        b.if(b.eq(va, this.#va(b, offset)), () => this.#continue(b, offset));
    frame.leave(b, TO_LOOKUP, va);
  }

  again(): void {
    throw new Error('repeated string instructions stay with tier 0');
  }

  raise(b: Builder, vector: number, errorCode: Node): void {
    b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
    b.store('i32.store', b.i32(FAULT_CODE), errorCode);
    this.#leaveHere(b, EXIT_FAULT);
  }

  trap(b: Builder, exit: number, vector: number): void {
    if (vector >= 0) {
      b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
      b.store('i32.store', b.i32(FAULT_CODE), b.i32(0));
    }
    this.#spendBlock(b);
    this.#frame.leave(b, exit, this.nextIp(b));
  }

  assist(b: Builder, number: number): void {
    b.store('i32.store', b.i32(ASSIST_CELL), b.i32(number));
    this.#leaveHere(b, EXIT_ASSIST);
    this.ended = true;
  }
}

/** A sign-extended pair as a number of 64 bits. */
const pair = (low: number, high: number): bigint =>
  BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
