import { expect, test } from 'vitest';
import { TRAP_EXCEPTION, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL } from '../src/cpu.ts';
import type { Machine } from '../src/machine.ts';
import { assemble, CODE, DATA, FlatMachine, STACK_TOP } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
/** Tier 0 alone; tier 1 for every block; tier 1 for what is hot. */
const MODES = [false, { threshold: 0 }, { threshold: 1, advance: 10_000 }] as const;

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

/** Runs to the system call and tells the state, vectors and MXCSR included. */
function finish({ cpu }: FlatMachine): unknown {
  for (let trap = TRAP_FUEL; trap !== TRAP_SYSCALL;) {
    trap = cpu.run(100_000);
    expect([TRAP_FUEL, TRAP_SYSCALL]).toContain(trap);
  }
  const image = new Uint8Array(512);
  cpu.fxsave(image);
  return [stateOf(cpu), [...image]];
}

test('another page mapped in the place of a called function is seen by the region that calls it', () => {
  const caller = `mov ecx, 40000; 1: call ${CODE + 4096}; dec ecx; jnz 1b; syscall`;
  const states = MODES.map((jit) => {
    const machine = load(caller, jit);
    const results: unknown[] = [];
    for (const add of [1, 3, 7]) {
      const frame = machine.frame();
      machine.cpu.ram.u8.set([0x48, 0x83, 0xc0, add, 0xc3], frame);
      machine.unmap(CODE + 4096);
      machine.map(CODE + 4096, { frame });
      machine.cpu.rip = CODE;
      results.push(finish(machine), machine.cpu.gpr[0]);
    }
    return results;
  });
  expect(states[0]![5]).toBe(40_000n * 11n);
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('two address spaces with other code at the same address', () => {
  const source = `mov ecx, 30000; 1: call ${CODE + 4096}; dec ecx; jnz 1b; syscall`;
  const states = MODES.map((jit) => {
    const machine = load(source, jit);
    const { cpu } = machine;
    const caller = (cpu.ram.u32[machine.entry(CODE) >> 2]! & ~0xfff) >>> 0;
    const roots = [machine.root, machine.frame()];
    roots.forEach((root, i) => {
      const frame = machine.frame();
      cpu.ram.u8.set([0x48, 0x83, 0xc0, i === 0 ? 1 : 5, 0xc3], frame);
      machine.map(CODE, { frame: caller, root });
      machine.map(CODE + 4096, { frame, root });
      for (let page = 1; page <= 4; page++) machine.map(STACK_TOP - page * 4096, { root });
    });
    return [0, 1, 0, 1].map((space) => {
      cpu.cr3 = roots[space]!;
      cpu.rip = CODE;
      cpu.gpr[0] = 0n;
      return [finish(machine), cpu.gpr[0]];
    });
  });
  expect(states[0]!.map(([, sum]) => sum)).toEqual([30_000n, 150_000n, 30_000n, 150_000n]);
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('instructions that straddle pages, repeated string instructions and a jump table in a hot loop', () => {
  const source = `
    mov rbx, ${DATA}; lea rax, [rip+7f]; mov [rbx], rax; lea rax, [rip+8f]; mov [rbx+8], rax; mov ebp, 9000; jmp 3f
    .org 4090; 3: mov r8d, 0x12345678; mov r9, 0x1122334455667788; lea rsi, [rbx+64]; lea rdi, [rbx+4090]; mov ecx, 20
    rep movsb; mov eax, ebp; and eax, 1; jmp [rbx+rax*8]; 7: add r10, 3; jmp 9f; 8: xor r10, rbp; mov [rbx+70], r10w
    9: dec ebp; jnz 3b; syscall`.replaceAll('\n', ';');
  const states = MODES.map((jit) => finish(load(source, jit)));
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('floating point that is unusual at times: infinities, NaNs, denormals, inexact results, unmasked flags seen', () => {
  const source = `
    mov rbx, ${DATA}; mov ecx, 30000; mov rax, 0x3ff0000000000000; movq xmm0, rax; movq xmm1, rax; mov rax, 0x4008000000000000; movq xmm2, rax
    pxor xmm5, xmm5
    1: mulsd xmm0, xmm2; divsd xmm1, xmm2; addsd xmm5, xmm1; subsd xmm5, xmm0; sqrtsd xmm6, xmm1; cvttsd2si rax, xmm0; add r8, rax
    minsd xmm6, xmm0; ucomisd xmm0, xmm5; jbe 2f; inc r9; 2: jnp 3f; inc r10; 3: cvtsd2ss xmm7, xmm1; cvtss2sd xmm4, xmm7; addpd xmm3, xmm4
    mulpd xmm3, xmm2; cvtsi2sd xmm4, ecx; cmpltsd xmm4, xmm0; movmskpd eax, xmm4; add r11, rax
    test ecx, 0x3ff; jnz 4f; mov rax, 0x3ff0000000000000; movq xmm0, rax; movq xmm1, rax; pxor xmm5, xmm5; pxor xmm3, xmm3
    4: dec ecx; jnz 1b; syscall`.replaceAll('\n', ';');
  const states = MODES.map((jit) => finish(load(source, jit)));
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('a change of the rounding mode within a region counts at once', () => {
  const divisions = [
    'divsd xmm0, xmm2; movsd [rsi+rdx], xmm0',
    'divpd xmm0, xmm2; movupd [rsi+rdx], xmm0',
  ];
  for (const division of divisions) {
    const source =
      `mov ecx, 20000; mov eax, 1; cvtsi2sd xmm1, eax; mov eax, 3; cvtsi2sd xmm2, eax; unpcklpd xmm1, xmm1; unpcklpd xmm2, xmm2; mov rsi, ${DATA}
mov ebx, 0x1fa0; mov [rsi+1024], ebx; ldmxcsr [rsi+1024]
1: mov [rsi+1024], ebx; ldmxcsr [rsi+1024]; mov edx, ebx; shr edx, 9; movapd xmm0, xmm1; ${division}
xor ebx, 0x4000; dec ecx; jnz 1b; syscall`.replaceAll('\n', ';');
    const states = MODES.map((jit) => {
      const machine = load(source, jit);
      return [finish(machine), [...machine.read(DATA, 512)]];
    });
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).toEqual(states[0]);
  }
});

test('a branch to the instruction behind it', () => {
  const source =
    `mov ecx, 30000; lea rbx, [rip+2f]; 1: mov rdx, rcx; test cl, 1; jz 2f; 2: shl rdx, 4; add rdx, [rbx]
add rax, rdx; mov rdx, rsi; shl rdx, 3; add rdx, [rip+2b]; add rsi, rdx; dec ecx; jnz 1b; syscall`.replaceAll(
      '\n',
      ';',
    );
  const states = MODES.map((jit) => finish(load(source, jit)));
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('a register that a region writes before it reads it keeps its value around loops', () => {
  // A product of two strings of digits: RDX is set before the inner loop, in two places.
  const source =
    `mov rbx, ${DATA + 200}; mov r14, rbx; lea r8, [rbx+80]; lea r9, [rbx-60]; mov r10d, 20000; mov r11d, -40; xor esi, esi
mov ecx, 255; 1: mov [rbx+rcx-128], cl; dec ecx; jnz 1b
8: mov rdx, rbx; add r11d, 1; jmp 4f
3: add r11d, 1; mov rdx, rbx; movsxd rax, r11d; sub rdx, rax
4: mov eax, r10d; neg eax; cmp r13d, eax; mov rax, r14; cmp rdx, r9; jb 6f; cmp r8, rax; jae 5f; jmp 6f
2: cmp rdx, r9; jb 6f
5: movzx ecx, byte ptr [rdx]; movzx edi, byte ptr [rax]; add rax, 1; sub rdx, 1; imul ecx, edi; add esi, ecx; cmp r8, rax; jae 2b
6: mov eax, esi; shr rax, 3; sub esi, eax; cmp r11d, 100; jl 7f; mov r11d, -40
7: sub r10d, 1; jz 9f; cmp r11d, -1; jge 3b; jmp 8b; 9: syscall`.replaceAll('\n', ';');
  const states = MODES.map((jit) => {
    const { cpu } = load(source, jit);
    while (cpu.run(1_000_000) !== TRAP_SYSCALL);
    return stateOf(cpu);
  });
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test('a block that is left as a whole has changed no register in memory', () => {
  // PEXTRB takes its byte from XMM5's cell, before a store that misses the TLB in each new page.
  const source =
    `mov rdi, ${DATA}; pcmpeqd xmm1, xmm1; mov eax, 0x12345; movq xmm5, rax; mov ecx, 15; jmp 1f; nop
1: psignw xmm5, xmm1; pextrb [rdi], xmm5, 13; movq rax, xmm5; lea r8, [r8+r8*2]; add r8, rax; add rdi, 4096
mov edx, 2; 2: dec edx; jnz 2b; dec ecx; jnz 1b; syscall`.replaceAll('\n', ';');
  const states = MODES.map((jit) => finish(load(source, jit)));
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test.each([
  'mov rax, [rbx]; push rax; add qword ptr [rbx], 3; pop rdx; add [rdi], rax; add r8, rdx',
  'cmpxchg16b [rbx]; add rcx, 7; mov [rbx], rcx; add [rdi], rax; add r8, rax',
  'xadd [rbx], rcx; push rax; mov [rbx], r8; pop r8; add [rdi], r8; add r8, rdx',
])('a block that has written what it has read is not executed again as a whole: %s', (body) => {
  const source =
    `mov rdi, ${DATA}; mov rbx, rdi; mov esi, 15; add rdi, 4096; mov ecx, 5; mov rax, [rbx]; mov [rbx], rcx; jmp 1f; nop
1: ${body}; add rdi, 4096; mov edx, 2; 2: dec edx; jnz 2b; dec esi; jnz 1b; mov rax, [rbx]; syscall`.replaceAll(
      '\n',
      ';',
    );
  const states = MODES.map((jit) => finish(load(source, jit)));
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});
