import type { Code } from '@vitrine/wasm/code.ts';
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

/** Counts that the region is gone into once more: what a larger one would save. */
export function countEntry(code: Code, notes: number): void {
  code.globalGet(notes).globalGet(notes).mem('i32.load', NOTES_ENTERED);
  code.i32(1).op('i32.add').mem('i32.store', NOTES_ENTERED);
}
