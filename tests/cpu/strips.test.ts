/**
 * Random loops through arrays in both tiers: pointers that go on by some bytes, or back, through pages that end within an access, are not
 * mapped, may not be written, are there twice or hold the loop itself, stopped anywhere.
 */
import { expect, test } from 'vitest';
import { FAULT_ADDRESS, MXCSR_CELL, XMM_BASE } from '@vitrine/x86/layout.ts';
import { TRAP_FUEL, TRAP_PAGE_FAULT } from '@vitrine/x86/cpu.ts';
import { assemble, CODE, DATA, FlatMachine } from './flat.ts';
import { Random } from './random.ts';

const LOOPS = 60;
const COUNTING = 70;
const PAGES = 40;
const PAGE = 4096;

/** Each loop has some pages of code, so that it may write to its own. */
const APART = 2 * PAGE;

/** Where the code is that {@link fillTlb} runs. */
const TOUCHING = CODE + 0x10_0000;

const POINTERS = ['rsi', 'rdi', 'rdx'] as const;
const STEPS = [8, 8, 8, 8, 16, 16, 16, 4, 4, 1, 2, 24, 12, 256];

/** One with all kinds of accesses; the registers of numbers hold ordinary ones. */
function makeLoop(random: Random): string {
  // Others leave regions all the time, since what they find are no ordinary numbers.
  const isTame = !random.chance(4);
  const xmm = (): string => `xmm${random.below(6)}`;
  const distance = (): string => random.pick(['', '', '+8', '-8', '+16', '+4', '-1', '+0x40']);
  const at = (): string => {
    const pointer = random.pick(POINTERS);
    const index = random.chance(4) ? `+r9*${random.pick([1, 1, 4])}` : '';
    return `[${pointer}${index}${distance()}]`;
  };
  const access = (): string =>
    random.pick([
      () => `movsd ${xmm()}, ${at()}`,
      () => `${isTame ? 'movhpd' : 'addsd'} ${xmm()}, qword ptr ${at()}`,
      () => `movsd ${at()}, ${xmm()}`,
      () => `movss ${at()}, ${xmm()}`,
      () => `movupd ${xmm()}, ${at()}`,
      () => `movups ${at()}, ${xmm()}`,
      () => `${isTame ? 'andpd' : 'mulpd'} ${xmm()}, ${xmm()}`,
      () => `paddd ${xmm()}, ${xmm()}`,
      () =>
        `movaps ${random.pick([`${xmm()}, [rdx]`, `[rdx], ${xmm()}`, `[rdx+r11*2], ${xmm()}`])}`,
      () => `mov rax, ${at()}`,
      () => `mov ${at()}, eax`,
      () => `add word ptr ${at()}, 3`,
      () => `movzx r10d, byte ptr ${at()}`,
      () => `movsd ${xmm()}, [rsp+8]`,
      () => `mov r9, ${random.pick(['rcx', 'r11', 'r12'])}`,
      () => `push rax; pop r10`,
    ])();
  const onwards = (register: string): string => {
    const step = random.pick(STEPS);
    return random.pick([
      `add ${register}, ${step}`,
      `add ${register}, ${step}`,
      `sub ${register}, ${step}`,
      `lea ${register}, [${register}+${step}]`,
      `inc ${register}`,
    ]);
  };
  const body = Array.from({ length: 2 + random.below(6) }, access);
  for (const register of [...POINTERS, 'r9', 'r11'])
    if (!random.chance(4)) body.splice(random.below(body.length + 1), 0, onwards(register));
  if (random.chance(3)) {
    const from = random.below(body.length);
    body.splice(from, 0, `test cl, ${1 + random.below(7)}; jz 2f`);
    body.splice(from + 1 + random.below(body.length - from), 0, '2:');
  }
  const start = random.pick(POINTERS.map((_, i) => i));
  const init = POINTERS.map((register, i) => {
    const offset = (PAGES / 4) * PAGE + random.below((PAGES / 2) * PAGE);
    const aligned =
      i === start || register === 'rdx' ? offset & -16 : offset & -random.pick([1, 4, 8]);
    return `mov ${register}, ${DATA + aligned}`;
  });
  const times = 30 + random.below(600);
  return `mov r13d, 5\n3: ${init.join('; ')}; xor r9d, r9d; xor r11d, r11d; mov r12d, 9; mov ecx, ${times}; jmp 1f
1: ${body.join('; ')}; addsd xmm6, xmm7; dec rcx; jnz 1b; dec r13d; jnz 3b; syscall`;
}

/** Reads each page that is mapped, so that it is known. */
const TOUCH = `mov rdi, ${DATA}; mov ecx, 9; jmp 8f; 8: mov al, [rdi]; add rdi, ${PAGE}; dec ecx; jnz 8b`;

/** What random loops seldom have, from `at` bytes into the arrays. */
const directed = (at: number, body: string): string =>
  `${TOUCH}; mov r13d, 3; mov r14, ${DATA + at}
3: mov rdi, r14; add r14, 0x800; mov rsi, ${DATA + 0x4008}; mov rdx, ${DATA + 0x8010}; mov ecx, 700; jmp 1f
1: ${body}; addsd xmm6, xmm7; dec rcx; jnz 1b; dec r13d; jnz 3b; syscall`;

const DIRECTED = [
  // Reads, then writes: a page that may not be written.
  directed(0, 'movsd xmm1, [rdi]; movsd [rdi], xmm1; add rdi, 8'),
  directed(0x800, 'mov rax, [rdi+8]; add rdi, 8; mov [rdi], rax'),
  // What is not aligned comes late.
  directed(8, 'add rdi, 16; test ecx, 0xff; jnz 2f; movaps xmm1, [rdi]; 2: nop'),
  // Goes on by another step at times.
  directed(0, 'add rdi, 4; test cl, 3; jnz 2f; add rdi, 8; 2: movss [rdi], xmm7'),
  directed(0, 'add rdi, 4; test cl, 3; jz 2f; add rdi, 8; 2: movss [rdi], xmm7'),
  directed(0, 'add rdi, 16; test cl, 3; jz 2f; sub rdi, 8; 2: movss [rdi], xmm7'),
  directed(0, 'movss xmm1, [rdi]; add rdi, 8; test cl, 3; jz 2f; sub rdi, 4; 2: nop'),
  directed(
    0,
    'test cl, 1; jz 2f; lea rdi, [rdi+24]; movss [rdi-8], xmm7; dec rcx; jnz 1b; 2: add rdi, 4',
  ),
  // MOV SIL, DIL, though a prefix says 64 bits.
  directed(
    0,
    'add rdi, 8; .byte 0x48, 0x88, 0xfe; test cl, 3; jz 2f; nop; 2: movss [rsi], xmm7; movss [rdi], xmm7',
  ),
  // Of a vector that is read, the upper half is all that is wanted; or so it seems.
  directed(0, 'movupd xmm0, [rdi]; movapd xmm1, xmm0; unpckhpd xmm1, xmm0; unpckhpd xmm0, xmm0; addpd xmm2, xmm1; addpd xmm3, xmm0; add rdi, 8; test cl, 3; jz 2f; nop; 2: nop'), // prettier-ignore
  directed(0, 'movups xmm0, [rdi]; unpckhpd xmm0, xmm7; movaps xmm4, xmm0; addsd xmm5, xmm4; add rdi, 24; test cl, 3; jz 2f; nop; 2: nop'), // prettier-ignore
  directed(
    0,
    'movups xmm0, [rdi]; unpckhpd xmm1, xmm0; movsd [rsi], xmm0; add rdi, 8; test cl, 3; jz 2f; nop; 2: nop',
  ),
  directed(0, 'movups xmm0, [rdi]; punpcklqdq xmm1, xmm0; unpckhpd xmm0, xmm0; add rdi, 8; movups [rsi], xmm1; test cl, 3; jz 2f; nop; 2: nop'), // prettier-ignore
  directed(0, 'movups xmm0, [rdi]; movaps xmm1, xmm0; unpckhpd xmm0, xmm0; addsd xmm2, xmm1; add rdi, 8; test cl, 3; jz 2f; nop; 2: nop'), // prettier-ignore
  directed(0, 'movups xmm0, [rdi]; movaps xmm1, xmm0; punpcklqdq xmm1, xmm0; unpckhpd xmm0, xmm0; addpd xmm2, xmm1; add rdi, 8; test cl, 3; jz 2f; nop; 2: nop'), // prettier-ignore
  directed(0x800, 'movaps xmm0, [rdx]; mov rax, rcx; unpckhpd xmm0, xmm0; add rdx, 16; movsd [rsi], xmm0; test cl, 3; jz 2f; movups xmm1, [rsi+4]; unpckhpd xmm1, xmm1; 2: nop'), // prettier-ignore
  // Back, and with an index.
  directed(0xfff8, 'movsd [rdi], xmm7; lea rdi, [rdi-8]'),
  directed(0, 'movsd [rdi+rcx*8-4], xmm7; movsd xmm1, [rsi+rcx*8]'),
];

/** What a loop does with scalars, or vectors of them. */
const SCALARS = { sd: 8, ss: 4 } as const;
const VECTORS = { pd: 16, ps: 16 } as const;

/** One of a single block, that goes round as often as a register, or two, say: through arrays that may be the same, or nearly. */
function makeCounting(random: Random): string {
  const kind = random.pick(['sd', 'sd', 'sd', 'ss', 'pd', 'ps'] as const);
  // Others soon have numbers that are not ordinary.
  const isTame = !random.chance(4);
  const isScalar = kind in SCALARS;
  const step = { ...SCALARS, ...VECTORS }[kind];
  const xmm = (): string => `xmm${random.below(5)}`;
  const distance = (): string => random.pick(['', '', '', `+${step}`, `-${step}`, '+0x40', '+4']);
  const pointer = (): string =>
    `[${random.pick(POINTERS)}${isTame ? random.pick(['', '', `+${step}`]) : distance()}]`;
  const move = isScalar ? `mov${kind}` : 'movups';
  const operation = (): string =>
    random.pick(isTame ? ['add', 'sub', 'min', 'max'] : ['add', 'mul', 'div', 'sqrt', 'min']);
  const operate = (): string => `${operation()}${kind}`;
  const isDouble = kind.endsWith('d');
  const other = random.pick([
    () => `movaps ${xmm()}, ${xmm()}`,
    () => `movaps ${xmm()}, ${xmm()}`,
    () => `mov eax, ${pointer()}; add eax, 3`,
    () => (isDouble ? `cvtsi2sd ${xmm()}, ecx` : `cvtsi2ss ${xmm()}, ecx`),
    () => (isDouble ? `cvttsd2si eax, ${xmm()}` : `cvttss2si eax, ${xmm()}`),
    () => `ucomi${isDouble ? 'sd' : 'ss'} ${xmm()}, ${xmm()}`,
    () => `xor eax, ecx`,
    () => (isTame ? 'nop' : `mov ${pointer()}, eax`),
    () => (isTame ? 'nop' : `paddd ${xmm()}, ${xmm()}`),
    () => (isTame ? 'nop' : `cvtdq2ps ${xmm()}, ${xmm()}`),
    () => (isTame ? 'nop' : `cvtss2sd ${xmm()}, ${xmm()}`),
  ]);
  const part = (): string =>
    random.pick([
      () => `${move} ${xmm()}, ${pointer()}`,
      () => `${move} ${xmm()}, ${pointer()}`,
      () => `${operate()} ${xmm()}, ${xmm()}`,
      () => (isScalar ? `${operate()} ${xmm()}, ${pointer()}` : `mul${kind} ${xmm()}, xmm7`),
      () => `mul${kind} ${xmm()}, xmm7`,
      () => `add${kind} xmm6, ${xmm()}`,
      () => `${move} ${pointer()}, ${xmm()}`,
      () => `${move} ${pointer()}, ${xmm()}`,
      other,
    ])();
  const body = Array.from({ length: 2 + random.below(7) }, part);
  const back = random.chance(4);
  for (const register of POINTERS) {
    if (random.chance(8)) continue;
    const by = random.chance(8) ? step * 2 : step;
    const how = `${back ? 'sub' : 'add'} ${register}, ${by}`;
    body.splice(random.pick([0, body.length, random.below(body.length + 1)]), 0, how);
  }
  // Apart by a few numbers, by pages, or not at all.
  const first = 8 * PAGE + 16 * random.below(PAGE);
  const init = POINTERS.map((register) => {
    const apart =
      random.pick([0, 1, 2, 3, 4, 5, 8, 17]) * step + random.pick([0, 0, 0, 0, 4, PAGE]);
    return `mov ${register}, ${DATA + first + apart * (random.chance(3) ? 5 : 1)}`;
  });
  const times = 1 + random.below(random.pick([30, 200, 1000]));
  const [start, end] = random.pick([
    [`mov rcx, ${times}`, 'dec rcx; jnz 1b'],
    [`mov ecx, ${times}`, 'sub ecx, 1; jnz 1b'],
    [`mov rcx, -${times}`, 'inc rcx; jne 1b'],
    [`mov ecx, ${times}`, 'add ecx, -1; jne 1b'],
    [`mov rcx, ${times * 3}`, 'sub rcx, 3; jne 1b'],
    [`xor ecx, ecx; mov r8d, ${times}`, 'inc ecx; cmp ecx, r8d; jne 1b'],
    [`xor ecx, ecx`, `add rcx, 8; cmp rcx, ${times * 8}; jne 1b`],
    [`lea r8, [rsi+${times * step}]; xor ecx, ecx`, 'add rcx, 1; cmp r8, rsi; jne 1b'],
    // It never ends, but where pages do; and ends when a number has wrapped round.
    [`mov rcx, ${times * 3 + 1}`, 'sub rcx, 3; jne 1b'],
    [`mov ecx, 0xffffff00`, 'inc ecx; jne 1b'],
  ]);
  const numbers = [1, 2, 3, 4].map((i) => `movaps xmm${i}, xmm${random.pick([0, 6, 7])}`);
  return `mov r13d, 4; mov r14, ${random.pick([0, 0, 8, 0x100])}
3: ${[...init, ...numbers].join('; ')}; add rdi, r14; ${start}; jmp 1f
1: ${body.join('; ')}; add${kind} xmm5, xmm7; ${end}; dec r13d; jnz 3b; syscall`;
}

/** What random ones seldom do. */
const counted = (body: string, end = 'dec rcx; jnz 1b', start = 'nop'): string =>
  `${TOUCH}; mov r13d, 3
3: mov rsi, ${DATA + 0x4008}; mov rdi, ${DATA + 0x6010}; mov rdx, ${DATA + 0x8010}; mov ecx, 700; ${start}; jmp 1f
1: ${body}; ${end}; dec r13d; jnz 3b; syscall`;

const COUNTED = [
  counted('movsd xmm0, [rsi]; mulsd xmm0, xmm7; addsd xmm0, [rdi]; movsd [rdi], xmm0; add rsi, 8; add rdi, 8'), // prettier-ignore
  counted('movss xmm0, [rsi]; mulss xmm0, xmm7; addss xmm0, [rdi]; movss [rdi], xmm0; add rsi, 4; add rdi, 4'), // prettier-ignore
  // Backwards, so that lanes are the other way round.
  counted('movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [rsi], xmm0; sub rsi, 8'),
  // Each needs the one before, or the one before that.
  counted('movsd xmm0, [rsi]; addsd xmm0, [rsi-8]; movsd [rsi], xmm0; add rsi, 8'),
  counted('movsd xmm0, [rsi]; addsd xmm0, [rsi-16]; movsd [rsi], xmm0; add rsi, 8'),
  counted('movsd xmm0, [rsi]; addsd xmm0, [rsi+8]; movsd [rsi], xmm0; add rsi, 8'),
  // A sum, in its order.
  counted('movsd xmm0, [rsi]; mulsd xmm0, [rdi]; addsd xmm5, xmm0; add rsi, 8; add rdi, 8'),
  counted('movsd xmm0, [rsi]; divsd xmm0, xmm7; sqrtsd xmm0, xmm0; movsd [rsi], xmm0; add rsi, 8'),
  // Lanes in another order, and numbers that are there twice.
  counted('movsd xmm0, [rsi]; mulsd xmm0, [rsi+8]; movsd [rdi], xmm0; mulsd xmm0, xmm0; movsd [rdi+8], xmm0; add rsi, 16; add rdi, 16'), // prettier-ignore
  counted('movsd xmm0, [rsi+8]; movsd [rdi], xmm0; movsd xmm0, [rsi]; movsd [rdi+8], xmm0; addsd xmm5, xmm0; add rsi, 16; add rdi, 16'), // prettier-ignore
  // The same place each time.
  counted('movsd xmm0, [rsi]; addsd xmm0, [rdx]; movsd [rdx], xmm0; add rsi, 8'),
  counted('movsd xmm0, [rsi]; mulsd xmm0, xmm7; movsd [rdx], xmm0; add rsi, 8'),
  counted('mov rax, [rsi]; movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [rdi], xmm0; mov [rdx], rax; add rsi, 8; add rdi, 8; add rdx, 8'), // prettier-ignore
  counted('movsd xmm0, [rsi+8]; addsd xmm0, xmm7; movsd [rdi], xmm0; movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [rdi+8], xmm0; add rsi, 16; add rdi, 16'), // prettier-ignore
  counted('movsd xmm0, [rsi]; addsd xmm0, [rdi+8]; movsd [rdi], xmm0; add rsi, 8; add rdi, 8'),
  counted('movsd xmm0, [rsi]; subsd xmm0, [rsi+8]; movsd [rdi], xmm0; movsd xmm1, [rsi+8]; subsd xmm1, [rsi]; movsd [rdi+8], xmm1; add rsi, 16; add rdi, 16'), // prettier-ignore
  // One number to several places.
  counted('movsd xmm0, [rsi]; mulsd xmm0, xmm7; movsd [rdi], xmm0; movsd [rdi+8], xmm0; add rsi, 8; add rdi, 16'), // prettier-ignore
  counted('movss xmm0, [rsi]; addss xmm0, xmm0; movss [rdi], xmm0; movss [rdi+4], xmm0; movss [rdi+8], xmm0; movss [rdi+12], xmm0; add rsi, 4; add rdi, 16'), // prettier-ignore
  counted('movsd xmm0, [rsi]; mulsd xmm0, xmm7; movsd [rdi], xmm7; add rsi, 8; add rdi, 8'),
  // It faults in the middle of a round, with what the one before has left in registers.
  ...[300, 301, 302, 303].map((left) =>
    counted(
      'movsd xmm2, [rdx]; movsd xmm0, [rsi]; addsd xmm0, xmm7; movaps xmm1, xmm0; add rsi, 8; add rdx, 8',
      'dec rcx; jnz 1b',
      `mov al, [${DATA + PAGES * PAGE - 1}]; cmp r13d, 1; jne 4f; mov rdx, ${DATA + PAGES * PAGE - 8 * left}; 4: nop`,
    ),
  ),
  // Stores that others overlap.
  counted(
    'movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [rsi], xmm0; movss [rsi+4], xmm7; add rsi, 8',
  ),
  counted(
    'movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [rsi], xmm0; movsd [rsi+8], xmm7; add rsi, 8',
  ),
  counted(
    'movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [rsi], xmm0; movsd [rsi-8], xmm7; add rsi, 8',
  ),
  // Flags at the loop's start are what its end has left.
  counted('setp al; movzx eax, al; add r10, rax; movsd xmm0, [rsi]; mulsd xmm0, xmm7; add rsi, 8'),
  counted('setp al; movzx eax, al; add r10, rax; movsd xmm0, [rsi]; mulsd xmm0, xmm7; add rsi, 8', 'cmp rdx, rsi; jne 1b'), // prettier-ignore
  counted('setp al; movzx eax, al; add r10, rax; movsd xmm0, [rsi]; mulsd xmm0, xmm7; add rsi, 8', 'dec ecx; jne 1b'), // prettier-ignore
  counted('setz al; movsd xmm0, [rsi]; mulsd xmm0, xmm7; movsd [rsi], xmm0; add rsi, 8'),
  counted('movsd xmm0, [rsi]; mulsd xmm0, xmm7; movsd [rsi], xmm0; add rsi, 8', 'cmp rsi, rdi; jne 1b'), // prettier-ignore
  // What is written is read soon, by another register.
  ...[-40, -32, -24, -16, -8, -4, 4, 8, 16, 24, 32, 40].flatMap((apart) =>
    ['add', 'sub'].map((by) =>
      counted(
        `movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [r9], xmm0; ${by} rsi, 8; ${by} r9, 8`,
        'dec rcx; jnz 1b',
        `lea r9, [rsi+${apart}]`,
      ),
    ),
  ),
  // The same of another step.
  counted('movsd xmm0, [rsi]; addsd xmm0, xmm7; movsd [r9], xmm0; add rsi, 8; add r9, 4', 'dec rcx; jnz 1b', 'mov r9, rsi'), // prettier-ignore
  // All that a look finds.
  ...[
    'sqrtsd xmm0, xmm0',
    'cvttsd2si eax, xmm0',
    'cvtsd2ss xmm0, xmm0',
    'ucomisd xmm0, xmm7',
    'maxsd xmm0, xmm7',
    'divsd xmm0, xmm6',
  ].map((operation) =>
    // prettier-ignore
    counted(`movsd xmm0, [rsi]; ${operation}; add rsi, 8; movaps xmm1, xmm0; addsd xmm1, xmm1`),
  ),
];

/** NaNs (what their bits are JavaScript does not say), infinities, zero, denormal numbers, and normal ones that are far from others. */
const OTHERS = [
  0x7ff8000000000000n,
  0xfff8000000000123n,
  0x7ff0000000000001n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x8000000000000000n,
  0x0000000000000001n,
  0x000fffffffffffffn,
  0x7e37e43c8800759cn,
  0x81b0000000000000n,
];

/** What pages are like that a loop goes through. */
function prepare(machine: FlatMachine, random: Random, chance: number): void {
  const numbers = new Float64Array((PAGES * PAGE) / 8).map((_, i) => 1 + i / 7);
  // Zero is as usual as others are.
  if (random.chance(3)) for (let i = random.below(90); i < numbers.length; i += 89) numbers[i] = 0;
  const bits = new BigUint64Array(numbers.buffer);
  if (random.chance(chance))
    for (let i = random.below(500); i < bits.length; i += 1 + random.below(900))
      bits[i] = random.pick(OTHERS);
  machine.write(DATA, new Uint8Array(numbers.buffer));
  const { cpu } = machine;
  const frameOf = (va: number): number => (cpu.ram.u32[machine.entry(va) >> 2]! & ~0xfff) >>> 0;
  const any = (): number => DATA + random.below(PAGES) * PAGE;
  const change = (va: number, how: { frame: number; writable?: boolean }): void => {
    machine.map(va, how);
    cpu.invlpg(va);
  };
  if (random.chance(8)) machine.unmap(any());
  if (random.chance(2)) change(DATA + 0x2000, { frame: frameOf(DATA + 0x2000), writable: false });
  if (random.chance(4)) change(any(), { frame: frameOf(CODE), writable: random.chance(2) });
  cpu.ram.u32[MXCSR_CELL >> 2] = 0x1fa0;
  const vectors = new Float64Array(cpu.ram.u8.buffer, XMM_BASE, 32);
  for (const register of [0, 6, 7]) vectors[register * 2] = 1 + random.below(9) / 4;
}

const KINDS = [false, { threshold: 0 }] as const;

/** Instructions, of all that ran with regions. */
const executed = { all: 0, interpreted: 0 };

const PTE_W = 2;
let toucher: Uint8Array | undefined;

/** Has the processor know all pages that are mapped: what misses the TLB goes on in tier 0, for the rest of the loop. */
function fillTlb(machine: FlatMachine): void {
  const { cpu } = machine;
  const { u32 } = cpu.ram;
  toucher ??= assemble('mov al, [rdi]; nop; or byte ptr [rdi], 0');
  machine.map(TOUCHING);
  machine.write(TOUCHING, toucher);
  for (let page = 0; page < PAGES; page++) {
    const va = DATA + page * PAGE;
    const entry = u32[machine.entry(va) >> 2]!;
    if (entry === 0) continue;
    cpu.gpr[7] = BigInt(va);
    cpu.rip = TOUCHING;
    cpu.run(entry & PTE_W ? 3 : 1);
  }
  cpu.gpr[0] = cpu.gpr[7] = 0n;
  cpu.rip = CODE;
}

/**
 * Runs loops in both tiers; each has code of {@link APART} bytes. Returns how often each trap ended one.
 * @param chance one in so many goes through numbers that are not ordinary
 */
function compare(
  loops: readonly string[],
  random: Random,
  fuelOf: (loop: number) => number,
  chance = 4,
): Map<number, number> {
  const code = assemble(loops.map((loop) => `${loop}\n.p2align 13`).join('\n'));
  const traps = new Map<number, number>();
  loops.forEach((loop, i) => {
    const seed = random.u32();
    const fuel = fuelOf(i);
    const [plain, ...others] = KINDS.map((jit) => {
      const machine = new FlatMachine(64 * 2 ** 20, jit).load(
        code.subarray(i * APART, (i + 1) * APART),
        0,
      );
      // Neighbours are in frames far apart.
      for (let i = 0; i < PAGES; i++)
        machine.map(DATA + ((i * 17) % PAGES) * PAGE, { executable: false });
      prepare(machine, new Random(seed), chance);
      fillTlb(machine);
      const { cpu } = machine;
      const stops: unknown[] = [];
      let trap = TRAP_FUEL;
      for (let run = 0; trap === TRAP_FUEL && run < 100; run++) {
        trap = cpu.run(fuel);
        const vectors = Buffer.from(cpu.ram.u8.subarray(XMM_BASE, XMM_BASE + 256)).toString('hex');
        stops.push([trap, cpu.rip, cpu.retired, cpu.rflags, ...cpu.gpr, vectors]);
      }
      stops.push(cpu.ram.u32[MXCSR_CELL >> 2]);
      if (trap === TRAP_PAGE_FAULT) stops.push(cpu.ram.u64[FAULT_ADDRESS >> 3]);
      stops.push(
        ...Array.from({ length: PAGES }, (_, page) => memoryOf(machine, DATA + page * PAGE)),
      );
      if (cpu.jit) {
        executed.all += cpu.retired;
        executed.interpreted += cpu.jit.counters.interpreted;
      }
      if (!jit) traps.set(trap, (traps.get(trap) ?? 0) + 1);
      return stops;
    });
    for (const stops of others) expect(stops, loop).toEqual(plain);
  });
  return traps;
}

test('loops through arrays', () => {
  const random = new Random(5);
  const loops = Array.from({ length: LOOPS }, () => makeLoop(random));
  for (let times = 0; times < 2; times++) loops.push(...DIRECTED);
  const traps = compare(loops, random, (i) =>
    i < LOOPS ? random.pick([100_000, 3001, 777, 100]) : 100_000,
  );
  // Some end, some fault, some have more to do.
  expect(traps.size).toBeGreaterThan(2);
});

const FUELS = [100_000, 100_000, 100_000, 3001, 777];

test('loops that count', () => {
  const random = new Random(6);
  const loops = Array.from({ length: COUNTING }, () => makeCounting(random));
  const traps = compare(loops, random, () => random.pick(FUELS));
  expect(traps.size).toBeGreaterThan(1);
});

test.each([1, 4])(
  'what those seldom do, one in %i with numbers that are not ordinary',
  (chance) => {
    const random = new Random(7);
    compare(COUNTED, random, () => random.pick(FUELS), chance);
  },
);

test('most is executed in regions', () => {
  expect(executed.interpreted / executed.all).toBeLessThan(0.5);
});

/** What a page holds, in short: nothing if it is not mapped. */
function memoryOf(machine: FlatMachine, va: number): number {
  const { u32 } = machine.cpu.ram;
  const frame = (u32[machine.entry(va) >> 2]! & ~0xfff) >>> 0;
  let sum = 0;
  if (frame === 0) return sum;
  for (let i = 0; i < PAGE / 4; i++) sum = (Math.imul(sum, 31) + u32[(frame >> 2) + i]!) | 0;
  return sum;
}
