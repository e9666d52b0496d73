/** Reads modules of this project's encoder; what others encode may have instructions that it does not know. */
import { instructionByCode, type Instruction, type ValType } from './instructions.ts';

export const VALTYPES: Readonly<Record<number, ValType>> = {
  0x7f: 'i32',
  0x7e: 'i64',
  0x7d: 'f32',
  0x7c: 'f64',
  0x7b: 'v128',
};

export class Reader {
  readonly #bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.end = end;
  }

  u8(): number {
    return this.#bytes[this.at++]!;
  }

  uleb(): number {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  }

  sleb(): bigint {
    let value = 0n;
    for (let shift = 0n; ;) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return BigInt.asIntN(Number(shift), value);
    }
  }

  skipLeb(): void {
    while (this.u8() >= 0x80);
  }

  take(length: number): Uint8Array {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  name(): string {
    return String.fromCharCode(...this.take(this.uleb()));
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.uleb() }, item);
  }

  sub(): Reader {
    const size = this.uleb();
    const reader = new Reader(this.#bytes, this.at, this.at + size);
    this.at += size;
    return reader;
  }
}

/** A module's sections by their numbers; of several with a number (custom ones) the last. */
export function sectionsOf(module: Uint8Array): Map<number, Reader> {
  const sections = new Map<number, Reader>();
  const reader = new Reader(module, 8, module.length);
  while (reader.at < reader.end) {
    const id = reader.u8();
    sections.set(id, reader.sub());
  }
  return sections;
}

/** @throws when it is none of instructions.ts */
export function readInstruction(reader: Reader): Instruction {
  const first = reader.u8();
  const code = first >= 0xfc ? first * 256 + reader.uleb() : first;
  const row = instructionByCode.get(code);
  if (!row) throw new Error(`unknown instruction ${code.toString(16)} before byte ${reader.at}`);
  return row;
}

/** Goes over what follows an instruction. */
export function skipImmediates(reader: Reader, { immediate }: Instruction): void {
  switch (immediate) {
    case '-':
      return;
    case 'block':
    case 'L':
    case 'zero':
      reader.at++;
      return;
    case 'zero2':
      reader.at += 2;
      return;
    case 'f32':
      reader.at += 4;
      return;
    case 'f64':
      reader.at += 8;
      return;
    case 'v128':
    case 'LL':
      reader.at += 16;
      return;
    case 'labels':
      for (let labels = reader.uleb() + 1; labels > 0; labels--) reader.skipLeb();
      return;
    case 'mem':
    case 'indirect':
      reader.skipLeb();
      reader.skipLeb();
      return;
    default:
      reader.skipLeb();
  }
}
