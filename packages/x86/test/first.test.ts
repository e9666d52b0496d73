import { expect, test } from 'vitest';
import { TRAP_EXCEPTION, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL, VECTOR_UD } from '../src/cpu.ts';
import { assemble, CODE, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

function run(source: string): FlatMachine {
  const machine = new FlatMachine().load(assemble(source));
  let trap = TRAP_FUEL;
  while (trap === TRAP_FUEL) trap = machine.cpu.run(100_000);
  expect(trap).toBe(TRAP_SYSCALL);
  return machine;
}

test('a loop adds up and leaves through syscall', () => {
  const { cpu } = run('xor eax, eax; mov ecx, 100; 1: add rax, rcx; dec ecx; jnz 1b; syscall');
  expect(cpu.gpr[0]).toBe(5050n);
  expect(cpu.retired).toBe(2 + 300 + 1);
});

test('calls, returns and the stack', () => {
  const { cpu } = run(
    'mov edi, 10; call f; syscall; f: cmp edi, 1; jbe 1f; push rdi; dec edi; call f; pop rdi; imul rax, rdi; ret; 1: mov eax, 1; ret',
  );
  expect(cpu.gpr[0]).toBe(3628800n);
});

test('page faults are precise and restartable', () => {
  const machine = new FlatMachine().load(
    assemble(
      `mov rbx, 0x700ffc; mov rax, 0x1122334455667788; mov [rbx], rax; mov rdx, [rbx]; syscall`,
    ),
  );
  const { cpu } = machine;
  machine.map(0x70_0000);
  expect(cpu.run(100)).toBe(TRAP_PAGE_FAULT);
  expect(cpu.faultAddress).toBe(0x70_1000);
  expect(cpu.errorCode).toBe(6);
  expect(machine.read(0x70_0ffc, 4)).toEqual(new Uint8Array(4));
  machine.map(0x70_1000);
  expect(cpu.run(100)).toBe(TRAP_SYSCALL);
  expect(cpu.gpr[2]).toBe(0x1122334455667788n);
});

test('code that modifies the next instruction sees the change', () => {
  const { cpu } = run('lea rbx, [rip+1f]; mov byte ptr [rbx+1], 7; 1: mov eax, 1; syscall');
  expect(cpu.gpr[0]).toBe(7n);
});

test('fuel 1 executes one instruction', () => {
  const machine = new FlatMachine().load(assemble('mov eax, 1; mov ecx, 2; jmp 1f; nop; 1: ud2'));
  const { cpu } = machine;
  const stops = [5, 10, 13].map((at) => CODE + at);
  for (const stop of stops.slice(0, 2)) {
    expect(cpu.run(1)).toBe(TRAP_FUEL);
    expect(cpu.rip).toBe(stop);
  }
  expect(cpu.run(1)).toBe(TRAP_FUEL);
  expect(cpu.run(1)).toBe(TRAP_EXCEPTION);
  expect(cpu.vector).toBe(VECTOR_UD);
  expect(cpu.retired).toBe(3);
});

test('rep movs and stos', () => {
  const machine = run(
    `mov rdi, ${DATA}; mov eax, 0x41; mov ecx, 5000; rep stosb; mov rsi, ${DATA}; mov rdi, ${DATA + 8000}; mov ecx, 600; rep movsq; syscall`,
  );
  expect([...machine.read(DATA + 8000, 4800)].every((b) => b === 0x41)).toBe(true);
  expect(machine.cpu.gpr[7]).toBe(BigInt(DATA + 8000 + 4800));
});
