import { decode, DECODED, Insn } from '../decode.ts';
import { semantics } from '../insn/index.ts';
import type { CodePage } from '../tier0/code-pages.ts';
import { findLive, MAX_BLOCK } from '../tier0/translate.ts';

const MAX_BLOCKS = 64;
const MAX_INSTRUCTIONS = 400;
/** Return addresses that a RET compares with its own. */
const MAX_RETURNS = 6;

/** A basic block of tier 0's partition: fuel and faults must come out the same in both tiers. */
export interface Block {
  /** Offset in the page of its first instruction. */
  readonly offset: number;
  readonly insns: readonly Insn[];
  /** Offset of each instruction, and of what follows the last. */
  readonly offsets: readonly number[];
  /** Which instructions' flags are read. */
  readonly live: Uint8Array;
}

/** Blocks of one page that direct jumps connect, in the order of their addresses. */
export interface Region {
  readonly page: CodePage;
  readonly blocks: readonly Block[];
  readonly indexOf: ReadonlyMap<number, number>;
  /** Blocks behind calls, by offset: where a return within the region may go. */
  readonly returns: readonly number[];
}

/**
 * The region around a block. Only what tier 0 has executed is taken, unless `eager`; a call
 * continues both in the function and behind it.
 */
export function regionAt(u8: Uint8Array, page: CodePage, start: number, eager: boolean): Region {
  const found = new Map<number, Block>();
  const waiting = [start];
  let instructions = 0;
  for (let offset = waiting.shift(); offset !== undefined; offset = waiting.shift()) {
    if (found.has(offset) || (offset !== start && !eager && !page.blocks.has(offset))) continue;
    const block = page.tails.has(offset) ? undefined : decodeBlock(u8, page, offset);
    if (!block) continue;
    found.set(offset, block);
    instructions += block.insns.length;
    if (found.size === MAX_BLOCKS || instructions >= MAX_INSTRUCTIONS) break;
    waiting.push(...successors(block).filter((to) => to >= 0 && to < 4096));
  }
  const blocks = [...found.values()].sort((a, b) => a.offset - b.offset);
  const indexOf = new Map(blocks.map((block, i): [number, number] => [block.offset, i]));
  const calls = blocks.filter((block) => isCall(block.insns.at(-1)!));
  const returns = calls.map((block) => block.offsets.at(-1)!).filter((to) => indexOf.has(to));
  return { page, blocks, indexOf, returns: returns.slice(0, MAX_RETURNS) };
}

const isCall = ({ row }: Insn): boolean => row.sem === 'call' || row.sem === 'call_indirect';

/** Offsets that a block continues at, as far as they are known. */
function successors({ insns, offsets }: Block): number[] {
  const last = insns.at(-1)!;
  const { row, imm } = last;
  const next = offsets.at(-1)!;
  if (!row.end) return [next];
  if (!row.operands.some((o) => o.code === 'J')) return isCall(last) ? [next] : [];
  const target = next + imm;
  return row.sem === 'jmp' ? [target] : [target, next];
}

/** As Translator decodes it; undefined for what stays with tier 0. */
function decodeBlock(u8: Uint8Array, page: CodePage, start: number): Block | undefined {
  const insns: Insn[] = [];
  const offsets = [start];
  for (let offset = start; insns.length < MAX_BLOCK && offset < 4096;) {
    const insn = new Insn();
    if (decode(insn, u8, page.pfn * 4096 + offset, 4096 - offset) !== DECODED) break;
    if (!compiles(insn)) return undefined;
    insns.push(insn);
    offset += insn.length;
    offsets.push(offset);
    if (insn.row.end) break;
  }
  if (insns.length === 0) return undefined;
  const live = new Uint8Array(insns.length);
  findLive(insns, insns.length, live);
  return { offset: start, insns, offsets, live };
}

/**
 * Repeated string instructions are loops that look at the fuel within themselves, and as fast in tier 0, which can be
 * left and resumed in the middle of a block.
 */
const compiles = (insn: Insn): boolean =>
  !(insn.row.rep && insn.rep !== 0) && semantics[insn.row.sem] !== undefined;
