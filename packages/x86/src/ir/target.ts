import type { ValType } from '@vitrine/wasm/instructions.ts';
import type { Known, Range } from '../insn/exponents.ts';
import type { Gathered } from '../insn/gathered.ts';
import type { Builder } from './builder.ts';
import type { Operation } from './flags.ts';
import type { Node } from './node.ts';
import type { Slot, Width } from './operand.ts';

/** What a compiling tier knows of floating-point numbers, and how it gets rid of what is unusual (insn/sse-usual.ts). */
export interface Usual {
  /** Numbers are expected in the middle of their range: others are deferred. */
  readonly isTame: boolean;
  /** What is added to doubled doubles (`LOWEST`): since V8 takes it for a variable, it doubles and adds in one instruction. */
  lowest(b: Builder): Node;
  /** 2 to the 62 as an i64 for doubles, 2 to the 31 as an i32 for floats; 0 when MXCSR is not as it usually is. */
  limit(b: Builder, f: 'f32' | 'f64'): Node;
  /** 0 as an i32; all ones when MXCSR is not as it usually is. */
  lanes(b: Builder): Node;
  known(node: Node, f: 'f32' | 'f64'): Known | undefined;
  know(node: Node, f: 'f32' | 'f64', range: Range, proved: boolean): void;
  /** What is looked at of a value (`compute`), where that has been kept. */
  kept(b: Builder, value: Node, compute: (b: Builder, value: Node) => Node): Node | undefined;
  /** Where numbers are looked at together, before anything is done: what is unusual is not deferred by instruction. */
  readonly gathered: Gathered | undefined;
  /** An exception may have been noted in MXCSR. */
  refresh(b: Builder): void;
  /** MXCSR was written. */
  reload(b: Builder): void;
  /** Has the tier below execute this instruction, of which nothing has been done. */
  defer(b: Builder): void;
  /** Counts that numbers are not tame, or may not be. */
  countWild(b: Builder): void;
}

/**
 * A back end's answer to "where does this operand live?". Tier 0 reads register numbers and displacements from the
 * decoded record; a compiling tier keeps registers in locals and folds constants.
 */
export interface Target {
  /** Widths up to 32 give an i32, zero-extended; 64 gives an i64. */
  readGpr(b: Builder, slot: Slot, width: Width): Node;
  /** Writes as x86 does: 32 bits clear the upper half, 8 and 16 keep the rest. Higher bits of `value` are ignored. */
  writeGpr(b: Builder, slot: Slot, width: Width, value: Node): void;
  /** Loads from byte `offset` of a vector register with a WebAssembly load instruction. */
  readVector(b: Builder, file: 'xmm' | 'mmx', slot: Slot, load: string, offset: number): Node;
  writeVector(
    b: Builder,
    file: 'xmm' | 'mmx',
    slot: Slot,
    store: string,
    offset: number,
    value: Node,
  ): void;
  /** Register number 0–15 of a vector register as an address into its file, for indexed access to its bytes. */
  vectorAddress(b: Builder, file: 'xmm' | 'mmx', slot: Slot): Node;
  /** A cell of the register context (layout.ts). */
  readCell(b: Builder, address: number, load: string): Node;
  writeCell(b: Builder, address: number, store: string, value: Node): void;
  /** Both words of the status flags (ir/flags.ts). */
  writeFlags(b: Builder, result: Node, aux: Node): void;
  /** Keeps an operation's operands instead of its flags; false: the caller writes the flags. */
  keepOperands?(b: Builder, operation: Operation, width: Width, x: Node, y: Node): boolean;
  /** CF as bit 31 of a word, where operands are kept; its other bits are anything. */
  keptCarry?(b: Builder): Node;
  readonly usual?: Usual;
  /** The immediate, sign-extended to the type. */
  immediate(b: Builder, type: 'i32' | 'i64'): Node;
  /** Effective address of the ModRM memory operand, segment base included. */
  address(b: Builder): Node;
  /** Address of the following instruction. */
  nextIp(b: Builder): Node;
  /** What FIP_CELL holds when this was the last x87 instruction. */
  x87Place(b: Builder): Node;
  /** Physical address of `size` bytes, or leaves with the fault. Straddling operands come back assembled in BOUNCE. */
  translate(b: Builder, va: Node, size: number, write: boolean): Node;
  /** Whether the address of an access that is to be aligned is known to be, as long as execution is where it is. */
  isAligned?(b: Builder, va: Node, size: number, write: boolean): boolean;
  /** Completes a store of more than one byte to an address that `translate` gave. */
  commit(b: Builder, physical: Node): void;

  /** Ends the block at the branch displacement's target. */
  jump(b: Builder): void;
  /** Ends the block at the displacement's target if `condition`, else at the next instruction. */
  branch(b: Builder, condition: Node): void;
  /** Ends the block at an address. */
  jumpTo(b: Builder, va: Node): void;
  /** Executes the same instruction again if `condition` (rep string instructions after a bounded stretch). */
  again(b: Builder, condition: Node): void;
  /** Leaves with a fault: nothing of this instruction has happened. */
  raise(b: Builder, vector: number, errorCode: Node): void;
  /** Ends the block with EXIT_SYSCALL, or with a trap exception reported after the instruction. */
  trap(b: Builder, exit: number, vector: number): void;
  /** Has JavaScript carry out the instruction. */
  assist(b: Builder, number: number): void;
}

export type { ValType };
