/** The ways out of a region, once its registers are written back: tail calls of the interpreter's module. */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import { EXIT_FUEL_LEFT, EXIT_REC, FUEL_BEYOND, FUEL_SHARE, RIP_CELL } from '../layout.ts';
import { continueAt, interpret, settleFlags } from '../tier0/target.ts';

/** Gives tier 0 its share of the fuel that is left, and notes the rest. */
function shareOf(b: Builder, fuel: Node): Node {
  const share = b.load('i32.load', b.i32(FUEL_SHARE));
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
    b.node('return_call', undefined, 'effect', [va, shareOf(b, fuel), tlb], continueAt);
  },
};

/** Has tier 0 execute a record by a handler, and go on behind it: (record, fuel, TLB, handler). */
export const exitToRecord: Helper = {
  name: 'exit_to_record',
  params: ['i32', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, rec, fuel, tlb, handler) {
    b.node('return_call', undefined, 'effect', [rec, shareOf(b, fuel), tlb, handler], interpret);
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
    b.store('i32.store', b.i32(EXIT_FUEL_LEFT), shareOf(b, fuel));
    b.store('i64.store', b.i32(RIP_CELL), rip);
    return code;
  },
};
