import { expect, test } from 'vitest';
import {
  TRAP_EXCEPTION,
  TRAP_FUEL,
  TRAP_SYSCALL,
  VECTOR_BP,
  VECTOR_DE,
  VECTOR_GP,
  VECTOR_UD,
} from '../src/cpu.ts';
import { assemble, CODE, FlatMachine } from '../../../tests/cpu/flat.ts';

const load = (source: string): FlatMachine => new FlatMachine().load(assemble(source));

test('more code than the arena holds', () => {
  const machine = new FlatMachine();
  const { cpu } = machine;
  const PAGES = 3000;
  const start = 0x1000_0000;
  // Each page: inc rax; jmp to the next page; the last one: syscall.
  for (let i = 0; i < PAGES; i++) {
    machine.map(start + i * 4096);
    const code = [0x48, 0xff, 0xc0, 0xe9, 0xf8, 0x0f, 0, 0];
    machine.write(
      start + i * 4096,
      Uint8Array.from(i === PAGES - 1 ? [0x48, 0xff, 0xc0, 0x0f, 5] : code),
    );
  }
  for (let round = 1; round <= 3; round++) {
    cpu.rip = start;
    let trap = TRAP_FUEL;
    while (trap === TRAP_FUEL) trap = cpu.run(700);
    expect(trap).toBe(TRAP_SYSCALL);
    expect(cpu.gpr[0]).toBe(BigInt(PAGES * round));
  }
});

const PROGRAM = `
  mov ecx, 300; xor eax, eax; lea rsi, [rip+1f]
2: add rax, rcx; test cl, 3; jz 3f; push rax; call 4f; pop rdx; xor rax, rdx
3: dec ecx; jnz 2b; mov rdi, rsp; sub rdi, 2000; mov ecx, 100; rep stosb; syscall
4: imul rax, rax, 17; bsr rdx, rax; ret
1: .quad 0`.replaceAll('\n', ';');

test('single steps and any cut by fuel lead to the same state and count', () => {
  const reference = load(PROGRAM).cpu;
  while (reference.run(1_000_000) !== TRAP_SYSCALL);
  for (const fuel of [1, 2, 3, 7, 100]) {
    const { cpu } = load(PROGRAM);
    while (cpu.run(fuel) !== TRAP_SYSCALL);
    expect([...cpu.gpr], `fuel ${fuel}`).toEqual([...reference.gpr]);
    expect([cpu.rflags, cpu.rip, cpu.retired]).toEqual([
      reference.rflags,
      reference.rip,
      reference.retired,
    ]);
  }
});

test('fuel stops depend on the code alone', () => {
  const stops = (warm: boolean): number[] => {
    const { cpu } = load(PROGRAM);
    if (warm) {
      while (cpu.run(50) !== TRAP_SYSCALL);
      cpu.rip = CODE;
    }
    const before = cpu.retired;
    const out: number[] = [];
    while (cpu.run(40) !== TRAP_SYSCALL) out.push(cpu.rip, cpu.retired - before);
    return out;
  };
  expect(stops(true)).toEqual(stops(false));
});

test.each([
  ['xor ecx, ecx; div ecx', VECTOR_DE, 2, 0],
  ['nop; ud2', VECTOR_UD, 1, 0],
  ['int3', VECTOR_BP, 1, 0],
  ['hlt', VECTOR_GP, 0, 0],
  ['nop; int 0x80', VECTOR_GP, 1, 0x402],
  ['.byte 0x06', VECTOR_UD, 0, 0],
  ['.byte 0xf0; add eax, ecx', VECTOR_UD, 0, 0],
  ['.fill 15, 1, 0x66; nop', VECTOR_GP, 0, 0],
])('%s', (source, vector, offset, code) => {
  const { cpu } = load(source);
  expect(cpu.run(100)).toBe(TRAP_EXCEPTION);
  expect([cpu.vector, cpu.rip - CODE, cpu.errorCode]).toEqual([vector, offset, code]);
});

test('fs and gs bases, in every addressing form', () => {
  const machine = load(
    'mov rax, fs:0x28; mov ecx, 2; mov rdx, gs:[rcx*8+0x18]; mov esi, fs:[ecx+0x2e]; lea rdi, fs:[rcx]; syscall',
  );
  const { cpu } = machine;
  machine.write(0x60_0028, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0x44, 0x33, 0x22, 0x11));
  machine.write(0x60_1028, Uint8Array.of(9, 9, 9, 9));
  cpu.fsBase = 0x60_0000;
  cpu.gsBase = 0x60_1000;
  expect(cpu.run(100)).toBe(TRAP_SYSCALL);
  const seen = [0, 2, 6, 7].map((register) => cpu.gpr[register]);
  expect(seen).toEqual([0x0807060504030201n, 0x09090909n, 0x11223344n, 2n]);
});

test('contexts are saved and loaded whole', () => {
  const machine = load('mov rax, 1; movq xmm3, rax; stc; syscall');
  const { cpu } = machine;
  cpu.run(100);
  const kept = new Uint8Array(cpu.contextSize);
  cpu.save(kept);
  const image = new Uint8Array(512);
  cpu.fxsave(image);
  expect(image[160 + 48]).toBe(1);
  const flags = cpu.rflags;
  cpu.reset();
  expect([cpu.gpr[0], cpu.rflags, cpu.mxcsr]).toEqual([0n, 0x202, 0x1f80]);
  cpu.load(kept);
  expect([cpu.gpr[0], cpu.rflags, cpu.rip]).toEqual([1n, flags, CODE + 15]);
});

test('every combination of flags survives', () => {
  const { cpu } = load('nop');
  for (let i = 0; i < 64; i++) {
    const flags =
      0x202 |
      (i & 1) |
      ((i & 2) << 1) |
      ((i & 4) << 2) |
      ((i & 8) << 3) |
      ((i & 16) << 3) |
      ((i & 32) << 6);
    cpu.rflags = flags;
    expect(cpu.rflags).toBe(flags);
  }
  cpu.rflags = 0xffff_ffff;
  expect(cpu.rflags >>> 0).toBe(0x25_4fd7 | 0x200);
});
