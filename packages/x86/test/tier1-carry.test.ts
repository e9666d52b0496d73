/** INC and DEC keep CF, whatever has set it on the way there. */
import { expect, test } from 'vitest';
import { TRAP_FUEL, TRAP_SYSCALL } from '../src/cpu.ts';
import { assemble, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;

/** What sets the flags before the step. */
const WAYS = [
  'cmp eax, ecx',
  'cmp al, 0xf0',
  'cmp ax, cx',
  'cmp rax, rcx',
  'sub rdx, -3',
  'add eax, ecx',
  'add al, 0x90',
  'add rdx, rax',
  'and edx, 0xff',
  'test rax, rax',
  'ucomisd xmm0, xmm1',
  'inc r10b',
  'dec r11',
  'shr edx, 1',
  'bt eax, 3',
  'stc',
  'neg edx',
  'adc edx, 5',
];
const STEPS = [
  'inc ebx',
  'dec bl',
  'inc bx',
  'dec rbx',
  'dec ebx; inc r11',
  'mov rdi, [rsi]; dec ebx',
];

/** Each way is gone at times; what the step leaves behind is pushed, tested and added up. */
const program = (step: string): string => `
mov ecx, 30000; mov rax, 0x123456789abcdef; mov rsi, rsp; cvtsi2sd xmm0, ecx
1: mov edi, ecx; and edi, 31; imul rax, rax, 0x5851f42d; inc rax; cvtsi2sd xmm1, eax
${WAYS.map((way, i) => `cmp edi, ${i}; jne ${i + 10}f; ${way}; jmp 2f; ${i + 10}:`).join('; ')}
2: ${step}; setc r8b; adc r9, 0; jo 3f; inc r12; 3: jbe 4f; inc r13; 4: pushfq; pop rdi
lea r14, [r14+r14*4]; add r14, rdi; dec ecx; jnz 1b; syscall`;

test.each(STEPS)('%s', (step) => {
  const code = assemble(program(step).trim().replaceAll('\n', ';'));
  const ends = [false, { threshold: 0 }, { threshold: 1, advance: 10_000 }].map((jit) => {
    const { cpu } = new FlatMachine(RAM, jit).load(code);
    for (let trap = TRAP_FUEL; trap !== TRAP_SYSCALL; trap = cpu.run(77_777))
      expect(trap).toBe(TRAP_FUEL);
    return [[...cpu.gpr], cpu.rflags, cpu.retired];
  });
  expect(ends[1]).toEqual(ends[0]);
  expect(ends[2]).toEqual(ends[0]);
});
