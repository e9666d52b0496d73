import { expect, test } from 'vitest';
import { linkModules, type Names } from '../src/link.ts';
import { ModuleWriter } from '../src/module.ts';
import { sectionsOf } from '../src/reader.ts';

const AS_THEY_ARE: Names = { global: (name) => name, exported: (name) => name };
const NUMBERED: Names = {
  global: (name, number) => (name === 'own' ? `own${number}` : name),
  exported: (name, number) => `${name}${number}`,
};

/** Exports f(x) = g(x) + own + shared, where g(x) is what `env` has under the name `scale` of x, less 1 for an x below ten. */
function part(scale: string, swapped: boolean): Uint8Array {
  const m = new ModuleWriter();
  m.importMemory('env', 'memory', { min: 1, max: 4 });
  if (swapped) m.importFunc('env', 'other', ['i64'], []);
  const scaled = m.importFunc('env', scale, ['i32'], ['i32']);
  const [own, shared] = swapped
    ? [m.importGlobal('env', 'own', 'i32', false), m.importGlobal('env', 'shared', 'i32', false)]
    : [m.importGlobal('env', 'own', 'i32', false), m.importGlobal('env', 'shared', 'i32', false)].toReversed(); // prettier-ignore
  const copy = m.copyOfGlobal('i32', own!);
  const f = m.func(['i32'], ['i32']);
  const g = m.func(['i32'], ['i32']);
  f.code.get(0).call(g.index).globalGet(copy).op('i32.add').globalGet(shared!).op('i32.add');
  const kept = g.code.local('i32');
  g.code.get(0).i32(10).op('i32.lt_s').enterUnlikely();
  g.code.get(0).call(scaled).set(kept).i32(8).get(kept).mem('i32.store', 300, 2);
  g.code.get(kept).i32(1).op('i32.sub').op('return').end();
  g.code.get(0).returnCall(scaled);
  m.exportFunc('f', f.index);
  return m.finish();
}

const env = (memory: WebAssembly.Memory): Record<string, WebAssembly.ImportValue> => ({
  memory,
  other: () => {},
  twice: (x: number) => 2 * x,
  thrice: (x: number) => 3 * x,
  own: 100,
  own0: 1000,
  own1: 2000,
  shared: 7,
});

function load(bytes: Uint8Array): Record<string, (x: number) => number> {
  const module = new WebAssembly.Module(bytes as BufferSource);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
  return new WebAssembly.Instance(module, { env: env(memory) }).exports as never;
}

test('parts call their own functions and use their own globals; what they share is imported once', () => {
  const parts = [part('twice', false), part('thrice', true)];
  const whole = linkModules(parts, NUMBERED);
  const { f0, f1 } = load(whole);
  expect([f0!(5), f0!(50)]).toEqual([9 + 1007, 100 + 1007]);
  expect([f1!(5), f1!(50)]).toEqual([14 + 2007, 150 + 2007]);
  const names = WebAssembly.Module.imports(new WebAssembly.Module(whole as BufferSource)).map(({ name }) => name); // prettier-ignore
  expect(names.toSorted()).toEqual(['memory', 'other', 'own0', 'own1', 'shared', 'thrice', 'twice']); // prettier-ignore
});

test('one part is itself, with its branch hints', () => {
  const one = part('thrice', true);
  expect(linkModules([one], AS_THEY_ARE)).toEqual(one);
  expect(sectionsOf(one).has(0)).toBe(true);
});

test('what cannot be linked says so', () => {
  const table = new ModuleWriter();
  table.table({ min: 1 });
  expect(() => linkModules([table.finish()], AS_THEY_ARE)).toThrow('section 4');
  const written = new ModuleWriter();
  written.importGlobal('env', 'g', 'i32', true);
  expect(() => linkModules([written.finish()], AS_THEY_ARE)).toThrow('g is a global that can be written'); // prettier-ignore
  const own = new ModuleWriter();
  own.global('i32', true, 1n);
  expect(() => linkModules([own.finish()], AS_THEY_ARE)).toThrow('no copy of an imported one');
  const imported = new ModuleWriter();
  imported.importTable('env', 't', { min: 1 });
  expect(() => linkModules([imported.finish()], AS_THEY_ARE)).toThrow('imports a table (env.t)');
  const indirect = new ModuleWriter();
  const { code } = indirect.func([], []);
  code.i32(0).callIndirect(indirect.type([], []));
  expect(() => linkModules([indirect.finish()], AS_THEY_ARE)).toThrow('call_indirect');
});
