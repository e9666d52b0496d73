import { describe, expect, test } from 'vitest';
import { TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL } from '../src/cpu.ts';
import type { Machine } from '../src/machine.ts';
import { assemble, CODE, FlatMachine, STACK_TOP } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
/** Tier 0 alone; tier 1 for every block; tier 1 for what is hot. */
const MODES = [false, { threshold: 0 }, { threshold: 1, advance: 10_000_000 }] as const;
const PAGE = 4096;
/** The page that functions begin in, and the one below it. */
const UPPER = STACK_TOP - 2 * PAGE;
const LOWER = UPPER - PAGE;

const stateOf = (cpu: Machine): unknown => [[...cpu.gpr], cpu.rip, cpu.rflags, cpu.retired];

/** Functions with frames, arguments above them, RBP, a copy of RSP, and frames of unknown size. */
const FRAMES = (rounds: number): string =>
  `
  mov ecx, ${rounds}; xor eax, eax
1: push rax; push rcx; call 2f; pop rcx; pop rdx; add rax, rdx; dec ecx; jnz 1b; syscall
2: push rbp; mov rbp, rsp; sub rsp, 0x58; mov [rbp-8], rcx; lea rbx, [rsp+0x10]; mov [rbx+0x20], rax
  mov edx, [rbp+0x18]; add [rsp+0x30], rdx; call 3f; mov rdx, [rbp-8]; add rax, rdx; leave; ret
3: push rbx; mov rsi, rsp; and rsp, -32; sub rsp, 0x40; mov [rsp+8], rcx; xor rax, [rsp+8]; mov rsp, rsi; pop rbx
  test cl, 1; jz 4f; add rax, [rsp+0x38]; 4: ret`.replaceAll('\n', ';');

function start(mode: (typeof MODES)[number], rounds: number, room: number): FlatMachine {
  const machine = new FlatMachine(RAM, mode).load(assemble(FRAMES(rounds)));
  machine.cpu.gpr[4] = BigInt(UPPER + room);
  return machine;
}

function finish(cpu: Machine): unknown[] {
  const stops: unknown[] = [];
  for (;;) {
    const trap = cpu.run(50_021);
    stops.push([trap, stateOf(cpu)]);
    if (trap !== TRAP_FUEL) return stops;
  }
}

/** Gives two pages neighbouring frames. */
function join(machine: FlatMachine): void {
  const lower = machine.map(LOWER, { executable: false });
  machine.map(UPPER, { executable: false, frame: lower + PAGE });
  machine.frame();
}

describe('the window of the stack', () => {
  test.each([0, 8, 16, 40, 80, 120, 200, 1024])('frames %i bytes above a page boundary', (room) => {
    for (const prepare of [() => {}, join]) {
      const [reference, ...others] = MODES.map((mode) => {
        const machine = start(mode, 20_000, room);
        prepare(machine);
        return finish(machine.cpu);
      });
      for (const other of others) expect(other).toEqual(reference);
    }
  });

  test('an addition to the low byte of RSP, though a prefix says 64 bits', () => {
    const source = `mov ecx, 20000; mov rbx, rsp
1: mov [rsp+16], rcx; .byte 0x48, 0x80, 0xc4, 0xf8; jmp 2f; 2: mov rdx, [rsp]; mov [rsp+8], rdx; add rax, [rsp+24]; mov rsp, rbx; dec ecx; jnz 1b; syscall`;
    const [reference, ...others] = MODES.map((mode) => {
      const { cpu } = new FlatMachine(RAM, mode).load(assemble(source.replaceAll('\n', ';')));
      cpu.gpr[4] = BigInt(UPPER + 0x180);
      return finish(cpu);
    });
    for (const other of others) expect(other).toEqual(reference);
  });

  test('RSP is no canonical address, where an empty window might be', () => {
    for (const above of [0x100n, 0x800n, 0xf00n]) {
      const [reference, ...others] = MODES.map((mode) => {
        const { cpu } = start(mode, 20_000, 0);
        finish(cpu);
        for (const page of [LOWER, UPPER]) cpu.invlpg(page);
        cpu.gpr[4] = 2n ** 62n + above;
        cpu.rip = CODE + 7;
        return finish(cpu);
      });
      for (const other of others) expect(other).toEqual(reference);
    }
  });

  test('the page below is missing, then read-only, then there', () => {
    const [reference, ...others] = MODES.map((mode) => {
      const machine = start(mode, 20_000, 100);
      const { cpu } = machine;
      while (cpu.retired < 100_000) cpu.run(10_007);
      const stops: unknown[] = [];
      machine.unmap(LOWER);
      for (const writable of [false, true]) {
        stops.push(...finish(cpu));
        expect(stops.at(-1)).toEqual([TRAP_PAGE_FAULT, stateOf(cpu)]);
        stops.push(cpu.faultAddress, cpu.errorCode);
        machine.map(LOWER, { executable: false, writable });
        cpu.invlpg(LOWER);
      }
      stops.push(...finish(cpu));
      expect(stops.at(-1)).toEqual([TRAP_SYSCALL, stateOf(cpu)]);
      return stops;
    });
    for (const other of others) expect(other).toEqual(reference);
  });

  test('two stacks by turns, one of which becomes read-only, and writable again', () => {
    const code = '1: call 2f; xchg rsp, r8; dec ecx; jnz 1b; syscall; 2: push rcx; add rax, [rsp]; pop rdx; ret'; // prettier-ignore
    const other = STACK_TOP - 64 * PAGE;
    const [reference, ...others] = MODES.map((mode) => {
      const machine = new FlatMachine(RAM, mode).load(assemble(code));
      const { cpu } = machine;
      const frame = machine.map(other, { executable: false });
      cpu.gpr[1] = 30_000n;
      cpu.gpr[8] = BigInt(other + 256);
      const stops: unknown[] = [];
      while (cpu.retired < 60_000) cpu.run(10_007);
      for (const writable of [false, true]) {
        machine.map(other, { executable: false, writable, frame });
        cpu.invlpg(other);
        stops.push(...finish(cpu), cpu.faultAddress, cpu.errorCode);
      }
      return [...stops, cpu.retired];
    });
    expect(reference).toContain(other + 248);
    for (const one of others) expect(one).toEqual(reference);
  });

  test('a stack that is written as code', () => {
    // Each round writes MOV EAX, n and RET on the stack, and calls it.
    const code = `mov ecx, 1000; 1: call 2f; dec ecx; jnz 1b; syscall
      2: sub rsp, 24; mov byte ptr [rsp], 0xb8; mov [rsp+1], ecx; mov byte ptr [rsp+5], 0xc3; call rsp; add rbx, rax; add rsp, 24; ret`;
    const [reference, ...others] = MODES.map((mode) => {
      const machine = new FlatMachine(RAM, mode).load(assemble(code.replaceAll('\n', ';')));
      machine.map(UPPER);
      machine.cpu.gpr[4] = BigInt(UPPER + 1024);
      return [finish(machine.cpu), machine.cpu.gpr[3]];
    });
    expect(reference![1]).toBe((1000n * 1001n) / 2n);
    for (const one of others) expect(one).toEqual(reference);
  });

  test('regions do without it where the stack stays in two pieces', () => {
    const { cpu } = start(MODES[2], 3_000_000, 100);
    const { interpreted } = cpu.jit!.counters;
    finish(cpu);
    expect(cpu.retired).toBeGreaterThan(80_000_000);
    expect(cpu.jit!.counters.interpreted - interpreted).toBeLessThan(40_000_000);
  });
});
