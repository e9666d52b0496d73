import { instructions, type ValType } from '@vitrine/wasm/instructions.ts';
import { Flags } from './flags.ts';
import type { Helper, Kind, Node, Region, Var } from './node.ts';
import type { MemOperand, Operand, Width } from './operand.ts';
import type { Target } from './target.ts';

const isNumber = (x: Node): boolean => x.op === 'i32.const' || x.op === 'i64.const';
const isConst = (x: Node, value: number): boolean => isNumber(x) && Number(x.imm) === value;

const BINARY = 'add sub mul and or xor shl shr_u shr_s eq ne lt_u lt_s'.split(' ');
const WIDE: Readonly<Record<string, string>> = Object.fromEntries(
  BINARY.map((op) => [op, `i64.${op}`]),
);
const NARROW: Readonly<Record<string, string>> = Object.fromEntries(
  BINARY.map((op) => [op, `i32.${op}`]),
);

const NO_NODES: readonly Node[] = [];
const NO_BODIES: readonly Region[] = [];

/** Bits of a number that are stored are stored as a number. */
const NUMBERS: Readonly<Record<string, string>> = {
  'i64.store i64.reinterpret_f64': 'f64.store',
  'i32.store i32.reinterpret_f32': 'f32.store',
};

/** What a plain WebAssembly instruction takes and gives; those that trap are not moved over effects. */
interface Plain {
  readonly params: readonly ValType[];
  readonly result: ValType | undefined;
  readonly kind: Kind;
}

const plains = new Map<string, Plain>();

function plainOf(name: string): Plain {
  let plain = plains.get(name);
  if (!plain) {
    const row = instructions.get(name);
    if (!row?.params || row.immediate !== '-') throw new Error(`not a plain operation: ${name}`);
    const kind = /div|rem|trunc_f/.test(name) ? 'read' : 'pure';
    plains.set(name, (plain = { params: row.params, result: row.result, kind }));
  }
  return plain;
}

const ACCESS_SIZE = /(?:load|store)(\d+)?/;

/** Bytes that a load or store instruction touches. */
export function accessSize(op: string): number {
  const narrow = ACCESS_SIZE.exec(op)?.[1];
  if (op === 'v128.load' || op === 'v128.store') return 16;
  if (op === 'v128.load32_zero') return 4;
  if (op === 'v128.load64_zero') return 8;
  if (narrow) return Number(narrow) / 8;
  return op.startsWith('i64') || op.startsWith('f64') ? 8 : 4;
}

/** An address as what instructions add an offset to, and the offset. */
function apart(address: Node): readonly [Node, number] {
  const [base, distance] = address.args;
  const isApart =
    address.op === 'i32.add' && base!.op === 'var.get' && (base!.imm as Var).isBase === true;
  return isApart ? [base!, distance!.imm as number] : [address, 0];
}

/** Whether a number of 32 bits surely has no others than those of a mask of low bits. */
export function fits({ op, imm, args }: Node, mask: number, depth = 3): boolean {
  if (depth === 0) return false;
  const each = (some: readonly Node[]): boolean => some.every((x) => fits(x, mask, depth - 1));
  switch (op) {
    case 'i32.const':
      return ((imm as number) & ~mask) === 0;
    case 'i32.load8_u':
      return mask >= 0xff;
    case 'i32.load16_u':
      return mask >= 0xffff;
    case 'i32.and':
      return fits(args[0]!, mask, depth - 1) || fits(args[1]!, mask, depth - 1);
    case 'i32.or':
    case 'i32.xor':
      return each(args);
    case 'i32.shr_u':
      return each(args.slice(0, 1));
    case 'select':
      return each(args.slice(0, 2));
    default:
      return false;
  }
}

/** Marks an `if` whose condition seldom holds. */
export const UNLIKELY = 'unlikely';

/**
 * Builds the meaning of instructions as {@link Node}s. Semantics functions (insn/*.ts) are written against this class
 * alone; a {@link Target} says where registers, immediates and memory are.
 *
 * Integer values of 8, 16 and 32 bits are i32, zero-extended when they come from {@link get}; bits above the width are
 * ignored by {@link set}.
 */
export class Builder {
  readonly root: Region = { nodes: [] };
  readonly flags: Flags = new Flags(this);
  /** Where the operands of the instruction being built are. */
  target: Target;
  /** Operand size of the instruction being built. */
  width: Width = 32;
  /** Opcode byte of the instruction being built: its low bits are the condition of Jcc and the like. */
  opcode = 0;
  /** 0 none, 1 rep/repe, 2 repne. */
  rep = 0;
  /** The address-size prefix applies to implied pointers and counters. */
  address32 = false;
  /** Constants made before. */
  readonly #small = new Map<number, Node>();
  readonly #large = new Map<number | bigint, Node>();
  #region: Region = this.root;
  #loops = 0;
  #seq = 0;

  constructor(target: Target) {
    this.target = target;
  }

  // ---- nodes

  node(
    op: string,
    type: ValType | undefined,
    kind: Kind,
    args: readonly Node[] = NO_NODES,
    imm: unknown = undefined,
    bodies: readonly Region[] = NO_BODIES,
  ): Node {
    const node: Node = {
      op,
      type,
      args,
      imm,
      kind,
      bodies,
      region: this.#region,
      seq: this.#seq++,
      uses: 0,
      user: undefined,
      pinned: false,
      local: -1,
      at: 0,
    };
    // Constants have no place of their own.
    if (kind !== 'const') this.#region.nodes.push(node);
    return node;
  }

  i32(value: number): Node {
    const known = this.#small.get(value);
    if (known) return known;
    const node = this.node('i32.const', 'i32', 'const', NO_NODES, value | 0);
    this.#small.set(value, node);
    return node;
  }

  i64(value: number | bigint): Node {
    const known = this.#large.get(value);
    if (known) return known;
    const node = this.node('i64.const', 'i64', 'const', NO_NODES, BigInt.asIntN(64, BigInt(value)));
    this.#large.set(value, node);
    return node;
  }

  f32(value: number): Node {
    return this.node('f32.const', 'f32', 'const', [], value);
  }

  f64(value: number): Node {
    return this.node('f64.const', 'f64', 'const', [], value);
  }

  v128(bytes: readonly number[]): Node {
    return this.node('v128.const', 'v128', 'const', [], bytes);
  }

  /** A constant of the same type as `like`. */
  constant(like: Node, value: number | bigint): Node {
    return like.type === 'i64' ? this.i64(value) : this.i32(Number(value));
  }

  param(index: number, type: ValType): Node {
    return this.node('param', type, 'const', [], index);
  }

  /** Any WebAssembly instruction without immediates, by name. */
  op(name: string, ...args: Node[]): Node {
    const { params, result, kind } = plainOf(name);
    for (let i = 0; i < params.length; i++)
      if (args[i]?.type !== params[i])
        throw new Error(`${name}: operand ${i} is ${args[i]?.type}, not ${params[i]}`);
    return this.node(name, result, kind, args);
  }

  /** A lane instruction (`i32x4.extract_lane` …) or `i8x16.shuffle`. */
  lane(name: string, args: readonly Node[], ...lanes: number[]): Node {
    return this.node(name, instructions.get(name)!.result, 'pure', args, lanes);
  }

  // ---- integer arithmetic, by the type of the first operand

  #binary(op: string, x: Node, y: Node): Node {
    return this.op(x.type === 'i64' ? WIDE[op]! : NARROW[op]!, x, y);
  }

  add(x: Node, y: Node): Node {
    if (isConst(y, 0)) return x;
    // (x + a) + b is x + (a + b).
    if (
      y.kind === 'const' &&
      x.op === (x.type === 'i64' ? 'i64.add' : 'i32.add') &&
      x.args[1]!.kind === 'const'
    )
      return this.add(x.args[0]!, this.#sum(x.args[1]!, y));
    if (x.kind === 'const' && y.kind === 'const' && isNumber(x) && isNumber(y))
      return this.#sum(x, y);
    return this.#binary('add', x, y);
  }
  sub(x: Node, y: Node): Node {
    if (y.kind === 'const' && isNumber(y)) return this.add(x, this.#negated(y));
    return this.#binary('sub', x, y);
  }

  #sum(x: Node, y: Node): Node {
    if (x.type === 'i64') return this.i64((x.imm as bigint) + (y.imm as bigint));
    return this.i32((x.imm as number) + (y.imm as number));
  }

  #negated(y: Node): Node {
    return y.type === 'i64' ? this.i64(-(y.imm as bigint)) : this.i32(-(y.imm as number));
  }
  mul(x: Node, y: Node): Node {
    return this.#binary('mul', x, y);
  }
  and(x: Node, y: Node): Node {
    if (x.op === 'i32.const' && y.op === 'i32.const')
      return this.i32((x.imm as number) & (y.imm as number));
    return this.#binary('and', x, y);
  }
  or(x: Node, y: Node): Node {
    return this.#binary('or', x, y);
  }
  xor(x: Node, y: Node): Node {
    return this.#binary('xor', x, y);
  }
  shl(x: Node, y: Node): Node {
    return this.#binary('shl', x, y);
  }
  shrU(x: Node, y: Node): Node {
    return this.#binary('shr_u', x, y);
  }
  shrS(x: Node, y: Node): Node {
    return this.#binary('shr_s', x, y);
  }
  eq(x: Node, y: Node): Node {
    return this.#binary('eq', x, y);
  }
  ne(x: Node, y: Node): Node {
    if (isNumber(x) && isNumber(y)) return this.i32(Number(x.imm !== y.imm));
    return this.#binary('ne', x, y);
  }
  ltU(x: Node, y: Node): Node {
    return this.#binary('lt_u', x, y);
  }
  ltS(x: Node, y: Node): Node {
    return this.#binary('lt_s', x, y);
  }
  eqz(x: Node): Node {
    return this.op(`${x.type}.eqz`, x);
  }
  not(x: Node): Node {
    return this.xor(x, this.constant(x, -1));
  }

  minU(x: Node, y: Node): Node {
    return this.select(this.ltU(x, y), x, y);
  }

  /** Ands both 64-bit lanes of a vector with a constant. */
  and64x2(x: Node, mask: bigint): Node {
    return this.op('v128.and', x, this.op('i64x2.splat', this.i64(mask)));
  }

  /** `condition ? x : y` without a branch. */
  select(condition: Node, x: Node, y: Node): Node {
    if (condition.op === 'i32.const') return condition.imm === 0 ? y : x;
    return this.node('select', x.type, 'pure', [x, y, condition]);
  }

  wrap(x: Node): Node {
    return x.type === 'i64' ? this.op('i32.wrap_i64', x) : x;
  }
  extendU(x: Node): Node {
    if (x.op === 'i32.const') return this.i64(BigInt((x.imm as number) >>> 0));
    return x.type === 'i64' ? x : this.op('i64.extend_i32_u', x);
  }
  extendS(x: Node): Node {
    return x.type === 'i64' ? x : this.op('i64.extend_i32_s', x);
  }

  /** Sign-extends the low `width` bits within the value's own type. */
  signExtend(x: Node, width: Width): Node {
    if (width === 64 || (width === 32 && x.type === 'i32')) return x;
    return this.op(`${x.type}.extend${width}_s`, x);
  }

  /** Clears the bits above `width`. */
  zeroExtend(x: Node, width: Width): Node {
    if (width === 64 || (width === 32 && x.type === 'i32')) return x;
    if (width < 32 && fits(x, 2 ** width - 1)) return x;
    return this.and(x, this.constant(x, width === 32 ? 0xffff_ffffn : (1 << width) - 1));
  }

  // ---- operands

  /** Loads that read `size` bits, zero-extended. */
  static loadOf(size: number): string {
    if (size === 8) return 'i32.load8_u';
    if (size === 16) return 'i32.load16_u';
    if (size === 32) return 'i32.load';
    return size === 64 ? 'i64.load' : 'v128.load';
  }

  static storeOf(size: number): string {
    if (size === 8) return 'i32.store8';
    if (size === 16) return 'i32.store16';
    if (size === 32) return 'i32.store';
    return size === 64 ? 'i64.store' : 'v128.store';
  }

  get(o: Operand): Node {
    switch (o.kind) {
      case 'gpr':
        return this.target.readGpr(this, o.slot, o.width);
      case 'imm':
        return this.target.immediate(this, o.width === 64 ? 'i64' : 'i32');
      case 'one':
        return this.i32(1);
      case 'rel':
        throw new Error('a displacement has no value');
      default:
        return this.getAs(o, Builder.loadOf(o.size));
    }
  }

  /** Reads a vector register or memory operand with a chosen load (`f64.load`, `v128.load64_zero` …). */
  getAs(o: Operand, load: string, offset = 0): Node {
    if (o.kind === 'xmm' || o.kind === 'mmx')
      return this.target.readVector(this, o.kind, o.slot, load, offset);
    if (o.kind !== 'mem') throw new Error(`${load} of a ${o.kind} operand`);
    return this.load(load, this.#physical(o, accessSize(load), false), offset);
  }

  set(o: Operand, value: Node): void {
    switch (o.kind) {
      case 'gpr':
        return this.target.writeGpr(this, o.slot, o.width, value);
      case 'one':
      case 'imm':
      case 'rel':
        throw new Error(`cannot write to ${o.kind}`);
      default:
        return this.setAs(o, Builder.storeOf(o.size), value);
    }
  }

  /** Writes part of a vector register, or a memory operand, with a chosen store. */
  setAs(o: Operand, store: string, value: Node, offset = 0): void {
    if (o.kind === 'xmm' || o.kind === 'mmx')
      return this.target.writeVector(this, o.kind, o.slot, store, offset, value);
    if (o.kind !== 'mem') throw new Error(`${store} of a ${o.kind} operand`);
    const physical = this.#physical(o, accessSize(store), true);
    this.store(store, physical, value, offset);
    if (accessSize(store) > 1) this.target.commit(this, physical);
  }

  #physical(o: MemOperand, size: number, write: boolean): Node {
    if (o.physical) return o.physical;
    const va = this.target.address(this);
    const bytes = o.access === 'rw' ? o.size / 8 : size;
    const writes = write || o.access === 'rw';
    if (o.aligned && !this.target.isAligned?.(this, va, bytes, writes)) {
      const low = this.and(this.wrap(va), this.i32(15));
      this.unlikely(low, () => this.raise(13));
    }
    const physical = this.target.translate(this, va, bytes, writes);
    o.physical = physical;
    return physical;
  }

  /** Effective address of the memory operand without a reference (LEA, and string or state instructions). */
  address(): Node {
    return this.target.address(this);
  }

  /** The sixteen integer registers by number (implicit operands). */
  reg(number: number, width: Width): Node {
    return this.target.readGpr(this, number, width);
  }

  setReg(number: number, width: Width, value: Node): void {
    this.target.writeGpr(this, number, width, value);
  }

  /** A register as a pointer or counter: 32 bits of it with the address-size prefix. */
  pointer(number: number): Node {
    return this.address32 ? this.extendU(this.reg(number, 32)) : this.reg(number, 64);
  }

  setPointer(number: number, value: Node): void {
    this.setReg(number, this.address32 ? 32 : 64, this.address32 ? this.wrap(value) : value);
  }

  cell(address: number, load: string): Node {
    return this.target.readCell(this, address, load);
  }

  setCell(address: number, store: string, value: Node): void {
    this.target.writeCell(this, address, store, value);
  }

  // ---- memory

  /** Guest memory at a linear address; faults leave the instruction with nothing done. */
  read(load: string, va: Node): Node {
    return this.load(load, this.target.translate(this, va, accessSize(load), false));
  }

  write(store: string, va: Node, value: Node): void {
    const physical = this.target.translate(this, va, accessSize(store), true);
    this.store(store, physical, value);
    if (accessSize(store) > 1) this.target.commit(this, physical);
  }

  /** Nodes are being made in an arm of an `if` or in a loop: what they set holds on that path only. */
  get nested(): boolean {
    return this.#region !== this.root;
  }

  /** Nodes are being made in a loop: what comes behind them may have been before them, too. */
  get repeats(): boolean {
    return this.#loops > 0;
  }

  /** Raw memory: physical addresses and the processor's own cells. */
  load(op: string, address: Node, offset = 0): Node {
    const [base, distance] = apart(address);
    return this.node(op, instructions.get(op)!.result, 'read', [base], distance + offset);
  }

  store(op: string, address: Node, value: Node, offset = 0): void {
    const [base, distance] = apart(address);
    const number = NUMBERS[`${op} ${value.op}`];
    const stored = number ? value.args[0]! : value;
    this.node(number ?? op, undefined, 'effect', [base, stored], distance + offset);
  }

  // ---- control

  var(initial: Node): Var {
    const variable: Var = { type: initial.type!, local: -1 };
    this.assign(variable, initial);
    return variable;
  }

  value(variable: Var): Node {
    return this.node('var.get', variable.type, 'read', [], variable);
  }

  assign(variable: Var, value: Node): void {
    this.node('var.set', undefined, 'effect', [value], variable);
  }

  if(condition: Node, then: () => void, otherwise?: () => void): void {
    this.#branch(condition, undefined, then, otherwise);
  }

  /** The same, where the condition seldom holds. */
  unlikely(condition: Node, then: () => void): void {
    this.#branch(condition, UNLIKELY, then);
  }

  #branch(
    condition: Node,
    hint: typeof UNLIKELY | undefined,
    then: () => void,
    otherwise?: () => void,
  ): void {
    const bodies: Region[] = [{ nodes: [] }, { nodes: [] }];
    const test = condition.type === 'i64' ? this.op('i64.ne', condition, this.i64(0)) : condition;
    this.node('if', undefined, 'effect', [test], hint, bodies);
    this.#within(bodies[0]!, then);
    if (otherwise) this.#within(bodies[1]!, otherwise);
  }

  /** Repeats the body while the condition it returns holds; the body runs at least once. */
  loop(body: () => Node): void {
    const bodies: Region[] = [{ nodes: [] }];
    this.node('loop', undefined, 'effect', [], undefined, bodies);
    this.#loops++;
    this.#within(bodies[0]!, () => this.node('again', undefined, 'effect', [body()]));
    this.#loops--;
  }

  #within(region: Region, body: () => void): void {
    const outer = this.#region;
    this.#region = region;
    body();
    this.#region = outer;
  }

  call(helper: Helper, ...args: Node[]): Node {
    return this.node('call', helper.result, helper.pure ? 'pure' : 'effect', args, helper);
  }

  return(value?: Node): void {
    this.node('return', undefined, 'effect', value ? [value] : []);
  }

  /** #DE, #GP …: the instruction has not happened. */
  raise(vector: number, errorCode: Node = this.i32(0)): void {
    this.target.raise(this, vector, errorCode);
  }
}
