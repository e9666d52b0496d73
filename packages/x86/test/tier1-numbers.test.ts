/** Regions expect numbers in the middle of their range, and are made again where they are not. */
import { describe, expect, test } from 'vitest';
import { TRAP_FUEL } from '../src/cpu.ts';
import { dividendOf, divisorOf, factorOf, isNormal, MIDDLE, productOf, squareOf, sumOf } from '../src/insn/exponents.ts'; // prettier-ignore
import { WILD } from '../src/tier1/region.ts';
import { assemble, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;

/** Sums x * y, and x * y / z, of numbers at RBX, so many times. */
const SUM =
  `1: movsd xmm0, [rbx]; mulsd xmm0, [rbx+8]; addsd xmm1, xmm0; divsd xmm0, [rbx+16]; addsd xmm2, xmm0
  dec rcx; jnz 1b; syscall`.replaceAll('\n', ';');

const EFFORT = { advance: 10_000_000, threshold: 1 };

/** What the loop leaves, and how the regions were made that are there in the end. */
function run(
  jit: ConstructorParameters<typeof FlatMachine>[1],
  numbers: readonly number[],
  mxcsr = 0x1fa0,
): { state: unknown; efforts: number[] } {
  const machine = new FlatMachine(RAM, jit).load(assemble(SUM));
  const { cpu } = machine;
  machine.write(DATA, new Uint8Array(Float64Array.from(numbers).buffer));
  const state = new Uint8Array(512);
  cpu.fxsave(state);
  new DataView(state.buffer).setUint32(24, mxcsr, true);
  cpu.fxrstor(state);
  cpu.gpr[3] = BigInt(DATA);
  cpu.gpr[1] = 3_000_000n;
  for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) trap = cpu.run(1_000_003);
  cpu.fxsave(state);
  const efforts = cpu.jit?.entered().map(({ grown }) => grown & WILD) ?? [];
  return { state: [[...cpu.gpr], cpu.retired, ...state], efforts };
}

describe('numbers of a loop', () => {
  test.each([
    ['in the middle', [1.5, 3.25, 7], 0x1fa0, 0],
    ['with zeros', [0, 3.25, 7], 0x1fa0, 0],
    ['too large for it', [1e100, 1e-3, 3], 0x1fa0, WILD],
    ['whose product is too small for it', [1e-50, 1e-50, 3], 0x1fa0, WILD],
    ['that are infinite', [Infinity, 2, 3], 0x1fa0, WILD],
    ['that are always exact', [2, 4, 8], 0x1f80, WILD],
    ['that are not exact, which shows in MXCSR', [1.1, 1.7, 3], 0x1f80, 0],
    ['with another rounding', [1.1, 1.7, 3], 0x3fa0, WILD],
  ])('%s', (_, numbers, mxcsr, effort) => {
    const { state } = run(false, numbers, mxcsr);
    const made = run(EFFORT, numbers, mxcsr);
    expect(made.state).toEqual(state);
    expect(made.efforts).toEqual([effort]);
    expect(run({ threshold: 0, wild: true }, numbers, mxcsr).state).toEqual(state);
  });
});

describe('ranges of exponents', () => {
  const exponent = (x: number): number => {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setFloat64(0, x);
    return ((bits.getUint32(0) >>> 20) & 0x7ff) - 1023;
  };
  /** The least and the largest number of an exponent, and one between. */
  const of = (e: number): number[] => [1, 1.5, 2 - 2 ** -52].map((m) => m * 2 ** e);
  const SOME = [-255, -100, -1, 0, 1, 99, 256];

  test('hold what operations give', () => {
    for (const e of SOME)
      for (const f of SOME)
        for (const x of of(e))
          for (const y of of(f)) {
            const [X, Y] = [e, f].map((at) => ({ lo: at, hi: at })) as [{ lo: number; hi: number }, { lo: number; hi: number }]; // prettier-ignore
            const holds = ({ lo, hi }: { lo: number; hi: number }, z: number): void => {
              if (z === 0) return;
              expect(exponent(z)).toBeGreaterThanOrEqual(lo);
              expect(exponent(z)).toBeLessThanOrEqual(hi);
            };
            holds(sumOf('f64', X, Y), x + y);
            holds(sumOf('f64', X, Y), x - y);
            holds(productOf(X, Y), x * y);
            const [product, quotient] = [x * y, x / y].map((z) => ({ lo: exponent(z), hi: exponent(z) })) as [{ lo: number; hi: number }, { lo: number; hi: number }]; // prettier-ignore
            holds(factorOf(product, X), y);
            holds(divisorOf(quotient, X), y);
            holds(dividendOf(quotient, Y), x);
            const root = exponent(Math.sqrt(x));
            holds(squareOf({ lo: root, hi: root }), x);
          }
  });

  test('sums and products of the middle of doubles are normal, of floats only sums', () => {
    for (const f of ['f32', 'f64'] as const) {
      const middle = MIDDLE[f];
      expect(isNormal(f, sumOf(f, middle, middle))).toBe(true);
      expect(isNormal(f, productOf(middle, middle))).toBe(f === 'f64');
    }
  });
});
