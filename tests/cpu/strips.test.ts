/**
 * Random loops through arrays in both tiers: pointers that go on by some bytes, or back, through pages that end within an access, are not
 * mapped, may not be written, are there twice or hold the loop itself, stopped anywhere.
 */
import { expect, test } from 'vitest';
import { FAULT_ADDRESS, MXCSR_CELL, XMM_BASE } from '@vitrine/x86/layout.ts';
import { TRAP_FUEL, TRAP_PAGE_FAULT } from '@vitrine/x86/cpu.ts';
import { assemble, CODE, DATA, FlatMachine } from './flat.ts';
import { Random } from './random.ts';

const LOOPS = 80;
const PAGES = 40;
const PAGE = 4096;

/** Each loop has some pages of code, so that it may write to its own. */
const APART = 2 * PAGE;

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
  // Back, and with an index.
  directed(0xfff8, 'movsd [rdi], xmm7; lea rdi, [rdi-8]'),
  directed(0, 'movsd [rdi+rcx*8-4], xmm7; movsd xmm1, [rsi+rcx*8]'),
];

/** What pages are like that a loop goes through. */
function prepare(machine: FlatMachine, random: Random): void {
  const numbers = new Float64Array((PAGES * PAGE) / 8).map((_, i) => 1 + i / 7);
  if (random.chance(4))
    numbers[random.below(numbers.length)] = random.pick([NaN, 0, 1e-310, 1e300, Infinity]);
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

const KINDS = [false, { threshold: 0 }, { threshold: 1, advance: 0 }] as const;

test('loops through arrays', () => {
  const random = new Random(5);
  const loops = Array.from({ length: LOOPS }, () => makeLoop(random));
  for (let times = 0; times < 4; times++) loops.push(...DIRECTED);
  const code = assemble(loops.map((loop) => `${loop}\n.p2align 13`).join('\n'));
  const traps = new Map<number, number>();
  loops.forEach((loop, i) => {
    const seed = random.u32();
    const fuel = i < LOOPS ? random.pick([100_000, 3001, 777, 100]) : 100_000;
    const [plain, ...others] = KINDS.map((jit) => {
      const machine = new FlatMachine(64 * 2 ** 20, jit).load(
        code.subarray(i * APART, (i + 1) * APART),
        0,
      );
      // Neighbours are in frames far apart.
      for (let i = 0; i < PAGES; i++)
        machine.map(DATA + ((i * 17) % PAGES) * PAGE, { executable: false });
      prepare(machine, new Random(seed));
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
      if (!jit) traps.set(trap, (traps.get(trap) ?? 0) + 1);
      return stops;
    });
    for (const stops of others) expect(stops, loop).toEqual(plain);
  });
  // Some end, some fault, some have more to do.
  expect(traps.size).toBeGreaterThan(2);
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
