import { Bytes } from './bytes.ts';
import { Code, valtypeCode } from './code.ts';
import type { ValType } from './instructions.ts';

interface Import {
  readonly module: string;
  readonly name: string;
  readonly encode: (into: Bytes) => void;
}

interface Func {
  readonly type: number;
  readonly code: Code;
}

interface Segment {
  readonly offset: number;
  readonly encode: (into: Bytes) => void;
}

export interface Limits {
  readonly min: number;
  readonly max?: number;
  readonly shared?: boolean;
}

const FUNC = 0;
const TABLE = 1;
const MEMORY = 2;
const GLOBAL = 3;

/**
 * A WebAssembly module under construction (core specification, 5.5). Imports must be declared before the
 * functions and globals that share their index space.
 */
export class ModuleWriter {
  readonly #types: string[] = [];
  readonly #typeBytes: Bytes[] = [];
  readonly #imports: Import[] = [];
  readonly #funcs: Func[] = [];
  readonly #tables: Limits[] = [];
  readonly #memories: Limits[] = [];
  readonly #globals: ((into: Bytes) => void)[] = [];
  readonly #exports: { name: string; kind: number; index: number }[] = [];
  readonly #elements: Segment[] = [];
  readonly #data: Segment[] = [];
  readonly #names = new Map<number, string>();
  #importedFuncs = 0;
  #importedTables = 0;
  #importedGlobals = 0;

  /** The index of a function type, made on first use. */
  type(params: readonly ValType[], results: readonly ValType[]): number {
    const key = `${params.join()}:${results.join()}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const bytes = new Bytes().u8(0x60).uleb(params.length);
    for (const param of params) bytes.u8(valtypeCode(param));
    bytes.uleb(results.length);
    for (const result of results) bytes.u8(valtypeCode(result));
    this.#typeBytes.push(bytes);
    return this.#types.push(key) - 1;
  }

  importFunc(
    module: string,
    name: string,
    params: readonly ValType[],
    results: readonly ValType[],
  ): number {
    const type = this.type(params, results);
    this.#imports.push({ module, name, encode: (into) => into.u8(FUNC).uleb(type) });
    return this.#importedFuncs++;
  }

  importMemory(module: string, name: string, limits: Limits): void {
    this.#imports.push({ module, name, encode: (into) => encodeLimits(into.u8(MEMORY), limits) });
  }

  importTable(module: string, name: string, limits: Limits): number {
    this.#imports.push({
      module,
      name,
      encode: (into) => encodeLimits(into.u8(TABLE).u8(0x70), limits),
    });
    return this.#importedTables++;
  }

  importGlobal(module: string, name: string, type: ValType, mutable: boolean): number {
    this.#imports.push({
      module,
      name,
      encode: (into) => into.u8(GLOBAL).u8(valtypeCode(type)).u8(Number(mutable)),
    });
    return this.#importedGlobals++;
  }

  /** Declares a function; its code may be filled in later, so that functions can call one another. */
  func(params: readonly ValType[], results: readonly ValType[]): { index: number; code: Code } {
    const code = new Code(params.length);
    this.#funcs.push({ type: this.type(params, results), code });
    return { index: this.#importedFuncs + this.#funcs.length - 1, code };
  }

  table(limits: Limits): number {
    this.#tables.push(limits);
    return this.#importedTables + this.#tables.length - 1;
  }

  memory(limits: Limits): void {
    this.#memories.push(limits);
  }

  /** A global initialised with an integer constant. */
  global(type: 'i32' | 'i64', mutable: boolean, value: bigint): number {
    this.#globals.push((into) => {
      into.u8(valtypeCode(type)).u8(Number(mutable));
      if (type === 'i32') into.u8(0x41).sleb(Number(value));
      else into.u8(0x42).sleb64(value);
      into.u8(0x0b);
    });
    return this.#importedGlobals + this.#globals.length - 1;
  }

  /** A global that can be written, and is what an imported one is at first. */
  copyOfGlobal(type: ValType, index: number): number {
    this.#globals.push((into) => into.u8(valtypeCode(type)).u8(1).u8(0x23).uleb(index).u8(0x0b));
    return this.#importedGlobals + this.#globals.length - 1;
  }

  exportFunc(name: string, index: number): void {
    this.#exports.push({ name, kind: FUNC, index });
  }

  exportTable(name: string, index: number): void {
    this.#exports.push({ name, kind: TABLE, index });
  }

  exportMemory(name: string): void {
    this.#exports.push({ name, kind: MEMORY, index: 0 });
  }

  /** A function's name for profilers and debuggers (the "name" custom section). */
  nameFunc(index: number, name: string): void {
    this.#names.set(index, name);
  }

  /** Fills table 0 from `offset` with functions. */
  elements(offset: number, funcs: readonly number[]): void {
    this.#elements.push({
      offset,
      encode: (into) => {
        into.uleb(funcs.length);
        for (const func of funcs) into.uleb(func);
      },
    });
  }

  data(offset: number, bytes: Uint8Array): void {
    this.#data.push({ offset, encode: (into) => into.uleb(bytes.length).raw(bytes) });
  }

  finish(): Uint8Array {
    const out = new Bytes().raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    section(out, 1, this.#typeBytes, (type, into) => into.bytes(type));
    section(out, 2, this.#imports, (row, into) => row.encode(into.name(row.module).name(row.name)));
    section(out, 3, this.#funcs, (func, into) => into.uleb(func.type));
    section(out, 4, this.#tables, (limits, into) => encodeLimits(into.u8(0x70), limits));
    section(out, 5, this.#memories, (limits, into) => encodeLimits(into, limits));
    section(out, 6, this.#globals, (encode, into) => encode(into));
    section(out, 7, this.#exports, (row, into) => into.name(row.name).u8(row.kind).uleb(row.index));
    section(out, 9, this.#elements, encodeSegment);
    this.#hintSection(out);
    section(out, 10, this.#funcs, (func, into) => func.code.encode(into));
    section(out, 11, this.#data, encodeSegment);
    this.#nameSection(out);
    return out.view().slice();
  }

  /** Branch hints (the proposal's section 'metadata.code.branch_hint'). */
  #hintSection(out: Bytes): void {
    const hinted = [...this.#funcs.entries()].filter(([, { code }]) => code.unlikely.length > 0);
    if (hinted.length === 0) return;
    const body = new Bytes().name('metadata.code.branch_hint').uleb(hinted.length);
    for (const [i, { code }] of hinted) code.encodeHints(body.uleb(this.#importedFuncs + i));
    out.u8(0).uleb(body.length).bytes(body);
  }

  #nameSection(out: Bytes): void {
    if (this.#names.size === 0) return;
    const map = new Bytes().uleb(this.#names.size);
    for (const [index, name] of [...this.#names].sort(([a], [b]) => a - b))
      map.uleb(index).name(name);
    const body = new Bytes().name('name').u8(1).uleb(map.length).bytes(map);
    out.u8(0).uleb(body.length).bytes(body);
  }
}

function encodeLimits(into: Bytes, { min, max, shared }: Limits): void {
  into.u8((shared ? 2 : 0) | (max === undefined ? 0 : 1)).uleb(min);
  if (max !== undefined) into.uleb(max);
}

function encodeSegment(segment: Segment, into: Bytes): void {
  into.u8(0).u8(0x41).sleb(segment.offset).u8(0x0b);
  segment.encode(into);
}

function section<T>(
  out: Bytes,
  id: number,
  rows: readonly T[],
  encode: (row: T, into: Bytes) => void,
): void {
  if (rows.length === 0) return;
  const body = new Bytes().uleb(rows.length);
  for (const row of rows) encode(row, body);
  out.u8(id).uleb(body.length).bytes(body);
}
