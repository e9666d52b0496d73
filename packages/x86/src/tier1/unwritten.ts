/**
 * XMM registers that a tight loop only reads: what is looked at of the numbers in them (insn/sse-usual.ts) is computed before the
 * loop.
 */
import type { Insn } from '../decode.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import type { Block } from './region.ts';
import { type Structure, tightInsns } from './structure.ts';

/** How a value is read from a register, and what is computed of it. */
export type Compute = (b: Builder, value: Node) => Node;

interface Kept {
  readonly register: number;
  readonly load: string;
  readonly compute: Compute;
  readonly variable: Var;
}

/** Values that are kept of a loop's registers. */
const MOST = 6;

export class Unwritten {
  readonly #written: ReadonlySet<number>;
  readonly kept: Kept[] = [];

  constructor(written: ReadonlySet<number>) {
    this.#written = written;
  }

  has(register: number): boolean {
    return !this.#written.has(register);
  }

  /** What is computed of a register's value; undefined when enough is kept. */
  keep(
    register: number,
    load: string,
    type: 'i32' | 'i64' | 'v128',
    compute: Compute,
  ): Var | undefined {
    const isIt = (one: Kept): boolean => one.register === register && one.compute === compute;
    const found = this.kept.find(isIt);
    if (found) return found.variable;
    if (this.kept.length === MOST) return undefined;
    const variable: Var = { type, local: -1, kept: true };
    this.kept.push({ register, load, compute, variable });
    return variable;
  }
}

function* writtenBy({ row, reg, rm, isReg }: Insn): Iterable<number> {
  for (const { code, access } of row.operands) {
    if (access === 'r') continue;
    if (code === 'V') yield reg;
    else if (code === 'U' || (code === 'W' && isReg)) yield rm;
  }
  // Their masks.
  if (row.sem === 'pcmpestrm' || row.sem === 'pcmpistrm') yield 0;
}

/** What the tight loops of a region leave alone, by their heads. */
export function unwrittenOf(
  blocks: readonly Block[],
  structure: Structure,
): Map<number, Unwritten> {
  const loops = [...tightInsns(blocks, structure)];
  return new Map(
    loops.map(([head, insns]) => [
      head,
      new Unwritten(new Set(insns.flatMap((insn) => [...writtenBy(insn)]))),
    ]),
  );
}
