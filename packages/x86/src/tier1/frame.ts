import type { Builder } from '../ir/builder.ts';
import type { Operation } from '../ir/flags.ts';
import type { Helper, Node, Var } from '../ir/node.ts';
import type { Width } from '../ir/operand.ts';
import { flagWords, withCarry } from '../ir/flags.ts';
import { FLAGS_RESULT, KEPT_KIND, KEPT_Y, MXCSR_CELL, ORDINARY_F32, ORDINARY_F64, ORDINARY_LANES, XMM_BASE } from '../layout.ts'; // prettier-ignore
import type { KnownPages } from './known-pages.ts';
import { type Leaving, Use } from './liveness.ts';
import type { Stack } from './stack.ts';
import type { Block, Region } from './region.ts';
import type { Edge } from './target.ts';

/** The dispatcher's loop, as a label counted from the outermost. */
export const DISPATCH = 1;

/** State of the processor that a region keeps in a local. */
export interface Kept {
  readonly address: number;
  readonly variable: Var;
  /** Its bit in sets of registers. */
  readonly bit: bigint;
}

const keep = (address: number, type: 'i64' | 'v128', number: number): Kept => ({
  address,
  variable: { type, local: -1, kept: true },
  bit: 1n << BigInt(number),
});

/** The flags in sets of registers. */
export const FLAGS: bigint = 1n << 32n;

const local = (type: 'i32' | 'i64', at = -1): Var => ({ type, local: at, kept: true });

const OPERATIONS: readonly Operation[] = ['add', 'sub', 'logic', 'word', 'inc', 'dec'];
const WIDTHS: readonly Width[] = [8, 16, 32, 64];

/** The number that stands for an operation whose operands are kept; 0 stands for the two words themselves. */
export const kindOf = (operation: Operation, width: Width): number =>
  1 + OPERATIONS.indexOf(operation) * 4 + WIDTHS.indexOf(width);

/** Kinds of 'add' are below, those of 'sub' below twice, those of 'logic' below three times of this plus 1. */
const KINDS = WIDTHS.length;

/**
 * CF as bit 31 of a word, of whatever operation has been kept. All operations but ADD, SUB and those that clear it have it there in
 * `y`, so that INC and DEC after a comparison, or after one another, need no call.
 */
export function carryOf(b: Builder, kind: Node, x: Node, y: Node): Node {
  const carry: Var = { type: 'i32', local: -1 };
  const number = b.var(b.sub(kind, b.i32(1)));
  b.assign(carry, b.select(b.ltU(b.value(number), b.i32(3 * KINDS)), b.i32(0), b.wrap(y)));
  b.if(b.ltU(b.value(number), b.i32(2 * KINDS)), () => {
    const isAdd = b.ltU(b.value(number), b.i32(KINDS));
    b.if(
      isAdd,
      () => b.assign(carry, b.call(keptAux, kind, x, y)),
      () => {
        b.assign(carry, borrowOf(b, x, y, shiftOf(b, b.value(number))));
      },
    );
  });
  return b.value(carry);
}

/** CF as bit 31 of a word, of a subtraction whose operands are so far from the top of 64 bits. */
export const borrowOf = (b: Builder, x: Node, y: Node, shift: Node): Node =>
  b.shl(b.ltU(b.shl(x, shift), b.shl(y, shift)), b.i32(31));

/** How far the operands of a kind (less 1) are from the top of 64 bits. */
const shiftOf = (b: Builder, number: Node): Node =>
  b.extendU(b.sub(b.i32(64), b.shl(b.i32(8), b.and(number, b.i32(3)))));

/** An operand of an operation, from the local that keeps it. */
export const narrowed = (b: Builder, value: Node, width: Width): Node =>
  width === 64 ? value : b.wrap(value);

/** One word of the flags from what is kept of their last operation: operands of every width are moved to the top. */
function wordHelper(name: 'result' | 'aux'): Helper {
  const type = name === 'result' ? 'i64' : 'i32';
  return {
    name: `kept_${name}`,
    params: ['i32', 'i64', 'i64'],
    result: type,
    pure: true,
    body(b, kind, x, y) {
      b.if(b.eqz(kind), () => b.return(name === 'result' ? x : b.wrap(y)));
      const number = b.sub(kind, b.i32(1));
      const operation = b.shrU(number, b.i32(2));
      b.if(b.eq(operation, b.i32(3)), () => b.return(flagWords(b, 'word', 32, b.wrap(x), x)[name]));
      const shift = shiftOf(b, number);
      const top = (value: Node): Node => b.shl(value, shift);
      b.if(b.eq(operation, b.i32(2)), () =>
        b.return(name === 'result' ? b.shrS(top(x), shift) : b.i32(0)),
      );
      const subtracts = b.and(operation, b.i32(1));
      const isStep = b.ltU(b.i32(3), operation);
      const second = b.select(isStep, b.i64(1), y);
      const result = b.select(subtracts, b.sub(x, second), b.add(x, second));
      if (name === 'result') return b.shrS(top(result), shift);
      const whole = (how: Operation): Node => flagWords(b, how, 64, top(x), top(second)).aux;
      const carries = b.and(b.select(subtracts, whole('sub'), whole('add')), b.i32(0xc000_0000));
      // The carry out of bit 3 is the one into bit 4.
      const adjust = b.wrap(b.shrU(b.xor(b.xor(x, second), result), b.i64(1)));
      const aux = b.or(carries, b.and(adjust, b.i32(8)));
      return b.select(isStep, withCarry(b, aux, b.wrap(y)), aux);
    },
  };
}

export const keptResult: Helper = wordHelper('result');
export const keptAux: Helper = wordHelper('aux');

/** MXCSR with all exceptions masked, rounding to nearest, no flushing, and the inexact flag set already. */
const USUAL = 0x1fa0;

/** Notes whether arithmetic can be WebAssembly's: whether MXCSR is as {@link USUAL} has it. */
export const noteOrdinary: Helper = {
  name: 'note_ordinary',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const control = b.and(b.load('i32.load', b.i32(MXCSR_CELL)), b.i32(0xffe0));
    const isUsual = b.eq(control, b.i32(USUAL));
    b.store('i64.store', b.i32(0), b.select(isUsual, b.i64(1n << 62n), b.i64(0)), ORDINARY_F64);
    b.store('i32.store', b.i32(0), b.shl(isUsual, b.i32(31)), ORDINARY_F32);
    b.store('i32.store', b.i32(0), b.sub(isUsual, b.i32(1)), ORDINARY_LANES);
  },
};

/** A way out of a region: by one of exits.ts, with what has to be written back. */
export interface Exit {
  readonly helper: Helper;
  readonly leaving: Leaving;
  /** Where the region goes on when a call comes back. */
  readonly behind: Edge | undefined;
}

/** The other way out: a block is left to tier 0 as a whole, with registers in memory as they were at its start. */
export interface Restart {
  readonly restarts: Block;
}

/** A jump within the region, by its hub, with the address as its argument; registers are in memory. */
export interface ToHub {
  readonly leavesTo: 'hub';
}

const TO_HUB: ToHub = { leavesTo: 'hub' };

/** The locals of a region's function: parameters record, fuel, TLB and block, then these. */
export class Frame {
  readonly gprs: readonly Kept[] = Array.from({ length: 16 }, (_, i) => keep(i * 8, 'i64', i));
  readonly vectors: readonly Kept[] = Array.from({ length: 16 }, (_, i) =>
    keep(XMM_BASE + i * 16, 'v128', 16 + i),
  );
  /** The flags: an operation ({@link kindOf}) and its operands, or 0 and the two words. */
  readonly kind: Var = local('i32');
  readonly x: Var = local('i64');
  readonly y: Var = local('i64');
  readonly fuel: Var = local('i32', 1);
  /** The block to continue with. */
  readonly block: Var = local('i32', 3);
  /** The address that the hub is to go to. */
  readonly aim: Var = local('i64');
  /** Not 0 when a store of this instruction has missed the TLB and may have changed code. */
  readonly missed: Var = local('i32');
  /** {@link LOWEST} of doubles. */
  readonly lowest: Var = local('i64');
  /** It needs {@link noteOrdinary}, and the constant above. */
  usesFloat = false;
  /** What the block at hand does with registers. */
  use!: Use;
  readonly stack: Stack;
  readonly pages: KnownPages;
  /** Numbers are expected in the middle of their range (insn/sse-usual.ts). */
  readonly isTame: boolean;
  /** Accesses have extents at hand. */
  readonly hasExtents: boolean;

  constructor(
    stack: Stack,
    pages: KnownPages,
    { tame, extents }: Pick<Region, 'tame' | 'extents'>,
  ) {
    this.stack = stack;
    this.pages = pages;
    this.isTame = tame;
    this.hasExtents = extents;
  }

  read(b: Builder, kept: Kept): Node {
    this.use.reads |= kept.bit & ~this.use.settled;
    return b.value(kept.variable);
  }

  readFlags(): void {
    this.use.reads |= FLAGS & ~this.use.settled;
  }

  write(b: Builder, kept: Kept, value: Node): void {
    this.#written(b, kept.bit);
    b.assign(kept.variable, value);
  }

  #written(b: Builder, bit: bigint): void {
    this.use.written |= bit;
    if (!b.nested) this.use.settled |= bit;
  }

  /** Writes back what the block has written of registers. @param known the operation that the flags are of, if that is known */
  writeBack(b: Builder, known: Operation | undefined): void {
    const { use } = this;
    for (const { address, variable, bit } of this.registersOf(use.written)) {
      use.reads |= bit & ~use.settled;
      b.store(`${variable.type}.store`, b.i32(0), b.value(variable), address);
    }
    if (use.written & FLAGS) {
      this.readFlags();
      b.store('i64.store', b.i32(0), b.value(this.x), FLAGS_RESULT);
      // Of AND, OR and XOR, it is of no interest.
      if (known !== 'logic') b.store('i64.store', b.i32(0), b.value(this.y), KEPT_Y);
      b.store('i32.store8', b.i32(0), b.value(this.kind), KEPT_KIND);
    }
    use.written = 0n;
  }

  /** The registers of a set, but for the flags. */
  registersOf(set: bigint): readonly Kept[] {
    return [...this.gprs, ...this.vectors].filter(({ bit }) => set & bit);
  }

  /** Leaves by one of exits.ts; the registers are written back on the way. @param spent instructions of the block before */
  leave(b: Builder, exit: Helper, to: Node, spent: number, ...rest: Node[]): void {
    this.#exit(b, exit, undefined, to, b.add(b.value(this.fuel), b.i32(-spent)), ...rest);
  }

  /** The same for a call that may come back. */
  call(b: Builder, exit: Helper, to: Node, behind: Edge, ...rest: Node[]): void {
    this.#exit(b, exit, behind, to, b.value(this.fuel), ...rest);
  }

  #exit(b: Builder, helper: Helper, behind: Edge | undefined, ...args: Node[]): void {
    const way: Exit = { helper, leaving: this.use.leave(b.repeats), behind };
    b.node('exit', undefined, 'effect', args, way);
  }

  goToHub(b: Builder, va: Node): void {
    this.use.leave(b.repeats);
    b.node('exit', undefined, 'effect', [va], TO_HUB);
  }

  restart(b: Builder): void {
    const way: Restart = { restarts: this.use.block };
    this.use.restarts = true;
    b.node('exit', undefined, 'effect', [], way);
  }

  spend(b: Builder, instructions: number): void {
    if (instructions === 0) return;
    b.assign(this.fuel, b.sub(b.value(this.fuel), b.i32(instructions)));
  }

  keepFlags(b: Builder, kind: number, x: Node, y: Node): void {
    this.#written(b, FLAGS);
    b.assign(this.x, x);
    b.assign(this.y, y);
    b.assign(this.kind, b.i32(kind));
  }
}
