import type { Code } from '@vitrine/wasm/code.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { FUEL_BEYOND, FUEL_SHARE, REGION_NOTES } from '../layout.ts';
import { NOTES_ENTERED } from './exits.ts';

/** What an entry has to know: fuel that must be there, and the globals that hold its own handler and the notes. */
export interface EntryOf {
  readonly most: number;
  readonly handler: number;
  readonly notes: number;
}

/** The handler for an entry: tier 0's own when there may not be fuel enough. */
export function writeEntry(
  code: Code,
  { most, handler, notes }: EntryOf,
  interpreter: number,
): Code {
  const fuel = code.local('i32');
  code.get(1).i32(0).mem('i32.load', FUEL_BEYOND).op('i32.add').tee(fuel);
  code.i32(most).op('i32.le_s').enterUnlikely();
  code.get(0).get(1).get(2).globalGet(handler).returnCall(interpreter).end();
  code.i32(0).globalGet(notes).mem('i32.store', REGION_NOTES);
  code.i32(0).get(1).mem('i32.store', FUEL_SHARE);
  return code.get(0).get(fuel).get(2);
}

/** One entry in 2 to this is counted, for all of them: the count is in a cache line of its own. */
const COUNTED = 6;

/** What follows from it is as if by chance, also in loops that use the same fuel each time around. */
const SCATTER = 0x9e37_79b1 | 0;

/** Whether a transition is one of those that are counted, by the fuel that is left. */
export const isCounted = (b: Builder, fuel: Node): Node =>
  b.eqz(b.shrU(b.mul(fuel, b.i32(SCATTER)), b.i32(32 - COUNTED)));

/**
 * Counts that the region is gone into once more: what a larger one would save. Which entries are counted follows from the fuel.
 */
export function countEntry(code: Code, fuel: number, notes: number): void {
  code
    .get(fuel)
    .i32(SCATTER)
    .op('i32.mul')
    .i32(32 - COUNTED);
  code.op('i32.shr_u').op('i32.eqz').enterUnlikely();
  code.globalGet(notes).globalGet(notes).mem('i32.load', NOTES_ENTERED);
  code
    .i32(1 << COUNTED)
    .op('i32.add')
    .mem('i32.store', NOTES_ENTERED)
    .end();
}
