/** Loops of numbers that go through arrays: their accesses keep pages (tier1/stream.ts). */
import { expect, test } from 'vitest';
import { FAULT_ADDRESS } from '../src/layout.ts';
import { TRAP_EXCEPTION, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL } from '../src/cpu.ts';
import { assemble, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
const MODES = [false, { threshold: 0 }, { threshold: 1, advance: 10_000 }] as const;

/** Adds numbers at RSI, RDI and RDX up to 2000 times, and stores the sums at RDX. */
const SUMS = `movsd xmm0, [rsi]; addsd xmm0, [rdi+rcx*8]; mulsd xmm0, xmm0; movsd [rdx+8], xmm0; addsd xmm1, [rdx]`;
const VECTORS = `movupd xmm0, [rsi]; movups xmm2, [rdi+rcx*8]; addpd xmm0, xmm2; paddd xmm3, xmm2; movups [rdx+8], xmm0`;

/** Where a program stops, with what registers and what it has stored. */
function stopsOf(
  source: string,
  fuel: number,
  last: number,
  prepare: (machine: FlatMachine) => void,
): unknown[][] {
  return MODES.map((jit) => {
    const machine = new FlatMachine(RAM, jit).load(assemble(source));
    const numbers = new Float64Array(4096).map((_, i) => 1 + i / 7);
    machine.write(DATA, new Uint8Array(numbers.buffer));
    prepare(machine);
    const { cpu } = machine;
    const stops: unknown[] = [];
    for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) {
      trap = cpu.run(fuel);
      expect([TRAP_FUEL, last]).toContain(trap);
      const stored = Buffer.from(machine.read(DATA + 0x8000, 0x1800)).toString('base64');
      stops.push([[...cpu.gpr], cpu.rip, cpu.rflags, cpu.retired, stored]);
    }
    if (last === TRAP_PAGE_FAULT) stops.push(cpu.ram.u64[FAULT_ADDRESS >> 3]);
    return stops;
  });
}

const loop = (body: string, offset: number): string =>
  `mov rsi, ${DATA + offset}; mov rdi, ${DATA + 0x3000}; mov rdx, ${DATA + 0x7ff0}; xor ecx, ecx
1: ${body}; add rsi, 8; add rdx, 8; inc ecx; cmp ecx, 700; jne 1b; syscall`.replaceAll('\n', ';');

test.each([
  ['numbers', SUMS, 0],
  ['numbers that straddle pages', SUMS, 0xffc],
  ['vectors', VECTORS, 0],
  ['vectors that straddle pages', VECTORS, 0xff8],
])('%s', (_, body, offset) => {
  const source = loop(body, offset);
  const [plain, ...others] = stopsOf(source, 777, TRAP_SYSCALL, () => undefined);
  for (const stops of others) expect(stops).toEqual(plain);
});

test.each([
  ['an unmapped page', SUMS, (machine: FlatMachine) => machine.unmap(DATA + 0x1000)],
  [
    'a page that may not be written',
    VECTORS,
    (machine: FlatMachine) => readOnly(machine, DATA + 0x9000),
  ],
])('%s on the way', (_, body, prepare) => {
  const [plain, ...others] = stopsOf(loop(body, 0), 777, TRAP_PAGE_FAULT, prepare);
  for (const stops of others) expect(stops).toEqual(plain);
});

function readOnly(machine: FlatMachine, va: number): void {
  const frame = machine.cpu.ram.u32[machine.entry(va) >> 2]! & ~0xfff;
  machine.map(va, { frame, writable: false });
  machine.cpu.invlpg(va);
}

test('the same page at two addresses', () => {
  const alias = (machine: FlatMachine): void => {
    const frame = machine.cpu.ram.u32[machine.entry(DATA + 0x8000) >> 2]! & ~0xfff;
    machine.map(DATA + 0x1000, { frame });
    machine.cpu.invlpg(DATA + 0x1000);
  };
  const [plain, ...others] = stopsOf(loop(SUMS, 0x800), 777, TRAP_SYSCALL, alias);
  for (const stops of others) expect(stops).toEqual(plain);
});

test('an address that is not canonical, in a loop that is known', () => {
  const nowhere = 2n ** 62n;
  const source = `mov r13d, 3; mov rsi, ${DATA}
2: mov rdx, rsi; mov ecx, 200; jmp 1f
1: movsd xmm0, [rdx]; addsd xmm1, xmm0; lea rdx, [rdx+rbx]; dec ecx; jnz 1b
   cmp r13d, 2; jne 3f; mov rsi, ${nowhere}; 3: dec r13d; jnz 2b; syscall`.replaceAll('\n', ';');
  const stops = MODES.map((jit) => {
    const { cpu } = new FlatMachine(RAM, jit).load(assemble(source));
    cpu.gpr[3] = 8n;
    const traps: number[] = [];
    for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) traps.push((trap = cpu.run(777)));
    return [traps, [...cpu.gpr], cpu.rip];
  });
  expect(stops[0]![0]).toContain(TRAP_EXCEPTION);
  for (const one of stops) expect(one).toEqual(stops[0]);
});
