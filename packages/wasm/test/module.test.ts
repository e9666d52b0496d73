import { expect, test } from 'vitest';
import { instructions } from '../src/instructions.ts';
import { ModuleWriter } from '../src/module.ts';
import { printWat } from '../src/wat.ts';

test('a module with calls, a table, memory, globals and data', () => {
  const m = new ModuleWriter();
  m.importMemory('env', 'memory', { min: 1 });
  const square = m.func(['i64'], ['i64']);
  square.code.get(0).get(0).op('i64.mul');
  const table = m.table({ min: 1, max: 1 });
  m.elements(0, [square.index]);
  const count = m.global('i32', true, -5n);
  const main = m.func(['i64'], ['i64']);
  const kept = main.code.local('i64');
  main.code
    .get(0)
    .i32(0)
    .callIndirect(m.type(['i64'], ['i64']), table)
    .set(kept);
  main.code.globalGet(count).i32(1).op('i32.add').globalSet(count);
  main.code.i32(8).get(kept).mem('i64.store', 16, 3);
  main.code.get(kept).i64(-1n).op('i64.add');
  m.exportFunc('main', main.index);
  m.data(100, Uint8Array.of(1, 2, 3));
  const bytes = m.finish();
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), {
    env: { memory },
  });
  const run = instance.exports['main'] as (x: bigint) => bigint;
  expect(run(12n)).toBe(143n);
  expect(new BigInt64Array(memory.buffer)[3]).toBe(144n);
  expect([...new Uint8Array(memory.buffer, 100, 3)]).toEqual([1, 2, 3]);
  expect(printWat(bytes)).toMatchInlineSnapshot(`
    "(module
      (type 0 (func (param i64) (result i64)))
      (import "env" "memory" (memory 1))
      (table 1 1 funcref)
      (global (mut i32) (i32.const -5))
      (export "main" (func 1))
      (func (type 0)
        local.get 0
        local.get 0
        i64.mul
      )
      (func (type 0)
        local 1 i64
        local.get 0
        i32.const 0
        call_indirect 0 (type 0)
        local.set 1
        global.get 0
        i32.const 1
        i32.add
        global.set 0
        i32.const 8
        local.get 1
        i64.store offset=16
        local.get 1
        i64.const -1
        i64.add
      )
    )"
  `);
});

test('numbers at the edges of LEB128', () => {
  const m = new ModuleWriter();
  const values = [0n, 63n, 64n, -64n, -65n, 2n ** 31n, -(2n ** 31n), 2n ** 63n - 1n, -(2n ** 63n)];
  values.forEach((value, i) => {
    const { index, code } = m.func([], ['i64']);
    code.i64(value);
    m.exportFunc(`f${i}`, index);
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.finish() as BufferSource));
  values.forEach((value, i) => expect((exports[`f${i}`] as () => bigint)()).toBe(value));
});

test('every plain instruction has the signature that the engine checks', () => {
  const constants = {
    i32: 'i32.const',
    i64: 'i64.const',
    f32: 'f32.const',
    f64: 'f64.const',
    v128: 'v128.const',
  };
  for (const row of instructions.values()) {
    if (!row.params || !['-', 'mem', 'L', 'LL'].includes(row.immediate)) continue;
    const m = new ModuleWriter();
    m.memory({ min: 1 });
    const { code } = m.func([], row.result ? [row.result] : []);
    for (const type of row.params) {
      if (type === 'i32') code.i32(0);
      else if (type === 'i64') code.i64(0n);
      else if (type === 'f32') code.f32(0);
      else if (type === 'f64') code.f64(0);
      else code.op(constants.v128).body.raw(new Uint8Array(16));
    }
    if (row.immediate === 'mem') code.mem(row.name, 0, row.align);
    else if (row.immediate === 'L') code.lane(row.name, 0);
    else if (row.immediate === 'LL') code.lane(row.name, ...Array.from({ length: 16 }, () => 0));
    else code.op(row.name);
    expect(() => new WebAssembly.Module(m.finish() as BufferSource), row.name).not.toThrow();
  }
});
