/** Prints a module of this project's encoder as WebAssembly text, for tests and for looking at generated code. */
import type { Instruction } from './instructions.ts';
import { Reader, readInstruction, sectionsOf, VALTYPES } from './reader.ts';

const KINDS = ['func', 'table', 'memory', 'global'] as const;

/** The text of a whole module, one field a line and bodies indented. */
export function printWat(module: Uint8Array): string {
  return new Printer(module).print();
}

/** The text of one function's body, by its index among the functions that the module defines. */
export function printFunction(module: Uint8Array, index: number): string {
  return new Printer(module).body(index).join('\n');
}

class Printer {
  readonly #sections: ReadonlyMap<number, Reader>;

  constructor(module: Uint8Array) {
    this.#sections = sectionsOf(module);
  }

  #list<T>(id: number, item: (reader: Reader) => T): T[] {
    const section = this.#sections.get(id);
    if (!section) return [];
    const start = section.at;
    const rows = section.list(() => item(section));
    section.at = start;
    return rows;
  }

  print(): string {
    const lines = ['(module'];
    const types = this.#list(1, readType);
    types.forEach((type, i) => lines.push(`  (type ${i} (func${type}))`));
    for (const text of this.#list(2, readImport)) lines.push(`  (import ${text})`);
    for (const text of this.#list(4, (r) => `${(r.u8(), limits(r))} funcref`))
      lines.push(`  (table ${text})`);
    for (const text of this.#list(5, limits)) lines.push(`  (memory ${text})`);
    for (const text of this.#list(6, readGlobal)) lines.push(`  (global ${text})`);
    for (const text of this.#list(7, readExport)) lines.push(`  (export ${text})`);
    const funcs = this.#list(3, (r) => r.uleb());
    this.#bodies().forEach((body, i) => {
      lines.push(`  (func (type ${funcs[i]})`, ...body.map((line) => `    ${line}`), '  )');
    });
    return [...lines, ')'].join('\n');
  }

  body(index: number): string[] {
    return this.#bodies()[index]!;
  }

  #bodies(): string[][] {
    return this.#list(10, (r) => readBody(r.sub()));
  }
}

function types(reader: Reader, word: string): string {
  const list = reader.list(() => VALTYPES[reader.u8()]!);
  return list.length > 0 ? ` (${word} ${list.join(' ')})` : '';
}

function readType(reader: Reader): string {
  reader.u8();
  return types(reader, 'param') + types(reader, 'result');
}

function limits(reader: Reader): string {
  const flags = reader.u8();
  const min = reader.uleb();
  return flags & 1 ? `${min} ${reader.uleb()}` : `${min}`;
}

function readImport(reader: Reader): string {
  const where = `"${reader.name()}" "${reader.name()}"`;
  const kind = reader.u8();
  if (kind === 0) return `${where} (func (type ${reader.uleb()}))`;
  if (kind === 1) return `${where} (table ${(reader.u8(), limits(reader))} funcref)`;
  if (kind === 2) return `${where} (memory ${limits(reader)})`;
  const type = VALTYPES[reader.u8()]!;
  return `${where} (global ${reader.u8() ? `(mut ${type})` : type})`;
}

function readGlobal(reader: Reader): string {
  const type = VALTYPES[reader.u8()]!;
  const mutable = reader.u8() === 1;
  reader.u8();
  const value = reader.sleb();
  reader.u8();
  return `${mutable ? `(mut ${type})` : type} (${type}.const ${value})`;
}

function readExport(reader: Reader): string {
  const name = reader.name();
  return `"${name}" (${KINDS[reader.u8()]} ${reader.uleb()})`;
}

function readBody(reader: Reader): string[] {
  const lines: string[] = [];
  for (const run of reader.list(() => `${reader.uleb()} ${VALTYPES[reader.u8()]}`))
    lines.push(`local ${run}`);
  let depth = 0;
  while (reader.at < reader.end) {
    const row = readInstruction(reader);
    if (row.name === 'end' || row.name === 'else') depth--;
    if (depth >= 0) lines.push('  '.repeat(depth) + (row.name + immediates(reader, row)));
    if (row.name === 'else' || row.immediate === 'block') depth++;
  }
  return lines;
}

function immediates(reader: Reader, row: Instruction): string {
  switch (row.immediate) {
    case '-':
      return '';
    case 'block': {
      const type = reader.u8();
      return type === 0x40 ? '' : ` (result ${VALTYPES[type]})`;
    }
    case 'labels':
      return ` ${[...reader.list(() => reader.uleb()), reader.uleb()].join(' ')}`;
    case 'indirect': {
      const type = reader.uleb();
      return ` ${reader.uleb()} (type ${type})`;
    }
    case 'i32':
    case 'i64':
      return ` ${reader.sleb()}`;
    case 'f32':
      return ` ${new DataView(reader.take(4).slice().buffer).getFloat32(0, true)}`;
    case 'f64':
      return ` ${new DataView(reader.take(8).slice().buffer).getFloat64(0, true)}`;
    case 'v128':
    case 'LL':
      return ` ${[...reader.take(16)].join(' ')}`;
    case 'L':
      return ` ${reader.u8()}`;
    case 'zero':
      reader.u8();
      return '';
    case 'zero2':
      reader.take(2);
      return '';
    case 'mem': {
      const align = reader.uleb();
      const offset = reader.uleb();
      return (
        (offset ? ` offset=${offset}` : '') + (align === row.align ? '' : ` align=${2 ** align}`)
      );
    }
    default:
      return ` ${reader.uleb()}`;
  }
}
