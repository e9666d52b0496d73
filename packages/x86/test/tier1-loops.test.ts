/** Regions of loops in functions that are seldom called begin with the loop's head, wherever in it tier 0 was seen. */
import { expect, test } from 'vitest';
import { TRAP_FUEL } from '../src/cpu.ts';
import type { Machine } from '../src/machine.ts';
import { assemble, CODE, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;

/** Entered at its end, by a block that the one before falls into; with two ways through it, of which one is taken later. */
const TWO_WAYS = `
  mov r8d, 40
1: call 2f; dec r8d; jnz 1b; syscall
2: xor edx, edx; mov r9d, 20; cmp r8d, 20; setb r10b; jmp 5f
3: lea eax, [rax+rdx*2+1]; add rsi, rax
4: lea rax, [rdx+1]; add rdi, rsi; cmp rax, 30000; je 7f
   mov rdx, rax
5: lea ecx, [rdx+r9]; imul ecx, edx; sar ecx, 1; test r10b, r10b; jne 3b
   lea eax, [rcx+rdx*4]; xor rsi, rax; jmp 4b
7: ret`.replaceAll('\n', ';');

/** A loop that its own first block falls into, with a branch in it. */
const FALLEN_INTO = `
  mov r8d, 60
1: call 2f; dec r8d; jnz 1b; syscall
2: xor edx, edx; mov r9, rsi
3: lea eax, [rdx+r8]; test al, 5; jz 4f; add rsi, rax
4: add edx, 1; rol r9, 3; cmp edx, 20000; jne 3b
   ret`.replaceAll('\n', ';');

function run(
  source: string,
  jit: false | { threshold: number; advance?: number },
  fuel: number,
): { stops: unknown[]; cpu: Machine } {
  const { cpu } = new FlatMachine(RAM, jit).load(assemble(source));
  const stops: unknown[] = [];
  for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) {
    trap = cpu.run(fuel);
    stops.push([trap, cpu.rip, cpu.retired, cpu.rflags, ...cpu.gpr]);
  }
  return { stops, cpu };
}

test.each([
  ['with two ways', TWO_WAYS, [0x3a, 0x3d]],
  ['that is fallen into', FALLEN_INTO, [0x12, 0x17]],
])('a loop %s', (_, source, roots) => {
  for (const fuel of [5_003, 400_009, 100_000_000]) {
    const { stops } = run(source, false, fuel);
    const { stops: hot, cpu } = run(source, { threshold: 8, advance: 0 }, fuel);
    expect(hot).toEqual(stops);
    const regions = cpu.jit!.entered().filter(({ executed }) => executed > 100_000);
    expect(regions.length).toBeGreaterThan(0);
    for (const { va } of regions) expect(roots).toContain(va - CODE);
    expect(run(source, { threshold: 0 }, fuel).stops).toEqual(stops);
  }
});
