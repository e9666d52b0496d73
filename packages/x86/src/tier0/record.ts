/**
 * A decoded instruction in memory. Fields in order; a handler knows at generation which ones its records have.
 *
 *     +0  u16  handler
 *     +2  u8   slot of ModRM.reg: byte offset of the register in its file
 *     +3  u8   slot of ModRM.rm, or of the base register
 *     +4  u8   slot of the index register
 *     +5  u8   instructions of the block up to and including this one
 *     +6  u16  offset of the instruction in its page (12 bits), scale (2 bits) above it
 *     +8  i64  displacement            (memory forms)
 *         i64  immediate, or the address of the next instruction, or what FIP_CELL is to hold
 *         u32  record of the branch target, u32 of the next block   (branches)
 */
import { isX87 } from '../opcodes.ts';
import { RESERVED, shapeOf, type Shape } from './handlers.ts';

export const REC_REG = 2;
export const REC_RM = 3;
export const REC_INDEX = 4;
export const REC_COUNT = 5;
export const REC_PLACE = 6;
export const SCALE_SHIFT = 12;

/** Micro-operations: records that are not an instruction. */
export const MICRO_RESYNC = 0;
/** Unresolved branch: i64 target, u32 address of the link to patch. */
export const MICRO_LINK = 1;
/** Branch out of the page: i64 target, u32 how often it was taken. */
export const MICRO_GOTO_VA = 2;
/** End of a block without a branch: u32 link. */
export const MICRO_GOTO = 3;
/** Address computation into SLOT_EA: reg is the slot of the segment base; i64 displacement. */
export const MICRO_EA = 4;
/** The same with 32-bit address size. */
export const MICRO_EA32 = 5;
/** Fault: i64 vector. */
export const MICRO_RAISE = 6;
/**
 * Branch that has not been taken often yet, what becomes of a MICRO_LINK: counts, and goes on with the record of its target;
 * when it is warm, its link leads there directly.
 */
export const MICRO_COUNT = 7;

/** Fields of MICRO_LINK, MICRO_COUNT and MICRO_GOTO_VA: their target's address, and where the link to patch is. */
export const STUB_VA = 8;
export const STUB_LINK = 16;
/** Of MICRO_COUNT: u16 how often it was taken, u32 record of the target. */
export const STUB_COUNT = 2;
export const STUB_TARGET = 20;
/** Of MICRO_GOTO_VA: u32. */
export const STUB_TIMES = 16;

/** A branch that was taken so often is warm. */
export const WARM = 256;

/** Whether a handler is a branch's on its way to somewhere else: what is executed next is at its STUB_VA. */
export const isStub = (handler: number): boolean =>
  handler === MICRO_LINK || handler === MICRO_COUNT || handler === MICRO_GOTO_VA;

/** Sizes of the micro-operations' records; a link may turn into a MICRO_GOTO_VA in place, so they are of a size. */
export const MICRO_SIZE: readonly number[] = [8, 24, 24, 16, 16, 16, 16, 24];

/** Semantics whose records carry the next instruction's address in the immediate's place. */
const NEXT_IP = new Set(['call', 'call_indirect', 'syscall', 'int3', 'int1']);

export interface Layout {
  readonly immediate: number;
  readonly links: number;
  readonly size: number;
  readonly hasImmediate: boolean;
  readonly hasNextIp: boolean;
  readonly hasX87Place: boolean;
  readonly hasLinks: boolean;
}

export function layoutOf(shape: Shape): Layout {
  const { row, form, fused } = shape;
  const hasNextIp = NEXT_IP.has(row.sem);
  const hasX87Place = isX87(row);
  const hasImmediate = row.operands.some((o) => o.code === 'I' || o.code === 'L');
  const hasLinks = fused !== undefined || row.operands.some((o) => o.code === 'J');
  const immediate = form === 'reg' ? 8 : 16;
  const links = immediate + (hasImmediate || hasNextIp || hasX87Place ? 8 : 0);
  const size = links + (hasLinks ? 8 : 0);
  return { immediate, links, size, hasImmediate, hasNextIp, hasX87Place, hasLinks };
}

const layouts: (Layout | undefined)[] = [];

/** The layout of an instruction handler's records. Kept once made: most handlers are never used. */
export function layoutOfHandler(handler: number): Layout {
  return (layouts[handler] ??= layoutOf(shapeOf(handler)));
}

/** Bytes of a handler's records. */
export function recordSize(handler: number): number {
  return handler < RESERVED ? (MICRO_SIZE[handler] ?? 8) : layoutOfHandler(handler).size;
}
