import type { Ram } from './cpu.ts';
import {
  CODE_GUARDS,
  CONTEXT_AREA,
  CONTEXT_STRIDE,
  CONTEXTS,
  EXECUTED,
  EXECUTED_BITS,
  EXECUTED_MAP,
  JUMP_CACHE,
  LINKS,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_ENTRY_SHIFT,
  TLB_FILLED,
  TLB_GROUP,
  TLB_GROUPS,
  TLB_READ_ONLY,
  WINDOW_START,
} from './layout.ts';
import { emptyExtents } from './extents.ts';
import { tlbIndex } from './mmu.ts';
import { emptyWindow, inWindow } from './stack-window.ts';
import { handlerCount } from './tier0/handlers.ts';
import { jumpHash, secondJumpHash } from './tier0/target.ts';

/** The high half of an empty entry's address. */
const EMPTY = 0xffff_ffff;
/** Neither of its places is one of the address of all ones. */
const GUARD = 2;

const GROUP_BYTES: number = TLB_GROUP << TLB_ENTRY_SHIFT;

/** A page whose TLB entry is not one of the last two. */
const ELSEWHERE = 0x1000;

/** A cached address space: its TLB and jump cache. */
export interface Context {
  readonly address: number;
  cr3: number;
  lastUse: number;
}

/**
 * TLBs and jump caches of the address spaces used last, chosen by CR3, as PCIDs do it (SDM vol. 3, 4.10.1).
 * In both kinds of table all ones is an entry that matches nothing.
 */
export class Contexts {
  readonly #ram: Ram;
  readonly #all: Context[] = [];
  #clock = 0;
  current: Context;

  constructor(ram: Ram) {
    this.#ram = ram;
    this.current = this.select(0);
  }

  select(cr3: number): Context {
    let context = this.#all.find((c) => c.cr3 === cr3);
    if (!context) {
      context = this.#unused();
      context.cr3 = cr3;
      this.#clear(context);
    }
    context.lastUse = ++this.#clock;
    if (this.current !== context) emptyExtents(this.#ram.u32);
    this.current = context;
    return context;
  }

  #unused(): Context {
    const index = this.#all.length;
    if (index < CONTEXTS) {
      const address = CONTEXT_AREA + index * CONTEXT_STRIDE;
      const made: Context = { address, cr3: -1, lastUse: 0 };
      this.#all.push(made);
      this.#ram.u8.fill(1, address + TLB_FILLED, address + TLB_FILLED + TLB_GROUPS);
      this.#emptyJumps(made);
      return made;
    }
    return this.#all.reduce((old, c) => (c.lastUse < old.lastUse ? c : old));
  }

  #clear(context: Context): void {
    this.#emptyTlb(context);
    emptyWindow(this.#ram.u32, context.address);
    emptyExtents(this.#ram.u32);
    this.#clearJumps(context);
  }

  /** The entries of a TLB that may hold something, group by group: from where on in RAM, in bytes. */
  *#filledGroups({ address }: Context): Iterable<number> {
    for (let group = 0; group < TLB_GROUPS; group++)
      if (this.#ram.u8[address + TLB_FILLED + group]) yield address + group * GROUP_BYTES;
  }

  #emptyTlb(context: Context): void {
    const { u8 } = this.#ram;
    for (const group of this.#filledGroups(context)) u8.fill(0xff, group, group + GROUP_BYTES);
    const filled = context.address + TLB_FILLED;
    u8.fill(0, filled, filled + TLB_GROUPS);
    for (const index of [TLB_ENTRIES - 2, TLB_ENTRIES - 1]) this.#emptyTlbEntry(context, index);
  }

  /**
   * All ones are in no page but the last of all addresses: entries where that is looked for, or an operand that straddles
   * into it, hold a page that belongs elsewhere.
   */
  #emptyTlbEntry({ address }: Context, index: number): void {
    const entry = (address + (index << TLB_ENTRY_SHIFT)) >> 2;
    const { u32 } = this.#ram;
    u32.fill(EMPTY, entry, entry + 4);
    if (index < TLB_ENTRIES - 2) return;
    u32[entry] = ELSEWHERE | TLB_READ_ONLY;
    u32[entry + 1] = 0;
  }

  #clearJumps(context: Context): void {
    if (this.#ram.u8[context.address + EXECUTED] !== 0) this.#emptyJumps(context);
  }

  #emptyJumps(context: Context): void {
    this.#ram.u8.fill(0xff, context.address + JUMP_CACHE, context.address + CODE_GUARDS);
    this.#ram.u8.fill(0, context.address + CODE_GUARDS, context.address + WINDOW_START);
    this.#guardJumps(context);
  }

  /**
   * An empty jump-cache entry, all ones, would match a jump to the address of all ones, which a guest may well try: its
   * two places hold an address that belongs elsewhere.
   */
  #guardJumps(context: Context): void {
    const { u32 } = this.#ram;
    for (const place of [jumpHash(-1), secondJumpHash(-1)]) {
      const entry = (context.address + JUMP_CACHE + place * 16) >> 2;
      u32[entry] = GUARD;
      u32[entry + 1] = 0;
    }
  }

  /** Notes that a page with code guard `guard` is mapped, executable, in the current space. */
  allow(guard: number, va: number): void {
    this.#ram.u8[this.current.address + CODE_GUARDS + guard] = 1;
    this.noteExecuted(Math.floor(va / 4096));
  }

  /** The jump cache may lead to a page of the current space (or, for what straddles pages, depends on it). */
  noteExecuted(page: number): void {
    const { u8 } = this.#ram;
    u8[this.current.address + EXECUTED] = 1;
    u8[this.#executedByte(page)]! |= 1 << (page & 7);
  }

  #executedByte(page: number): number {
    return this.current.address + EXECUTED_MAP + ((page % EXECUTED_BITS) >> 3);
  }

  #jumpEntry(place: number): number {
    return (this.current.address + JUMP_CACHE + place * 16) >> 2;
  }

  /** Remembers where an address of the current space continues. What was in its place moves to its own second one. */
  enterJump(va: number, rec: number): void {
    const { u16, u32 } = this.#ram;
    const place = jumpHash(va | 0);
    const at = this.#jumpEntry(place);
    const old = u32[at]!;
    if (u32[at + 1] !== EMPTY && jumpHash(old | 0) === place)
      u32.copyWithin(this.#jumpEntry(secondJumpHash(old)), at, at + 4);
    u32[at] = va % 2 ** 32;
    u32[at + 1] = Math.floor(va / 2 ** 32);
    u32[at + 2] = rec;
    const handler = u16[rec >> 1]!;
    u32[at + 3] = handler < handlerCount ? 0 : u32[(LINKS >> 2) + handler]!;
    this.noteExecuted(Math.floor(va / 4096));
  }

  /**
   * Regions go on at a record, which tier 0 executes by a handler of tier 1, at an entry of a region: a word of the jump
   * cache; 0: they do no longer.
   */
  link(va: number, rec: number, handler: number, linked: number): void {
    const { u32 } = this.#ram;
    u32[(LINKS >> 2) + handler] = linked;
    const places = [jumpHash(va | 0), secondJumpHash(va | 0)];
    for (const { address } of this.#all)
      for (const place of places) {
        const at = (address + JUMP_CACHE + place * 16) >> 2;
        if (u32[at + 2] === rec) u32[at + 3] = linked;
      }
  }

  /** Takes back the entry of a single step, which must not outlive it. */
  forgetJump(va: number): void {
    const at = this.#jumpEntry(jumpHash(va | 0));
    this.#ram.u32.fill(EMPTY, at, at + 4);
    this.#guardJumps(this.current);
  }

  invlpg(va: number): void {
    const page = Math.floor(va / 4096);
    const { u32 } = this.#ram;
    const { address } = this.current;
    this.#emptyTlbEntry(this.current, tlbIndex(va | 0));
    if (inWindow(u32, address, page)) emptyWindow(u32, address);
    emptyExtents(u32);
    if (this.#ram.u8[this.#executedByte(page)]! & (1 << (page & 7))) this.#clearJumps(this.current);
  }

  flush(cr3: number | undefined): void {
    for (const context of this.#all)
      if (cr3 === undefined || context.cr3 === cr3) this.#clear(context);
  }

  flushJumps(): void {
    for (const context of this.#all) this.#clearJumps(context);
  }

  /** Makes the next guest write to a frame miss, because code was just decoded from it. */
  protect(pfn: number): void {
    const { u32 } = this.#ram;
    emptyExtents(u32);
    for (const context of this.#all) {
      emptyWindow(u32, context.address);
      for (const group of this.#filledGroups(context))
        for (let at = group; at < group + GROUP_BYTES; at += 1 << TLB_ENTRY_SHIFT) {
          const entry = at >> 2;
          const low = u32[entry]!;
          if (low & 0xfff) continue;
          const physical = (low + u32[entry + (TLB_ADDEND >> 2)]!) >>> 0;
          if (physical >>> 12 === pfn) u32[entry] = low | TLB_READ_ONLY;
        }
    }
  }
}
