import { expect, test } from 'vitest';
import { PTE_A, TRAP_FUEL, TRAP_SYSCALL } from '../src/cpu.ts';
import type { Jit } from '../src/tier1/jit.ts';
import { type NativeCode, Translations, type TranslationStorage } from '../src/tier1/store.ts';
import { decodeBundles, encodeBundles } from '../src/tier1/stored.ts';
import type { WasmModule } from '../src/wasm-api.ts';
import { assemble, CODE, FlatMachine } from '../../../tests/cpu/flat.ts';

const RAM = 64 * 2 ** 20;
const LOOP = assemble('mov ecx, 200000; 1: add rax, rcx; ror rax, 3; dec ecx; jnz 1b; syscall');
/** The same with a call of the next page. */
const CALLS = assemble(`mov ecx, 100000; 1: call ${CODE + 4096}; dec ecx; jnz 1b; syscall`);

function run(machine: FlatMachine): { rax: bigint; counters: Jit['counters'] } {
  const { cpu } = machine;
  cpu.rip = CODE;
  cpu.gpr[0] = 0n;
  for (let trap = TRAP_FUEL; trap !== TRAP_SYSCALL;) {
    trap = cpu.run(50_000);
    expect([TRAP_FUEL, TRAP_SYSCALL]).toContain(trap);
  }
  return { rax: cpu.gpr[0]!, counters: cpu.jit!.counters };
}

const machine = (store: Translations, code = LOOP, threshold = 1): FlatMachine =>
  new FlatMachine(RAM, { threshold, advance: 10_000, store }).load(code);

/** CALLS, and what stands in the next page: add rax, imm8; ret. */
function caller(store: Translations, add: number): FlatMachine {
  const made = machine(store, CALLS);
  made.map(CODE + 4096);
  made.write(CODE + 4096, Uint8Array.from([0x48, 0x83, 0xc0, add, 0xc3]));
  return made;
}

class Files implements TranslationStorage {
  readonly files = new Map<string, Uint8Array>();
  readonly discarded: string[] = [];
  load = (name: string): Uint8Array | undefined => this.files.get(name);
  save = (name: string, bytes: Uint8Array): void => void this.files.set(name, bytes);
  discard = (name: string): void => {
    this.files.delete(name);
    this.discarded.push(name);
  };
}

test('machines of a process share translations', () => {
  const store = new Translations();
  const first = run(machine(store));
  expect(first.counters).toMatchObject({ regions: 1, recalled: 0 });
  const second = run(machine(store));
  expect(second.counters).toMatchObject({ regions: 0, recalled: 1 });
  expect(second.rax).toBe(first.rax);
  expect(store.size.translations).toBe(1);
});

test('other code at the same address is translated for itself', () => {
  const store = new Translations();
  run(machine(store));
  const changed = LOOP.slice();
  // The immediate of ROR.
  changed[changed.indexOf(0xc8) + 4] = 5;
  const other = machine(store, changed);
  const reference = new FlatMachine(RAM, false).load(changed);
  while (reference.cpu.run(50_000) === TRAP_FUEL);
  const { rax, counters } = run(other);
  expect(rax).toBe(reference.cpu.gpr[0]);
  expect(counters).toMatchObject({ regions: 1, recalled: 0 });
  expect(run(machine(store)).counters).toMatchObject({ regions: 0, recalled: 1 });
});

test('a region over two pages is taken only where both are what it was made from', () => {
  const store = new Translations();
  expect(run(caller(store, 3)).rax).toBe(300_000n);
  const other = run(caller(store, 5));
  expect(other.rax).toBe(500_000n);
  expect(other.counters.recalled).toBe(0);
  for (const add of [3, 5]) {
    const again = run(caller(store, add));
    expect(again.rax).toBe(100_000n * BigInt(add));
    expect(again.counters).toMatchObject({ regions: 0, recalled: 1 });
  }
});

test('a page that a recalled region may go to is marked as accessed when it goes there', () => {
  const store = new Translations();
  const code = assemble(`mov ecx, 100000; 1: test ebx, ebx; jz 2f; call ${CODE + 4096}; 2: inc rdx; dec ecx; jnz 1b; syscall`); // prettier-ignore
  const made = (calls: bigint): FlatMachine => {
    const one = machine(store, code);
    one.map(CODE + 4096);
    one.write(CODE + 4096, Uint8Array.from([0x48, 0x83, 0xc0, 3, 0xc3]));
    one.cpu.ram.u32[one.entry(CODE + 4096) >> 2]! &= ~PTE_A;
    one.cpu.gpr[3] = calls;
    return one;
  };
  const accessed = (one: FlatMachine): boolean =>
    (one.cpu.ram.u32[one.entry(CODE + 4096) >> 2]! & PTE_A) !== 0;
  expect(run(made(1n)).rax).toBe(300_000n);
  const second = made(0n);
  expect(run(second).counters).toMatchObject({ regions: 0, recalled: 1 });
  expect(accessed(second)).toBe(false);
  second.cpu.gpr[3] = 1n;
  expect(run(second).rax).toBe(300_000n);
  expect(accessed(second)).toBe(true);
});

test('a block ends before what cannot be decoded: what follows it belongs to it', () => {
  const store = new Translations();
  // inc rax; dec ecx; jz +2; jmp back; 06 is no instruction, 90 is one.
  const code = (behind: number): Uint8Array =>
    Uint8Array.from([0xb9, 0, 0, 3, 0, 0x48, 0xff, 0xc0, 0xff, 0xc9, 0x74, 3, 0x90, 0xeb, 0xf6, 0x90, behind, 0x0f, 5]); // prettier-ignore
  const { cpu } = machine(store, code(0x06));
  while (cpu.run(50_000) === TRAP_FUEL);
  expect(cpu.jit!.counters.regions).toBe(1);
  const { rax } = run(machine(store, code(0x90)));
  expect(rax).toBe(0x3_0000n);
});

test('code that changes is not taken for what it was, and found again when it changes back', () => {
  const store = new Translations();
  const one = caller(store, 3);
  for (const add of [3, 7, 3, 7]) {
    one.write(CODE + 4096 + 3, Uint8Array.of(add));
    expect(run(one).rax).toBe(100_000n * BigInt(add));
  }
  const { regions, recalled } = one.cpu.jit!.counters;
  expect(recalled).toBeGreaterThanOrEqual(2);
  expect(regions).toBeLessThan(5);
});

test('what is kept serves the next process', () => {
  const files = new Files();
  const first = machine(new Translations({ storage: files }));
  const { rax } = run(first);
  first.cpu.jit!.save();
  expect([...files.files.keys()]).toHaveLength(1);
  const second = run(machine(new Translations({ storage: files }), LOOP, 16));
  expect(second.rax).toBe(rax);
  expect(second.counters).toMatchObject({ regions: 0, recalled: 1 });
});

test('what is over soon does not look into the storage, and what is compiled is looked for there first', () => {
  const files = new Files();
  // A sample is good for 40 microseconds: a loop of 400,000 instructions is seen twenty times.
  const code = Uint8Array.from(LOOP);
  new DataView(code.buffer).setUint32(1, 100_000, true);
  const first = machine(new Translations({ storage: files }), code);
  const { rax } = run(first);
  first.cpu.jit!.save();
  for (const [advance, recalled] of [
    [-60_000, 0],
    [-500, 1],
  ] as const) {
    let looks = 0;
    const load = (name: string): Uint8Array | undefined => (looks++, files.load(name));
    const store = new Translations({ storage: { ...files, load } });
    const second = run(new FlatMachine(RAM, { threshold: 8, advance, store }).load(code));
    expect(second).toMatchObject({ rax, counters: { regions: 0, recalled } });
    expect(looks > 0).toBe(recalled > 0);
  }
  // What is in one page takes a large part, sooner or later.
  const store = new Translations({ storage: files });
  const again = new FlatMachine(RAM, { threshold: 8, advance: -60_000, store }).load(code);
  run(again);
  expect(run(again)).toMatchObject({ rax, counters: { regions: 0, recalled: 1 } });
});

/** An engine whose machine code is a number for each module. */
class Engine implements NativeCode {
  readonly modules: WasmModule[] = [];
  loaded = 0;
  isOptimised = true;
  refuses = false;

  save(module: WasmModule): Uint8Array | undefined {
    return this.isOptimised ? Uint8Array.of(this.modules.push(module), 1, 2, 3) : undefined;
  }

  load([number]: Uint8Array): WasmModule | undefined {
    if (this.refuses) return undefined;
    this.loaded++;
    return this.modules[number! - 1];
  }
}

test('machine code is kept, and taken instead of compiling', () => {
  const files = new Files();
  const native = new Engine();
  const open = (): Translations => new Translations({ storage: files, native });
  const kept = (): (Uint8Array | undefined)[] =>
    [...files.files.values()].flatMap((bytes) => decodeBundles(bytes).bundles.map((b) => b.native)); // prettier-ignore
  native.isOptimised = false;
  const first = machine(open());
  const { rax } = run(first);
  first.cpu.jit!.save();
  expect(kept()).toEqual([undefined]);
  native.isOptimised = true;
  first.cpu.jit!.save();
  expect(kept()).toEqual([Uint8Array.of(1, 1, 2, 3)]);
  // It is asked for once.
  first.cpu.jit!.save();
  expect(native.modules).toHaveLength(1);

  const second = machine(open(), LOOP, 16);
  expect(run(second)).toMatchObject({ rax, counters: { regions: 0, recalled: 1 } });
  expect(native.loaded).toBe(1);
  second.cpu.jit!.save();
  expect(kept()).toEqual([Uint8Array.of(1, 1, 2, 3)]);

  // Another engine compiles, and has its own kept.
  native.refuses = true;
  const third = machine(open(), LOOP, 16);
  expect(run(third)).toMatchObject({ rax, counters: { regions: 0, recalled: 1, failures: 0 } });
  third.cpu.jit!.save();
  expect(kept()).toEqual([Uint8Array.of(2, 1, 2, 3)]);
});

test('whatever the storage has, code runs; what is damaged is discarded', () => {
  const good = new Files();
  const first = machine(new Translations({ storage: good }));
  const { rax } = run(first);
  first.cpu.jit!.save();
  const [[name, bytes]] = [...good.files] as [[string, Uint8Array]];
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const at = Math.floor((i * bytes.length) / 400);
    const damaged = i % 4 === 0 ? bytes.slice(0, at) : bytes.slice();
    if (i % 4 !== 0) damaged[at]! ^= 1 << (i % 8);
    try {
      decodeBundles(damaged);
    } catch (error) {
      refused++;
      expect(error instanceof RangeError || error instanceof SyntaxError).toBe(true);
    }
  }
  expect(refused).toBeGreaterThan(100);
  const wasmFrom = bytes.length - 200;
  for (const at of [0, 10, 60, wasmFrom]) {
    const files = new Files();
    const damaged = bytes.slice(0, at === 60 ? 60 : undefined);
    if (at !== 60) damaged.fill(0x7f, at, at + 8);
    files.files.set(name, damaged);
    const result = run(machine(new Translations({ storage: files })));
    expect(result.rax).toBe(rax);
    expect(files.discarded).toContain(name);
  }
});

test('a module that is another one is taken out again', () => {
  const files = new Files();
  const first = machine(new Translations({ storage: files }));
  const { rax } = run(first);
  first.cpu.jit!.save();
  const [[name, bytes]] = [...files.files] as [[string, Uint8Array]];
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const [bundle] = decodeBundles(bytes).bundles;
  files.files.set(name, encodeBundles({ bundles: [{ ...bundle!, bytes: empty }], elsewhere: [] }));
  const { rax: again, counters } = run(machine(new Translations({ storage: files })));
  expect(again).toBe(rax);
  expect(counters).toMatchObject({ recalled: 0, failures: 1, regions: 1 });
  expect(files.discarded).toContain(name);
});

test('the store is bounded, in bytes and in compiled modules', () => {
  const store = new Translations({ limit: 4_000, compiled: 30_000 });
  for (let i = 1; i < 40; i++) {
    const code = LOOP.slice();
    code[code.indexOf(0xc8) + 4] = i;
    run(machine(store, code));
    expect(store.size.bytes).toBeLessThan(4_000);
    expect(store.size.compiled).toBeLessThanOrEqual(30_000);
  }
  expect(store.size.translations).toBeGreaterThan(1);
  expect(store.size.compiled).toBeGreaterThan(0);
});
