import type { Node } from './node.ts';

/** Operand widths of the integer file in bits. */
export type Width = 8 | 16 | 32 | 64;

/** A register: its number, or the field of the instruction that names it (ModRM.reg, ModRM.rm, VEX.vvvv). */
export type Slot = number | 'reg' | 'rm' | 'vvvv';

export type Access = 'r' | 'w' | 'rw';

export interface GprOperand {
  readonly kind: 'gpr';
  readonly slot: Slot;
  readonly width: Width;
}

/** An XMM register, or its low `size` bits. */
export interface XmmOperand {
  readonly kind: 'xmm';
  readonly slot: Slot;
  readonly size: number;
}

export interface MmxOperand {
  readonly kind: 'mmx';
  readonly slot: Slot;
  readonly size: number;
}

/** The ModRM memory operand. */
export interface MemOperand {
  readonly kind: 'mem';
  readonly size: number;
  readonly access: Access;
  /** A legacy SSE operand of 16 bytes: #GP unless aligned. */
  readonly aligned: boolean;
  /** Physical address of a read-modify-write operand, once translated. */
  physical?: Node;
}

export interface ImmOperand {
  readonly kind: 'imm';
  readonly width: Width;
}

/** A branch displacement or a far pointer's place: nothing to read. */
export interface RelOperand {
  readonly kind: 'rel';
}

/** The constant 1 of the D0 and D1 shifts. */
export interface OneOperand {
  readonly kind: 'one';
}

export type Operand =
  | OneOperand
  | GprOperand
  | XmmOperand
  | MmxOperand
  | MemOperand
  | ImmOperand
  | RelOperand;
