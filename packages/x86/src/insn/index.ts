/** All semantics by the name that rows of the opcode table give. */
import { arithmetic } from './arithmetic.ts';
import { control } from './control.ts';
import { logic } from './logic.ts';
import { mmx } from './mmx.ts';
import { moves } from './moves.ts';
import type { Semantics } from './semantics.ts';
import { sseFloat } from './sse-float.ts';
import { sseInteger } from './sse-integer.ts';
import { sseMoves } from './sse-moves.ts';
import { sse4Float } from './sse4-float.ts';
import { sse4 } from './sse4.ts';
import { sse3Moves, ssse3 } from './ssse3.ts';
import { strings } from './string.ts';
import { stringCompare } from './string-compare.ts';
import { system } from './system.ts';
import { x87 } from './x87.ts';

export const semantics: Readonly<Record<string, Semantics>> = {
  ...arithmetic,
  ...logic,
  ...moves,
  ...control,
  ...strings,
  ...system,
  ...sseMoves,
  ...sseInteger,
  ...sse3Moves,
  ...ssse3,
  ...sse4,
  ...sse4Float,
  ...stringCompare,
  ...mmx,
  ...sseFloat,
  ...x87,
};
