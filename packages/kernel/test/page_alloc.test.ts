import { describe, expect, it } from 'vitest';
import { PAGE_SIZE, type Ram } from '../src/include/ram.ts';
import { BuddyAllocator } from '../src/mm/page_alloc.ts';

function allocator(): BuddyAllocator {
  const { buffer } = new Uint8Array(2048 * PAGE_SIZE);
  const views = { u8: new Uint8Array(buffer), u16: new Uint16Array(buffer), u32: new Uint32Array(buffer), u64: new BigUint64Array(buffer) }; // prettier-ignore
  return new BuddyAllocator({ base: 0, size: buffer.byteLength, ...views } as Ram);
}

const ORDER = 4;

describe('held blocks', () => {
  it('lie in front of one another, and are taken frame by frame', () => {
    const frames = allocator();
    const before = frames.free;
    const upper = frames.hold(ORDER, 0);
    const lower = frames.hold(ORDER, upper);
    if (upper >= 16 + frames.first) expect(lower).toBe(upper - 16);
    expect(frames.free).toBe(before - 32);
    expect(frames.take_held(lower, 15, true)).toBe(true);
    expect(frames.take_held(lower, 15, true)).toBe(false);
    expect(frames.count(lower + 15)).toBe(1);
    frames.unhold(lower);
    frames.unhold(upper);
    expect(frames.free).toBe(before - 1);
    expect(frames.take_held(lower, 14, true)).toBe(false);
    frames.put(lower + 15);
    expect(frames.free).toBe(before);
    expect(frames.held.size).toBe(0);
  });

  it('are given back when nothing else is free', () => {
    const frames = allocator();
    const block = frames.hold(ORDER, 0);
    frames.take_held(block, 3, false);
    const taken = new Set<number>();
    for (let pfn = frames.alloc(false); pfn !== 0; pfn = frames.alloc(false)) taken.add(pfn);
    expect(frames.free).toBe(0);
    expect(taken.size).toBe(frames.total - 1);
    expect(taken.has(block + 3)).toBe(false);
    expect(taken.has(block + 4)).toBe(true);
    expect(frames.hold(ORDER, 0)).toBe(0);
  });
});
