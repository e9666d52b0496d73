import { RAX, RCX, RDX } from '../cpu.ts';
import type { Operand, Width } from '../ir/operand.ts';
import type { OperandSpec } from '../opcodes.ts';

/** Bits of an operand-size letter under an operand size. */
function bitsOf(size: string, opsize: number): number {
  switch (size) {
    case 'b':
      return 8;
    case 'w':
      return 16;
    case 'd':
      return 32;
    case 'q':
      return 64;
    case 'dq':
    case 'u':
      return 128;
    case 't':
      return 80;
    case 'x':
    case 'xa':
      return opsize * 4;
    case 'h':
      return opsize * 2;
    case 'f':
      return opsize;
    case 'e':
      return opsize / 2;
    case '':
      return 0;
    default:
      return opsize;
  }
}

/** General registers that rows name. */
export const FIXED: Readonly<Record<string, number>> = { AL: RAX, rAX: RAX, CL: RCX, DX: RDX };

/** The operands of a row as semantics see them. Works for every tier: slots name instruction fields. */
export function operandsOf(
  specs: readonly OperandSpec[],
  opsize: 8 | 16 | 32 | 64,
  register: boolean,
): (Operand | undefined)[] {
  return specs.map((spec) => operandOf(spec, opsize, register));
}

function operandOf(
  spec: OperandSpec,
  opsize: 8 | 16 | 32 | 64,
  register: boolean,
): Operand | undefined {
  const { code, size, access } = spec;
  const bits = bitsOf(size, opsize);
  const memory: Operand = {
    kind: 'mem',
    size: bits,
    access,
    aligned: (size === 'dq' && code !== 'E') || size === 'xa',
  };
  switch (code) {
    case 'G':
    case 'Z':
      return { kind: 'gpr', slot: 'reg', width: bits as Width };
    case 'R':
      return { kind: 'gpr', slot: 'rm', width: bits as Width };
    case 'E':
      return register ? { kind: 'gpr', slot: 'rm', width: bits as Width } : memory;
    case 'B':
      return { kind: 'gpr', slot: 'vvvv', width: bits as Width };
    case 'H':
      return { kind: 'xmm', slot: 'vvvv', size: bits };
    case 'L':
      return { kind: 'imm', width: 8 };
    case 'V':
      return { kind: 'xmm', slot: 'reg', size: size === 'u' ? 128 : bits };
    case 'U':
      return { kind: 'xmm', slot: 'rm', size: bits };
    case 'W':
      return register ? { kind: 'xmm', slot: 'rm', size: bits } : memory;
    case 'P':
      return { kind: 'mmx', slot: 'reg', size: bits };
    case 'N':
      return { kind: 'mmx', slot: 'rm', size: bits };
    case 'Q':
      return register ? { kind: 'mmx', slot: 'rm', size: bits } : memory;
    case 'M':
    case 'O':
      return memory;
    case 'I':
      return { kind: 'imm', width: size === 'b' ? 8 : size === 'w' ? 16 : (opsize as Width) };
    case 'J':
      return { kind: 'rel' };
    case 'fixed':
      return { kind: 'gpr', slot: FIXED[spec.text]!, width: bits as Width };
    case 'one':
      return { kind: 'one' };
    default:
      return undefined;
  }
}
