/** Semantics beyond x86-64-v2, by the names that rows of opcodes-v3.ts give. */
import { avx } from './avx.ts';
import { AVX_ASSISTS } from './avx-assist.ts';
import { bmi } from './bmi.ts';
import { crypto } from './crypto.ts';
import { f16c } from './f16c.ts';
import { fma } from './fma.ts';
import type { Semantics } from './semantics.ts';
import { ASSISTS } from './system.ts';

const assists = Object.fromEntries(
  AVX_ASSISTS.map((name): [string, Semantics] => [name, (b) => b.target.assist(b, ASSISTS.indexOf(name))]), // prettier-ignore
);

export const semanticsV3: Readonly<Record<string, Semantics>> = {
  ...bmi,
  ...crypto,
  ...avx,
  ...f16c,
  ...fma,
  ...assists,
};
