/**
 * Extents: stretches of neighbouring pages in neighbouring frames. An access of a region that executes for long is nearly always in the
 * stretch that it was in before; where it has that at hand, what it waits for is not the TLB, of which the entry's place is computed from
 * the address first (tier1/memory.ts). Each such access has a place of its own here, which its address chooses.
 *
 * They hold for the address space at hand, and what changes a mapping, or decodes code from a frame, empties all of them.
 */
import { PTE_A, PTE_D, PTE_P, PTE_PS, PTE_U, PTE_W } from './cpu.ts';
import type { Builder } from './ir/builder.ts';
import type { Helper, Node } from './ir/node.ts';
import {
  CR3_CELL,
  EXTENT_ADDEND,
  EXTENT_COUNT,
  EXTENT_LEFT,
  EXTENT_LIMIT,
  EXTENT_PERIOD,
  EXTENT_SIZE,
  EXTENT_START,
  EXTENT_VA,
  EXTENT_WANTED,
  EXTENTS,
  EXTENTS_FILLED,
  EXTENTS_LISTED,
  FRAME_CODE,
  FRAME_FLAGS,
  FRAME_WRITTEN,
  RAM_SIZE_CELL,
} from './layout.ts';
import { FAULT, PAGE, peek, READ } from './mmu.ts';
import { goldenHash } from './tier0/hash.ts';
import { writtenAt } from './stack-window.ts';

/** Pages that are looked at on either side. */
const REACH = 128;

/** Accesses elsewhere until an extent is filled again: at first, and at most. */
const FIRST = 8;
const MOST = 1024;

/** What entries of pages have that were accessed, and written. */
const ACCESSED = PTE_P | PTE_U | PTE_A;
const WRITTEN = ACCESSED | PTE_W | PTE_D;
/** Of an entry's upper half: the frame's address. */
const HIGH_FRAME = 0x000f_ffff;

/** Most bytes of an access. */
export const WIDEST = 16;

/** The extent of an instruction's access, one for reading and one for writing. */
export function extentOf(site: number, write: boolean): number {
  const hash = goldenHash(site | 0, Math.log2(EXTENT_COUNT / 2));
  return EXTENTS + (2 * hash + Number(write)) * EXTENT_SIZE;
}

/** Empties all that are filled. */
export function emptyExtents(u32: Uint32Array): void {
  const filled = u32[EXTENTS_FILLED >> 2]!;
  for (let i = 0; i < filled; i++) {
    const limit = (u32[(EXTENTS_LISTED >> 2) + i]! + EXTENT_LIMIT) >> 2;
    u32[limit] = u32[limit + 1] = 0;
  }
  u32[EXTENTS_FILLED >> 2] = 0;
}

const SHIFTS = [39, 30, 21] as const;

/** The page table that has the entry of an address, or 0: (address, bits that the entries that lead there must have). */
const tableOf: Helper = {
  name: 'table_of',
  params: ['i64', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, bits) {
    const table = b.var(b.and(b.load('i32.load', b.i32(CR3_CELL)), b.i32(-4096)));
    for (const shift of SHIFTS) {
      const index = b.wrap(b.and(b.shrU(va, b.i64(shift - 3)), b.i64(0xff8)));
      const entry = b.var(b.load('i32.load', b.add(b.value(table), index)));
      const some = b.and(b.value(entry), b.or(bits, b.i32(PTE_PS)));
      b.if(b.ne(some, bits), () => b.return(b.i32(0)));
      b.assign(table, b.and(b.value(entry), b.i32(-4096)));
    }
    return b.value(table);
  },
};

/**
 * How many pages of a table lie in neighbouring frames in one direction, all accessed before, and written and without code if they are
 * to be written: (the first one's entry, 8 or -8, whether they are to be written).
 */
const neighboursOf: Helper = {
  name: 'neighbours_of',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, first, step, write) {
    const bits = b.select(write, b.i32(WRITTEN), b.i32(ACCESSED));
    const isUp = b.eq(step, b.i32(8));
    const next = b.select(isUp, b.i32(4096), b.i32(-4096));
    const last = b.select(isUp, b.i32(0xff8), b.i32(0));
    const size = b.load('i32.load', b.i32(RAM_SIZE_CELL));
    const frame = b.var(b.and(b.load('i32.load', first), b.i32(-4096)));
    const entry = b.var(first);
    const count = b.var(b.i32(0));
    b.loop(() => {
      const isLast = b.eq(b.and(b.value(entry), b.i32(0xff8)), last);
      b.if(b.or(isLast, b.eq(b.value(count), b.i32(REACH))), () => b.return(b.value(count)));
      b.assign(entry, b.add(b.value(entry), step));
      b.assign(frame, b.add(b.value(frame), next));
      const low = b.and(b.load('i32.load', b.value(entry)), b.or(bits, b.i32(-4096)));
      const high = b.and(b.load('i32.load', b.value(entry), 4), b.i32(HIGH_FRAME));
      const isNext = b.eq(low, b.or(b.value(frame), bits));
      const isThere = b.and(b.eqz(high), b.ltU(b.value(frame), size));
      b.if(b.eqz(b.and(isNext, isThere)), () => b.return(b.value(count)));
      b.if(write, () => {
        const place = b.shrU(b.value(frame), b.i32(12));
        const flags = b.load('i32.load8_u', place, FRAME_FLAGS);
        b.if(b.and(flags, b.i32(FRAME_CODE)), () => b.return(b.value(count)));
        b.store('i32.store8', place, b.or(flags, b.i32(FRAME_WRITTEN)), FRAME_FLAGS);
      });
      b.assign(count, b.add(b.value(count), b.i32(1)));
      return b.i32(1);
    });
    return b.value(count);
  },
};

/** How many accesses elsewhere the extent has let pass, and lets pass from now on. */
function lengthenPeriod(b: Builder, extent: Node): void {
  const before = b.load('i32.load', extent, EXTENT_PERIOD);
  const doubled = b.var(b.select(before, b.shl(before, b.i32(1)), b.i32(FIRST)));
  b.if(b.op('i32.gt_u', b.value(doubled), b.i32(MOST)), () => b.assign(doubled, b.i32(MOST)));
  b.store('i32.store', extent, b.value(doubled), EXTENT_PERIOD);
  b.store('i32.store', extent, b.value(doubled), EXTENT_LEFT);
}

/** Fills the extent that is wanted with what is around the address that was accessed, as far as it has been accessed like that. */
export const fillExtent: Helper = {
  name: 'fill_extent',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const wanted = b.load('i32.load', b.i32(EXTENT_WANTED));
    const write = b.var(b.and(wanted, b.i32(1)));
    const extent = b.var(b.sub(wanted, b.value(write)));
    b.store('i32.store', b.i32(EXTENT_WANTED), b.i32(0));
    lengthenPeriod(b, b.value(extent));
    const page = b.and(b.load('i64.load', b.i32(EXTENT_VA)), b.i64(PAGE));
    const middle = b.var(b.i32(FAULT));
    b.if(
      b.value(write),
      () => b.assign(middle, b.call(writtenAt, page)),
      () => b.assign(middle, b.call(peek, page, b.i32(READ))),
    );
    b.if(b.eq(b.value(middle), b.i32(FAULT)), () => b.return());
    const bits = b.select(b.value(write), b.i32(PTE_P | PTE_U | PTE_W), b.i32(PTE_P | PTE_U));
    const table = b.var(b.call(tableOf, page, bits));
    b.if(b.eqz(b.value(table)), () => b.return());
    const first = b.add(b.value(table), b.wrap(b.and(b.shrU(page, b.i64(9)), b.i64(0xff8))));
    const below = b.var(b.call(neighboursOf, first, b.i32(-8), b.value(write)));
    const above = b.var(b.call(neighboursOf, first, b.i32(8), b.value(write)));
    const pages = b.add(b.add(b.value(below), b.value(above)), b.i32(1));
    const size = b.sub(b.shl(pages, b.i32(12)), b.i32(WIDEST - 1));
    const isListed = b.var(b.load('i32.load', b.value(extent), EXTENT_LIMIT));
    b.store(
      'i64.store',
      b.value(extent),
      b.sub(page, b.extendU(b.shl(b.value(below), b.i32(12)))),
      EXTENT_START,
    );
    b.store('i64.store', b.value(extent), b.extendU(size), EXTENT_LIMIT);
    b.store('i32.store', b.value(extent), b.sub(b.value(middle), b.wrap(page)), EXTENT_ADDEND);
    b.if(b.eqz(b.value(isListed)), () => {
      const filled = b.load('i32.load', b.i32(EXTENTS_FILLED));
      b.store('i32.store', b.shl(filled, b.i32(2)), b.value(extent), EXTENTS_LISTED);
      b.store('i32.store', b.i32(EXTENTS_FILLED), b.add(filled, b.i32(1)));
    });
  },
};
