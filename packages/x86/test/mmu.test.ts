import { expect, test } from 'vitest';
import {
  PF_FETCH,
  PF_PRESENT,
  PF_RSVD,
  PF_USER,
  PF_WRITE,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_PS,
  PTE_U,
  PTE_W,
  TRAP_EXCEPTION,
  TRAP_FUEL,
  TRAP_PAGE_FAULT,
  TRAP_SYSCALL,
  VECTOR_GP,
  VECTOR_SS,
} from '../src/cpu.ts';
import { assemble, CODE, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const load = (source: string): FlatMachine => new FlatMachine().load(assemble(source));

function finish(machine: FlatMachine): number {
  let trap = TRAP_FUEL;
  while (trap === TRAP_FUEL) trap = machine.cpu.run(100_000);
  return trap;
}

function expectFault(machine: FlatMachine, address: number, code: number, offset: number): void {
  const { cpu } = machine;
  expect(finish(machine)).toBe(TRAP_PAGE_FAULT);
  expect([cpu.faultAddress, cpu.errorCode, cpu.rip]).toEqual([address, code, CODE + offset]);
}

test('reads and writes of what is not mapped, with the right error codes', () => {
  expectFault(load('mov eax, [0x700123]'), 0x70_0123, PF_USER, 0);
  expectFault(load('mov [0x700123], eax'), 0x70_0123, PF_USER | PF_WRITE, 0);
  expectFault(load('nop; add dword ptr [0x700123], 1'), 0x70_0123, PF_USER | PF_WRITE, 1);
  expectFault(load('nop; jmp 0x700000'), 0x70_0000, PF_USER | PF_FETCH, 0x70_0000 - CODE);
});

test('protection', () => {
  const readOnly = load('mov eax, [0x700000]; mov [0x700000], eax');
  readOnly.map(0x70_0000, { writable: false });
  expectFault(readOnly, 0x70_0000, PF_USER | PF_WRITE | PF_PRESENT, 7);
  const noExecute = load(`mov eax, ${DATA}; jmp rax`);
  expectFault(noExecute, DATA, PF_USER | PF_FETCH | PF_PRESENT, DATA - CODE);
  const kernelOnly = load('mov eax, [0x700000]');
  kernelOnly.map(0x70_0000);
  kernelOnly.cpu.ram.u32[kernelOnly.entry(0x70_0000) >> 2]! &= ~PTE_U;
  expectFault(kernelOnly, 0x70_0000, PF_USER | PF_PRESENT, 0);
  const reserved = load('mov eax, [0x700000]');
  reserved.map(0x70_0000);
  reserved.cpu.ram.u32[(reserved.entry(0x70_0000) >> 2) + 1]! |= 1 << 10;
  expectFault(reserved, 0x70_0000, PF_USER | PF_PRESENT | PF_RSVD, 0);
});

test('accessed and dirty bits', () => {
  const machine = load('mov eax, [0x700000]; mov [0x701000], eax; syscall');
  const bits = (va: number): number =>
    machine.cpu.ram.u32[machine.entry(va) >> 2]! & (PTE_A | PTE_D);
  for (const va of [0x70_0000, 0x70_1000]) {
    machine.map(va);
    machine.cpu.ram.u32[machine.entry(va) >> 2]! &= ~(PTE_A | PTE_D);
  }
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect([bits(0x70_0000), bits(0x70_1000)]).toEqual([PTE_A, PTE_A | PTE_D]);
});

test('a page first read, then written, becomes dirty', () => {
  const machine = load('mov eax, [0x700000]; mov [0x700004], eax; syscall');
  machine.map(0x70_0000);
  machine.cpu.ram.u32[machine.entry(0x70_0000) >> 2]! &= ~PTE_D;
  finish(machine);
  expect(machine.cpu.ram.u32[machine.entry(0x70_0000) >> 2]! & PTE_D).toBe(PTE_D);
});

test('2 MiB pages', () => {
  const machine = load('mov rax, [0xa12345]; mov [0xbffff8], rax; syscall');
  const { ram } = machine.cpu;
  machine.entry(0xa0_0000);
  const directory = 0xa0_0000 / 2 ** 21;
  const at = findDirectory(machine) + directory * 8;
  const frame = 0x200_0000;
  ram.u32[at >> 2] = frame | PTE_P | PTE_W | PTE_U | PTE_PS;
  ram.u8.set([1, 2, 3, 4, 5, 6, 7, 8], frame + 0x1_2345);
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect(machine.cpu.gpr[0]).toBe(0x0807060504030201n);
  expect([...ram.u8.subarray(frame + 0x1f_fff8, frame + 0x20_0000)]).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
  expect(ram.u32[at >> 2]! & (PTE_A | PTE_D)).toBe(PTE_A | PTE_D);
});

/** Page directory that maps the first GiB. */
function findDirectory(machine: FlatMachine): number {
  const { u32 } = machine.cpu.ram;
  const pointers = (u32[machine.root >> 2]! & ~0xfff) >>> 0;
  return (u32[pointers >> 2]! & ~0xfff) >>> 0;
}

test('addresses that are not canonical', () => {
  const general = load('mov rax, 0x800000000000; mov ecx, [rax]');
  expect(finish(general)).toBe(TRAP_EXCEPTION);
  expect([general.cpu.vector, general.cpu.rip]).toEqual([VECTOR_GP, CODE + 10]);
  const stack = load('mov rsp, 0x800000000010; push rax');
  expect(finish(stack)).toBe(TRAP_EXCEPTION);
  expect([stack.cpu.vector, stack.cpu.gpr[4]]).toEqual([VECTOR_SS, 0x800000000010n]);
  const frame = load('mov rbp, 0x800000000000; mov [rbp+8], eax');
  expect(finish(frame)).toBe(TRAP_EXCEPTION);
  expect(frame.cpu.vector).toBe(VECTOR_SS);
});

test('operands that straddle two pages in different frames', () => {
  const machine = load(
    `
    mov rax, 0x1122334455667788; mov [0x700ffd], rax; add qword ptr [0x700ffd], 1; mov rbx, [0x700ffd]
    movups xmm0, [0x700ff8]; movups [0x701ff9], xmm0; syscall`.replaceAll('\n', ';'),
  );
  for (const va of [0x70_2000, 0x70_0000, 0x70_1000]) machine.map(va);
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect(machine.cpu.gpr[3]).toBe(0x1122334455667789n);
  expect([...machine.read(0x70_1ff9, 16)]).toEqual([...machine.read(0x70_0ff8, 16)]);
});

test('a straddling store that faults on the second page writes nothing', () => {
  const machine = load('mov rax, -1; mov ebx, 7; add [0x700ffd], rax; syscall');
  machine.map(0x70_0000);
  expectFault(machine, 0x70_1000, PF_USER | PF_WRITE, 12);
  expect([...machine.read(0x70_0ffd, 3)]).toEqual([0, 0, 0]);
  machine.map(0x70_1000, { writable: false });
  expectFault(machine, 0x70_1000, PF_USER | PF_WRITE | PF_PRESENT, 12);
});

test('an instruction that straddles pages faults on the second one only when it is needed', () => {
  const machine = load('nop');
  machine.map(0x70_0000);
  machine.write(0x70_0fff, Uint8Array.of(0x90));
  machine.cpu.rip = 0x70_0fff;
  expect(machine.cpu.run(100)).toBe(TRAP_PAGE_FAULT);
  expect([machine.cpu.faultAddress, machine.cpu.rip]).toEqual([0x70_1000, 0x70_1000]);
  machine.write(0x70_0fff, Uint8Array.of(0xb8));
  machine.cpu.rip = 0x70_0fff;
  expect(machine.cpu.run(100)).toBe(TRAP_PAGE_FAULT);
  expect([machine.cpu.faultAddress, machine.cpu.rip]).toEqual([0x70_1000, 0x70_0fff]);
  machine.map(0x70_1000);
  machine.write(0x70_1000, Uint8Array.of(1, 2, 3, 4, 0x0f, 0x05));
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect(machine.cpu.gpr[0]).toBe(0x04030201n);
  // The second page changes under the block.
  machine.map(0x70_1000);
  machine.cpu.invlpg(0x70_1000);
  machine.write(0x70_1000, Uint8Array.of(5, 6, 7, 8, 0x0f, 0x05));
  machine.cpu.rip = 0x70_0fff;
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect(machine.cpu.gpr[0]).toBe(0x08070605n);
});

test('address spaces: each sees its own page, and translations survive the switch', () => {
  const machine = load('1: mov eax, [0x700000]; syscall; jmp 1b');
  const { cpu } = machine;
  const other = machine.frame();
  for (let va = CODE; va < CODE + 4096; va += 4096) {
    const frame = (cpu.ram.u32[machine.entry(va) >> 2]! & ~0xfff) >>> 0;
    machine.map(va, { frame, root: other });
  }
  const frames = [machine.map(0x70_0000), machine.map(0x70_0000, { root: other })];
  frames.forEach((frame, i) => (cpu.ram.u32[frame >> 2] = 100 + i));
  for (let i = 0; i < 6; i++) {
    cpu.cr3 = i & 1 ? other : machine.root;
    expect(cpu.run(100)).toBe(TRAP_SYSCALL);
    expect(cpu.gpr[0]).toBe(BigInt(100 + (i & 1)));
  }
  // Without a flush the old frame stays in the TLB; with one the new frame is seen.
  const fresh = machine.map(0x70_0000, { root: other });
  cpu.ram.u32[fresh >> 2] = 7;
  cpu.flushTlb(other);
  expect(cpu.run(100)).toBe(TRAP_SYSCALL);
  expect(cpu.gpr[0]).toBe(7n);
});

test('rep movs stops at the fault with registers that resume it', () => {
  const machine = load('mov esi, 0x700000; mov edi, 0x702000; mov ecx, 0x1800; rep movsb; syscall');
  const { cpu } = machine;
  for (const va of [0x70_0000, 0x70_1000, 0x70_2000]) machine.map(va);
  for (let i = 0; i < 0x1800; i++) machine.write(0x70_0000 + i, Uint8Array.of(i & 0xff));
  expectFault(machine, 0x70_3000, PF_USER | PF_WRITE, 15);
  expect([cpu.gpr[1], cpu.gpr[6], cpu.gpr[7]]).toEqual([0x800n, 0x70_1000n, 0x70_3000n]);
  machine.map(0x70_3000);
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect(machine.read(0x70_2000, 0x1800)).toEqual(machine.read(0x70_0000, 0x1800));
});

test('what one address space has executed another one finds, as long as it is that', () => {
  const machine = load('call 0x700000; syscall');
  const { cpu } = machine;
  const called = machine.map(0x70_0000);
  const body = (value: number): Uint8Array => Uint8Array.of(0xb8, value, 0, 0, 0, 0xc3);
  machine.write(0x70_0000, body(1));
  const code = (cpu.ram.u32[machine.entry(CODE) >> 2]! & ~0xfff) >>> 0;
  const stack = machine.entry(Number(cpu.gpr[4]) - 8);
  const stackVa = (Number(cpu.gpr[4]) - 8) & ~0xfff;
  const result = (frame: number, executable = true): bigint | string => {
    const root = machine.frame();
    machine.map(CODE, { frame: code, root });
    machine.map(stackVa, { frame: (cpu.ram.u32[stack >> 2]! & ~0xfff) >>> 0, root });
    machine.map(0x70_0000, { frame, root, executable });
    cpu.ram.u32[machine.entry(0x70_0000, root) >> 2]! &= ~PTE_A;
    cpu.cr3 = root;
    cpu.rip = CODE;
    const { gpr } = cpu;
    const sp = gpr[4]!;
    const trap = cpu.run(100);
    gpr[4] = sp;
    const accessed = cpu.ram.u32[machine.entry(0x70_0000, root) >> 2]! & PTE_A;
    return trap === TRAP_SYSCALL ? BigInt.asIntN(64, gpr[0]! + (accessed ? 0n : 100n)) : 'fault';
  };
  expect([result(called), result(called)]).toEqual([1n, 1n]);
  const other = machine.frame();
  cpu.ram.u8.set(body(2), other);
  expect([result(other), result(called), result(other)]).toEqual([2n, 1n, 2n]);
  expect(result(called, false)).toBe('fault');
  cpu.ram.u8.set(body(3), called);
  cpu.dropCode(called >>> 12);
  expect([result(called), result(other)]).toEqual([3n, 2n]);
});

test('code written by the guest, by another mapping and by the kernel is decoded again', () => {
  const machine = load(
    'call 0x700000; mov ebx, eax; mov byte ptr [0x710001], 9; call 0x700000; syscall',
  );
  const frame = machine.map(0x70_0000);
  machine.map(0x71_0000, { frame, executable: false });
  machine.write(0x70_0000, Uint8Array.of(0xb8, 3, 0, 0, 0, 0xc3));
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect([machine.cpu.gpr[3], machine.cpu.gpr[0]]).toEqual([3n, 9n]);
  expect(machine.cpu.hasCode(frame >>> 12)).toBe(true);
  machine.write(0x70_0000, Uint8Array.of(0xb8, 5));
  machine.cpu.rip = CODE;
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect([machine.cpu.gpr[3], machine.cpu.gpr[0]]).toEqual([5n, 9n]);
});

test('a loop that patches itself', () => {
  // Adds 1, then 2, then 3 … by changing its own immediate.
  const machine = load(
    'xor eax, eax; mov ecx, 10; lea rdx, [rip+1f]; 1: add eax, 1; inc byte ptr [rdx+2]; dec ecx; jnz 1b; syscall',
  );
  expect(finish(machine)).toBe(TRAP_SYSCALL);
  expect(machine.cpu.gpr[0]).toBe(55n);
});

test('fuel stops at the end of a block and counts exactly', () => {
  const machine = load('1: inc eax; jmp 1b');
  const { cpu } = machine;
  expect(cpu.run(1001)).toBe(TRAP_FUEL);
  expect([cpu.retired, cpu.gpr[0], cpu.rip]).toEqual([1002, 501n, CODE]);
});
