/**
 * Decoded blocks by virtual address and frame, in a table that WebAssembly looks into: a new address space, whose jump
 * cache is empty, finds the code there that others have executed.
 */
import type { Ram } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { KNOWN_BLOCKS, KNOWN_BLOCKS_ENTRIES } from '../layout.ts';
import { goldenHash, goldenHashOf } from './hash.ts';

/** Entries that an address may be in: a cache line of the host's. */
const WAYS = 4;
/** Fields of an entry. One that was never used is all zeros, and nobody's: no process has frame 0. */
const FRAME = 8;
const REC = 12;
const SIZE = 16;
const BITS = Math.log2(KNOWN_BLOCKS_ENTRIES / WAYS);

const lineOf = (va: number): number => (KNOWN_BLOCKS + goldenHash(va | 0, BITS) * WAYS * SIZE) >> 2;

/** Where in its line a record is, as an index of words, or -1. */
function wayOf(u32: Uint32Array, line: number, rec: number): number {
  const words = SIZE >> 2;
  for (let at = line; at < line + WAYS * words; at += words)
    if (u32[at + (REC >> 2)] === rec) return at;
  return -1;
}

/** Notes a block that begins and ends in one frame, in the place of what was noted longest ago. */
export function noteBlock({ u32 }: Ram, va: number, pfn: number, rec: number): void {
  const at = lineOf(va);
  if (wayOf(u32, at, rec) >= 0) return;
  u32.copyWithin(at + (SIZE >> 2), at, at + (((WAYS - 1) * SIZE) >> 2));
  u32[at] = va % 2 ** 32;
  u32[at + 1] = Math.floor(va / 2 ** 32);
  u32[at + (FRAME >> 2)] = pfn;
  u32[at + (REC >> 2)] = rec;
}

/** The record is not the block's any longer. */
export function forgetBlock({ u32 }: Ram, va: number, rec: number): void {
  const at = wayOf(u32, lineOf(va), rec);
  if (at >= 0) u32.fill(0, at, at + (SIZE >> 2));
}

/** Goes on with the record of the block at a virtual address of a frame, if it is known. */
export function ifKnown(b: Builder, va: Node, pfn: Node, then: (rec: Node) => void): void {
  const line = b.shl(goldenHashOf(b, va, BITS), b.i32(Math.log2(WAYS * SIZE)));
  for (let at = KNOWN_BLOCKS; at < KNOWN_BLOCKS + WAYS * SIZE; at += SIZE) {
    const sameVa = b.eq(b.load('i64.load', line, at), va);
    const sameFrame = b.eq(b.load('i32.load', line, at + FRAME), pfn);
    b.if(b.and(sameVa, sameFrame), () => then(b.load('i32.load', line, at + REC)));
  }
}
