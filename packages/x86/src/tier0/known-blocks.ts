/**
 * Decoded blocks by virtual address and frame, in a table that WebAssembly looks into: a new address space, whose jump
 * cache is empty, finds the code there that others have executed.
 */
import type { Ram } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { KNOWN_BLOCKS, KNOWN_BLOCKS_SHIFT } from '../layout.ts';
import { goldenHash, goldenHashOf } from './hash.ts';

/** Entries that an address may be in: a cache line of the host's. */
const WAYS = 4;
/** Fields of an entry. One that was never used is all zeros, and nobody's: no process has frame 0. */
const FRAME = 8;
const REC = 12;
const SIZE = 16;
const LINE = WAYS * SIZE;

/** A twelfth of the processor's own memory at most, and a power of two. */
const bytesOf = ({ base }: Ram): number => 2 ** Math.floor(Math.log2(base / 12));

/** Lays the empty table out. Returns where it begins. */
export function layOutKnownBlocks(ram: Ram): number {
  const bytes = bytesOf(ram);
  ram.u32[KNOWN_BLOCKS >> 2] = ram.base - bytes;
  ram.u32[KNOWN_BLOCKS_SHIFT >> 2] = 32 - Math.log2(bytes / LINE);
  return ram.base - bytes;
}

function lineOf(u32: Uint32Array, va: number): number {
  const line = goldenHash(va | 0, 32 - u32[KNOWN_BLOCKS_SHIFT >> 2]!);
  return (u32[KNOWN_BLOCKS >> 2]! + line * LINE) >> 2;
}

/** Where in its line a record is, as an index of words, or -1. */
function wayOf(u32: Uint32Array, line: number, rec: number): number {
  const words = SIZE >> 2;
  for (let at = line; at < line + WAYS * words; at += words)
    if (u32[at + (REC >> 2)] === rec) return at;
  return -1;
}

/** Notes a block that begins and ends in one frame, in the place of what was noted longest ago. */
export function noteBlock({ u32 }: Ram, va: number, pfn: number, rec: number): void {
  const at = lineOf(u32, va);
  if (wayOf(u32, at, rec) >= 0) return;
  u32.copyWithin(at + (SIZE >> 2), at, at + (((WAYS - 1) * SIZE) >> 2));
  u32[at] = va % 2 ** 32;
  u32[at + 1] = Math.floor(va / 2 ** 32);
  u32[at + (FRAME >> 2)] = pfn;
  u32[at + (REC >> 2)] = rec;
}

/** The record is not the block's any longer. */
export function forgetBlock({ u32 }: Ram, va: number, rec: number): void {
  const at = wayOf(u32, lineOf(u32, va), rec);
  if (at >= 0) u32.fill(0, at, at + (SIZE >> 2));
}

/** Goes on with the record of the block at a virtual address of a frame, if it is known. */
export function ifKnown(b: Builder, va: Node, pfn: Node, then: (rec: Node) => void): void {
  const cell = (address: number): Node => b.load('i32.load', b.i32(address));
  const hash = goldenHashOf(b, va, cell(KNOWN_BLOCKS_SHIFT));
  const line = b.add(b.shl(hash, b.i32(Math.log2(LINE))), cell(KNOWN_BLOCKS));
  for (let at = 0; at < LINE; at += SIZE) {
    const sameVa = b.eq(b.load('i64.load', line, at), va);
    const sameFrame = b.eq(b.load('i32.load', line, at + FRAME), pfn);
    b.if(b.and(sameVa, sameFrame), () => then(b.load('i32.load', line, at + REC)));
  }
}
