import { PAGE_SIZE } from '../include/ram.ts';
import type { Mm } from './mm.ts';

/** Frames of a block: 64 KiB of a stack. */
const ORDER = 4;
const FRAMES = 1 << ORDER;

/**
 * A frame for a page of a stack: the frames of its neighbours are its neighbours, as far as there are enough of them, so
 * that a function's frame is one stretch of physical memory, too (`packages/x86/src/tier1/stack.ts` looks at it once).
 * @returns 0 when memory is exhausted
 */
export function stack_frame(mm: Mm, page: number, zero: boolean): number {
  const { frames } = mm.kernel;
  const number = page / PAGE_SIZE;
  const index = number % FRAMES;
  const at = number - index;
  let block = mm.stack_blocks.get(at);
  if (block === undefined) {
    block = frames.hold(ORDER, mm.stack_blocks.get(at + FRAMES) ?? 0);
    mm.stack_blocks.set(at, block);
  }
  return frames.take_held(block, index, zero) ? block + index : frames.alloc(zero);
}

/** Stacks in [start, end) are unmapped, or all end: nobody takes what is still held for them. */
export function put_stack_frames(mm: Mm, start: number = 0, end: number = Infinity): void {
  for (const [at, block] of mm.stack_blocks) {
    if ((at + FRAMES) * PAGE_SIZE <= start || at * PAGE_SIZE >= end) continue;
    mm.kernel.frames.unhold(block);
    mm.stack_blocks.delete(at);
  }
}
