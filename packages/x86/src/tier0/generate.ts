/**
 * Generates the interpreter: one WebAssembly module with a handler for every shape of every row (handlers.ts), the
 * helpers they call, and the entry.
 */
import type { Code } from '@vitrine/wasm/code.ts';
import { ModuleWriter } from '@vitrine/wasm/module.ts';
import { semantics } from '../insn/index.ts';
import type { Semantics } from '../insn/semantics.ts';
import { semanticsV3 } from '../insn/v3.ts';
import { Builder } from '../ir/builder.ts';
import { emit, type Linker } from '../ir/emit.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import {
  EXIT_FAULT,
  EXIT_LINK,
  EXIT_RESYNC,
  FAULT_CODE,
  FAULT_VECTOR,
  RETURN_BASE,
  RETURN_TOP,
  RETURNS,
  RIP_CELL,
  SLOT_EA,
} from '../layout.ts';
import { walk } from '../mmu.ts';
import { windowAt } from '../stack-window.ts';
import {
  ALONE,
  baseHandlers,
  fingerprint,
  handlerCount,
  handlersOfV3,
  RESERVED,
  shapeOf,
  type Shape,
  TOGETHER,
} from './handlers.ts';
import { type Build, writeCore } from './core.ts';
import { FREQUENT } from './frequent.ts';
import { operandsOf } from './operands.ts';
import * as record from './record.ts';
import {
  callTo,
  exitTo,
  exitToRecord,
  exitWith,
  linkTo,
  returnTo,
  unwound,
} from '../tier1/exits.ts';
import { keptAux, keptResult, noteOrdinary } from '../tier1/frame.ts';
import { continueAt, interpret, settleFlags, Tier0Target } from './target.ts';

const HANDLER = ['i32', 'i32', 'i32'] as const;

/** Handlers that tier 1 may add to the table: record fields have 16 bits. */
const TABLE_MAX = 0x1_0000;

/** The name that a helper is exported by. */
export const helperExport = (name: string): string => `h:${name}`;

class Generator implements Linker {
  readonly module: ModuleWriter = new ModuleWriter();
  readonly handlerType: number;
  readonly regionType: number;
  /** Functions get names for profilers. */
  readonly names: boolean;
  readonly semantics: Readonly<Record<string, Semantics>>;
  readonly #helpers = new Map<Helper, number>();
  readonly #pending: { helper: Helper; code: Code }[] = [];
  readonly #imports = new Map<string, number>();

  /** @param v3 the handlers go into the table of the module for x86-64-v2 */
  constructor(names: boolean, v3 = false) {
    this.names = names;
    this.semantics = v3 ? { ...semantics, ...semanticsV3 } : semantics;
    if (v3) this.module.importTable('tier0', 'handlers', { min: baseHandlers, max: TABLE_MAX });
    this.module.importMemory('env', 'memory', { min: 1, max: 65536 });
    this.#imports.set('codeWritten', this.module.importFunc('env', 'codeWritten', ['i32'], []));
    this.handlerType = this.module.type(HANDLER, ['i32']);
    this.regionType = this.module.type([...HANDLER, 'i32'], ['i32']);
  }

  imported(name: string): number {
    return this.#imports.get(name)!;
  }

  /** Declares a helper on its first call; {@link finishHelpers} writes its body. */
  helper(helper: Helper): number {
    let index = this.#helpers.get(helper);
    if (index === undefined) {
      const func = this.module.func(helper.params, helper.result ? [helper.result] : []);
      index = func.index;
      this.#helpers.set(helper, index);
      if (this.names) this.module.nameFunc(index, helper.name);
      this.#pending.push({ helper, code: func.code });
    }
    return index;
  }

  /** Exports the helpers, for modules that are made later (tier 1). */
  exportHelpers(): void {
    for (const [{ name }, index] of this.#helpers)
      this.module.exportFunc(helperExport(name), index);
  }

  finishHelpers(): void {
    for (let next = this.#pending.pop(); next; next = this.#pending.pop()) {
      const { helper, code } = next;
      const b = new Builder(new Tier0Target(undefined));
      const result = helper.body(b, ...helper.params.map((type, i) => b.param(i, type)));
      if (result) b.return(result);
      emit(b.root, code, this);
      if (helper.result) code.op('unreachable');
    }
  }

  handler(build: (b: Builder, target: Tier0Target) => void, target: Tier0Target): number {
    const { index, code } = this.module.func(HANDLER, ['i32']);
    const b = new Builder(target);
    build(b, target);
    emit(b.root, code, this);
    code.op('unreachable');
    return index;
  }

  /** @param before what is done before anything else */
  shape(shape: Shape, before?: (b: Builder) => void): number {
    const first = new Tier0Target(shape);
    return this.handler((b) => {
      before?.(b);
      this.build(b, shape, first, (second, offset) => (b.target = new Tier0Target(second, offset)) as Tier0Target); // prettier-ignore
    }, first);
  }

  /** @param make sets the target for the second one of a pair */
  build(
    b: Builder,
    shape: Shape,
    target: Tier0Target,
    make: (shape: Shape, offset: number) => Tier0Target,
  ): void {
    this.instruction(b, shape);
    if (shape.fused) this.instruction(b, { ...shape, row: shape.fused });
    if (shape.second) this.#second(b, shape, shape.second, target, make);
    else if (!target.ended) target.next(b, record.layoutOf(shape).size);
  }

  #second(
    b: Builder,
    first: Shape,
    second: Shape,
    before: Tier0Target,
    make: (shape: Shape, offset: number) => Tier0Target,
  ): void {
    const { size } = record.layoutOf(first);
    const stores =
      first.row.sem === 'push' || (first.form !== 'reg' && first.row.operands[0]!.access !== 'r');
    if (stores) before.nextIfDropped(b, size);
    const target = make(second, size);
    this.instruction(b, second);
    if (second.fused) this.instruction(b, { ...second, row: second.fused });
    if (!target.ended) target.next(b, record.layoutOf(second).size);
  }

  instruction(b: Builder, { row, width, form, live, rep }: Shape): void {
    const meaning = this.semantics[row.sem];
    if (!meaning) throw new Error(`no semantics ${row.sem} for ${row.name}`);
    b.width = width;
    b.rep = rep & 3;
    b.address32 = rep > 3;
    b.opcode = row.opcode;
    b.flags.live = live;
    try {
      meaning(b, operandsOf(row.operands, width, form === 'reg') as Operand[]);
    } catch (error) {
      throw new Error(`${row.name} ${row.operands.map((o) => o.text).join()}: ${String(error)}`);
    }
  }
}

const field = (b: Builder, t: Tier0Target, load: string, offset: number): Node =>
  b.load(load, t.rec(b), offset);

/** base + scaled index + displacement, of a MICRO_EA. */
function addressOf(b: Builder, t: Tier0Target): Node {
  const base = b.load('i64.load', field(b, t, 'i32.load8_u', record.REC_RM));
  return b.add(b.add(base, t.scaledIndex(b)), field(b, t, 'i64.load', 8));
}

const segmentOf = (b: Builder, t: Tier0Target): Node =>
  b.load('i64.load', field(b, t, 'i32.load8_u', record.REC_REG));

/** The machine's own micro-operations, in the order of record.ts. */
const MICROS: readonly ((b: Builder, t: Tier0Target) => void)[] = [
  (b, t) => t.exit(b, EXIT_RESYNC),
  (b, t) => t.exit(b, EXIT_LINK),
  (b, t) => {
    const times = b.add(b.load('i32.load', t.rec(b), record.STUB_TIMES), b.i32(1));
    b.store('i32.store', t.rec(b), times, record.STUB_TIMES);
    t.lookup(b, field(b, t, 'i64.load', record.STUB_VA), t.fuel(b));
  },
  (b, t) => t.gotoLink(b),
  (b, t) => {
    b.store('i64.store', b.i32(SLOT_EA * 8), b.add(addressOf(b, t), segmentOf(b, t)));
    t.next(b, record.MICRO_SIZE[record.MICRO_EA]!);
  },
  (b, t) => {
    const short = b.and(addressOf(b, t), b.i64(0xffff_ffff));
    b.store('i64.store', b.i32(SLOT_EA * 8), b.add(short, segmentOf(b, t)));
    t.next(b, record.MICRO_SIZE[record.MICRO_EA32]!);
  },
  (b, t) => {
    b.store('i32.store', b.i32(FAULT_VECTOR), field(b, t, 'i32.load', 8));
    b.store('i32.store', b.i32(FAULT_CODE), b.i32(0));
    t.exit(b, EXIT_FAULT);
  },
  (b, t) => {
    const count = b.add(b.load('i32.load16_u', t.rec(b), record.STUB_COUNT), b.i32(1));
    const target = field(b, t, 'i32.load', record.STUB_TARGET);
    b.store('i32.store16', t.rec(b), count, record.STUB_COUNT);
    b.if(b.eq(count, b.i32(record.WARM)), () =>
      b.store('i32.store', field(b, t, 'i32.load', record.STUB_LINK), target),
    );
    t.dispatch(b, target, t.fuel(b));
  },
];

/** The core's handlers: micro-operations on the usual way, and what is frequent. */
function inCore(generator: Generator): Map<number, Build> {
  const handlers = new Map<number, Build>();
  const { MICRO_GOTO_VA, MICRO_GOTO, MICRO_EA, MICRO_COUNT } = record;
  for (const micro of [MICRO_GOTO_VA, MICRO_GOTO, MICRO_EA, MICRO_COUNT])
    handlers.set(micro, (b, make) => MICROS[micro]!(b, make(undefined)));
  const missing = new Set(FREQUENT);
  for (let handler = RESERVED; handler < baseHandlers; handler++) {
    const shape = shapeOf(handler);
    if (shape.rep !== 0 || !missing.delete(nameOf(shape))) continue;
    handlers.set(handler, (b, make) => generator.build(b, shape, make(shape), make));
  }
  for (const name of missing) throw new Error(`no handler is named ${name}`);
  return handlers;
}

/** The core, which is exported, and serves its records after `moveIn()`. */
function addCore(generator: Generator, functions: readonly number[]): void {
  const { module } = generator;
  const { index, code } = module.func(HANDLER, ['i32']);
  const handlers = inCore(generator);
  writeCore(code, generator, handlers);
  if (generator.names) module.nameFunc(index, 'core');
  module.exportFunc('core', index);
  module.elements(
    TOGETHER,
    functions.map((own, handler) => (handlers.has(handler) ? index : own)),
  );
  const moveIn = module.func([], []);
  moveIn.code.i32(0).i32(TOGETHER).i32(functions.length).tableCopy();
  module.exportFunc('moveIn', moveIn.index);
}

/** Nobody waits for a call: those that did have returned to JavaScript. */
function forgetReturns(b: Builder): void {
  for (const cell of [RETURN_TOP, RETURN_BASE]) b.store('i32.store', b.i32(cell), b.i32(RETURNS));
}

/** `enter(fuel, tlb)` executes from RIP_CELL and returns an EXIT_ code; `resume(record, fuel, tlb)` from a record. */
function entry(generator: Generator): void {
  const { index, code } = generator.module.func(['i32', 'i32'], ['i32']);
  const begin = generator.handler((b, t) => {
    forgetReturns(b);
    t.lookup(b, b.load('i64.load', b.i32(RIP_CELL)), t.fuel(b));
  }, new Tier0Target(undefined));
  code.i32(0).get(0).get(1).call(begin);
  generator.module.exportFunc('enter', index);
  const resume = generator.handler((b, t) => {
    forgetReturns(b);
    t.dispatch(b, t.rec(b), t.fuel(b));
  }, new Tier0Target(undefined));
  generator.module.exportFunc('resume', resume);
}

/** RFLAGS out of and into the lazily kept form, for JavaScript. */
const getFlags: Helper = {
  name: 'getFlags',
  params: [],
  result: 'i32',
  pure: false,
  body: (b) => b.flags.statusWord(),
};

const getFingerprint = (v3: boolean): Helper => ({
  name: 'fingerprint',
  params: [],
  result: 'i32',
  pure: true,
  body: (b) => b.i32(fingerprint(v3)),
});

const setFlags: Helper = {
  name: 'setFlags',
  params: ['i32'],
  result: undefined,
  pure: false,
  body: (b, word) => b.flags.setStatusWord(word),
};

/** Helpers that no handler calls. */
const FOR_TIER1 = [
  exitTo,
  linkTo,
  callTo,
  returnTo,
  unwound,
  exitToRecord,
  exitWith,
  continueAt,
  interpret,
  settleFlags,
  noteOrdinary,
  windowAt,
  keptAux,
  keptResult,
];

/** Name of a shape's handler in profiles. */
export function nameOf({ row, width, form, live, fused, second }: Shape): string {
  const operands = row.operands.map((o) => o.text).join();
  const then = fused ? `+${fused.name}` : '';
  const pair = second ? `; ${nameOf(second)}` : '';
  return `${row.name}${then} ${operands} ${width} ${form}${live ? ' live' : ''}${pair}`;
}

/**
 * The bytes of the interpreter's module.
 * @param names gives handlers names for profilers, which makes the module larger
 * @param count written at the start of each instruction's handler, none of which is in the core then
 */
export function generateTier0(
  names = false,
  count?: (b: Builder, handler: number) => void,
): Uint8Array {
  const generator = new Generator(names);
  const functions = MICROS.map((micro) => generator.handler(micro, new Tier0Target(undefined)));
  const invalid = functions[record.MICRO_RESYNC]!;
  const { module } = generator;
  if (names) functions.forEach((index, i) => module.nameFunc(index, `micro ${i}`));
  while (functions.length < RESERVED) functions.push(invalid);
  for (let handler = RESERVED; handler < baseHandlers; handler++) {
    const shape = shapeOf(handler);
    const index = generator.shape(shape, (b) => count?.(b, handler));
    functions.push(index);
    if (names) module.nameFunc(index, nameOf(shape));
  }
  module.exportTable('handlers', module.table({ min: handlerCount, max: TABLE_MAX }));
  module.elements(0, functions);
  module.elements(ALONE, functions);
  if (!count) addCore(generator, functions);
  entry(generator);
  module.exportFunc('walk', generator.helper(walk));
  module.exportFunc('getFlags', generator.helper(getFlags));
  module.exportFunc('setFlags', generator.helper(setFlags));
  for (const helper of FOR_TIER1) generator.helper(helper);
  module.exportFunc('fingerprint', generator.helper(getFingerprint(false)));
  generator.finishHelpers();
  generator.exportHelpers();
  return module.finish();
}

/** The bytes of the module with the handlers beyond x86-64-v2, which go into the first one's table. */
export function generateTier0V3(names = false): Uint8Array {
  const end = handlersOfV3();
  const generator = new Generator(names, true);
  const { module } = generator;
  const functions: number[] = [];
  for (let handler = baseHandlers; handler < end; handler++) {
    const shape = shapeOf(handler);
    const index = generator.shape(shape);
    functions.push(index);
    if (names) module.nameFunc(index, nameOf(shape));
  }
  module.elements(baseHandlers, functions);
  module.exportFunc('fingerprint', generator.helper(getFingerprint(true)));
  generator.finishHelpers();
  return module.finish();
}
