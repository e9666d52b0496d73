import { Bytes } from './bytes.ts';
import { type Instruction, instructions, type ValType } from './instructions.ts';

const VALTYPE: Record<ValType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

export const valtypeCode = (type: ValType): number => VALTYPE[type];

/** The body of one function: locals and instructions, in the order they are written. */
export class Code {
  readonly body: Bytes = new Bytes();
  readonly locals: ValType[] = [];
  /** Offsets in the body of the branches that are seldom taken. */
  readonly unlikely: number[] = [];
  readonly #params: number;

  constructor(params: number) {
    this.#params = params;
  }

  /** A fresh local; returns its index. */
  local(type: ValType): number {
    this.locals.push(type);
    return this.#params + this.locals.length - 1;
  }

  /** An instruction without immediates. */
  op(name: string): this {
    return this.row(instructions.get(name), name);
  }

  row(row: Instruction | undefined, name: string): this {
    if (!row) throw new Error(`no WebAssembly instruction ${name}`);
    if (row.prefix !== 0) this.body.u8(row.prefix).uleb(row.code);
    else this.body.u8(row.code);
    return this;
  }

  i32(value: number): this {
    this.body.u8(0x41).sleb(value);
    return this;
  }

  i64(value: bigint): this {
    this.body.u8(0x42).sleb64(value);
    return this;
  }

  f32(value: number): this {
    this.body.u8(0x43).f32(value);
    return this;
  }

  f64(value: number): this {
    this.body.u8(0x44).f64(value);
    return this;
  }

  v128(bytes: ArrayLike<number>): this {
    this.op('v128.const').body.raw(bytes);
    return this;
  }

  get(local: number): this {
    this.body.u8(0x20).uleb(local);
    return this;
  }

  set(local: number): this {
    this.body.u8(0x21).uleb(local);
    return this;
  }

  tee(local: number): this {
    this.body.u8(0x22).uleb(local);
    return this;
  }

  globalGet(global: number): this {
    this.body.u8(0x23).uleb(global);
    return this;
  }

  globalSet(global: number): this {
    this.body.u8(0x24).uleb(global);
    return this;
  }

  /** A load or store; guest addresses have any alignment, so the hint is that of one byte unless given. */
  mem(name: string, offset = 0, align = 0): this {
    this.op(name).body.uleb(align).uleb(offset);
    return this;
  }

  /** The same by the instruction's row. */
  memRow(row: Instruction, offset: number): this {
    this.row(row, row.name).body.u8(0).uleb(offset);
    return this;
  }

  lane(name: string, ...lanes: number[]): this {
    this.op(name).body.raw(lanes);
    return this;
  }

  /** `block`, `loop` or `if`, optionally leaving one value. */
  enter(name: 'block' | 'loop' | 'if', result?: ValType): this {
    this.op(name).body.u8(result ? VALTYPE[result] : 0x40);
    return this;
  }

  /** An `if` that is seldom entered: compilers put its code out of the way. */
  enterUnlikely(): this {
    this.unlikely.push(this.body.length);
    return this.enter('if');
  }

  else(): this {
    this.body.u8(0x05);
    return this;
  }

  end(): this {
    this.body.u8(0x0b);
    return this;
  }

  br(depth: number): this {
    this.body.u8(0x0c).uleb(depth);
    return this;
  }

  brIf(depth: number): this {
    this.body.u8(0x0d).uleb(depth);
    return this;
  }

  brTable(depths: readonly number[], otherwise: number): this {
    this.body.u8(0x0e).uleb(depths.length);
    for (const depth of depths) this.body.uleb(depth);
    this.body.uleb(otherwise);
    return this;
  }

  call(func: number): this {
    this.body.u8(0x10).uleb(func);
    return this;
  }

  returnCall(func: number): this {
    this.body.u8(0x12).uleb(func);
    return this;
  }

  callIndirect(type: number, table = 0): this {
    this.body.u8(0x11).uleb(type).uleb(table);
    return this;
  }

  returnCallIndirect(type: number, table = 0): this {
    this.body.u8(0x13).uleb(type).uleb(table);
    return this;
  }

  memoryCopy(): this {
    this.op('memory.copy').body.u8(0).u8(0);
    return this;
  }

  memoryFill(): this {
    this.op('memory.fill').body.u8(0);
    return this;
  }

  /** Of table 0. */
  tableCopy(): this {
    this.body.u8(0xfc).uleb(14).u8(0).u8(0);
    return this;
  }

  #encodeLocals(): Bytes {
    const entry = new Bytes();
    const runs: { type: ValType; count: number }[] = [];
    for (const type of this.locals) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    entry.uleb(runs.length);
    for (const { type, count } of runs) entry.uleb(count).u8(VALTYPE[type]);
    return entry;
  }

  /** The entry of the branch hints' section: offsets count from where the function's locals are declared. */
  encodeHints(into: Bytes): void {
    const { length } = this.#encodeLocals();
    into.uleb(this.unlikely.length);
    for (const offset of this.unlikely)
      into
        .uleb(length + offset)
        .u8(1)
        .u8(0);
  }

  /** The code section's entry: size, run-length encoded locals, body, end. */
  encode(into: Bytes): void {
    const entry = this.#encodeLocals();
    entry.bytes(this.body).u8(0x0b);
    into.uleb(entry.length).bytes(entry);
  }
}
