/** Accesses that have extents at hand (extents.ts): where they stop, what they store and which pages they have accessed is as in tier 0. */
import { expect, test } from 'vitest';
import { PTE_A, PTE_D, PTE_W, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL } from '../src/cpu.ts';
import { EXTENT_ADDEND, EXTENT_LIMIT, EXTENT_SIZE, EXTENT_START, EXTENTS, EXTENTS_FILLED, EXTENTS_LISTED, FAULT_ADDRESS, FRAME_FLAGS, FRAME_WRITTEN } from '../src/layout.ts'; // prettier-ignore
import { HAS_EXTENTS, STRAYS } from '../src/tier1/region.ts';
import { assemble, CODE, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
const REGIONS = { threshold: 0, extents: true } as const;
const MODES = [false, REGIONS, { threshold: 1, advance: 10_000, extents: true }] as const;
const PAGES = 16;

const oneLine = (source: string): string => source.trim().replaceAll(/\s*\n\s*/g, '; ');

/** Adds up what is at RSI and at RDI, and stores the sums at RDX, 1500 times. */
const SUMS = oneLine(`
  mov rsi, ${DATA + 0x4}; mov rdi, ${DATA + 0x3000}; mov rdx, ${DATA + 0x7ff0}; xor ecx, ecx
  1: mov rax, [rsi]; add rax, [rdi+rcx*8]; mov [rdx+8], rax; add word ptr [rdx+0x11], 3
  add rsi, 8; add rdx, 8; inc ecx; cmp ecx, 1500; jne 1b; syscall`);

/** Copies 1500 numbers, each of which is all in one page. */
const MOVES = oneLine(`
  mov rsi, ${DATA}; mov rdx, ${DATA + 0x8000}; xor ecx, ecx
  1: mov rax, [rsi+rcx*8]; mov [rdx+rcx*8], rax; inc ecx; cmp ecx, 1500; jne 1b; syscall`);

/** Has a page that accesses go through be another one, or none. */
type Change = (machine: FlatMachine) => void;

/** Runs a program to its end, with stops, and again behind each change. */
function stopsOf(
  source: string,
  jit: (typeof MODES)[number],
  changes: readonly Change[],
  fuel = 777,
): unknown[] {
  const machine = new FlatMachine(RAM, jit).load(assemble(source), PAGES);
  const { cpu } = machine;
  machine.write(
    DATA,
    Uint8Array.from({ length: PAGES * 4096 }, (_, i) => (i * i) >> 7),
  );
  // What comes behind counts as written, though the processor has not done that.
  for (let page = 0; page < 11; page++) clear(machine, page, PTE_A | PTE_D);
  const stops: unknown[] = [];
  let filled = 0;
  for (const change of [() => undefined, ...changes]) {
    change(machine);
    cpu.rip = CODE;
    for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) {
      trap = cpu.run(fuel);
      filled = Math.max(filled, checkExtents(machine));
      const fault = trap === TRAP_PAGE_FAULT && cpu.ram.u64[FAULT_ADDRESS >> 3];
      stops.push([trap, fault, [...cpu.gpr], cpu.rip, cpu.rflags, cpu.retired]);
    }
    const marks = Array.from({ length: PAGES }, (_, page) => cpu.ram.u32[at(machine, page)]!);
    stops.push(marks, Buffer.from(cpu.ram.u8.slice(cpu.ram.base)).toString('base64'));
  }
  if (jit === REGIONS) expect(filled).toBeGreaterThan(0);
  return stops;
}

/** Extents hold pages that were accessed in their way, where they are, and none with code that may be written. Returns how many there are. */
function checkExtents(machine: FlatMachine): number {
  const { u8, u32 } = machine.cpu.ram;
  const filled = u32[EXTENTS_FILLED >> 2]!;
  for (let i = 0; i < filled; i++) {
    const extent = u32[(EXTENTS_LISTED >> 2) + i]!;
    const start = u32[(extent + EXTENT_START) >> 2]!;
    const end = start + u32[(extent + EXTENT_LIMIT) >> 2]! + 15;
    const isWritten = ((extent - EXTENTS) / EXTENT_SIZE) % 2 === 1;
    const bits = PTE_A | (isWritten ? PTE_W | PTE_D : 0);
    for (let va = start; va < end; va += 4096) {
      const entry = u32[machine.entry(va) >> 2]!;
      const frame = (va + u32[(extent + EXTENT_ADDEND) >> 2]!) >>> 0;
      expect([entry & bits, (entry & ~0xfff) >>> 0]).toEqual([bits, frame]);
      if (isWritten) expect(u8[FRAME_FLAGS + (frame >>> 12)]).toBe(FRAME_WRITTEN);
    }
  }
  return filled;
}

const at = (machine: FlatMachine, page: number): number => machine.entry(DATA + page * 4096) >> 2;

function clear(machine: FlatMachine, page: number, bits: number): void {
  machine.cpu.ram.u32[at(machine, page)]! &= ~bits;
  machine.cpu.invlpg(DATA + page * 4096);
}

const unmap =
  (page: number): Change =>
  (machine) =>
    machine.unmap(DATA + page * 4096);

const remap =
  (page: number): Change =>
  (machine) => {
    machine.map(DATA + page * 4096, { executable: false });
    machine.cpu.invlpg(DATA + page * 4096);
  };

/** Two pages change places. */
const swap =
  (one: number, other: number): Change =>
  (machine) => {
    const { u32 } = machine.cpu.ram;
    const [x, y] = [at(machine, one), at(machine, other)];
    [u32[x], u32[y]] = [u32[y]!, u32[x]!];
    for (const page of [one, other]) machine.cpu.invlpg(DATA + page * 4096);
  };

const CHANGES: readonly [string, ...Change[]][] = [
  ['nothing'],
  ['a page that is gone while it is read, and comes back', unmap(1), remap(1)],
  ['a page that is gone while it is written', unmap(9)],
  ['a page that may not be written any more', (m) => clear(m, 9, PTE_W), remap(9)],
  ['pages in other frames', swap(1, 4), swap(8, 9), swap(9, 14)],
  ['pages that count as not accessed, or not written', (m) => clear(m, 1, PTE_A), (m) => clear(m, 9, PTE_D)], // prettier-ignore
];

test.each(CHANGES)('%s', (_, ...changes) => {
  // Behind a stop tier 0 goes on, and accesses pages in its own way.
  for (const [source, fuel] of [
    [SUMS, 777],
    [MOVES, 777],
    [MOVES, 1e6],
  ] as const) {
    const [plain, ...others] = MODES.map((jit) => stopsOf(source, jit, changes, fuel));
    for (const stops of others) expect(stops).toEqual(plain);
  }
});

test('a page of which accesses straddle the end, in frames that are no neighbours', () => {
  const source = oneLine(`
    mov ecx, 500; 1: mov rsi, ${DATA + 0x800}; mov rax, [rsi]; mov rsi, ${DATA + 0xffc}
    2: add rax, [rsi]; add [rsi+1], rax; sub rsi, 4; cmp rsi, ${DATA + 0xff0}; ja 2b; dec ecx; jnz 1b; syscall`);
  const [plain, ...others] = MODES.map((jit) => stopsOf(source, jit, [swap(1, 7)]));
  for (const stops of others) expect(stops).toEqual(plain);
});

test.each([
  ['where others have been stored before', 0],
  ['in front of a page where others are stored', 0x1000],
])('code that is stored %s', (_, offset) => {
  const code = CODE + 0x1000;
  // One instruction stores what is nothing, and the constant that the function returns, which each round is another one.
  const source = oneLine(`
    mov edi, ${code}; mov byte ptr [rdi], 0xb8; mov byte ptr [rdi+5], 0xc3; xor edx, edx; mov r8d, 300
    1: mov ecx, 40; lea rsi, [rdi+${0x200 + offset}]; 2: mov [rsi+rcx*4], edx; dec ecx; jnz 2b
    3: mov esi, 1; lea rbx, [rdi+${0x400 + offset}]; 4: mov [rbx], r8d; lea rbx, [rdi+1]; dec esi; jns 4b
    call rdi; add rdx, rax; dec r8d; jnz 1b; syscall`);
  const [plain, ...others] = MODES.map((jit) => {
    const machine = new FlatMachine(RAM, jit).load(assemble(source));
    const frame = machine.map(code);
    expect(machine.map(code + 0x1000, { executable: false })).toBe(frame + 4096);
    const traps = [];
    for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) traps.push((trap = machine.cpu.run(500)));
    return { traps, gpr: [...machine.cpu.gpr], retired: machine.cpu.retired };
  });
  expect(plain!.gpr[2]).toBe((300n * 301n) / 2n);
  for (const one of others) expect(one).toEqual(plain);
});

test('an address space in which the same addresses are elsewhere', () => {
  const [plain, ...others] = MODES.map((jit) => {
    const machine = new FlatMachine(RAM, jit).load(assemble(SUMS), PAGES);
    const { cpu } = machine;
    const root = machine.frame();
    const frameOf = (va: number): number => (cpu.ram.u32[machine.entry(va) >> 2]! & ~0xfff) >>> 0;
    machine.map(CODE, { root, frame: frameOf(CODE) });
    for (let page = 0; page < PAGES; page++)
      machine.map(DATA + page * 4096, { root, executable: false });
    machine.write(
      DATA,
      Uint8Array.from({ length: PAGES * 4096 }, (_, i) => i >> 3),
    );
    const kept: [bigint[], number][] = [0, 1].map(() => [[...cpu.gpr], CODE]);
    const ended = [false, false];
    for (let turn = 0; ended.includes(false); turn ^= 1) {
      if (ended[turn]) continue;
      cpu.cr3 = turn === 0 ? machine.root : root;
      const [gpr, rip] = kept[turn]!;
      gpr.forEach((value, i) => (cpu.gpr[i] = value));
      cpu.rip = rip;
      ended[turn] = cpu.run(600) === TRAP_SYSCALL;
      kept[turn] = [[...cpu.gpr], cpu.rip];
    }
    return [kept, Buffer.from(cpu.ram.u8.slice(cpu.ram.base)).toString('base64')];
  });
  for (const one of others) expect(one).toEqual(plain);
});

test('a region has extents when it has executed for long, and no more once its accesses are all over memory', () => {
  // By turns in two pages whose frames are no neighbours; in the first half of the time in one of them.
  const machine = new FlatMachine(RAM, { threshold: 1, advance: 10_000 }).load(
    assemble(
      oneLine(`
      mov rsi, ${DATA}; xor edx, edx; mov ecx, 10000000
      1: mov rax, [rsi]; xor rsi, rdx; add rbx, rax; dec ecx; jnz 1b; mov edx, 0x1000
      mov ecx, 10000000; jmp 1b`),
    ),
    PAGES,
  );
  swap(1, 7)(machine);
  const { cpu } = machine;
  const efforts: number[] = [];
  for (let run = 0; run < 80; run++) {
    expect(cpu.run(2_000_000)).toBe(TRAP_FUEL);
    const [loop] = cpu.jit!.entered().sort((a, b) => b.executed - a.executed);
    if (loop && loop.grown !== efforts.at(-1)) efforts.push(loop.grown);
  }
  expect(efforts).toEqual([0, HAS_EXTENTS, STRAYS]);
});
