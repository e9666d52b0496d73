/** The ways out of a region, once its registers are written back: tail calls of the interpreter's module. */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import { EXIT_FUEL_LEFT, EXTENT_WANTED, EXIT_REC, FUEL_BEYOND, FUEL_SHARE, LEFT_TO, LINK_ENTRY_SHIFT, LINK_PLACE, MOST_RETURNS, REGION_NOTES, REGIONS_RETIRED, RETURN_FUEL, RETURN_TO, RETURN_TOP, RETURNED, RETURNS, RIP_CELL, TOO_DEEP } from '../layout.ts'; // prettier-ignore
import {
  continueAt,
  hashOf,
  ifEntered,
  ifExpected,
  interpret,
  secondHashOf,
  settleFlags,
} from '../tier0/target.ts';
import { fillExtent } from '../extents.ts';
import { NOTES } from './names.ts';

/**
 * Notes are addresses that a region's indirect jumps have gone to, with the low 16 bits of the jump's own above them.
 * Behind them: how often the region was entered.
 */
export const NOTES_ENTERED = 512;
/** And how many instructions it has executed (64 bits). */
export const NOTES_EXECUTED: number = NOTES_ENTERED + 8;

/** And how often the stack's window was not there. */
export const NOTES_REFUSED: number = NOTES_EXECUTED + 8;

/** And how often it was left for numbers that are not tame, or has looked at some that may not be (insn/sse-usual.ts). */
export const NOTES_WILD: number = NOTES_REFUSED + 8;

/** And how often accesses were not in their extents (extents.ts), as far as that was found to be too often. */
export const NOTES_STRAYED: number = NOTES_WILD + 8;

/** Counts one more in the region's notes, or several. */
export function countIn(b: Builder, offset: number, times: Node = b.i32(1)): void {
  const notes = b.node('global.get', 'i32', 'pure', [], NOTES);
  b.store('i32.store', notes, b.add(b.load('i32.load', notes, offset), times), offset);
}

/** Adds what the region has executed since it was entered to its notes. */
function note(b: Builder, share: Node, fuel: Node): void {
  const cell = (address: number): Node => b.load('i32.load', b.i32(address));
  const executed = b.sub(b.add(share, cell(FUEL_BEYOND)), fuel);
  const all = b.add(cell(REGIONS_RETIRED), executed);
  b.store('i32.store', b.i32(REGIONS_RETIRED), all);
  const notes = cell(REGION_NOTES);
  const before = b.load('i64.load', notes, NOTES_EXECUTED);
  b.store('i64.store', notes, b.add(before, b.extendU(executed)), NOTES_EXECUTED);
}

/** Gives tier 0 its share of the fuel that is left, and notes the rest. @param va where it goes on; 0 when that is of no interest */
function shareOf(b: Builder, fuel: Node, va: Node): Node {
  b.store('i64.store', b.i32(LEFT_TO), va);
  const share = b.load('i32.load', b.i32(FUEL_SHARE));
  note(b, share, fuel);
  const mine = b.select(b.ltS(share, fuel), share, fuel);
  b.store('i32.store', b.i32(FUEL_BEYOND), b.sub(fuel, mine));
  return mine;
}

/** Continues at an address: (address, fuel, TLB). */
export const exitTo: Helper = {
  name: 'exit_to',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb) {
    b.node('return_call', undefined, 'effect', [va, shareOf(b, fuel, va), tlb], continueAt);
  },
};

/**
 * Continues at an address where an entry of a region is, without a stop in between: the fuel is still one, and what is
 * executed there counts for the region that tier 0 has entered.
 */
export const linkTo: Helper = {
  name: 'link_to',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb) {
    for (const place of [hashOf(b, va), secondHashOf(b, va)])
      ifEntered(b, place, va, tlb, (rec, linked) =>
        b.if(linked, () => {
          const entry = b.shrU(linked, b.i32(LINK_ENTRY_SHIFT));
          const region = b.and(linked, b.i32(LINK_PLACE));
          b.node('link', undefined, 'effect', [rec, fuel, tlb, entry, region]);
        }),
      );
    b.node('return_call', undefined, 'effect', [va, fuel, tlb], exitTo);
  },
};

/**
 * The same for a call whose region waits until it comes back: (address, fuel, TLB, address behind). All of the region's
 * registers are in memory.
 */
export const callTo: Helper = {
  name: 'call_to',
  params: ['i64', 'i32', 'i32', 'i64'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb, behind) {
    const top = b.load('i32.load', b.i32(RETURN_TOP));
    b.if(b.eq(top, b.i32(RETURNS + 8 * MOST_RETURNS)), () => {
      b.store('i64.store', b.i32(RETURN_TO), va);
      b.store('i32.store', b.i32(RETURN_FUEL), fuel);
      b.return(b.i32(TOO_DEEP));
    });
    b.store('i64.store', top, behind, 8);
    b.store('i32.store', b.i32(RETURN_TOP), b.add(top, b.i32(8)));
    b.node('return_call', undefined, 'effect', [va, fuel, tlb], linkTo);
  },
};

/** A RET: comes back to the region that waits for its call, if there is one. */
export const returnTo: Helper = {
  name: 'return_to',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb) {
    ifExpected(b, va, () => fuel);
    b.node('return_call', undefined, 'effect', [va, fuel, tlb], linkTo);
  },
};

/** What a region does that has waited for a call in vain, or has too little fuel: (what it got, address behind, TLB). */
export const unwound: Helper = {
  name: 'unwound',
  params: ['i32', 'i64', 'i32'],
  result: 'i32',
  pure: false,
  body(b, code, behind, tlb) {
    b.if(b.op('i32.gt_u', code, b.i32(TOO_DEEP)), () => {
      const fuel = b.xor(code, b.i32(RETURNED));
      b.node('return_call', undefined, 'effect', [behind, fuel, tlb], exitTo);
    });
    b.if(b.eq(code, b.i32(TOO_DEEP)), () => {
      const va = b.load('i64.load', b.i32(RETURN_TO));
      const fuel = b.load('i32.load', b.i32(RETURN_FUEL));
      b.node('return_call', undefined, 'effect', [va, fuel, tlb], linkTo);
    });
    return code;
  },
};

/** Has tier 0 execute a record by a handler, and go on behind it: (record, fuel, TLB, handler). */
export const exitToRecord: Helper = {
  name: 'exit_to_record',
  params: ['i32', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, rec, fuel, tlb, handler) {
    b.if(b.load('i32.load', b.i32(EXTENT_WANTED)), () => b.call(fillExtent));
    b.node(
      'return_call',
      undefined,
      'effect',
      [rec, shareOf(b, fuel, b.i64(0n)), tlb, handler],
      interpret,
    );
  },
};

/** Leaves to JavaScript with an EXIT_ code: (RIP, fuel, code). EXIT_REC 0 says that RIP and the fuel are exact. */
export const exitWith: Helper = {
  name: 'exit_with',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, rip, fuel, code) {
    b.call(settleFlags);
    b.store('i32.store', b.i32(EXIT_REC), b.i32(0));
    b.store('i32.store', b.i32(EXIT_FUEL_LEFT), shareOf(b, fuel, b.i64(0n)));
    b.store('i64.store', b.i32(RIP_CELL), rip);
    return code;
  },
};
