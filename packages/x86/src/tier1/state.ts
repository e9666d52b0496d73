import { RBP, RSP } from '../cpu.ts';
import type { Operation } from '../ir/flags.ts';
import type { Var } from '../ir/node.ts';
import type { Width } from '../ir/operand.ts';
import type { Known } from '../insn/exponents.ts';
import { BASE, type Depth } from './stack.ts';

/** A value as another one plus a constant. */
export interface Place {
  /** Names the other value; equal names are equal values wherever both are known. */
  readonly root: string;
  readonly delta: bigint;
}

/** An access whose translation is at hand for its neighbours. */
export interface Translated {
  readonly delta: bigint;
  readonly size: number;
  /** It was looked up for writing; `sure`: it leaves where it cannot be written. */
  readonly write: boolean;
  readonly sure: boolean;
  readonly va: Var;
  readonly physical: Var;
}

export interface KnownLow {
  readonly type: 'f32' | 'f64';
  readonly known: Known;
}

export interface KeptOperation {
  readonly operation: Operation;
  readonly width: Width;
  /** The second operand, if it is a constant. */
  readonly second?: bigint | undefined;
}

let names = 0;
export const freshRoot = (): string => `v${names++}`;

/**
 * What is known, while code is generated, at a point of a path: a block that only one jump leads to goes on with what
 * held at the jump.
 */
export class State {
  /** The integer registers. */
  readonly gprs: Place[];
  readonly translated: Map<string, Translated[]>;
  /** What the flags' locals hold; undefined: see the local that tells. */
  flags: KeptOperation | 'words' | undefined;
  /** XMM registers of whose low float or double something is known. */
  readonly lows: Map<number, KnownLow>;

  constructor(from?: State) {
    this.gprs = from
      ? [...from.gprs]
      : Array.from({ length: 16 }, () => ({ root: freshRoot(), delta: 0n }));
    this.translated = new Map(from?.translated);
    this.flags = from?.flags;
    this.lows = new Map(from?.lows);
  }

  /** Where a block begins: what is relative to the base. @param anew whether there is another base than before */
  begin({ rsp, rbp }: Depth, anew: boolean): void {
    const named = (depth: number): Place => ({ root: BASE, delta: BigInt(depth) });
    this.gprs.forEach(({ root }, i) => {
      if (anew && root.includes(BASE)) this.gprs[i] = { root: freshRoot(), delta: 0n };
    });
    if (anew)
      for (const root of this.translated.keys())
        if (root.includes(BASE)) this.translated.delete(root);
    if (rsp !== undefined) this.gprs[RSP] = named(rsp);
    if (rbp !== undefined) this.gprs[RBP] = named(rbp);
  }
}
