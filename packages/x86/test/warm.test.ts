/** Branches count how often they are taken, and regions follow those that are. */
import { expect, test } from 'vitest';
import { TRAP_SYSCALL } from '../src/cpu.ts';
import { WARM } from '../src/tier0/record.ts';
import { assemble, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
const LONG = '.rept 100; lea rdx, [rdx+rax]; .endr';

/** A loop that goes another way at times. */
const program = (often: number): string =>
  `mov ecx, 400000; 1: inc rbx; test ecx, ${often - 1}; jnz 2f; ${LONG}; 2: dec ecx; jnz 1b; syscall`;

function run(source: string, jit: false | { threshold: number; advance: number }): FlatMachine {
  const machine = new FlatMachine(RAM, jit).load(assemble(source));
  expect(machine.cpu.run(100_000_000)).toBe(TRAP_SYSCALL);
  return machine;
}

test.each([
  ['seldom taken', 16384, 20],
  ['often taken', 2, 130],
])('a way that is %s', (_, often, most) => {
  const source = program(often);
  const { cpu } = run(source, { threshold: 16, advance: 0 });
  const { instructions, regions } = cpu.jit!.counters;
  expect(regions).toBeGreaterThan(0);
  expect(instructions / regions).toBeLessThanOrEqual(most);
  expect(instructions / regions).toBeGreaterThan(most === 20 ? 0 : 100);
  const plain = run(source, false).cpu;
  expect([[...cpu.gpr], cpu.retired]).toEqual([[...plain.gpr], plain.retired]);
});

test('a branch changes nothing when it becomes warm', () => {
  const source = `mov ecx, ${WARM * 3}; 1: inc rbx; dec ecx; jnz 1b; syscall`;
  const endOf = (fuel: number): unknown => {
    const { cpu } = new FlatMachine(RAM, false).load(assemble(source));
    while (cpu.run(fuel) !== TRAP_SYSCALL);
    return [cpu.rip, cpu.retired, [...cpu.gpr]];
  };
  expect(endOf(1)).toEqual(endOf(100_000));
  expect(endOf(7)).toEqual(endOf(100_000));
});

test('what was executed is seen, not where it returns to', () => {
  const source = `lea rax, [rip+2f]; mov ecx, 400000; 1: call rax; dec ecx; jnz 1b; syscall; .p2align 8; 2: .rept 20; inc rbx; .endr; ret`;
  const { cpu } = run(source, { threshold: 16, advance: 0 });
  expect(cpu.jit!.entered().map(({ va }) => va % 4096)).toContain(0x100);
  expect(cpu.gpr[3]).toBe(8_000_000n);
});
