import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Machine } from '../src/index.ts';
import { decodeBundles } from '@vitrine/x86/tier1/stored.ts';
import { storageIn } from '../src/node/jit_cache.ts';
import { nativeCode } from '../src/node/native_code.ts';

const BIN = join(import.meta.dirname, '../bin/vitrine.cjs');
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

let work: string;
beforeEach(() => (work = mkdtempSync(join(tmpdir(), 'jit-cache-'))));
afterEach(() => rmSync(work, { recursive: true, force: true }));

describe('machine code of V8', () => {
  // (func (export "sum") (param i32) (result i32)): the numbers up to its operand.
  const body = [1, 1, 0x7f, 3, 0x40, 0x20, 1, 0x20, 0, 0x6a, 0x21, 1, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 1, 0x0b]; // prettier-ignore
  const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 7, 7, 1, 3, 0x73, 0x75, 0x6d, 0, 0, 10, body.length + 2, 1, body.length, ...body); // prettier-ignore
  const sumOf = (module: WebAssembly.Module): ((n: number) => number) =>
    new WebAssembly.Instance(module).exports['sum'] as (n: number) => number;

  test('is there once a function is optimised, and executes elsewhere', async () => {
    const native = nativeCode()!;
    const module = new WebAssembly.Module(WASM);
    expect(native.save(module, 'sum')).toBeUndefined();
    expect(native.save(module, 'other')).toBeUndefined();
    const sum = sumOf(module);
    let made: Uint8Array | undefined;
    for (let i = 0; i < 500 && made === undefined; i++) {
      for (let j = 0; j < 100; j++) sum(100_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
      made = native.save(module, 'sum');
    }
    expect(sumOf(native.load(made!, WASM) as WebAssembly.Module)(1000)).toBe(500_500);
    const foreign = made!.slice();
    foreign[5]! ^= 1;
    expect(native.load(foreign, WASM)).toBeUndefined();
    expect(native.load(made!.subarray(0, 8), WASM)).toBeUndefined();
  });
});

describe('a folder of translations', () => {
  const open = (version = 'v1', limit?: number): NonNullable<ReturnType<typeof storageIn>> =>
    storageIn(join(work, 'jit'), { version, ...(limit === undefined ? {} : { limit }) })!;
  const fileOf = (name: string): string => join(work, 'jit/v1', name);

  test('holds what was saved, for its version', () => {
    const first = open();
    expect(first.load('1-a')).toBeUndefined();
    first.save('1-a', bytes(100, 7));
    expect(open().load('1-a')).toEqual(bytes(100, 7));
    expect(open('v2').load('1-a')).toBeUndefined();
    expect(readdirSync(join(work, 'jit/v1'))).toEqual(['1-a']);
  });

  test.each<[string, (file: string) => void]>([
    ['is truncated', (file) => truncateSync(file, 50)],
    ['is empty', (file) => truncateSync(file, 0)],
    ['is damaged', (file) => writeFileSync(file, readFileSync(file).fill(1, 60, 61))],
    ['is another one', (file) => writeFileSync(file, readFileSync(fileOf('1-b')))],
    ['is enormous', (file) => truncateSync(file, 2 ** 40)],
    ['is a folder', (file) => (rmSync(file), mkdirSync(file))],
    ['is a FIFO', (file) => (rmSync(file), spawnSync('mkfifo', [file]))],
  ])('a file that %s is ignored and removed', (_, damage) => {
    const first = open();
    first.save('1-a', bytes(100, 7));
    first.save('1-b', bytes(100, 8));
    damage(fileOf('1-a'));
    expect(open().load('1-a')).toBeUndefined();
    expect(existsSync(fileOf('1-a'))).toBe(false);
    expect(open().load('1-b')).toEqual(bytes(100, 8));
  });

  test('a folder that others may write to does not count', () => {
    open().save('1-a', bytes(100, 7));
    chmodSync(join(work, 'jit'), 0o777);
    const other = open();
    expect(other.load('1-a')).toBeUndefined();
    other.save('1-b', bytes(100, 7));
    expect(existsSync(fileOf('1-b'))).toBe(false);
  });

  test('a folder that cannot be made is no folder', () => {
    writeFileSync(join(work, 'jit'), 'a file');
    const storage = open();
    storage.save('1-a', bytes(100, 7));
    expect(storage.load('1-a')).toBeUndefined();
    storage.close!();
  });

  test('what was not used for the longest time goes when it is full', () => {
    const storage = open('v1', 4000);
    for (let i = 0; i < 10; i++) {
      storage.save(`1-${i}`, bytes(1000, i));
      utimesSync(fileOf(`1-${i}`), 1000 + i, 1000 + i);
    }
    writeFileSync(fileOf('9-1.unfinished'), 'x');
    utimesSync(fileOf('9-1.unfinished'), 1000, 1000);
    open().load('1-1');
    storage.close!();
    expect(readdirSync(join(work, 'jit/v1')).sort()).toEqual(['1-1', '1-8', '1-9']);
    expect(statSync(fileOf('1-1')).mtimeMs).toBeGreaterThan(1e12);
  });
});

describe('vitrine run', () => {
  const LOOP = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i';
  const cache = (): string => join(work, 'vitrine/jit');
  const run = (...args: string[]): { stdout: string; status: number | null } =>
    spawnSync(process.execPath, [BIN, 'run', ...args, 'sh', '-c', LOOP], {
      encoding: 'utf8',
      env: { ...process.env, VITRINE_JIT_CACHE: '1', XDG_CACHE_HOME: work },
    });
  const files = (): string[] =>
    existsSync(cache()) ? readdirSync(cache(), { recursive: true }).map(String).filter((name) => /\/0-/.test(name)) : []; // prettier-ignore

  test('keeps translations; any damage costs time only', () => {
    expect(run()).toMatchObject({ stdout: '20000\n', status: 0 });
    const kept = files();
    expect(kept.length).toBeGreaterThan(0);
    for (const name of kept) {
      const path = join(cache(), name);
      writeFileSync(
        path,
        readFileSync(path).map((b) => b ^ 1),
      );
    }
    expect(run()).toMatchObject({ stdout: '20000\n', status: 0 });
    expect(run()).toMatchObject({ stdout: '20000\n', status: 0 });
  }, 120_000);

  test('any number at once, killed at any time', async () => {
    const env = { ...process.env, VITRINE_JIT_CACHE: '1', XDG_CACHE_HOME: work };
    const children = Array.from({ length: 4 }, () => spawn(process.execPath, [BIN, 'run', 'sh', '-c', LOOP], { env })); // prettier-ignore
    setTimeout(() => children[3]!.kill('SIGKILL'), 700);
    const ends = children.map((child) => new Promise((resolve) => child.on('exit', resolve)));
    expect((await Promise.all(ends)).slice(0, 3)).toEqual([0, 0, 0]);
    const kept = files();
    expect(kept.length).toBeGreaterThan(0);
    const [version] = readdirSync(cache());
    const storage = storageIn(cache(), { version })!;
    for (const name of kept) expect(storage.load(name.split('/').at(-1)!), name).toBeDefined();
  });

  const other = { uid: 54321, gid: 54321 };
  const reads = (): boolean => process.getuid?.() === 0 && spawnSync(process.execPath, ['-e', `require('fs').readFileSync(${JSON.stringify(BIN)})`], other).status === 0; // prettier-ignore

  test.skipIf(!reads())('does without for a user without a home', () => {
    const { HOME: _, XDG_CACHE_HOME: __, ...env } = process.env;
    const { stdout, status } = spawnSync(process.execPath, [BIN, 'run', 'echo', 'hi'], { encoding: 'utf8', ...other, env: { ...env, VITRINE_JIT_CACHE: '1' } }); // prettier-ignore
    expect({ stdout, status }).toEqual({ stdout: 'hi\n', status: 0 });
  });

  test('has V8\u2019s machine code', () => {
    expect(run()).toMatchObject({ stdout: '20000\n', status: 0 });
    const kept = files().flatMap((name) => decodeBundles(new Uint8Array(readFileSync(join(cache(), name))).subarray(32)).bundles); // prettier-ignore
    expect(kept.some(({ native }) => native !== undefined)).toBe(true);
    expect(run()).toMatchObject({ stdout: '20000\n', status: 0 });
  });

  test('--no-jit-cache keeps none', () => {
    expect(run('--no-jit-cache')).toMatchObject({ stdout: '20000\n', status: 0 });
    expect(files()).toEqual([]);
  });

  test('machines of one process share translations', async () => {
    const counters: Record<string, number>[] = [];
    for (let i = 0; i < 2; i++) {
      const machine = await Machine.boot();
      const sh = await machine.spawn(['sh', '-c', LOOP]);
      expect(await sh.stdout.text()).toBe('20000\n');
      counters.push((machine.kernel.cpu as unknown as { jit: { counters: Record<string, number> } }).jit.counters); // prettier-ignore
      await machine.close();
    }
    expect(counters[0]!['regions']).toBeGreaterThan(0);
    expect(counters[1]!['recalled']).toBeGreaterThan(0);
    expect(counters[1]!['regions']).toBeLessThan(counters[0]!['regions']!);
  });
});
