/**
 * Decoded blocks by virtual address and frame, in a table that WebAssembly looks into: a new address space, whose jump
 * cache is empty, finds the code there that others have executed.
 */
import type { Ram } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { KNOWN_BLOCKS, KNOWN_BLOCKS_ENTRIES } from '../layout.ts';

/** 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e37_79b1;
const SHIFT = 32 - Math.log2(KNOWN_BLOCKS_ENTRIES);

/** Fields of an entry. One that was never used is all zeros, and nobody's: no process has frame 0. */
const FRAME = 8;
const REC = 12;
const SIZE = 16;
/** The other place of an entry is next to the first one. */
const OTHER = 1;

const placeOf = (va: number): number => Math.imul(va | 0, GOLDEN) >>> SHIFT;

/** Notes a block that begins and ends in one frame. What was in its place moves next to it. */
export function noteBlock({ u32 }: Ram, va: number, pfn: number, rec: number): void {
  const place = placeOf(va);
  const at = (KNOWN_BLOCKS + place * SIZE) >> 2;
  if (u32[at + (REC >> 2)] === rec) return;
  u32.copyWithin((KNOWN_BLOCKS + (place ^ OTHER) * SIZE) >> 2, at, at + (SIZE >> 2));
  u32[at] = va % 2 ** 32;
  u32[at + 1] = Math.floor(va / 2 ** 32);
  u32[at + (FRAME >> 2)] = pfn;
  u32[at + (REC >> 2)] = rec;
}

/** The record is not the block's any longer. */
export function forgetBlock({ u32 }: Ram, va: number, rec: number): void {
  const place = placeOf(va);
  for (const either of [place, place ^ OTHER]) {
    const at = (KNOWN_BLOCKS + either * SIZE) >> 2;
    if (u32[at + (REC >> 2)] === rec) u32.fill(0, at, at + (SIZE >> 2));
  }
}

/** Goes on with the record of the block at a virtual address of a frame, if it is known. */
export function ifKnown(b: Builder, va: Node, pfn: Node, then: (rec: Node) => void): void {
  const place = b.shrU(b.mul(b.wrap(va), b.i32(GOLDEN)), b.i32(SHIFT));
  for (const either of [place, b.xor(place, b.i32(OTHER))]) {
    const entry = b.shl(either, b.i32(4));
    const sameVa = b.eq(b.load('i64.load', entry, KNOWN_BLOCKS), va);
    const sameFrame = b.eq(b.load('i32.load', entry, KNOWN_BLOCKS + FRAME), pfn);
    b.if(b.and(sameVa, sameFrame), () => then(b.load('i32.load', entry, KNOWN_BLOCKS + REC)));
  }
}
