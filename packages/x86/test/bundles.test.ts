/** Regions that are entered all the time share a module, here, in other machines, and in other processes. */
import { beforeAll, expect, test } from 'vitest';
import { TRAP_FUEL, TRAP_SYSCALL } from '../src/cpu.ts';
import type { PackedRegion } from '../src/tier1/packed.ts';
import { bundle } from '../src/tier1/bundle.ts';
import { makeRegion, type Order, type RemoteGenerator, type Reply } from '../src/tier1/remote.ts';
import { Translations, type TranslationStorage } from '../src/tier1/store.ts';
import { decodeBundles } from '../src/tier1/stored.ts';
import { assemble, CODE, DATA, FlatMachine, STACK_TOP } from '../../../tests/cpu/flat.ts';

const FUNCTIONS = 96;
const SPACE = 256;
const ROUNDS = 40_000;

/** Calls functions by a table, round after round. What straddles pages is left to tier 0's record of the instruction. */
const program = (turn: number): Uint8Array =>
  assemble(`
  1: xor r13d, r13d
  2: mov rdx, [rbx+r13*8]; call rdx; inc r13d; cmp r13d, ${FUNCTIONS}; jb 2b
  dec r12d; jnz 1b; syscall
  .set k, 1
  .rept ${FUNCTIONS}
  .p2align 8
  mov r8d, 4; 3: add rax, k; ror rax, ${turn}; xor rax, r13; lea rax, [rax+rax*2+k]; rol rax, 7; dec r8d; jnz 3b; xor rax, [rbx+${4096 - turn}]; ret
  .set k, k+1
  .endr`);
const PROGRAM = program(3);

/** Carries orders out when the test says so; optimised code is as good as any. */
class Queue implements RemoteGenerator {
  readonly state: RemoteGenerator['state'] = 'idle';
  readonly bundles = true;
  readonly waiting: { order: Order; done: (reply: Reply) => void }[] = [];
  bundled = 0;
  start(): void {}
  generate(region: PackedRegion, done: (reply: Reply) => void): void {
    this.waiting.push({ order: structuredClone({ region }), done });
  }
  bundle(
    modules: readonly Uint8Array[],
    entries: readonly number[],
    done: (reply: Reply) => void,
  ): void {
    this.bundled++;
    this.waiting.push({ order: structuredClone({ modules, entries }), done });
  }
  deliver(): void {
    for (const { order, done } of this.waiting.splice(0))
      done('region' in order ? makeRegion(order.region) : made(order.modules));
  }
}

function made(modules: readonly Uint8Array[]): Reply {
  const { bytes, globals } = bundle(modules);
  return { bytes, globals, module: new WebAssembly.Module(bytes as BufferSource) };
}

class Files implements TranslationStorage {
  readonly files = new Map<string, Uint8Array>();
  load = (name: string): Uint8Array | undefined => this.files.get(name);
  save = (name: string, bytes: Uint8Array): void => void this.files.set(name, bytes);
  discard = (name: string): void => void this.files.delete(name);
}

function load(store?: Translations, generator?: RemoteGenerator): FlatMachine {
  const jit = store && { threshold: 1, advance: 1e9, store, generator };
  const machine = new FlatMachine(64 * 2 ** 20, jit ?? false).load(PROGRAM);
  writeData(machine);
  return machine;
}

/** The table, and what stands where two pages meet. */
function writeData(machine: FlatMachine): void {
  const table = new BigUint64Array(FUNCTIONS).map((_, i) => BigInt(CODE + SPACE * (i + 1)));
  machine.write(DATA, new Uint8Array(table.buffer));
  machine.write(
    DATA + 4088,
    Uint8Array.from({ length: 16 }, (_, i) => 37 * i + 1),
  );
}

/** @param between called after each 50,000 instructions */
function run(machine: FlatMachine, rounds = ROUNDS, between: () => void = () => {}): bigint {
  const { cpu } = machine;
  cpu.rip = CODE;
  cpu.gpr[0] = 0n;
  cpu.gpr[3] = BigInt(DATA);
  cpu.gpr[12] = BigInt(rounds);
  for (let trap = TRAP_FUEL; trap !== TRAP_SYSCALL; between()) {
    trap = cpu.run(50_000);
    expect([TRAP_FUEL, TRAP_SYSCALL]).toContain(trap);
  }
  return cpu.gpr[0]!;
}

let wanted: bigint;
let retired: number;
const files = new Files();
const store = new Translations({ storage: files });
let first: FlatMachine;
const queue = new Queue();

beforeAll(() => {
  const plain = load();
  wanted = run(plain);
  ({ retired } = plain.cpu);
  first = load(store, queue);
  expect(run(first, ROUNDS, () => queue.deliver())).toBe(wanted);
  expect(first.cpu.retired).toBe(retired);
});

test('what is entered most is put into one module, and goes on from there', () => {
  const { counters } = first.cpu.jit!;
  expect(counters.failures).toBe(0);
  // What has no module in common yet is not enough for another one.
  expect(counters.bundles).toBe(Math.floor(counters.regions / 64));
  expect(queue.bundled).toBe(counters.bundles);
  const before = counters.interpreted;
  expect(run(first, 1000)).toBe(run(load(), 1000));
  expect((counters.interpreted - before) / 5e6).toBeLessThan(0.1);
});

test('a page that is written takes its regions with it, and no others', () => {
  const machine = load(store, new Queue());
  expect(run(machine, 1000)).toBe(run(load(), 1000));
  const installed = (): number => machine.cpu.jit!.entered().length;
  const before = installed();
  expect(before).toBeGreaterThan(60);
  const at = CODE + 33 * SPACE;
  // mov eax, 77; ret
  const other = Uint8Array.from([0xb8, 77, 0, 0, 0, 0xc3]);
  machine.write(at, other);
  expect(installed()).toBeLessThan(before - 8);
  expect(installed()).toBeGreaterThan(before / 2);
  const plain = load();
  plain.write(at, other);
  expect(run(machine, 1000)).toBe(run(plain, 1000));
});

test('another machine of the process takes them all at once', () => {
  const machine = load(store, new Queue());
  expect(run(machine)).toBe(wanted);
  expect(machine.cpu.retired).toBe(retired);
  const { recalled, bundles, regions } = machine.cpu.jit!.counters;
  expect(recalled).toBeGreaterThan(64);
  expect(bundles).toBe(0);
  expect(regions).toBeLessThan(FUNCTIONS);
});

test('another process finds them in the file of one page', () => {
  first.cpu.jit!.save();
  const kept = [...files.files.values()].map((bytes) => decodeBundles(bytes));
  const bundles = kept.flatMap((page) => page.bundles).filter(({ members }) => members.length > 1);
  expect(bundles.length).toBe(first.cpu.jit!.counters.bundles);
  expect(bundles.every(({ members }) => members.length === 64)).toBe(true);
  const all = bundles.flatMap(({ members }) => members);
  const pages = new Set(all.map(({ page }) => page));
  expect(pages.size).toBeGreaterThan(3);
  // Each of them is in no other module, unless it was made better, and its page's file says where it is.
  const alone = kept.flatMap((page) => page.bundles.filter(({ members }) => members.length === 1));
  const efforts = new Map(all.map(({ root, effort }) => [root, effort]));
  const twice = alone.map(({ members }) => members[0]!).filter(({ root, effort }) => effort <= (efforts.get(root) ?? -1)); // prettier-ignore
  expect(twice.length).toBe(0);
  const homes = new Set(bundles.map(({ members }) => members[0]!.page));
  expect(new Set(kept.flatMap(({ elsewhere }) => elsewhere))).toEqual(homes);

  const again = new Translations({ storage: files });
  const machine = load(again, new Queue());
  expect(run(machine)).toBe(wanted);
  expect(machine.cpu.jit!.counters.recalled).toBeGreaterThan(64);
  // What is kept once more is what was there.
  const before = new Map(files.files);
  machine.cpu.jit!.save();
  for (const [name, bytes] of before) {
    const { bundles: now } = decodeBundles(files.files.get(name)!);
    expect(now.length).toBeGreaterThanOrEqual(decodeBundles(bytes).bundles.length);
    expect(new Set(now.map((bundle) => bundle.members.map(({ root }) => root).join())).size).toBe(now.length); // prettier-ignore
  }
});

test('without the file that has them, the others are of use still', () => {
  const some = new Files();
  for (const [name, bytes] of files.files)
    if (decodeBundles(bytes).bundles.every(({ members }) => members.length === 1))
      some.files.set(name, bytes);
  const machine = load(new Translations({ storage: some }), new Queue());
  expect(run(machine)).toBe(wanted);
  expect(machine.cpu.jit!.counters.failures).toBe(0);
});

test('what has another program at the same addresses is in another module', () => {
  const other = program(5);
  const plain = load();
  plain.write(CODE, other);
  const wantedThere = run(plain, 2000);

  const both = new Queue();
  const machine = load(new Translations({ storage: new Files() }), both);
  const { cpu } = machine;
  const there = machine.frame();
  cpu.ram.u8.fill(0, there, there + 4096);
  for (let at = 0; at <= other.length; at += 4096)
    cpu.ram.u8.set(other.subarray(at, at + 4096), machine.map(CODE + at, { root: there }));
  for (const va of [DATA, DATA + 4096, STACK_TOP - 4096, STACK_TOP - 8192])
    machine.map(va, { root: there, frame: machine.map(va), executable: false });
  writeData(machine);
  const wantedHere = run(load(), 2000);
  for (let i = 0; i < 20; i++) {
    cpu.cr3 = machine.root;
    expect(run(machine, 2000, () => both.deliver())).toBe(wantedHere);
    cpu.cr3 = there;
    expect(run(machine, 2000, () => both.deliver())).toBe(wantedThere);
  }
  expect(cpu.jit!.counters).toMatchObject({ failures: 0 });
  expect(cpu.jit!.counters.bundles).toBeGreaterThan(0);
});

test('a module that cannot be made is done without', () => {
  const failing = new Queue();
  const machine = load(new Translations({ storage: new Files() }), failing);
  const deliver = (): void => {
    for (const { order, done } of failing.waiting.splice(0))
      done('modules' in order ? { failure: 'out of memory' } : makeRegion(order.region));
  };
  expect(run(machine, ROUNDS, deliver)).toBe(wanted);
  expect(machine.cpu.jit!.counters.bundles).toBe(0);
  expect(machine.cpu.jit!.counters.failures).toBeGreaterThan(0);
});
