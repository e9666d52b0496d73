import { expect, test } from 'vitest';
import { TRAP_EXCEPTION, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL } from '../src/cpu.ts';
import type { Machine } from '../src/machine.ts';
import { assemble, CODE, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
/** Tier 0 alone; tier 1 for every block; tier 1 for what is hot. */
const MODES = [false, { threshold: 0 }, { threshold: 1 }] as const;

const stateOf = (cpu: Machine): unknown => [[...cpu.gpr], cpu.rip, cpu.rflags, cpu.retired];

function load(source: string, jit: (typeof MODES)[number]): FlatMachine {
  return new FlatMachine(RAM, jit).load(assemble(source));
}

const LOOPS = `
  mov ecx, 30000; xor eax, eax; mov rbx, ${DATA}
2: add rax, rcx; test cl, 3; jz 3f; push rax; call 4f; pop rdx; xor rax, rdx
3: mov [rbx+rcx*2], ax; adc ah, [rbx+rcx]; dec ecx; jnz 2b
  mov ecx, 9; 5: push rcx; mov rdi, rbx; mov ecx, 40000; rep stosb; pop rcx; loop 5b; syscall
4: imul rax, rax, 17; bsr rdx, rax; ret`.replaceAll('\n', ';');

test('every tier stops at the same places with the same state', () => {
  for (const fuel of [1_000_000, 50_000, 20_001, 997]) {
    const [reference, ...others] = MODES.map((jit) => {
      const { cpu } = load(LOOPS, jit);
      const stops: unknown[] = [];
      while (cpu.run(fuel) !== TRAP_SYSCALL) stops.push(stateOf(cpu));
      return [...stops, stateOf(cpu)];
    });
    for (const other of others) expect(other, `fuel ${fuel}`).toEqual(reference);
  }
});

test('a fault in the middle of a hot loop is precise and restartable', () => {
  const source = `xor eax, eax; mov rbx, ${DATA}; mov edx, 1; 1: lea rdx, [rdx+rdx*2]; mov rcx, [rbx]; inc eax; mov [rbx], rdx; add rbx, 8; jmp 1b`;
  const faults = MODES.map((jit) => {
    const machine = load(source, jit);
    const { cpu } = machine;
    const seen: unknown[] = [];
    for (let page = 16; page < 20; page++) {
      let trap = TRAP_FUEL;
      while (trap === TRAP_FUEL) trap = cpu.run(100_000);
      expect(trap).toBe(TRAP_PAGE_FAULT);
      seen.push([cpu.faultAddress, cpu.errorCode, stateOf(cpu)]);
      machine.map(DATA + page * 4096, { executable: false });
    }
    return seen;
  });
  expect(faults[1]).toEqual(faults[0]);
  expect(faults[2]).toEqual(faults[0]);
});

test('a hot loop that rewrites an instruction of its own block sees the change at once', () => {
  // The immediate of the ADD behind the store changes each round.
  const source =
    `mov ecx, 60000; xor eax, eax; lea rbx, [rip+2f]; 1: test ecx, 0xfff; jnz 2f; mov byte ptr [rbx+2], cl; inc byte ptr [rbx+2]
2: add eax, 1; dec ecx; jnz 1b; syscall`.replaceAll('\n', ';');
  const states = MODES.map((jit) => {
    const { cpu } = load(source, jit);
    while (cpu.run(30_000) !== TRAP_SYSCALL);
    return stateOf(cpu);
  });
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('exceptions, byte registers and segment bases in compiled code', () => {
  const source = `mov ecx, 30000; mov eax, 0x1234; 1: xchg ah, al; add dh, al; add dl, fs:[rcx]; mov si, dx; rol esi, 3; dec ecx; jnz 1b; xor ecx, ecx; div ecx`;
  const states = MODES.map((jit) => {
    const { cpu } = load(source, jit);
    cpu.fsBase = DATA;
    let trap = TRAP_FUEL;
    while (trap === TRAP_FUEL) trap = cpu.run(100_000);
    expect(trap).toBe(TRAP_EXCEPTION);
    return [cpu.vector, stateOf(cpu)];
  });
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('generated code beyond the limit is forgotten, and compiled again', () => {
  const machine = new FlatMachine(RAM, { threshold: 0, limit: 100_000 });
  const { cpu } = machine;
  const PAGES = 300;
  for (let i = 0; i < PAGES; i++) {
    machine.map(CODE + i * 4096);
    const last = [0x48, 0xff, 0xc0, 0x0f, 5];
    const jump = [0x48, 0xff, 0xc0, 0xe9, 0xf8, 0x0f, 0, 0];
    machine.write(CODE + i * 4096, Uint8Array.from(i === PAGES - 1 ? last : jump));
  }
  for (let round = 1; round <= 3; round++) {
    cpu.rip = CODE;
    let trap = TRAP_FUEL;
    while (trap === TRAP_FUEL) trap = cpu.run(10_000);
    expect(trap).toBe(TRAP_SYSCALL);
    expect(cpu.gpr[0]).toBe(BigInt(PAGES * round));
  }
});
