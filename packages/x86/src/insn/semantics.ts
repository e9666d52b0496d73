import type { Builder } from '../ir/builder.ts';
import type { Operand, Width } from '../ir/operand.ts';

/**
 * The meaning of an instruction, written once for every operand form, width and tier. Operands come in the order of
 * the opcode table's row; `b.width` is the operand size.
 *
 * Rules: whatever may fault comes before the first register or flag that changes (write memory first); flags are set
 * even when nobody reads them (the builder drops what is not live).
 */
export type Semantics = (b: Builder, o: readonly Operand[]) => void;

/** Width of an integer operand. */
export function widthOf(o: Operand): Width {
  if (o.kind === 'gpr' || o.kind === 'imm') return o.width;
  if (o.kind === 'mem') return o.size as Width;
  throw new Error(`${o.kind} operand has no width`);
}
