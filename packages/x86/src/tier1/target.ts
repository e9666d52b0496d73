import { SEG_NONE, type Insn } from '../decode.ts';
import type { Gathered } from '../insn/gathered.ts';
import { type Builder, fits } from '../ir/builder.ts';
import { flagWords, type Operation } from '../ir/flags.ts';
import type { Node } from '../ir/node.ts';
import type { Slot, Width } from '../ir/operand.ts';
import type { Target, Usual } from '../ir/target.ts';
import {
  ASSIST_CELL,
  BOUNCE,
  CODE_DROPPED,
  EXIT_ASSIST,
  EXIT_FAULT,
  EXIT_LOOKUP,
  EXIT_RESYNC,
  FAULT_CODE,
  FAULT_VECTOR,
  FLAGS_AUX,
  FLAGS_RESULT,
  ORDINARY_F32,
  ORDINARY_F64,
  ORDINARY_LANES,
  SLOT_ZERO,
  ST_BASE,
  XMM_BASE,
} from '../layout.ts';
import { commitStore } from '../mmu.ts';
import type { CodePage } from '../tier0/code-pages.ts';
import { regSlot, rmSlot, SEGMENT_SLOT, x87Place } from '../tier0/translate.ts';
import {
  borrowOf,
  carryOf,
  keptAux,
  noteOrdinary,
  keptResult,
  kindOf,
  narrowed,
  type Frame,
} from './frame.ts';
import { callTo, countIn, exitToRecord, exitWith, linkTo, NOTES_WILD, returnTo } from './exits.ts';
import { Memory } from './memory.ts';
import { guardOf } from './known-pages.ts';
import { ownHandlerGlobal, recGlobal } from './names.ts';
import { Progress } from './progress.ts';
import { noteAtTimes } from './notes.ts';
import type { Block } from './region.ts';
import { freshRoot, State, type Place } from './state.ts';
import type { Stream } from './stream.ts';
import type { Strip } from './strip.ts';
import type { Unwritten } from './unwritten.ts';
import { Vectors } from './vectors.ts';

/** A jump within the region, and what is known there. */
export interface Edge {
  readonly from: Block;
  readonly to: Block;
  /** Where no other jump leads. */
  readonly state: State | undefined;
}

/** What a block is in, and behind it. */
export interface Around {
  /** Whether registers that the block has written are left in locals at its end. */
  readonly isTight: boolean;
  /** The loop that it is in, when that keeps pages. */
  readonly stream: Stream | undefined;
  /** The same, when it stays in the pages that it is in. */
  readonly strip: Strip | undefined;
  /** What a tight loop around leaves alone. */
  readonly unwritten: Unwritten | undefined;
  /** Takes what is looked at of numbers, when that is done for the whole block. */
  readonly gathered?: Gathered;
  /** Whether what is known here holds at the start of a block that this one jumps to. */
  readonly goesOn: (to: Block) => boolean;
}

const BITWISE: ReadonlySet<string> = new Set(['i32.and', 'i32.or', 'i32.xor']);

/**
 * Compiles a block of a region: what tier 0 reads from records is constant here, and registers are locals (frame.ts).
 * Leaving writes them back and tells RIP and the fuel exactly, so EXIT_REC is 0.
 */
export class Tier1Target implements Target {
  readonly #frame: Frame;
  readonly #block: Block;
  readonly #isTight: boolean;
  readonly #goesOn: (to: Block) => boolean;
  readonly state: State;
  readonly #vectors: Vectors;
  readonly #memory: Memory;
  /** Where a node's value lies relative to a named one. */
  readonly #places = new Map<Node, Place>();
  #insn!: Insn;
  /** Index of the instruction in its block. */
  #index = 0;
  #addressNode: Node | undefined;
  /** The low bits of registers that the instruction has read, by their slots and widths. */
  readonly #narrow = new Map<Node, number>();
  /** The instruction contains a store whose TLB miss was dealt with here. */
  #stores = false;
  readonly #progress: Progress;
  readonly #gathered: Gathered | undefined;
  ended = false;
  readonly usual: Usual;

  constructor(frame: Frame, block: Block, state: State, around: Around) {
    const { isTight, stream, strip, unwritten, gathered, goesOn } = around;
    this.#gathered = gathered;
    this.#isTight = isTight;
    this.#progress = new Progress(!isTight);
    this.#goesOn = goesOn;
    this.#frame = frame;
    this.#block = block;
    this.state = state;
    this.#vectors = new Vectors(frame, state, unwritten);
    this.#memory = new Memory(frame, block, state, stream, strip);
    this.usual = this.#usualNumbers();
  }

  /** Before the first instruction: tells the flags' builder what the block before has compared. */
  enter(b: Builder): void {
    const { flags } = this.state;
    if (flags === undefined || flags === 'words') return;
    const { operation, width } = flags;
    if (operation !== 'sub' && operation !== 'logic') return;
    const x = narrowed(b, b.value(this.#frame.x), width);
    const y = narrowed(b, b.value(this.#frame.y), width);
    this.#frame.readFlags();
    if (operation === 'logic') b.flags.adopt({ kind: 'logic', result: x, width });
    else b.flags.adopt({ kind: 'sub', x, y, result: b.sub(x, y), width });
  }

  /** Goes to an instruction of the block. */
  begin(index: number): Insn {
    this.#index = index;
    this.#memory.index = index;
    this.#insn = this.#block.code.insns[index]!;
    this.#addressNode = undefined;
    this.#narrow.clear();
    this.#stores = false;
    return this.#insn;
  }

  /** Ends an instruction: what follows one that changed code, of whatever page, must be looked for again. */
  finish(b: Builder): void {
    this.#vectors.reload(b);
    this.#frame.use.finish();
    this.#progress.finish(b);
    if (this.ended || !this.#stores) return;
    this.#stores = false;
    const { missed } = this.#frame;
    b.unlikely(b.value(missed), () => {
      b.assign(missed, b.i32(0));
      b.if(b.load('i32.load', b.i32(CODE_DROPPED)), () => {
        b.store('i32.store', b.i32(CODE_DROPPED), b.i32(0));
        this.#exit(b, EXIT_RESYNC, this.nextIp(b), this.#index + 1);
      });
    });
  }

  // ---- operands

  #va(b: Builder, va: number): Node {
    return b.i64(BigInt(va));
  }

  get #nextVa(): number {
    return this.#block.code.addresses[this.#index + 1]!;
  }

  /** Byte offset of a register in its file. */
  #slot(slot: Slot, size: number): number {
    if (slot === 'reg') return regSlot(this.#insn);
    // Instructions with a VEX prefix stay with tier 0.
    if (slot === 'vvvv') throw new Error('tier 1 has no VEX');
    return slot === 'rm' ? rmSlot(this.#insn) : slot * size;
  }

  /** An integer register, or the base of a segment, by its slot of eight bytes. */
  #base(b: Builder, slot: number): Node {
    if (slot === SLOT_ZERO) return b.i64(0);
    const kept = this.#frame.gprs[slot];
    if (!kept) {
      const base = b.load('i64.load', b.i32(0), slot * 8);
      this.#places.set(base, { root: `segment ${slot}`, delta: 0n });
      return base;
    }
    const value = this.#frame.read(b, kept);
    if (!b.nested) this.#places.set(value, this.state.gprs[slot]!);
    return value;
  }

  readGpr(b: Builder, slot: Slot, width: Width): Node {
    const at = this.#slot(slot, 8);
    const value = this.#base(b, at >> 3);
    if (width === 64) return value;
    const low = b.wrap(value);
    if (width === 32) return low;
    const narrow = b.zeroExtend(at & 1 ? b.shrU(low, b.i32(8)) : low, width);
    this.#narrow.set(narrow, at + width * 256);
    return narrow;
  }

  writeGpr(b: Builder, slot: Slot, width: Width, value: Node): void {
    const at = this.#slot(slot, 8);
    const kept = this.#frame.gprs[at >> 3]!;
    const place = width === 64 && !b.nested ? this.#placeOf(value) : undefined;
    this.state.gprs[at >> 3] = place ?? { root: freshRoot(), delta: 0n };
    const wide = b.extendU(width === 64 ? value : b.zeroExtend(b.wrap(value), width));
    if (width >= 32) return this.#frame.write(b, kept, wide);
    const whole = this.#bitwise(b, value, at, width);
    if (whole) return this.#frame.write(b, kept, whole);
    const shift = (at & 1) * 8;
    const mask = (width === 8 ? 0xffn : 0xffffn) << BigInt(shift);
    const rest = b.and(this.#frame.read(b, kept), b.i64(~mask));
    this.#frame.write(b, kept, b.or(rest, shift ? b.shl(wide, b.i64(shift)) : wide));
  }

  /** AND, OR and XOR of a register's low bits leave the others alone if their other operand does. */
  #bitwise(b: Builder, { op, args }: Node, at: number, width: Width): Node | undefined {
    if (at & 1 || !BITWISE.has(op)) return undefined;
    const isOwn = (node: Node): boolean => this.#narrow.get(node) === at + width * 256;
    const [own, other] = isOwn(args[0]!) ? args : args.toReversed();
    const mask = 2 ** width - 1;
    if (!isOwn(own!) || !fits(other!, mask)) return undefined;
    const before = this.#frame.read(b, this.#frame.gprs[at >> 3]!);
    const bits = b.extendU(other!);
    if (op === 'i32.and') return b.and(before, b.or(bits, b.i64(~BigInt(mask))));
    return op === 'i32.or' ? b.or(before, bits) : b.xor(before, bits);
  }

  /** A node's value as a named one plus a constant, where that is known. */
  #placeOf(node: Node): Place | undefined {
    const known = this.#places.get(node);
    if (known) return known;
    if (node.op === 'i64.const') return { root: 'zero', delta: node.imm as bigint };
    const [x, y] = node.args;
    if (node.op !== 'i64.add') return undefined;
    const first = this.#placeOf(x!);
    const second = first && this.#placeOf(y!);
    if (!second) return undefined;
    const delta = BigInt.asIntN(64, first.delta + second.delta);
    if (second.root === 'zero') return { root: first.root, delta };
    if (first.root === 'zero') return { root: second.root, delta };
    return { root: `${first.root}+${second.root}`, delta };
  }

  #vector(file: 'xmm' | 'mmx', slot: Slot): number {
    return (file === 'xmm' ? XMM_BASE : ST_BASE) + this.#slot(slot, 16);
  }

  readVector(b: Builder, file: 'xmm' | 'mmx', slot: Slot, load: string, offset: number): Node {
    if (file === 'xmm') return this.#vectors.read(b, this.#slot(slot, 16) >> 4, load, offset);
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
    if (file === 'xmm')
      return this.#vectors.write(b, this.#slot(slot, 16) >> 4, store, offset, value);
    const at = this.#vector(file, slot);
    b.store(store, b.i32(0), value, at + offset);
    // Seen as an x87 register, one written by MMX has all ones for sign and exponent.
    b.store('i32.store16', b.i32(0), b.i32(0xffff), at + 8);
  }

  vectorAddress(b: Builder, file: 'xmm' | 'mmx', slot: Slot): Node {
    if (file === 'xmm') this.#vectors.spill(b, this.#slot(slot, 16) >> 4);
    return b.i32(this.#vector(file, slot));
  }

  // ---- flags

  readCell(b: Builder, address: number, load: string): Node {
    if (address !== FLAGS_RESULT && address !== FLAGS_AUX) return b.load(load, b.i32(0), address);
    const frame = this.#frame;
    frame.readFlags();
    const word = address === FLAGS_RESULT ? 'result' : 'aux';
    const { flags } = this.state;
    const x = b.value(frame.x);
    const y = b.value(frame.y);
    if (flags === 'words') return word === 'result' ? x : b.wrap(y);
    if (flags === undefined)
      return b.call(word === 'result' ? keptResult : keptAux, b.value(frame.kind), x, y);
    const { operation, width } = flags;
    return flagWords(b, operation, width, narrowed(b, x, width), narrowed(b, y, width))[word];
  }

  writeCell(b: Builder, address: number, store: string, value: Node): void {
    if (address === FLAGS_AUX)
      this.writeFlags(b, this.readCell(b, FLAGS_RESULT, 'i64.load'), value);
    else if (address === FLAGS_RESULT)
      this.writeFlags(b, value, this.readCell(b, FLAGS_AUX, 'i32.load'));
    else b.store(store, b.i32(0), value, address);
  }

  writeFlags(b: Builder, result: Node, aux: Node): void {
    this.#frame.keepFlags(b, 0, result, b.extendU(aux));
    this.state.flags = b.nested ? undefined : 'words';
  }

  keptCarry(b: Builder): Node {
    const frame = this.#frame;
    frame.readFlags();
    const { flags } = this.state;
    const x = b.value(frame.x);
    const y = b.value(frame.y);
    if (flags === undefined) return carryOf(b, b.value(frame.kind), x, y);
    if (flags === 'words') return b.wrap(y);
    const { operation, width } = flags;
    if (operation !== 'add' && operation !== 'sub') return b.wrap(y);
    if (operation === 'sub') return borrowOf(b, x, y, b.i64(64 - width));
    return flagWords(b, 'add', width, narrowed(b, x, width), narrowed(b, y, width)).aux;
  }

  keepOperands(b: Builder, operation: Operation, width: Width, x: Node, y: Node): boolean {
    const second = b.extendU(secondOf(b, operation, x, y));
    this.#frame.keepFlags(b, kindOf(operation, width), b.extendU(x), second);
    const constant = second.op === 'i64.const' ? (second.imm as bigint) : undefined;
    this.state.flags = b.nested ? undefined : { operation, width, second: constant };
    return true;
  }

  immediate(b: Builder, type: 'i32' | 'i64'): Node {
    const low = this.#insn.imm | (this.#insn.imm2 << 16);
    return type === 'i32' ? b.i32(low) : b.i64(pair(low, this.#insn.immHigh));
  }

  address(b: Builder): Node {
    if (b.nested) return this.#addressNode ?? this.#effectiveAddress(b);
    this.#addressNode ??= this.#effectiveAddress(b);
    return this.#addressNode;
  }

  #effectiveAddress(b: Builder): Node {
    const { row, disp, dispHigh, base, index, scale, ripRelative, segment, address32, opsize } =
      this.#insn;
    let offset = ripRelative ? BigInt(this.#nextVa + disp) : pair(disp, dispHigh);
    // POP computes its destination's address after incrementing RSP.
    if (row.sem === 'pop' && base === 4) offset += BigInt(opsize / 8);
    let va: Node | undefined = base === SLOT_ZERO ? undefined : this.#base(b, base);
    if (index !== SLOT_ZERO) {
      const scaled = this.#scaled(b, index, scale);
      va = va ? b.add(va, scaled) : scaled;
    }
    va = va ? b.add(va, b.i64(offset)) : b.i64(offset);
    if (address32) va = b.and(va, b.i64(0xffff_ffffn));
    const segmented = segment !== SEG_NONE && row.sem !== 'lea';
    return segmented ? b.add(va, this.#base(b, SEGMENT_SLOT[segment]!)) : va;
  }

  #scaled(b: Builder, index: number, scale: number): Node {
    const value = this.#base(b, index);
    if (scale === 0) return value;
    const scaled = b.shl(value, b.i64(scale));
    const { root, delta } = this.state.gprs[index]!;
    if (!b.nested)
      this.#places.set(scaled, { root: `${root}<<${scale}`, delta: delta << BigInt(scale) });
    return scaled;
  }

  nextIp(b: Builder): Node {
    return this.#va(b, this.#nextVa);
  }

  x87Place(b: Builder): Node {
    const va = this.#block.code.addresses[this.#index]!;
    return b.i64(x87Place(this.#insn, va));
  }

  // ---- memory

  isAligned(b: Builder, va: Node, size: number, write: boolean): boolean {
    return !b.nested && this.#memory.isAligned(this.#placeOf(va), size, write);
  }

  translate(b: Builder, va: Node, size: number, write: boolean): Node {
    if (b.nested) {
      this.#stores ||= write;
      return this.#memory.translateInside(b, va, size, write, () => this.#exitHere(b, EXIT_FAULT));
    }
    const placeOf = (node: Node): Place | undefined => this.#placeOf(node);
    const physical = this.#memory.translate(b, va, placeOf, size, write, () => this.#leaveOff(b));
    this.#progress.accesses(physical);
    return physical;
  }

  commit(b: Builder, physical: Node): void {
    if (!b.nested) return;
    b.unlikely(b.value(this.#frame.missed), () =>
      b.if(b.eq(physical, b.i32(BOUNCE)), () => b.call(commitStore)),
    );
  }

  // ---- floating point

  #usualNumbers(): Usual {
    return {
      isTame: this.#frame.isTame,
      gathered: this.#gathered,
      lowest: (b) => {
        this.#frame.usesFloat = true;
        return b.value(this.#frame.lowest);
      },
      limit: (b, f) => {
        this.#frame.usesFloat = true;
        return f === 'f64'
          ? b.load('i64.load', b.i32(0), ORDINARY_F64)
          : b.load('i32.load', b.i32(0), ORDINARY_F32);
      },
      lanes: (b) => {
        this.#frame.usesFloat = true;
        return b.load('i32.load', b.i32(0), ORDINARY_LANES);
      },
      known: (node, f) => this.#vectors.numbers.known(node, f),
      know: (node, f, range, proved) => this.#vectors.numbers.know(node, f, range, proved),
      kept: (b, value, compute) => this.#vectors.ofUnwritten(b, value, compute),
      refresh: (b) => b.call(noteOrdinary),
      reload: (b) => {
        this.#vectors.forget();
        b.call(noteOrdinary);
      },
      defer: (b) => this.#leaveOff(b),
      countWild: (b) => countIn(b, NOTES_WILD),
    };
  }

  /** Leaves this instruction to tier 0, with nothing of it done; where that does no harm, with all of its block. */
  #leaveOff(b: Builder): void {
    if (this.#progress.mayRepeat(b)) this.#frame.restart(b);
    else this.#defer(b);
  }

  /** Leaves to tier 0's record of this instruction: its block goes on there, and spends its fuel as a whole. */
  #defer(b: Builder, spent = 0): void {
    const { records } = this.#block.code;
    const first = b.node('global.get', 'i32', 'pure', [], recGlobal(this.#block.code.va));
    const rec = b.add(first, b.i32(records[this.#index]! - records[0]!));
    // The first record's handler may be a region's entry.
    const isFirst = records[this.#index] === records[0];
    const handler = isFirst
      ? b.node('global.get', 'i32', 'pure', [], ownHandlerGlobal(this.#block.code.va))
      : b.load('i32.load16_u', rec);
    this.#vectors.flush(b);
    this.#frame.leave(b, exitToRecord, rec, spent, b.param(2, 'i32'), handler);
  }

  // ---- control

  /** Leaves to JavaScript. @param spent instructions of the block that the fuel does not know of */
  #exit(b: Builder, code: number, rip: Node, spent: number): void {
    this.#vectors.flush(b);
    this.#frame.leave(b, exitWith, rip, spent, b.i32(code));
  }

  /** Leaves with this instruction not executed. */
  #exitHere(b: Builder, code: number): void {
    this.#exit(b, code, this.#va(b, this.#block.code.addresses[this.#index]!), this.#index);
  }

  /** Leaves to an address, after the block's fuel was spent. */
  #exitTo(b: Builder, va: Node): void {
    this.#vectors.flush(b);
    this.#frame.leave(b, linkTo, va, 0, b.param(2, 'i32'));
  }

  /** The same for a function that the region is not done with: it waits until that comes back. */
  #callTo(b: Builder, va: Node): void {
    const { behind } = this.#block;
    if (!behind) return this.#exitTo(b, va);
    this.#vectors.flush(b);
    const edge: Edge = { from: this.#block, to: behind, state: undefined };
    this.#frame.call(b, callTo, va, edge, b.param(2, 'i32'), this.#va(b, behind.code.va));
  }

  /** A return leaves to who waits for it, or to the address. */
  #returnTo(b: Builder, va: Node): void {
    this.#vectors.flush(b);
    this.#frame.leave(b, returnTo, va, 0, b.param(2, 'i32'));
  }

  /** Continues with a block of the region, or leaves when it has none for the address. */
  #goto(b: Builder, to: Block | undefined, va: number): void {
    if (!to) return this.#exitTo(b, this.#va(b, va));
    for (const page of this.#frame.pages.unknown(this.#block, to)) this.#guard(b, to, page);
    this.#vectors.flush(b);
    const state = this.#goesOn(to) ? new State(this.state) : undefined;
    const edge: Edge = { from: this.#block, to, state };
    b.node('goto', undefined, 'effect', [], edge);
  }

  /** Another page's code may have been dropped, or another page mapped in its place. */
  #guard(b: Builder, to: Block, page: CodePage): void {
    b.unlikely(b.eqz(guardOf(b, page)), () =>
      this.#exit(b, EXIT_LOOKUP, this.#va(b, to.code.va), 0),
    );
  }

  /** Ends the block: this instruction has been executed. */
  #spendBlock(b: Builder): void {
    this.#frame.spend(b, this.#index + 1);
    if (!this.#isTight) {
      this.#vectors.flush(b);
      const { flags } = this.state;
      this.#frame.writeBack(b, typeof flags === 'object' ? flags.operation : undefined);
    }
    this.ended = true;
  }

  get #targetVa(): number {
    return this.#nextVa + this.#insn.imm;
  }

  jump(b: Builder): void {
    this.#spendBlock(b);
    const { taken, behind } = this.#block;
    if (taken || !behind) this.#goto(b, taken, this.#targetVa);
    else this.#callTo(b, this.#va(b, this.#targetVa));
  }

  /** Ends a block that is several times round a loop. */
  endRounds(b: Builder): void {
    this.#spendBlock(b);
    this.#vectors.flush(b);
  }

  /** Ends a block that no branch ends. */
  fallThrough(b: Builder): void {
    this.#spendBlock(b);
    this.#goto(b, this.#block.next, this.#nextVa);
  }

  branch(b: Builder, condition: Node): void {
    this.#spendBlock(b);
    const { taken, next } = this.#block;
    const toTaken = (): void => this.#goto(b, taken, this.#targetVa);
    const toNext = (): void => this.#goto(b, next, this.#nextVa);
    // What the region has nothing of is gone to seldom.
    if (taken && !next) {
      b.unlikely(b.eqz(condition), toNext);
      return toTaken();
    }
    if (taken) b.if(condition, toTaken);
    else b.unlikely(condition, toTaken);
    toNext();
  }

  jumpTo(b: Builder, va: Node): void {
    this.#spendBlock(b);
    this.#choose(
      b,
      va,
      this.#block.targets.toSorted((x, y) => x.code.va - y.code.va),
    );
    if (this.#insn.row.sem === 'ret') return this.#returnTo(b, va);
    if (this.#frame.stack.canUseHub(this.#block)) return this.#frame.goToHub(b, va);
    const site = this.#block.code.addresses[this.#index]!;
    noteAtTimes(b, b.value(this.#frame.fuel), site, va);
    this.#callTo(b, va);
  }

  /** Goes to the target that an address is, by halves; on to the code behind if it is none of them. */
  #choose(b: Builder, va: Node, targets: readonly Block[]): void {
    if (targets.length <= 3) {
      for (const to of targets)
        b.if(b.eq(va, this.#va(b, to.code.va)), () => this.#goto(b, to, to.code.va));
      return;
    }
    const half = targets.length >> 1;
    b.if(
      b.op('i64.lt_u', va, this.#va(b, targets[half]!.code.va)),
      () => this.#choose(b, va, targets.slice(0, half)),
      () => this.#choose(b, va, targets.slice(half)),
    );
  }

  /** A repeated string instruction goes on in tier 0 after a bounded stretch, for which it pays as tier 0 does. */
  again(b: Builder, condition: Node): void {
    b.if(condition, () => this.#defer(b, 1));
  }

  raise(b: Builder, vector: number, errorCode: Node): void {
    b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
    b.store('i32.store', b.i32(FAULT_CODE), errorCode);
    this.#exitHere(b, EXIT_FAULT);
  }

  trap(b: Builder, exit: number, vector: number): void {
    if (vector >= 0) {
      b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
      b.store('i32.store', b.i32(FAULT_CODE), b.i32(0));
    }
    this.#spendBlock(b);
    this.#exit(b, exit, this.nextIp(b), 0);
  }

  assist(b: Builder, number: number): void {
    b.store('i32.store', b.i32(ASSIST_CELL), b.i32(number));
    this.#exitHere(b, EXIT_ASSIST);
    this.ended = true;
  }
}

/** What is kept beside `x`: of an operation that has no second operand CF, in bit 31 (carryOf). */
function secondOf(b: Builder, operation: Operation, x: Node, y: Node): Node {
  if (operation === 'logic') return b.i32(0);
  return operation === 'word' ? b.shl(x, b.i32(31)) : y;
}

/** A sign-extended pair as a number of 64 bits. */
const pair = (low: number, high: number): bigint =>
  BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
