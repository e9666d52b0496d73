import type { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import { FLAGS_AUX, FLAGS_RESULT } from '../layout.ts';

/** The label around everything, behind which the registers are written back, and that of the dispatch loop. */
export const LEAVE = 1;
export const DISPATCH = 2;

/** In the place of an EXIT_ code: continue at the address through the jump cache. */
export const TO_LOOKUP = -1;

/** State of the processor that a region keeps in locals. */
export interface Kept {
  readonly address: number;
  readonly variable: Var;
  read: boolean;
  written: boolean;
}

const keep = (address: number, type: 'i32' | 'i64'): Kept => ({
  address,
  variable: { type, local: -1 },
  read: false,
  written: false,
});

const local = (type: 'i32' | 'i64', at = -1): Var => ({ type, local: at });

/** The locals of a region's function: parameters record, fuel, TLB and block, then these. */
export class Frame {
  readonly gprs: readonly Kept[] = Array.from({ length: 16 }, (_, i) => keep(i * 8, 'i64'));
  readonly flags: readonly Kept[] = [keep(FLAGS_RESULT, 'i64'), keep(FLAGS_AUX, 'i32')];
  readonly fuel: Var = local('i32', 1);
  /** The block to continue with. */
  readonly block: Var = local('i32', 3);
  /** Not 0 when a store of this instruction has missed the TLB and may have changed code. */
  readonly missed: Var = local('i32');
  readonly exitCode: Var = local('i32');
  readonly exitRip: Var = local('i64');

  read(b: Builder, kept: Kept): Node {
    kept.read = true;
    return b.value(kept.variable);
  }

  write(b: Builder, kept: Kept, value: Node): void {
    kept.written = true;
    b.assign(kept.variable, value);
  }

  /** Every register that the region touches: read at its entry, since a path may leave before it is written. */
  get used(): readonly Kept[] {
    return [...this.gprs, ...this.flags].filter((kept) => kept.read || kept.written);
  }

  /** Leaves with an EXIT_ code or TO_LOOKUP. */
  leave(b: Builder, code: number, rip: Node): void {
    b.assign(this.exitCode, b.i32(code));
    b.assign(this.exitRip, rip);
    b.node('br', undefined, 'effect', [], LEAVE);
  }

  spend(b: Builder, instructions: number): void {
    if (instructions === 0) return;
    b.assign(this.fuel, b.sub(b.value(this.fuel), b.i32(instructions)));
  }
}
