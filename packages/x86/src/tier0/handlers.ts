import { rows, v3Rows, type OperandSpec, type Row } from '../opcodes.ts';

/**
 * Tier 0 has one WebAssembly handler for every shape of every row. Which shapes exist, and the numbers of their
 * handlers, follow from the table alone, so that the generator and the run time need not exchange anything.
 */
export interface Shape {
  readonly row: Row;
  readonly width: 8 | 16 | 32 | 64;
  readonly form: Form;
  /** Flags are computed. */
  readonly live: boolean;
  /** 0 none, 1 F3, 2 F2; 4 more with the address-size prefix. */
  readonly rep: number;
  /** A Jcc executed together with this comparison. */
  readonly fused?: Row;
  /** The handler executes this one's record, too, which lies behind the first. */
  readonly second?: Shape;
}

/** Register, memory at base + displacement, memory at base + index * scale + displacement. */
export type Form = 'reg' | 'mem' | 'indexed';

export interface RowHandlers {
  readonly first: number;
  readonly widths: readonly (8 | 16 | 32 | 64)[];
  readonly forms: readonly Form[];
  readonly lives: readonly boolean[];
  readonly reps: readonly number[];
}

const MEMORY = 'EMWQO';

function formsOf(row: Row): Form[] {
  const memory =
    row.operands.some((o) => MEMORY.includes(o.code)) || (row.mod === 'mem' && row.hasModrm);
  const register =
    !memory || (row.mod !== 'mem' && row.operands.some((o) => 'EWQ'.includes(o.code)));
  const forms: Form[] = register ? ['reg'] : [];
  if (memory && row.mod !== 'reg') forms.push('mem');
  if (memory && row.indexed) forms.push('indexed');
  return forms;
}

const FIXED_WIDTH: Record<string, 8 | 16 | 64> = { b: 8, w: 16, q: 64 };

/** Operand size of a row that the prefixes do not change. */
function fixedWidth(row: Row): 8 | 16 | 32 | 64 {
  if (row.size64 !== 'no') return 64;
  return FIXED_WIDTH[row.operands[0]?.size ?? ''] ?? 32;
}

function repsOf(row: Row): number[] {
  const reps = row.rep ? [0, 1, 2] : [0];
  return row.address32 ? [...reps, ...reps.map((rep) => rep + 4)] : reps;
}

function dimensions(row: Row): Omit<RowHandlers, 'first'> {
  const flags = row.writes | row.writesSometimes;
  return {
    widths: row.widths.length > 0 ? row.widths : [fixedWidth(row)],
    forms: formsOf(row),
    lives: flags ? [false, true] : [true],
    reps: repsOf(row),
  };
}

/** Ibs and Iz differ in the encoding only. */
function operandKey({ code, access, size, text }: OperandSpec): string {
  if (code === 'J') return 'J';
  return access + code + (size === 'bs' ? 'z' : size) + (code === 'fixed' ? text : '');
}

const operandKeys = new Map<readonly OperandSpec[], string>();

/** Rows with the same operands share the list of them. */
function operandsKey(operands: readonly OperandSpec[]): string {
  let key = operandKeys.get(operands);
  if (key === undefined) operandKeys.set(operands, (key = operands.map(operandKey).join()));
  return key;
}

/** Rows that mean the same share handlers (jcc short and near, movups and movupd). */
function keyOf(row: Row): string {
  const { sem, writes, writesSometimes, mod, size64 } = row;
  const condition = sem === 'jcc' || sem === 'cmovcc' || sem === 'setcc' ? row.opcode & 15 : '';
  const vex = row.vex ? 'V' : '';
  return `${vex}${sem}|${condition}|${operandsKey(row.operands)}|${writes},${writesSometimes}|${mod}|${row.widths.length}|${size64}`;
}

/** Handlers 0 … RESERVED-1 are the machine's own micro-operations (record.ts). */
export const RESERVED = 16;

/** Distinct sets of handlers in the order of their numbers. */
const sets: { row: Row; handlers: RowHandlers }[] = [];
const byKey = new Map<string, RowHandlers>();
let count = RESERVED;

function handlersOf(row: Row): RowHandlers {
  const key = keyOf(row);
  const known = byKey.get(key);
  const wanted = dimensions(row);
  if (known && known.forms.length >= wanted.forms.length) return known;
  const handlers: RowHandlers = { first: count, ...wanted };
  count += wanted.widths.length * wanted.forms.length * wanted.lives.length * wanted.reps.length;
  sets.push({ row, handlers });
  byKey.set(key, handlers);
  return handlers;
}

/** By row id; the rows beyond x86-64-v2 come with {@link handlersOfV3}. */
export const rowHandlers: RowHandlers[] = rows.map(handlersOf);

export function handlerNumber(
  h: RowHandlers,
  width: number,
  form: Form,
  live: boolean,
  rep: number,
): number {
  // Rows of 32 or 64 bits take 66 for 32.
  const w = h.widths.length === 1 ? 0 : Math.max(0, h.widths.indexOf(width as 16 | 32 | 64));
  const f = h.forms.indexOf(form);
  const l = h.lives.length === 1 ? 0 : Number(live);
  const r = Math.max(0, h.reps.indexOf(rep));
  return h.first + ((w * h.forms.length + f) * h.lives.length + l) * h.reps.length + r;
}

/** Operations that are executed together with a Jcc behind them, and the conditions that compilers ask after them. */
const FUSED: Record<string, readonly number[]> = {
  cmp: [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15],
  test: [4, 5, 8, 9, 14, 15],
  sub: [4, 5, 2, 3, 8, 9],
  add: [4, 5, 2, 3],
  and: [4, 5],
  dec: [4, 5, 8, 9],
  inc: [4, 5],
};

/** Handlers from here on execute more than one instruction; these are their shapes. */
const plainHandlers = count;
const baseSets = sets.length;
const baseKeys = byKey.size;
/** One past the last handler of x86-64-v2; not known before all pairs are. */
let lastBase = Infinity;
const combined: Shape[] = [];

/** Handler of a pair: by handler of the first * 16 + condition. */
const fusedNumbers = new Map<number, number>();

const jumps = rows.filter((row) => row.sem === 'jcc' && row.map === 0);

function addFused(first: Shape, number: number): void {
  for (const condition of FUSED[first.row.sem]!) {
    fusedNumbers.set(number * 16 + condition, plainHandlers + combined.length);
    combined.push({ ...first, fused: jumps[condition]! });
  }
}

for (const { row, handlers } of sets) {
  if (!FUSED[row.sem]) continue;
  for (const width of handlers.widths)
    for (const form of handlers.forms) {
      const isComparison = row.sem === 'cmp' || row.sem === 'test';
      if (width === 16 || form === 'indexed' || (form === 'mem' && !isComparison)) continue;
      addFused(
        { row, width, form, live: true, rep: 0 },
        handlerNumber(handlers, width, form, true, 0),
      );
    }
}

/** The handler that executes an instruction and the Jcc behind it, if there is one. */
export function fusedNumber(handler: number, condition: number): number | undefined {
  return fusedNumbers.get(handler * 16 + condition);
}

/**
 * Instructions that come in pairs often enough to save the dispatch between them: meaning, operands, width, form. Those
 * that set flags are taken with live flags, since what follows them may fault as a rule.
 */
const PAIR_FIRST: readonly string[] = [
  'mov Ev,Gv 64 reg',
  'mov Ev,Gv 32 reg',
  'mov Gv,Ev 64 mem',
  'mov Gv,Ev 32 mem',
  'mov Ev,Gv 64 mem',
  'mov Ev,Gv 32 mem',
  'mov Zv,Iv 32 reg',
  'push Zv 64 reg',
  'pop Zv 64 reg',
  'lea Gv,M 64 mem',
  'add Ev,Iz 64 reg',
  'sub Ev,Iz 64 reg',
  'xor Ev,Gv 32 reg',
];
const PAIR_SECOND: readonly string[] = [
  ...PAIR_FIRST,
  'call Jz 64 reg',
  'ret  64 reg',
  'jmp Jz 64 reg',
];

/** The number of a handler described as above. */
function numberOf(text: string): number {
  const [sem, operands, width, form] = text.split(' ');
  const row = rows.find((r) => r.sem === sem && r.operands.map((o) => o.text).join() === operands);
  if (!row) throw new Error(`no row ${text}`);
  return handlerNumber(rowHandlers[row.id]!, Number(width), form as Form, true, 0);
}

const pairNumbers = new Map<number, number>();

/** What often stands before a comparison and its jump on zero or not zero, and those comparisons. */
const BEFORE_COMPARISON: readonly string[] = [
  'mov Ev,Gv 64 reg',
  'mov Gv,Ev 64 mem',
  'mov Gb,Eb 8 mem',
  'movzx Gv,Eb 32 mem',
  'inc Ev 64 reg',
  'add Ev,Iz 64 reg',
];
const COMPARISONS: readonly string[] = [
  'cmp Eb,Ib 8 mem',
  'cmp Eb,Ib 8 reg',
  'test Eb,Gb 8 reg',
  'test Ev,Gv 32 reg',
  'test Ev,Gv 64 reg',
];

function addPairs(firsts: readonly number[], seconds: readonly number[]): void {
  for (const first of firsts)
    for (const second of seconds) {
      pairNumbers.set(pairKey(first, second), plainHandlers + combined.length);
      combined.push({ ...shapeOf(first), second: shapeOf(second) });
    }
}

addPairs(PAIR_FIRST.map(numberOf), PAIR_SECOND.map(numberOf));
addPairs(
  BEFORE_COMPARISON.map(numberOf),
  COMPARISONS.map(numberOf).flatMap((number) => [4, 5].map((zero) => fusedNumber(number, zero)!)),
);

function pairKey(first: number, second: number): number {
  return first * 65536 + second;
}

/** The handler that executes the records of two handlers one after the other, if there is one. */
export function pairNumber(first: number, second: number): number | undefined {
  return pairNumbers.get(pairKey(first, second));
}

/** One past the last handler of x86-64-v2. */
export const baseHandlers: number = (lastBase = plainHandlers + combined.length);
/** Room for the handlers beyond x86-64-v2, which are a module of their own. */
const V3_ROOM = 2048;
/**
 * How far behind a handler of x86-64-v2 the table has the function that executes such a record and no other; and the core (core.ts)
 * for those that are in it, or that function. The core serves frequent records once it has moved in their places.
 */
export const ALONE: number = baseHandlers + V3_ROOM;
export const TOGETHER: number = ALONE + baseHandlers;
/** One past the last number that a handler may have. */
export const handlerCount: number = TOGETHER + baseHandlers;

let v3Count = 0;

/** Numbers the handlers of the rows beyond x86-64-v2. @returns one past the last */
export function handlersOfV3(): number {
  if (v3Count > 0) return v3Count;
  count = baseHandlers;
  rowHandlers.push(...v3Rows().map(handlersOf));
  if (count > ALONE) throw new Error(`${count - baseHandlers} handlers beyond x86-64-v2`);
  return (v3Count = count);
}

/** What a handler executes. */
export function shapeOf(handler: number): Shape {
  const beyond = handler >= lastBase;
  if (!beyond && handler >= plainHandlers) return combined[handler - plainHandlers]!;
  let low = beyond ? baseSets : 0;
  for (let high = beyond ? sets.length : baseSets; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (sets[middle]!.handlers.first <= handler) low = middle;
    else high = middle;
  }
  const { row, handlers } = sets[low]!;
  const { widths, forms, lives, reps, first } = handlers;
  let rest = handler - first;
  const digit = <T>(of: readonly T[]): T => {
    const value = of[rest % of.length]!;
    rest = Math.floor(rest / of.length);
    return value;
  };
  const rep = digit(reps);
  const live = digit(lives);
  const form = digit(forms);
  return { row, width: digit(widths), form, live, rep };
}

/** Changes with what handlers and JavaScript agree on beyond the table of instructions: layouts, hashes, exports. */
const LAYOUT = 32 << 16;

/** Names this set of handlers; a stored module of another one must not be used. */
export function fingerprint(v3 = false): number {
  let hash = handlerCount + LAYOUT;
  for (const key of [...byKey.keys()].slice(0, v3 ? byKey.size : baseKeys))
    for (let i = 0; i < key.length; i += 3) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193);
  return hash | 0;
}
