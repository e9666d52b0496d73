/**
 * The stack's window: where RSP is, and around it, as far as the pages there are known to be written, have no code and lie in
 * frames side by side. Regions of tier 1 look there before they look at the TLB (tier1/stack.ts), whose entries the stack would
 * share with other pages.
 */
import type { Builder } from './ir/builder.ts';
import type { Helper, Node } from './ir/node.ts';
import {
  FRAME_CODE,
  FRAME_FLAGS,
  FRAME_WRITTEN,
  TLB_ADDEND,
  TLB_READ_ONLY,
  WINDOW_ADDEND,
  WINDOW_CLASSES,
  WINDOW_LIMITS,
  WINDOW_SIZE,
  WINDOW_START,
} from './layout.ts';
import { FAULT, fill, missesTlb, PAGE, peek, READ, returnIfFault, tlbEntry, WRITE } from './mmu.ts'; // prettier-ignore

/** Pages that are looked at on either side. */
const REACH = 4;

/** Empties the window of an address space. @param context where its TLB is */
export function emptyWindow(u32: Uint32Array, context: number): void {
  const end = WINDOW_LIMITS + WINDOW_CLASSES.length * 8;
  u32.fill(0, (context + WINDOW_START) >> 2, (context + end) >> 2);
}

/** Whether a page is in the window of an address space. */
export function inWindow(u32: Uint32Array, context: number, page: number): boolean {
  const at = (context + WINDOW_START) >> 2;
  const distance = page * 4096 - (u32[at]! + u32[at + 1]! * 2 ** 32);
  return distance >= 0 && distance < u32[(context + WINDOW_SIZE) >> 2]!;
}

/** Whether memory of some size, a page at most, is not all in the window; or so close to its end that it may not be. */
export function isOutsideWindow(b: Builder, va: Node, size: number, tlb: Node): Node {
  const distance = b.sub(va, b.load('i64.load', tlb, WINDOW_START));
  const place = WINDOW_CLASSES.findIndex((most) => size <= most);
  return b.op('i64.ge_u', distance, b.load('i64.load', tlb, WINDOW_LIMITS + place * 8));
}

/** Where an address in the window is. */
export const placeInWindow = (b: Builder, va: Node, tlb: Node): Node =>
  b.add(b.wrap(va), b.load('i32.load', tlb, WINDOW_ADDEND));

/** Where an address is whose page has been written before and has no code, or FAULT. */
export const writtenAt: Helper = {
  name: 'written_at',
  params: ['i64'],
  result: 'i32',
  pure: false,
  body(b, va) {
    const physical = b.call(peek, va, b.i32(WRITE));
    returnIfFault(b, physical);
    const frame = b.shrU(physical, b.i32(12));
    const flags = b.load('i32.load8_u', frame, FRAME_FLAGS);
    b.if(b.and(flags, b.i32(FRAME_CODE)), () => b.return(b.i32(FAULT)));
    b.store('i32.store8', frame, b.or(flags, b.i32(FRAME_WRITTEN)), FRAME_FLAGS);
    return physical;
  },
};

/** Makes the window that a page is in. Returns where the page is, or FAULT: (page, TLB). */
const makeWindow: Helper = {
  name: 'make_window',
  params: ['i64', 'i32'],
  result: 'i32',
  pure: false,
  body(b, page, tlb) {
    const middle = b.call(writtenAt, page);
    returnIfFault(b, middle);
    const edge = (step: number): Node => {
      const reached = b.var(b.i32(0));
      b.loop(() => {
        const distance = b.var(b.add(b.value(reached), b.i32(step)));
        const next = b.call(writtenAt, b.add(page, b.extendS(b.value(distance))));
        const isNext = b.eq(next, b.add(middle, b.value(distance)));
        b.if(isNext, () => b.assign(reached, b.value(distance)));
        return b.and(isNext, b.ne(b.value(reached), b.i32(step * REACH)));
      });
      return b.value(reached);
    };
    const below = edge(-4096);
    const above = edge(4096);
    b.store('i64.store', tlb, b.add(page, b.extendS(below)), WINDOW_START);
    const size = b.var(b.extendU(b.add(b.sub(above, below), b.i32(4096))));
    b.store('i64.store', tlb, b.value(size), WINDOW_SIZE);
    WINDOW_CLASSES.forEach((most, place) => {
      b.store('i64.store', tlb, b.sub(b.value(size), b.i64(most - 1)), WINDOW_LIMITS + place * 8);
    });
    b.store('i32.store', tlb, b.sub(middle, b.wrap(page)), WINDOW_ADDEND);
    return middle;
  },
};

/** Where an address is that has been accessed in such a way before, or FAULT: (address, READ or WRITE, TLB). */
const knownAt: Helper = {
  name: 'known_at',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, access, tlb) {
    const entry = tlbEntry(b, va, tlb);
    const missed = b.select(access, missesTlb(b, entry, va, true), missesTlb(b, entry, va, false));
    b.if(b.eqz(missed), () => b.return(b.add(b.wrap(va), b.load('i32.load', entry, TLB_ADDEND))));
    b.if(access, () => {
      const written = b.call(writtenAt, va);
      returnIfFault(b, written);
      fill(b, va, written, tlb, 0);
      b.return(written);
    });
    const physical = b.call(peek, va, b.i32(READ));
    returnIfFault(b, physical);
    fill(b, va, physical, tlb, TLB_READ_ONLY);
    return physical;
  },
};

/**
 * Where a stretch of memory is of which the first bytes are written, others read: (address, size, how many are written, TLB), less
 * than a page long. FAULT where it is not in neighbouring frames, or has not been accessed like that before.
 */
export const windowAt: Helper = {
  name: 'window_at',
  params: ['i64', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, size, written, tlb) {
    const middle = b.call(makeWindow, b.and(va, b.i64(PAGE)), tlb);
    b.if(b.ne(middle, b.i32(FAULT)), () => {
      const distance = b.sub(va, b.load('i64.load', tlb, WINDOW_START));
      const farthest = b.sub(b.load('i64.load', tlb, WINDOW_SIZE), b.extendU(size));
      const fits = b.eqz(b.op('i64.gt_u', distance, farthest));
      b.if(fits, () => b.return(placeInWindow(b, va, tlb)));
    });
    const first = b.call(knownAt, va, b.ne(written, b.i32(0)), tlb);
    returnIfFault(b, first);
    const pageOf = (address: Node): Node => b.and(address, b.i64(PAGE));
    const last = b.add(va, b.extendU(b.sub(size, b.i32(1))));
    b.if(b.ne(pageOf(va), pageOf(last)), () => {
      const lastWritten = b.add(va, b.extendU(b.sub(written, b.i32(1))));
      const writes = b.and(b.ne(written, b.i32(0)), b.eq(pageOf(lastWritten), pageOf(last)));
      const second = b.call(knownAt, last, writes, tlb);
      returnIfFault(b, second);
      b.if(b.ne(b.sub(second, first), b.sub(size, b.i32(1))), () => b.return(b.i32(FAULT)));
    });
    return first;
  },
};
