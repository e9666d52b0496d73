import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';

/** 2^32 divided by the golden ratio: the upper bits of a product with it are a hash of the lower half of an address. */
const GOLDEN = 0x9e37_79b1;

/** A hash of so many bits, in JavaScript. */
export const goldenHash = (low: number, bits: number): number =>
  Math.imul(low, GOLDEN) >>> (32 - bits);

/** The same of an address of 64 bits, in WebAssembly. @param shift 32 less the bits */
export const goldenHashOf = (b: Builder, va: Node, shift: Node): Node =>
  b.shrU(b.mul(b.wrap(va), b.i32(GOLDEN)), shift);
