/**
 * The stack as a region sees it. Compilers reach it by RSP plus a constant, and what is done to RSP is nearly always known: so
 * most of these accesses lie at known distances from one address, the *base*, which is RSP where the region's function begins.
 * The memory around it, the *window*, is looked up once where the region is gone into, and needs no look at an access.
 */
import { RBP, RSP } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { FAULT } from '../mmu.ts';
import { isOutsideWindow, placeInWindow, windowAt } from '../stack-window.ts';
import { registerOf, sumOf } from './lines.ts';
import type { Block, Region } from './region.ts';
import { jumpsOf, successors } from './structure.ts';

/** The base as a root of places (state.ts). */
export const BASE = 'base';

/** How far below the base the window may begin, and how far above it end: it is in two pages at most. */
const LOWEST = -3072;
const HIGHEST = 1024;

/** RSP and RBP as distances from the base, where they are known. */
export interface Depth {
  readonly rsp: number | undefined;
  readonly rbp: number | undefined;
}

const depthOf = (at: Depth, register: number): number | undefined =>
  register === RSP ? at.rsp : register === RBP ? at.rbp : undefined;

const moved = (from: number | undefined, by: number): number | undefined =>
  from === undefined ? undefined : from + by;

function withRegister(at: Depth, register: number, depth: number | undefined): Depth {
  if (register === RSP) return { ...at, rsp: depth };
  return register === RBP ? { ...at, rbp: depth } : at;
}

/** The same after an instruction that changes neither but by its operands. */
function operandsWritten(insn: Insn, at: Depth): Depth {
  let after = at;
  for (const operand of insn.row.operands)
    if (operand.access !== 'r') after = withRegister(after, registerOf(insn, operand), undefined);
  return after;
}

/** Where RSP and RBP are after an instruction. */
function after(insn: Insn, at: Depth): Depth {
  const { row, opsize, imm } = insn;
  const bytes = opsize >> 3;
  const popped = moved(at.rsp, bytes);
  switch (row.sem) {
    case 'push':
    case 'pushf':
      return { ...at, rsp: moved(at.rsp, -bytes) };
    case 'pop':
      return operandsWritten(insn, { ...at, rsp: popped });
    case 'popf':
      return { ...at, rsp: popped };
    case 'call':
    case 'call_indirect':
      return { ...at, rsp: moved(at.rsp, -8) };
    case 'ret':
      return { ...at, rsp: moved(at.rsp, 8 + (row.operands.length > 0 ? imm & 0xffff : 0)) };
    case 'leave':
      return { rsp: moved(at.rbp, bytes), rbp: undefined };
    case 'enter':
    case 'callf':
    case 'retf':
    case 'iret':
      return { rsp: undefined, rbp: undefined };
  }
  const [first] = row.operands;
  const register = first ? registerOf(insn, first) : -1;
  const sum = register === RSP || register === RBP ? sumOf(insn) : undefined;
  if (sum) return withRegister(at, register, moved(depthOf(at, sum.register), sum.delta));
  return operandsWritten(insn, at);
}

/**
 * How far RSP and RBP are from the base where a region's blocks begin, and what is used of the window. Where a jump leads to a block
 * that takes RSP to be somewhere else, that block has another base, and its window is looked up on the way.
 */
export class Stack {
  /** RSP and RBP where each block begins. */
  readonly #starts: Depth[];
  readonly #ends: Depth[];
  /** Where the window would begin if it did at {@link LOWEST}. */
  readonly #physical: Var = { type: 'i32', local: -1, kept: true, isBase: true };
  /** The base itself. */
  readonly base: Var = { type: 'i64', local: -1, kept: true };
  /** What is used of the window, and how far it is written. */
  #low = HIGHEST;
  #high = LOWEST;
  #written = LOWEST;
  /** Blocks with such accesses. */
  readonly #using = new Set<Block>();
  /** Blocks that are to be gone into with the window looked up. */
  #wanting: Uint8Array | undefined;
  readonly #region: Region;

  /** @param order the blocks, such that most jumps lead to later ones */
  constructor(region: Region, order: readonly Block[]) {
    this.#region = region;
    const starts: (Depth | undefined)[] = region.blocks.map(() => undefined);
    this.#ends = region.blocks.map(() => ({ rsp: undefined, rbp: undefined }));
    const begin = (block: Block, rsp = 0): void => {
      starts[block.index] ??= { rsp, rbp: undefined };
    };
    begin(region.entries[0]!);
    const waiting = new Set(order);
    while (waiting.size > 0) {
      // What nothing else leads to than the hub begins where that finds it.
      const known = (block: Block): boolean => starts[block.index] !== undefined;
      const isReached =
        region.hub.length === 0 || order.some((one) => waiting.has(one) && known(one));
      for (const block of order) {
        if (!waiting.has(block) || (isReached && region.hub.length > 0 && !known(block))) continue;
        waiting.delete(block);
        begin(block);
        const { rsp } = this.#end(block, starts[block.index]!);
        for (const to of successors(block)) begin(to, to === block.behind ? moved(rsp, 8) : rsp);
        if (block.usesHub) for (const to of region.hub) begin(to, rsp);
      }
    }
    this.#starts = starts.map((start) => start ?? { rsp: 0, rbp: undefined });
    this.#findFrames(order);
  }

  /** Whether a jump through a pointer finds RSP where all that the hub leads to take it to be. */
  canUseHub(block: Block): boolean {
    return block.usesHub && this.#region.hub.every((to) => !this.isApart(block, to));
  }

  #end(block: Block, start: Depth): Depth {
    const end = block.code.insns.reduce((at, insn) => after(insn, at), start);
    this.#ends[block.index] = end;
    return end;
  }

  /** RBP is known where it is the same on all ways to a block. */
  #findFrames(order: readonly Block[]): void {
    const { blocks, entries } = this.#region;
    const unknown = new Set<Block>(entries);
    for (const { behind } of blocks) if (behind) unknown.add(behind);
    const known = new Map<Block, number>();
    for (let changed = true; changed;) {
      changed = false;
      for (const block of order) {
        const rbp = unknown.has(block) ? undefined : known.get(block);
        this.#starts[block.index] = { ...this.#starts[block.index]!, rbp };
        const end = this.#end(block, this.#starts[block.index]!);
        for (const to of jumpsOf(block)) {
          if (unknown.has(to)) continue;
          const before = known.get(to);
          const isSame = !this.isApart(block, to) && end.rbp !== undefined;
          if (isSame && before === undefined) known.set(to, end.rbp!);
          else if (isSame && before === end.rbp) continue;
          else unknown.add(to);
          changed = true;
        }
      }
    }
  }

  /** Where RSP and RBP are at the start of a block. */
  startOf(block: Block): Depth {
    return this.#starts[block.index]!;
  }

  /** Whether a jump, or coming back to `to` behind a call, changes what the base is. */
  isApart(from: Block, to: Block, isBehind = false): boolean {
    const { rsp } = this.#ends[from.index]!;
    return moved(rsp, isBehind ? 8 : 0) !== this.#starts[to.index]!.rsp;
  }

  /** Where an access of a block is, if it is in the window. */
  at(b: Builder, block: Block, distance: bigint, size: number, write: boolean): Node | undefined {
    if (!this.#region.window || distance < LOWEST || distance + BigInt(size) > HIGHEST)
      return undefined;
    const from = Number(distance);
    this.#using.add(block);
    this.#low = Math.min(this.#low, from);
    this.#high = Math.max(this.#high, from + size);
    if (write) this.#written = Math.max(this.#written, from + size);
    // It is the same throughout a block.
    const base = b.node('var.get', 'i32', 'pure', [], this.#physical);
    return b.add(base, b.i32(from - LOWEST));
  }

  /** Whether the window has to be there at the start of a block. Not before all blocks are built. */
  isWanted(block: Block): boolean {
    this.#wanting ??= this.#spread();
    return this.#wanting[block.index] === 1;
  }

  #spread(): Uint8Array {
    const { blocks } = this.#region;
    const wanting = new Uint8Array(blocks.length);
    for (const { index } of this.#using) wanting[index] = 1;
    for (let changed = true; changed;) {
      changed = false;
      for (const block of blocks) {
        if (wanting[block.index]) continue;
        const passes = (to: Block, isBehind = false): boolean =>
          wanting[to.index] === 1 && !this.isApart(block, to, isBehind);
        const { behind } = block;
        const hub = this.canUseHub(block) ? this.#region.hub : [];
        const passesAny = [...jumpsOf(block), ...hub].some((to) => passes(to));
        if (!passesAny && !(behind && passes(behind, true))) continue;
        wanting[block.index] = 1;
        changed = true;
      }
    }
    return wanting;
  }

  /** Looks the window up. @param fail leaves: tier 0 can do without */
  lookUp(b: Builder, base: Node, fail: () => void): void {
    b.assign(this.base, base);
    const size = this.#high - this.#low;
    const tlb = b.param(2, 'i32');
    const va = b.add(base, b.i64(this.#low));
    const lowest = b.i32(LOWEST - this.#low);
    b.assign(this.#physical, b.add(placeInWindow(b, va, tlb), lowest));
    b.unlikely(isOutsideWindow(b, va, size, tlb), () => {
      const written = b.i32(Math.max(this.#written - this.#low, 0));
      const found = b.call(windowAt, va, b.i32(size), written, tlb);
      b.unlikely(b.eq(found, b.i32(FAULT)), fail);
      b.assign(this.#physical, b.add(found, lowest));
    });
  }
}
