/** Regions that another thread generates: it is played by a queue whose orders are carried out when the test says so. */
import { expect, test } from 'vitest';
import { TRAP_FUEL, TRAP_SYSCALL } from '../src/cpu.ts';
import type { PackedRegion } from '../src/tier1/packed.ts';
import { makeRegion, type RemoteGenerator, type Reply } from '../src/tier1/remote.ts';
import { Translations } from '../src/tier1/store.ts';
import { assemble, CODE, DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
const LOOP = assemble('mov ecx, 200000; 1: add rax, rcx; ror rax, 3; dec ecx; jnz 1b; syscall');

class Queue implements RemoteGenerator {
  state: RemoteGenerator['state'] = 'idle';
  readonly orders: { region: PackedRegion; done: (reply: Reply) => void }[] = [];
  start(): void {}
  /** What threads send one another is copied. */
  generate(region: PackedRegion, done: (reply: Reply) => void): void {
    this.orders.push({ region: structuredClone(region), done });
  }
  deliver(reply: (region: PackedRegion) => Reply = makeRegion): void {
    for (const { region, done } of this.orders.splice(0)) done(reply(region));
  }
}

/** A machine with a program, which generates as it is told; texts are what was installed. */
function start(
  code: Uint8Array,
  generator?: RemoteGenerator,
  store?: Translations,
): { machine: FlatMachine; installed: string[] } {
  const installed: string[] = [];
  const dump = (va: number, bytes: Uint8Array): unknown =>
    installed.push(`${va} ${Buffer.from(bytes).toString('hex')}`);
  const machine = new FlatMachine(RAM, { threshold: 1, advance: 10_000, generator, store, dump });
  machine.load(code);
  machine.cpu.gpr[3] = BigInt(DATA);
  return { machine, installed };
}

/** Executes to the end. @param between called after each 20,000 instructions */
function finish({ cpu }: FlatMachine, between: () => void = () => {}): bigint {
  for (let trap = TRAP_FUEL; trap !== TRAP_SYSCALL; between()) {
    trap = cpu.run(20_000);
    expect([TRAP_FUEL, TRAP_SYSCALL]).toContain(trap);
  }
  return cpu.gpr[0]!;
}

const PROGRAMS = [
  LOOP,
  assemble('mov ecx, 90000; 1: add rax, [rbx]; mov [rbx+8], rax; inc dword ptr [rbx]; sub ecx, 1; jnz 1b; syscall'),
  assemble('mov ecx, 90000; 1: call 2f; dec ecx; jnz 1b; syscall; 2: lea rax, [rax+rax*2+1]; test al, 8; jz 3f; inc rax; 3: ret'),
  assemble('mov ecx, 90000; cvtsi2sd xmm1, rcx; 1: addsd xmm0, xmm1; mulsd xmm0, xmm0; sqrtsd xmm0, xmm0; dec ecx; jnz 1b; movq rax, xmm0; syscall'),
]; // prettier-ignore

test.each(PROGRAMS)('what another thread generates is what this one would (%#)', (code) => {
  const here = start(code);
  const result = finish(here.machine);
  const queue = new Queue();
  const there = start(code, queue);
  expect(finish(there.machine, () => queue.deliver())).toBe(result);
  expect(here.installed.length).toBeGreaterThan(0);
  expect(there.installed[0]).toBe(here.installed[0]);
  expect(there.machine.cpu.jit!.counters.failures).toBe(0);
});

test('a block is ordered once, and tier 0 goes on meanwhile', () => {
  const queue = new Queue();
  const { machine, installed } = start(LOOP, queue);
  finish(machine);
  expect(queue.orders.length).toBe(1);
  expect(installed).toEqual([]);
  queue.deliver();
  expect(installed.length).toBe(1);
});

test('code that has changed meanwhile is not what was ordered', () => {
  const changed = Uint8Array.from(LOOP);
  // The immediate of ROR.
  changed[changed.indexOf(0xc8) + 4] = 5;
  const wanted = finish(start(changed).machine);
  const queue = new Queue();
  const { machine, installed } = start(LOOP, queue);
  finish(machine);
  machine.write(CODE, changed);
  queue.deliver();
  expect(installed).toEqual([]);
  machine.cpu.rip = CODE;
  machine.cpu.gpr[0] = 0n;
  expect(finish(machine)).toBe(wanted);
});

test('what arrives in another address space is at hand when the code is there again', () => {
  const queue = new Queue();
  const { machine, installed } = start(LOOP, queue, new Translations());
  const { cpu } = machine;
  const result = finish(machine);
  const space = cpu.cr3;
  cpu.cr3 = machine.frame();
  queue.deliver();
  expect(installed).toEqual([]);
  cpu.cr3 = space;
  cpu.rip = CODE;
  cpu.gpr[0] = 0n;
  expect(finish(machine)).toBe(result);
  expect(installed.length).toBe(1);
});

test('until the other thread has come, only what takes a large part is made here', () => {
  const loops = (count: number): Uint8Array => assemble('mov ecx, 8000; 1: add rax, rcx; ror rax, 3; dec ecx; jnz 1b; '.repeat(count) + 'syscall'); // prettier-ignore
  const regions = (count: number): number => {
    const queue = new Queue();
    queue.state = 'away';
    queue.start = () => (queue.state = 'coming');
    const { machine } = start(loops(count), queue);
    finish(machine);
    expect(queue.state).toBe('coming');
    expect(queue.orders).toEqual([]);
    return machine.cpu.jit!.counters.regions;
  };
  expect(regions(1)).toBe(1);
  const some = regions(80);
  expect(some).toBeLessThan(40);
  expect(some).toBeGreaterThan(0);
});

test('without the other thread a machine generates by itself', () => {
  const queue = new Queue();
  const { machine, installed } = start(LOOP, queue);
  let result = finish(machine);
  queue.deliver(() => ({ failure: 'worker exit 1' }));
  expect(machine.cpu.jit!.counters.failures).toBe(1);
  queue.state = 'away';
  machine.cpu.rip = CODE;
  machine.cpu.gpr[0] = 0n;
  result = finish(machine) ^ result;
  expect(result).toBe(0n);
  expect(queue.orders).toEqual([]);
  expect(installed.length).toBe(1);
});
