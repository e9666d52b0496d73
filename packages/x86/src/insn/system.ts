/** Instructions carried out by JavaScript, and MXCSR (SDM vol. 1, 5.1.13 to 5.1.15). */
import { VECTOR_GP } from '../cpu.ts';
import { MXCSR_CELL } from '../layout.ts';
import type { Semantics } from './semantics.ts';
import { AVX_ASSISTS } from './avx-assist.ts';
import { DESCRIPTOR_ASSISTS } from './descriptor-assist.ts';
import { FAR_ASSISTS } from './far-assist.ts';
import { X87_ASSISTS } from './x87-assist.ts';

const BASE = [
  'cpuid',
  'rdtsc',
  'rdtscp',
  'fxsave',
  'fxrstor',
  'mov_from_segment',
  'mov_to_segment',
  'push_segment',
  'pop_segment',
] as const;

export type Assist = (typeof BASE)[number] | (typeof X87_ASSISTS)[number] | (typeof AVX_ASSISTS)[number] | (typeof FAR_ASSISTS)[number] | (typeof DESCRIPTOR_ASSISTS)[number]; // prettier-ignore

/** The assists, by number; assist.ts and x87-assist.ts have their bodies. */
export const ASSISTS: readonly Assist[] = [
  ...BASE,
  ...X87_ASSISTS,
  ...AVX_ASSISTS,
  ...FAR_ASSISTS,
  ...DESCRIPTOR_ASSISTS,
];

const ldmxcsr: Semantics = (b, [src]) => {
  const value = b.get(src!);
  b.if(b.and(value, b.i32(~0xffff)), () => b.raise(VECTOR_GP));
  b.setCell(MXCSR_CELL, 'i32.store', value);
  b.target.usual?.reload(b);
};

const stmxcsr: Semantics = (b, [dst]) => b.set(dst!, b.cell(MXCSR_CELL, 'i32.load'));

export const system: Record<string, Semantics> = {
  ...Object.fromEntries(
    ASSISTS.map((name, i): [string, Semantics] => [name, (b) => b.target.assist(b, i)]),
  ),
  ldmxcsr,
  stmxcsr,
  /** Flushing a cache line has no effect here but its faults. */
  clflush: (b, [line]) => void b.var(b.get(line!)),
};
