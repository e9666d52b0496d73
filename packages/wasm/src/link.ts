/** Makes one module of several. */
import type { Code } from './code.ts';
import type { ValType } from './instructions.ts';
import { ModuleWriter } from './module.ts';
import { Reader, readInstruction, sectionsOf, skipImmediates, VALTYPES } from './reader.ts';

/** What a name of module `number` is called in the whole. Imports that have one name then are one. */
export interface Names {
  global(name: string, number: number): string;
  exported(name: string, number: number): string;
}

interface Signature {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

const TYPES = 1;
const IMPORTS = 2;
const FUNCTIONS = 3;
const GLOBALS = 6;
const EXPORTS = 7;
const CODE = 10;
const CUSTOM = 0;
const LINKABLE: ReadonlySet<number> = new Set([
  TYPES,
  IMPORTS,
  FUNCTIONS,
  GLOBALS,
  EXPORTS,
  CODE,
  CUSTOM,
]);

const FUNC = 0;
const MEMORY = 2;
const GLOBAL = 3;

const GLOBAL_GET = 0x23;

/** One of the modules, as far as the whole has it. */
class Part {
  readonly #sections: ReadonlyMap<number, Reader>;
  readonly #types: readonly Signature[];
  /** Indices in the whole of its functions and of its globals. */
  readonly #funcs: number[] = [];
  readonly #globals: number[] = [];
  readonly #codes: Code[] = [];
  readonly #imported: number;

  /** Adds what it imports. */
  constructor(module: Uint8Array, whole: Whole, global: (name: string) => string) {
    this.#sections = sectionsOf(module);
    for (const id of this.#sections.keys())
      if (!LINKABLE.has(id)) throw new TypeError(`a module with section ${id} cannot be linked`);
    this.#types = this.#list(TYPES, readSignature);
    this.#list(IMPORTS, (reader) => {
      const from = reader.name();
      const name = reader.name();
      const kind = reader.u8();
      if (kind === FUNC) this.#funcs.push(whole.func(from, name, this.#types[reader.uleb()]!));
      else if (kind === GLOBAL) this.#globals.push(whole.global(from, global(name), reader));
      else if (kind === MEMORY) whole.memory(from, name, reader);
      else throw new TypeError(`a module that imports a table (${from}.${name}) cannot be linked`);
    });
    this.#imported = this.#funcs.length;
  }

  #list<T>(id: number, item: (reader: Reader) => T): T[] {
    return this.#sections.get(id)?.list(() => item(this.#sections.get(id)!)) ?? [];
  }

  /** Adds its functions, which the code of others does not know. */
  declare({ module }: Whole): void {
    for (const { params, results } of this.#list(FUNCTIONS, (r) => this.#types[r.uleb()]!)) {
      const { index, code } = module.func(params, results);
      this.#funcs.push(index);
      this.#codes.push(code);
    }
  }

  /** Adds its globals that are copies of imported ones. */
  copyGlobals(whole: Whole): void {
    this.#list(GLOBALS, (reader) => {
      const type = VALTYPES[reader.u8()]!;
      reader.u8();
      if (reader.u8() !== GLOBAL_GET)
        throw new TypeError('a module with a global that is no copy of an imported one cannot be linked'); // prettier-ignore
      this.#globals.push(whole.copyOfGlobal(type, this.#globals[reader.uleb()]!));
      reader.u8();
    });
  }

  write({ module }: Whole, exported: (name: string) => string): void {
    const hints = this.#hints();
    let number = this.#imported;
    const codes = this.#codes.values();
    this.#list(CODE, (reader) => {
      this.#copy(reader.sub(), codes.next().value!, hints.get(number++));
    });
    this.#list(EXPORTS, (reader) => {
      const name = reader.name();
      if (reader.u8() !== FUNC) throw new TypeError(`${name}, which is exported, is no function`);
      module.exportFunc(exported(name), this.#funcs[reader.uleb()]!);
    });
  }

  /** By function: where branches are that are seldom taken. */
  #hints(): ReadonlyMap<number, ReadonlySet<number>> {
    const reader = this.#sections.get(CUSTOM);
    if (reader?.name() !== 'metadata.code.branch_hint') return new Map();
    return new Map(
      reader.list(() => {
        const func = reader.uleb();
        const offsets = reader.list(() => {
          const offset = reader.uleb();
          reader.take(2);
          return offset;
        });
        return [func, new Set(offsets)];
      }),
    );
  }

  /** Copies a function with other indices. */
  #copy(from: Reader, code: Code, hints: ReadonlySet<number> = new Set()): void {
    const start = from.at;
    from.list(() => {
      const count = from.uleb();
      const type = VALTYPES[from.u8()]!;
      for (let i = 0; i < count; i++) code.local(type);
    });
    let copied = from.at;
    const copy = (): void => {
      const to = from.at;
      from.at = copied;
      code.body.raw(from.take(to - copied));
      copied = to;
    };
    // Its last instruction, an END, is written with what is around it.
    while (from.at < from.end - 1) {
      if (hints.has(from.at - start)) code.unlikely.push(code.body.length + from.at - copied);
      const row = readInstruction(from);
      const indices = row.immediate === 'func' ? this.#funcs : row.immediate === 'global' ? this.#globals : undefined; // prettier-ignore
      if (indices) {
        copy();
        code.body.uleb(indices[from.uleb()]!);
        copied = from.at;
      } else if (row.immediate === 'indirect') {
        throw new TypeError(`a module with ${row.name} cannot be linked`);
      } else skipImmediates(from, row);
    }
    copy();
  }
}

/** What has been put together so far; what several parts import is there once. */
class Whole {
  readonly module: ModuleWriter = new ModuleWriter();
  readonly #imports = new Map<string, number>();

  #once(key: string, add: () => number): number {
    let index = this.#imports.get(key);
    if (index === undefined) this.#imports.set(key, (index = add()));
    return index;
  }

  func(from: string, name: string, { params, results }: Signature): number {
    return this.#once(`func ${from} ${name} ${params.join()}:${results.join()}`, () =>
      this.module.importFunc(from, name, params, results),
    );
  }

  global(from: string, name: string, reader: Reader): number {
    const type = VALTYPES[reader.u8()]!;
    if (reader.u8() !== 0) throw new TypeError(`${name} is a global that can be written`);
    return this.#once(`global ${from} ${name} ${type}`, () =>
      this.module.importGlobal(from, name, type, false),
    );
  }

  copyOfGlobal(type: ValType, index: number): number {
    return this.#once(`copy ${index}`, () => this.module.copyOfGlobal(type, index));
  }

  /** All have the same one. */
  memory(from: string, name: string, reader: Reader): void {
    const hasMost = (reader.u8() & 1) === 1;
    const min = reader.uleb();
    const limits = hasMost ? { min, max: reader.uleb() } : { min };
    this.#once(`memory ${from} ${name}`, () => {
      this.module.importMemory(from, name, limits);
      return 0;
    });
  }
}

function readSignature(reader: Reader): Signature {
  reader.u8();
  const types = (): ValType[] => reader.list(() => VALTYPES[reader.u8()]!);
  const params = types();
  return { params, results: types() };
}

/**
 * One module with the functions of several, which import functions, one memory and globals that do not change, define copies of
 * such globals, and functions, export some, and may have branch hints.
 * @throws TypeError when one has something else
 */
export function linkModules(modules: readonly Uint8Array[], names: Names): Uint8Array {
  const whole = new Whole();
  const parts = modules.map((module, number) => new Part(module, whole, (name) => names.global(name, number))); // prettier-ignore
  for (const part of parts) part.declare(whole);
  for (const part of parts) part.copyGlobals(whole);
  parts.forEach((part, number) => part.write(whole, (name) => names.exported(name, number)));
  return whole.module.finish();
}
