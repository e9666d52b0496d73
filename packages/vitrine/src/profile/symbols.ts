/** Function names of ELF files, by offset in the file (elf(5)). */
import { PT_GNU_EH_FRAME, PT_LOAD, SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB } from '@vitrine/uapi/elf.ts';

/** Reads bytes of a file; fewer at its end. */
export type ReadAt = (position: number, into: Uint8Array) => number;

const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const SYMBOL_SIZE = 24;
/** Tables beyond this are left alone: a file can claim anything. */
const LARGEST_TABLE = 64 * 2 ** 20;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly va: number;
  readonly size: number;
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function readRange(read: ReadAt, position: number, size: number): DataView | undefined {
  if (!(size <= LARGEST_TABLE) || !Number.isSafeInteger(position)) return undefined;
  const bytes = new Uint8Array(size);
  return read(position, bytes) === size ? new DataView(bytes.buffer) : undefined;
}

const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

function segmentsOf(read: ReadAt, header: DataView): Segment[] {
  const size = header.getUint16(0x36, true);
  const table = readRange(read, u64(header, 0x20), size * header.getUint16(0x38, true));
  const segments: Segment[] = [];
  for (let at = 0; table && size >= 56 && at < table.byteLength; at += size)
      segments.push({ type: table.getUint32(at, true), offset: u64(table, at + 8), va: u64(table, at + 16), size: u64(table, at + 32) }); // prettier-ignore
  return segments;
}

function sectionsOf(read: ReadAt, header: DataView): Section[] {
  const size = header.getUint16(0x3a, true);
  const table = readRange(read, u64(header, 0x28), size * header.getUint16(0x3c, true));
  const sections: Section[] = [];
  for (let at = 0; table && size >= 64 && at < table.byteLength; at += size)
    sections.push({ type: table.getUint32(at + 4, true), offset: u64(table, at + 24), size: u64(table, at + 32), link: table.getUint32(at + 40, true) }); // prettier-ignore
  return sections;
}

function nameAt(strings: DataView, at: number): string {
  let name = '';
  for (let c; at < strings.byteLength && (c = strings.getUint8(at)) !== 0; at++) name += String.fromCharCode(c); // prettier-ignore
  return name;
}

/** Table of .eh_frame_hdr: 32-bit numbers relative to the section. */
const DATAREL_SDATA4 = 0x3b;

/** Where functions begin, from the table that exceptions are unwound with: stripped files have it, too. */
function functionStarts(read: ReadAt, segments: readonly Segment[]): number[] {
  const header = segments.find(({ type }) => type === PT_GNU_EH_FRAME);
  const view = header && readRange(read, header.offset, header.size);
  if (!view || view.byteLength < 12 || view.getUint8(2) !== 3 || view.getUint8(3) !== DATAREL_SDATA4) return []; // prettier-ignore
  const count = Math.min(view.getUint32(8, true), (view.byteLength - 12) / 8);
  return Array.from({ length: count }, (_, i) => header.va + view.getInt32(12 + i * 8, true));
}

/** The last element that is not above a value, of a rising list. */
function lastUpTo(list: readonly number[], value: number): number {
  let low = 0;
  for (let high = list.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (list[middle]! <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** The functions of a file in the order of their addresses. */
export class Symbols {
  readonly #segments: readonly Segment[];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #names: string[] = [];
  readonly #unnamed: readonly number[];

  private constructor(segments: readonly Segment[], unnamed: readonly number[]) {
    this.#segments = segments;
    this.#unnamed = unnamed;
  }

  /** Of a file that is no ELF file, or a broken one: no functions. */
  static read(read: ReadAt): Symbols {
    const header = readRange(read, 0, 64);
    if (!header || header.getUint32(0, false) !== 0x7f454c46) return new Symbols([], []);
    const segments = segmentsOf(read, header);
    const symbols = new Symbols(segments, functionStarts(read, segments));
    const sections = sectionsOf(read, header);
    const table = sections.find(({ type }) => type === SHT_SYMTAB) ?? sections.find(({ type }) => type === SHT_DYNSYM); // prettier-ignore
    const names = table && sections[table.link];
    if (table && names) symbols.#load(readRange(read, table.offset, table.size), readRange(read, names.offset, names.size)); // prettier-ignore
    return symbols;
  }

  #load(table: DataView | undefined, strings: DataView | undefined): void {
    if (!table || !strings) return;
    const found: { start: number; size: number; name: number }[] = [];
    for (let at = 0; at + SYMBOL_SIZE <= table.byteLength; at += SYMBOL_SIZE) {
      const type = table.getUint8(at + 4) & 15;
      if ((type !== STT_FUNC && type !== STT_GNU_IFUNC) || table.getUint16(at + 6, true) === SHN_UNDEF) continue; // prettier-ignore
      found.push({ start: u64(table, at + 8), size: u64(table, at + 16), name: table.getUint32(at, true) }); // prettier-ignore
    }
    found.sort((a, b) => a.start - b.start || b.size - a.size);
    found.forEach(({ start, size, name }, i) => {
      if (start === found[i - 1]?.start) return;
      this.#starts.push(start);
      // Assembly may come without a size: it reaches to what follows.
      this.#ends.push(size > 0 ? start + size : (found[i + 1]?.start ?? start + 4096));
      this.#names.push(nameAt(strings, name));
    });
  }

  /** The function that holds a place of the file: its name, or `+0x` and the address where it begins. */
  at(offset: number): string | undefined {
    const segment = this.#segments.find((s) => s.type === PT_LOAD && offset >= s.offset && offset < s.offset + s.size); // prettier-ignore
    if (!segment) return undefined;
    const va = offset - segment.offset + segment.va;
    const named = lastUpTo(this.#starts, va);
    if (this.#starts[named]! <= va && va < this.#ends[named]!) return this.#names[named];
    const start = this.#unnamed[lastUpTo(this.#unnamed, va)];
    return start !== undefined && start <= va ? `+0x${start.toString(16)}` : undefined;
  }
}
