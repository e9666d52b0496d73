/** Generates the WebAssembly of regions: a function each, and a handler for each of their entries. */
import type { Code } from '@vitrine/wasm/code.ts';
import { ModuleWriter } from '@vitrine/wasm/module.ts';
import { semantics } from '../insn/index.ts';
import { sseUsual } from '../insn/sse-usual.ts';
import { Builder } from '../ir/builder.ts';
import { emit, type Linker } from '../ir/emit.ts';
import type { Helper, Region as Nodes, Var } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { FLAGS_AUX, FLAGS_RESULT, FUEL_BEYOND, FUEL_SHARE, KEPT_KIND, KEPT_Y } from '../layout.ts';
import type { Row } from '../opcodes.ts';
import { helperExport } from '../tier0/generate.ts';
import { rowHandlers } from '../tier0/handlers.ts';
import { operandsOf } from '../tier0/operands.ts';
import { interpret } from '../tier0/target.ts';
import { exitTo } from './exits.ts';
import { DISPATCH, Frame, ordinaryBits } from './frame.ts';
import type { Block, Region } from './region.ts';
import { State } from './state.ts';
import { edgeKey, structureOf, type Structure } from './structure.ts';
import { NOTES, NOTES_ENTERED, NOTES_EXECUTED, Tier1Target, type Edge } from './target.ts';

const HANDLER = ['i32', 'i32', 'i32'] as const;
const REGION = [...HANDLER, 'i32'] as const;

/** Name of the export that enters region `region` of a module at its entry `entry`. */
export const entryExport = (region: number, entry: number): string => `e${region}.${entry}`;

/** Names of imported globals: the handler of tier 0 that an entry's record had. */
export const handlerGlobal = (region: number, entry: number): string => `h${region}.${entry}`;

/** The same: where its indirect jumps note their targets. */
export const notesGlobal = (region: number): string => `n${region}`;

/** Semantics that could not be compiled, with why: the caller leaves them to tier 0. */
export class Unsupported extends Error {
  readonly sem: string;

  constructor(sem: string, cause: unknown) {
    super(`${sem}: ${String(cause)}`, { cause });
    this.sem = sem;
  }
}

/** The operand size, as the row's handlers of tier 0 have it: rows of 32 or 64 bits take 66 for 32. */
function widthOf({ id }: Row, opsize: Width): Width {
  const { widths } = rowHandlers[id]!;
  return widths.includes(opsize) ? opsize : widths[0]!;
}

/** The meaning of one block. */
function buildBlock(
  frame: Frame,
  block: Block,
  state: State,
  goesOn: (to: Block) => boolean,
): Builder {
  const target = new Tier1Target(frame, block, state, goesOn);
  const b = new Builder(target);
  const { insns, live } = block.code;
  target.enter(b);
  for (let i = 0; i < insns.length; i++) {
    const { row, opsize, isReg, rep, address32 } = target.begin(i);
    b.width = widthOf(row, opsize);
    b.rep = row.rep ? rep : 0;
    b.address32 = row.address32 && address32;
    b.opcode = row.opcode;
    b.flags.live = live[i] === 1 || !(row.writes | row.writesSometimes);
    try {
      (sseUsual[row.sem] ?? semantics[row.sem]!)(
        b,
        operandsOf(row.operands, b.width, isReg) as Operand[],
      );
    } catch (error) {
      throw new Unsupported(row.sem, error);
    }
    b.flags.settle();
    target.finish(b);
  }
  if (!target.ended) target.fallThrough(b);
  return b;
}

/** Imports of a module, numbered as they are first asked for. */
class Imports {
  readonly helpers = new Map<Helper, number>();
  readonly globals = new Map<string, number>();

  helper(helper: Helper): number {
    let index = this.helpers.get(helper);
    if (index === undefined) this.helpers.set(helper, (index = this.helpers.size));
    return index;
  }

  global(name: string): number {
    let index = this.globals.get(name);
    if (index === undefined) this.globals.set(name, (index = this.globals.size));
    return index;
  }
}

/** A region's meaning: nodes for each of its blocks. */
class Built {
  readonly region: Region;
  readonly structure: Structure;
  readonly frame: Frame = new Frame();
  readonly blocks: Map<Block, Nodes> = new Map();
  /** Most instructions before the fuel is looked at behind the dispatcher. */
  readonly longest: number;
  readonly #imports: Imports;
  readonly #number: number;

  constructor(region: Region, number: number, imports: Imports) {
    this.region = region;
    this.#number = number;
    this.#imports = imports;
    this.structure = structureOf(region);
    const { children, dispatched, longest } = this.structure;
    this.longest = Math.max(...dispatched.map((block) => longest[block.index]!));
    for (const block of children[region.blocks.length]!) this.#build(block, new State());
    imports.helper(interpret);
    imports.helper(exitTo);
    if (this.frame.usesFloat) imports.helper(ordinaryBits);
    imports.global(notesGlobal(number));
    region.entries.forEach((_, entry) => imports.global(handlerGlobal(number, entry)));
  }

  /** A block and what it dominates. What holds at a jump holds behind it where no other leads there. */
  #build(block: Block, state: State): void {
    const { isLoop, isMerge, children } = this.structure;
    const start = isLoop[block.index] ? new State() : state;
    const { order, indirect } = this.structure;
    const { root } = buildBlock(this.frame, block, start, (to) => {
      const forward = order[to.index]! > order[block.index]! && !indirect.has(edgeKey(block, to));
      return forward && !isMerge[to.index] && !isLoop[to.index];
    });
    this.blocks.set(block, root);
    const edges = this.#note(root);
    for (const child of children[block.index]!) {
      const edge = isMerge[child.index] ? undefined : edges.find(({ to }) => to === child);
      this.#build(child, edge?.state ?? new State());
    }
  }

  /** Notes what nodes need of the module; returns the jumps among them. */
  #note(nodes: Nodes, edges: Edge[] = []): Edge[] {
    for (const { op, imm, bodies } of nodes.nodes) {
      if (op === 'call' || op === 'exit') this.#imports.helper(imm as Helper);
      else if (op === 'global.get') this.#imports.global(this.globalName(imm as string));
      else if (op === 'goto') edges.push(imm as Edge);
      for (const body of bodies) this.#note(body, edges);
    }
    return edges;
  }

  globalName(name: string): string {
    return name === NOTES ? notesGlobal(this.#number) : name;
  }
}

/**
 * The ways out of a region: functions that write its registers back and go on to one of exits.ts. An exit is one call
 * with all of them as arguments, which V8 compiles faster than stores at every exit, or a place where all exits meet.
 */
class Exits {
  readonly #module: ModuleWriter;
  readonly #frame: Frame;
  readonly #imports: Imports;
  readonly #number: number;
  readonly #indices = new Map<Helper, number>();

  constructor(module: ModuleWriter, frame: Frame, imports: Imports, number: number) {
    this.#number = number;
    this.#module = module;
    this.#frame = frame;
    this.#imports = imports;
  }

  indexOf(exit: Helper): number {
    let index = this.#indices.get(exit);
    if (index === undefined) this.#indices.set(exit, (index = this.#write(exit)));
    return index;
  }

  /** Adds what the region has executed since it was entered to its notes. */
  #note(code: Code, fuel: number): void {
    const notes = this.#imports.global(notesGlobal(this.#number));
    code.globalGet(notes).globalGet(notes).mem('i64.load', NOTES_EXECUTED);
    code.i32(0).mem('i32.load', FUEL_SHARE).i32(0).mem('i32.load', FUEL_BEYOND).op('i32.add');
    code.get(fuel).op('i32.sub').op('i64.extend_i32_s').op('i64.add');
    code.mem('i64.store', NOTES_EXECUTED);
  }

  #write(exit: Helper): number {
    const { used, kept, writesFlags } = this.#frame;
    const types = kept.map(({ type }) => type);
    const { index, code } = this.#module.func([...types, ...exit.params], ['i32']);
    const written = used.filter((register) => register.written);
    written.forEach(({ address, variable }, i) =>
      code.i32(0).get(i).mem(`${variable.type}.store`, address),
    );
    if (writesFlags) {
      const x = written.length;
      code.i32(0).get(x).mem('i64.store', FLAGS_RESULT);
      code.i32(0).get(x + 1).mem('i64.store', KEPT_Y); // prettier-ignore
      code.i32(0).get(x + 1).mem('i64.store32', FLAGS_AUX); // prettier-ignore
      code.i32(0).get(x + 2).mem('i32.store', KEPT_KIND); // prettier-ignore
    }
    this.#note(code, kept.length + 1);
    exit.params.forEach((_, i) => code.get(kept.length + i));
    code.returnCall(this.#imports.helper(exit));
    return index;
  }
}

/** Writes one region's function. */
class Writer {
  readonly #built: Built;
  readonly #imports: Imports;
  readonly #code: Code;
  /** How many labels are open inside the one that leads to a block. */
  readonly #labels = new Map<Block, number>();
  readonly #loops = new Map<Block, number>();
  readonly #linker: Linker;
  readonly #exits: Exits;

  constructor(built: Built, imports: Imports, code: Code, exits: Exits, verified: boolean) {
    this.#built = built;
    this.#exits = exits;
    this.#imports = imports;
    this.#code = code;
    this.#linker = {
      handlerType: 0,
      verified,
      helper: (helper) => imports.helper(helper),
      global: (name) => imports.global(built.globalName(name)),
      imported: (name) => {
        throw new Error(`a region does not import ${name}`);
      },
      goto: (edge, depth) => this.#goto(edge as Edge, depth),
      pushKept: () => void this.#pushKept(),
      exit: (helper) => exits.indexOf(helper),
    };
  }

  write(): void {
    const { region, structure } = this.#built;
    const code = this.#code;
    this.#enter();
    code.enter('loop');
    this.#within(
      structure.children[region.blocks.length]!,
      (depth) => this.#dispatch(depth),
      DISPATCH,
    );
    code.op('unreachable').end().op('unreachable');
  }

  /** The registers that exits write back. */
  #pushKept(): Code {
    for (const variable of this.#built.frame.kept) this.#code.get(this.#local(variable));
    return this.#code;
  }

  #local(variable: Var): number {
    if (variable.local < 0) variable.local = this.#code.local(variable.type);
    return variable.local;
  }

  /** Reads what the function keeps in locals. */
  #enter(): void {
    const { frame } = this.#built;
    const code = this.#code;
    // Its local is 0 at first: one that has not been another's.
    this.#local(frame.missed);
    for (const { address, variable } of frame.used)
      code.i32(0).mem(`${variable.type}.load`, address).set(this.#local(variable));
    if (frame.usesFlags) {
      code.i32(0).mem('i64.load', FLAGS_RESULT).set(this.#local(frame.x));
      code.i32(0).mem('i64.load', KEPT_Y).i32(0).mem('i64.load32_u', FLAGS_AUX);
      code.i32(0).mem('i32.load', KEPT_KIND).tee(this.#local(frame.kind)).op('select');
      code.set(this.#local(frame.y));
    }
    if (frame.usesFloat)
      code.call(this.#imports.helper(ordinaryBits)).set(this.#local(frame.ordinary));
    if (!frame.usesVectors) return;
    const { f32, f64 } = frame.ordinaryLanes;
    code.get(this.#local(frame.ordinary)).i32(0xfc).op('i32.and').op('i32x4.splat');
    code.set(this.#local(f32)).get(this.#local(frame.ordinary)).op('i64.extend_i32_u');
    code.op('i64x2.splat').set(this.#local(f64));
  }

  #dispatch(depth: number): void {
    const { dispatched } = this.#built.structure;
    const labels = dispatched.map((block) => depth - this.#labels.get(block)!);
    if (labels.length === 1) this.#code.br(labels[0]!);
    else this.#code.get(this.#built.frame.block.local).brTable(labels.slice(0, -1), labels.at(-1)!);
  }

  /** Writes `inner` within a label for each block, and the blocks behind their labels. */
  #within(blocks: readonly Block[], inner: (depth: number) => void, depth: number): void {
    // The last of them stands outermost.
    const outside = blocks.toReversed();
    outside.forEach((block, i) => {
      this.#code.enter('block');
      this.#labels.set(block, depth + i + 1);
    });
    inner(depth + outside.length);
    for (let i = outside.length - 1; i >= 0; i--) {
      this.#code.end();
      this.#tree(outside[i]!, depth + i);
    }
  }

  /** A block and what it dominates, with `depth` labels open. */
  #tree(block: Block, depth: number): void {
    const { structure, blocks } = this.#built;
    const loop = structure.isLoop[block.index] === 1;
    const code = this.#code;
    if (loop) {
      code.enter('loop');
      this.#loops.set(block, depth + 1);
    }
    const merges = structure.children[block.index]!.filter((b) => structure.isMerge[b.index]);
    this.#within(
      merges,
      (inner) => emit(blocks.get(block)!, code, this.#linker, inner),
      loop ? depth + 1 : depth,
    );
    if (loop) code.end();
  }

  /** Writes a jump: to a label, or the block itself where no other jump leads to it. */
  #goto({ from, to }: Edge, depth: number): void {
    const { structure, frame, longest } = this.#built;
    const { order, indirect, dispatched, isMerge } = structure;
    const code = this.#code;
    if (indirect.has(edgeKey(from, to))) {
      this.#unlessLow(to, longest);
      code.i32(dispatched.indexOf(to)).set(frame.block.local);
      code.br(depth - DISPATCH);
    } else if (order[to.index]! <= order[from.index]!) {
      this.#unlessLow(to, structure.longest[to.index]!);
      code.br(depth - this.#loops.get(to)!);
    } else if (isMerge[to.index]) code.br(depth - this.#labels.get(to)!);
    else this.#tree(to, depth);
  }

  /** Leaves when there may not be fuel enough for all that comes before the next look at it: tier 0 stops exactly. */
  #unlessLow(to: Block, most: number): void {
    const code = this.#code;
    const { frame } = this.#built;
    code.get(frame.fuel.local).i32(most).op('i32.le_s').enter('if');
    this.#pushKept().i64(BigInt(to.code.va)).get(frame.fuel.local).get(2);
    code.returnCall(this.#exits.indexOf(exitTo)).end();
  }
}

/** The handler for an entry: tier 0's own when there may not be fuel enough. */
function writeEntry(
  code: Code,
  most: number,
  interpreter: number,
  handler: number,
  notes: number,
): Code {
  const fuel = code.local('i32');
  code.get(1).i32(0).mem('i32.load', FUEL_BEYOND).op('i32.add').tee(fuel);
  code.i32(most).op('i32.le_s').enter('if');
  code.get(0).get(1).get(2).globalGet(handler).returnCall(interpreter).end();
  code.globalGet(notes).globalGet(notes).mem('i32.load', NOTES_ENTERED);
  code.i32(1).op('i32.add').mem('i32.store', NOTES_ENTERED);
  code.i32(0).get(1).mem('i32.store', FUEL_SHARE);
  return code.get(0).get(fuel).get(2);
}

/** A module of regions, and what it wants imported by name. */
export interface Generated {
  readonly bytes: Uint8Array;
  readonly globals: readonly string[];
}

/**
 * The bytes of a module with some regions; it exports a handler for each of their entries.
 * @param verified checks the intermediate representation on the way
 */
export function generateRegions(regions: readonly Region[], verified = false): Generated {
  const imports = new Imports();
  const built = regions.map((region, number) => new Built(region, number, imports));
  const module = new ModuleWriter();
  module.importMemory('env', 'memory', { min: 1, max: 65536 });
  for (const { name, params, result } of imports.helpers.keys())
    module.importFunc('tier0', helperExport(name), params, result ? [result] : []);
  for (const name of imports.globals.keys()) module.importGlobal('globals', name, 'i32', false);
  built.forEach((one, number) => {
    const { index, code } = module.func(REGION, ['i32']);
    new Writer(one, imports, code, new Exits(module, one.frame, imports, number), verified).write();
    one.region.entries.forEach((_, entry) => {
      const handler = module.func(HANDLER, ['i32']);
      const global = imports.global(handlerGlobal(number, entry));
      const notes = imports.global(notesGlobal(number));
      writeEntry(handler.code, one.longest, imports.helper(interpret), global, notes)
        .i32(entry)
        .returnCall(index);
      module.exportFunc(entryExport(number, entry), handler.index);
    });
  });
  return { bytes: module.finish(), globals: [...imports.globals.keys()] };
}
