/** Calls that regions wait for: they come back as expected, elsewhere, too deep, or not at all. */
import { expect, test } from 'vitest';
import { TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL } from '../src/cpu.ts';
import { assemble, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
/** Tier 0 alone; tier 1 for every block; tier 1 for what is hot. */
const MODES = [false, { threshold: 0 }, { threshold: 1, advance: 10_000 }] as const;

/** More than a call takes a copy of. */
const LONG = '.rept 300; lea rdx, [rdx+rax]; .endr';

/** Where runs of a program stop with some fuel each, and with what registers, in each mode. */
function stopsOf(source: string, fuel: number, last: number): unknown[][] {
  return MODES.map((jit) => {
    const { cpu } = new FlatMachine(RAM, jit).load(assemble(source.replaceAll('\n', ';')));
    const stops: unknown[] = [];
    for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) {
      trap = cpu.run(fuel);
      expect([TRAP_FUEL, last]).toContain(trap);
      stops.push([[...cpu.gpr], cpu.rip, cpu.rflags, cpu.retired]);
    }
    return stops;
  });
}

const PROGRAMS: readonly [name: string, source: string, last: number][] = [
  [
    'two functions that call each other, deeper than regions wait',
    `mov r12d, 60; 1: mov edi, 200; call 2f; dec r12d; jnz 1b; syscall
2: ${LONG}; test edi, edi; jz 9f; push rdi; dec edi; call 3f; pop rdi; add rbx, rdi; 9: ret
3: ${LONG}; test edi, edi; jz 9f; push rdi; dec edi; call 2b; pop rdi; xor rbx, rdi; 9: ret`,
    TRAP_SYSCALL,
  ],
  [
    'a function that returns elsewhere',
    `mov r12d, 9000; 1: call 2f; inc r13; 3: inc r14; dec r12d; jnz 1b; syscall
2: ${LONG}; test r12b, 3; jnz 9f; lea rax, [rip+3b]; mov [rsp], rax; 9: ret`,
    TRAP_SYSCALL,
  ],
  [
    'a function that leaves by a jump, its frame and that of its caller behind it',
    `mov r12d, 9000; mov r15, rsp; 1: call 2f; inc r13; 3: inc r14; dec r12d; jnz 1b; syscall
2: ${LONG}; push rbx; call 4f; pop rbx; ret
4: ${LONG}; test r12b, 7; jnz 9f; mov rsp, r15; jmp 3b; 9: ret`,
    TRAP_SYSCALL,
  ],
  [
    'a function that rewrites what follows its call',
    `mov r12d, 4000; lea rbx, [rip+3f]; 1: call 2f; 3: add r13d, 1; dec r12d; jnz 1b; syscall
2: ${LONG}; test r12d, 0xff; jnz 9f; inc byte ptr [rbx+3]; 9: ret`,
    TRAP_SYSCALL,
  ],
  [
    'flags, vectors and the rounding mode that a function leaves behind',
    `mov r12d, 9000; mov rax, ${DATA}; mov dword ptr [rax], 0x1fa0; mov dword ptr [rax+4], 0x5fa0
mov ecx, 7; cvtsi2sd xmm1, ecx; 1: cvtsi2sd xmm2, r12d; divsd xmm2, xmm1; call 2f; setc r13b
divsd xmm3, xmm2; movq r14, xmm3; add rbx, r14; dec r12d; jnz 1b; syscall
2: ${LONG}; mov rax, ${DATA}; movapd xmm3, xmm1; test r12b, 1; jz 8f; ldmxcsr [rax]; stc; ret
8: ldmxcsr [rax+4]; clc; ret`,
    TRAP_SYSCALL,
  ],
  [
    'a return to where nothing is',
    `mov r12d, 9000; 1: call 2f; dec r12d; jnz 1b; push 0; ret
2: ${LONG}; ret`,
    TRAP_PAGE_FAULT,
  ],
];

test.each(PROGRAMS)('%s', (_, source, last) => {
  for (const fuel of [10_000_000, 30_011, 997]) {
    const [reference, ...others] = stopsOf(source, fuel, last);
    for (const other of others) expect(other, `fuel ${fuel}`).toEqual(reference);
  }
});
