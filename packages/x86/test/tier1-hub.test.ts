/** Interpreters: jumps through pointers that lead to one of many blocks (tier1/hub.ts). */
import { printWat } from '@vitrine/wasm/wat.ts';
import { expect, test } from 'vitest';
import { TRAP_FUEL, TRAP_SYSCALL } from '../src/cpu.ts';
import { assemble, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
const TABLE = DATA + 0x4000;
const CODES = 4093;

/** What each code of the program does, before it goes on to the next; the last one begins the program again. */
const PLAIN = [
  'add rbx, rax',
  'lea rcx, [rcx+rcx*2+1]',
  'xor rbx, rcx',
  'push rbx; rol qword ptr [rsp], 7; pop rdx',
  'mov [rdi+rax*8], rdx',
  'add rdx, [rdi+16]',
  'cmp rbx, rdx; adc r9, 0',
  'inc r9; ror rbx, 9',
  'call 90f; xor rdx, r10',
  'test bl, 3; jz 1f; add r9, 3; 1: sub rcx, r9',
  'cvtsi2sd xmm0, r9; mulsd xmm0, xmm0; cvttsd2si r10, xmm0',
] as const;

/** Codes that need something of the machine that the others do not. */
const SPECIAL = {
  'another depth of the stack':
    'sub rsp, 16; movzx eax, byte ptr [rsi]; lea rax, [rip+80f]; jmp rax; 80: add rsp, 16',
  'code that is rewritten':
    'inc r11d; test r11d, 0x7ffff; jnz 1f; inc byte ptr [rip+2f+3]; 1: nop; 2: lea r9, [r9+1]',
  'a page of its own': 'jmp away; back:',
} as const;

const next = 'movzx eax, byte ptr [rsi]; inc rsi; jmp [r8+rax*8]';

function interpreter(bodies: readonly string[]): string {
  const codes = bodies.map((body, i) => `h${i}: ${body}; ${next}`);
  const table = bodies.map((_, i) => `lea rax, [rip+h${i}]; mov [r8+${8 * i}], rax`);
  const last = bodies.length;
  return `mov r8, ${TABLE}; mov rdi, ${DATA}; ${table.join('; ')}; lea rax, [rip+h${last}]; mov [r8+${8 * last}], rax
mov ebp, 3000; lea rsi, [rdi+0x1000]; ${next}
${codes.join('\n')}
h${last}: lea rsi, [rdi+0x1000]; dec ebp; jz 99f; ${next}; 99: syscall
90: .rept 200; lea r10, [r10+rax]; .endr; ret
.p2align 12; away: add r9, 5; ${bodies.at(-1)!.includes('back') ? 'jmp back' : 'ud2'}`;
}

/** Where runs of an interpreter stop, and what tier 1 has made for it. */
function stopsOf(bodies: readonly string[], jit: boolean): { stops: unknown[]; hubs: number } {
  let hubs = 0;
  const dump = (_: number, bytes: Uint8Array): void => {
    if (/br_table( \d+){24}/.test(printWat(bytes))) hubs++;
  };
  const options = jit && { threshold: 1, advance: 100_000, dump };
  const machine = new FlatMachine(RAM, options).load(
    assemble(interpreter(bodies).replaceAll('\n', ';')),
  );
  const codes = new Uint8Array(CODES + 1);
  let seed = 1;
  codes.forEach((_, i) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    codes[i] = i < CODES ? (seed >>> 16) % bodies.length : bodies.length;
  });
  machine.write(DATA + 0x1000, codes);
  const { cpu } = machine;
  const stops: unknown[] = [];
  for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) {
    trap = cpu.run(1_234_567);
    expect([TRAP_FUEL, TRAP_SYSCALL]).toContain(trap);
    stops.push([[...cpu.gpr], cpu.rip, cpu.rflags, cpu.retired]);
  }
  return { stops, hubs };
}

test.each(Object.entries(SPECIAL))('an interpreter, with %s', (_, special) => {
  const bodies = [...PLAIN, special];
  const { stops, hubs } = stopsOf(bodies, true);
  expect(hubs).toBeGreaterThan(0);
  expect(stops).toEqual(stopsOf(bodies, false).stops);
});
