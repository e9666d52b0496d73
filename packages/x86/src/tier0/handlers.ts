import { rows, type OperandSpec, type Row } from '../opcodes.ts';

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
const operandKey = (o: OperandSpec): string =>
  o.code === 'J'
    ? 'J'
    : `${o.access}${o.code}${o.size === 'bs' ? 'z' : o.size}${o.code === 'fixed' ? o.text : ''}`;

/** Rows that mean the same share handlers (jcc short and near, movups and movupd). */
function keyOf(row: Row): string {
  const flags = `${row.writes},${row.writesSometimes}`;
  const condition = /^(jcc|cmovcc|setcc)$/.test(row.sem) ? row.opcode & 15 : '';
  return [
    row.sem,
    condition,
    row.operands.map(operandKey).join(),
    flags,
    row.mod,
    row.widths.join(),
    row.size64,
  ].join('|');
}

/** Handlers 0 … RESERVED-1 are the machine's own micro-operations (tier0/micro.ts). */
export const RESERVED = 16;

export const shapes: Shape[] = [];
const byKey = new Map<string, RowHandlers>();

function handlersOf(row: Row): RowHandlers {
  const key = keyOf(row);
  const known = byKey.get(key);
  const wanted = dimensions(row);
  if (known && known.forms.length >= wanted.forms.length) return known;
  const made: RowHandlers = { first: RESERVED + shapes.length, ...wanted };
  for (const width of made.widths)
    for (const form of made.forms)
      for (const live of made.lives)
        for (const rep of made.reps) shapes.push({ row, width, form, live, rep });
  byKey.set(key, made);
  return made;
}

/** By row id. */
export const rowHandlers: readonly RowHandlers[] = rows.map(handlersOf);

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

function isFusable({ row, width, form, live }: Shape): boolean {
  if (!live || width === 16 || form === 'indexed') return false;
  return form === 'reg' || row.sem === 'cmp' || row.sem === 'test';
}

/** Handler of a pair: by handler of the first * 16 + condition. */
const fusedNumbers = new Map<number, number>();

const plainShapes = shapes.length;
for (let number = 0; number < plainShapes; number++) {
  const shape = shapes[number]!;
  const conditions = FUSED[shape.row.sem];
  if (!conditions || !isFusable(shape)) continue;
  for (const condition of conditions) {
    const fused = rows.find((row) => row.sem === 'jcc' && row.opcode === 0x70 + condition)!;
    fusedNumbers.set((RESERVED + number) * 16 + condition, RESERVED + shapes.length);
    shapes.push({ ...shape, fused });
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

function shapeNumber(text: string): number {
  const number = shapes.findIndex(({ row, width, form, live, fused }) => {
    const operands = row.operands.map((o) => o.text).join();
    return live && !fused && `${row.sem} ${operands} ${width} ${form}` === text;
  });
  if (number < 0) throw new Error(`no handler ${text}`);
  return number;
}

const pairNumbers = new Map<number, number>();

for (const first of PAIR_FIRST.map(shapeNumber))
  for (const second of PAIR_SECOND.map(shapeNumber)) {
    pairNumbers.set(pairKey(RESERVED + first, RESERVED + second), RESERVED + shapes.length);
    shapes.push({ ...shapes[first]!, second: shapes[second]! });
  }

function pairKey(first: number, second: number): number {
  return first * 65536 + second;
}

/** The handler that executes the records of two handlers one after the other, if there is one. */
export function pairNumber(first: number, second: number): number | undefined {
  return pairNumbers.get(pairKey(first, second));
}

/** Names this set of handlers; a stored module of another one must not be used. */
export function fingerprint(): number {
  const text = [...byKey.keys()].join() + shapes.length;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash | 0;
}
