/** Generates the WebAssembly of regions: a function each, and a handler for each of their entries. */
import type { Code } from '@vitrine/wasm/code.ts';
import { ModuleWriter } from '@vitrine/wasm/module.ts';
import { RSP } from '../cpu.ts';
import { wraps } from '../decode.ts';
import { semantics } from '../insn/index.ts';
import { sseUsual } from '../insn/sse-usual.ts';
import { Builder } from '../ir/builder.ts';
import { emit, type Linker } from '../ir/emit.ts';
import type { Helper, Node, Region as Nodes, Var } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { CODE_GUARDS, EXIT_LOOKUP, FLAGS_RESULT, KEPT_KIND, KEPT_Y, RETURNED } from '../layout.ts'; // prettier-ignore
import { windowAt } from '../mmu.ts';
import type { Row } from '../opcodes.ts';
import { rowHandlers } from '../tier0/handlers.ts';
import { operandsOf } from '../tier0/operands.ts';
import { interpret, Tier0Target } from '../tier0/target.ts';
import { exitTo, exitToRecord, exitWith, linkTo, NOTES_REFUSED, unwound } from './exits.ts';
import {
  DISPATCH,
  type Exit,
  FLAGS,
  Frame,
  ordinaryBits,
  type Restart,
  type ToHub,
} from './frame.ts';
import { type Leaving, Liveness, Use } from './liveness.ts';
import { countEntry, type EntryOf, writeEntry } from './enter.ts';
import { Imports } from './imports.ts';
import { KnownPages, pagesOf } from './known-pages.ts';
import { Exits } from './leave.ts';
import { noteAtTimes, NOTES } from './notes.ts';
import { Slots } from './hub.ts';
import type { Block, Region } from './region.ts';
import { NOWHERE } from './memory.ts';
import { Stack } from './stack.ts';
import { type Stream, streamsOf } from './stream.ts';
import { State } from './state.ts';
import { edgeKey, jumpsOf, structureOf, type Structure } from './structure.ts';
import { guardGlobal, ownHandlerGlobal, recGlobal, Tier1Target, type Edge } from './target.ts';

const HANDLER = ['i32', 'i32', 'i32'] as const;
const REGION = [...HANDLER, 'i32'] as const;

/** Name of the export that enters region `region` of a module at its entry `entry`. */
export const entryExport = (region: number, entry: number): string => `e${region}.${entry}`;

/** Name of the export that is the region itself, with the number of an entry behind a handler's parameters. */
export const regionExport = (region: number): string => `r${region}`;

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
  isTight: boolean,
  stream: Stream | undefined,
  goesOn: (to: Block) => boolean,
): Builder {
  frame.use = new Use(block);
  const target = new Tier1Target(frame, block, state, isTight, stream, goesOn);
  const b = new Builder(target);
  const { insns, live } = block.code;
  target.enter(b);
  for (let i = 0; i < insns.length; i++) {
    const insn = target.begin(i);
    const { row, opsize, isReg, rep } = insn;
    b.width = widthOf(row, opsize);
    b.rep = row.rep ? rep : 0;
    b.address32 = wraps(insn);
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

/** A region's meaning: nodes for each of its blocks. */
class Built {
  readonly region: Region;
  readonly structure: Structure;
  readonly frame: Frame;
  readonly stack: Stack;
  readonly blocks: Map<Block, Nodes> = new Map();
  /** Most instructions before the fuel is looked at behind the dispatcher. */
  readonly longest: number;
  readonly liveness: Liveness;
  /** Registers that each block begins with reading from memory. */
  readonly read: bigint[];
  readonly uses: Map<Block, Use> = new Map();
  /** Tight loops that keep pages. */
  readonly streams: Map<number, Stream>;
  readonly #imports: Imports;
  readonly number: number;
  usesHub = false;

  constructor(region: Region, number: number, imports: Imports, verified: boolean) {
    this.region = region;
    this.number = number;
    this.#imports = imports;
    this.structure = structureOf(region);
    this.streams = streamsOf(region.blocks, this.structure);
    this.read = region.blocks.map(() => 0n);
    const { children, dispatched, longest, order } = this.structure;
    const reached = region.blocks.filter(({ index }) => order[index]! >= 0);
    this.stack = new Stack(region, reached.sort((x, y) => order[x.index]! - order[y.index]!)); // prettier-ignore
    this.frame = new Frame(this.stack, new KnownPages(region.blocks, region.entries));
    this.longest = Math.max(...dispatched.map((block) => longest[block.index]!));
    for (const block of children[region.blocks.length]!) this.#build(block, new State(), false);
    this.#readStack(verified);
    this.liveness = new Liveness(
      region.blocks,
      region.blocks.map(jumpsOf),
      [...this.uses.values()],
      (from, to) => this.#staysInLoop(from, to),
    );
    for (const block of children[region.blocks.length]!) this.#findReads(block, 0n);
    imports.helper(interpret);
    imports.helper(exitTo);
    imports.helper(exitToRecord);
    if (this.frame.usesFloat) imports.helper(ordinaryBits);
    imports.global(notesGlobal(number));
    region.entries.forEach((_, entry) => imports.global(handlerGlobal(number, entry)));
  }

  /** A block and what it dominates. What holds at a jump holds behind it where no other leads there. */
  #build(block: Block, state: State, anew: boolean): void {
    const { isLoop, isMerge, children, tight } = this.structure;
    const start = isLoop[block.index] ? new State() : state;
    start.begin(this.stack.startOf(block), anew);
    const { order, indirect } = this.structure;
    const { root } = buildBlock(
      this.frame,
      block,
      start,
      tight[block.index]! >= 0,
      this.streams.get(tight[block.index]!),
      (to) => {
        const forward = order[to.index]! > order[block.index]! && !indirect.has(edgeKey(block, to));
        return forward && !isMerge[to.index] && !isLoop[to.index];
      },
    );
    this.blocks.set(block, root);
    this.uses.set(block, this.frame.use);
    const edges = this.#note(root);
    for (const child of children[block.index]!) {
      const edge = isMerge[child.index] ? undefined : edges.find(({ to }) => to === child);
      this.#build(child, edge?.state ?? new State(), this.stack.isApart(block, child));
    }
  }

  /** Where the base changes from a block to the next, RSP is needed to find it; and at each block, where it is verified. */
  #readStack(verified: boolean): void {
    for (const [block, use] of this.uses) {
      if (verified) use.reads |= this.frame.gprs[RSP]!.bit;
      const finds = jumpsOf(block).some((to) => this.mustLookUp(block, to));
      if (finds) use.reads |= this.frame.gprs[RSP]!.bit & ~use.settled;
    }
    if (this.region.blocks.some((block) => this.stack.isWanted(block)))
      this.#imports.helper(windowAt);
  }

  /**
   * What a block, and those that it dominates, read from memory. Locals have what was read or written on the way, but where several
   * ways meet: to bring it to the same places there takes V8 longer than reading it again.
   * @param before what is in locals where the block before ends
   */
  #findReads(block: Block, before: bigint): void {
    const { children, isLoop, isMerge, tight } = this.structure;
    const { index } = block;
    const isInside = tight[index]! >= 0 && tight[index] !== index;
    const isOpen =
      !isInside && (isMerge[index] === 1 || (isLoop[index] === 1 && tight[index] !== index));
    const kept = isOpen ? 0n : before;
    if (!isInside) this.read[index] = this.liveness.wantedBy(block) & ~kept;
    const known = kept | this.read[index]! | this.uses.get(block)!.settled;
    for (const child of children[index]!)
      this.#findReads(child, child === block.behind ? 0n : known);
  }

  /** Whether a jump stays in a tight loop. */
  #staysInLoop(from: Block, to: Block): boolean {
    const { tight } = this.structure;
    return tight[from.index]! >= 0 && tight[from.index] === tight[to.index];
  }

  /** Whether a jump leaves a tight loop: what that has written of registers is written back there. */
  endsLoop(from: Block, to: Block): boolean {
    const { tight } = this.structure;
    return tight[from.index]! >= 0 && tight[from.index] !== tight[to.index];
  }

  /** Whether the window has to be looked up at a jump. */
  mustLookUp(from: Block, to: Block): boolean {
    return this.stack.isWanted(to) && this.stack.isApart(from, to);
  }

  /** Notes what nodes need of the module; returns the jumps among them. */
  #note(nodes: Nodes, edges: Edge[] = []): Edge[] {
    for (const { op, imm, bodies } of nodes.nodes) {
      if (op === 'call') this.#imports.helper(imm as Helper);
      else if (op === 'exit') this.#noteExit(imm as Exit | Restart | ToHub, edges);
      else if (op === 'global.get') this.#imports.global(this.globalName(imm as string));
      else if (op === 'goto') edges.push(imm as Edge);
      for (const body of bodies) this.#note(body, edges);
    }
    return edges;
  }

  #noteExit(exit: Exit | Restart | ToHub, edges: Edge[]): void {
    if ('restarts' in exit) {
      const { va } = exit.restarts.code;
      this.#imports.global(recGlobal(va));
      this.#imports.global(ownHandlerGlobal(va));
      return;
    }
    if ('leavesTo' in exit) {
      for (const page of this.region.hub.flatMap(pagesOf))
        this.#imports.global(guardGlobal(page.va));
      this.#imports.helper(linkTo);
      this.usesHub = true;
      return;
    }
    const { helper, behind } = exit;
    this.#imports.helper(helper);
    if (!behind) return;
    this.#imports.helper(unwound);
    this.#imports.helper(exitWith);
    for (const page of this.frame.pages.unknown(behind.from, behind.to))
      this.#imports.global(guardGlobal(page.va));
    edges.push(behind);
  }

  globalName(name: string): string {
    return name === NOTES ? notesGlobal(this.number) : name;
  }
}

const rspInMemory = (b: Builder): Node => b.load('i64.load', b.i32(0), RSP * 8);

function refuse(b: Builder): void {
  const notes = b.node('global.get', 'i32', 'pure', [], NOTES);
  const times = b.load('i32.load', notes, NOTES_REFUSED);
  b.store('i32.store', notes, b.add(times, b.i32(1)), NOTES_REFUSED);
}

/** Writes one region's function. */
class Writer {
  readonly #built: Built;
  readonly #imports: Imports;
  readonly #code: Code;
  /** How many labels are open inside the one that leads to a block. */
  readonly #labels = new Map<Block, number>();
  readonly #loops = new Map<Block, number>();
  readonly #restarts = new Map<Block, number>();
  readonly #linker: Linker;
  readonly #exits: Exits;
  readonly #slots: Slots;

  constructor(built: Built, imports: Imports, code: Code, exits: Exits, verified: boolean) {
    this.#built = built;
    this.#exits = exits;
    this.#slots = new Slots(built.region.hub);
    this.#imports = imports;
    this.#code = code;
    this.#linker = {
      handlerType: 0,
      regionType: 0,
      verified,
      helper: (helper) => imports.helper(helper),
      global: (name) => imports.global(built.globalName(name)),
      imported: (name) => {
        throw new Error(`a region does not import ${name}`);
      },
      goto: (edge, depth) => this.#goto(edge as Edge, depth),
      exit: (exit, depth) => this.#exit(exit as Exit | Restart | ToHub, depth),
    };
  }

  get #isVerified(): boolean {
    return this.#linker.verified === true;
  }

  write(): void {
    const { region, structure } = this.#built;
    const code = this.#code;
    this.#enter();
    code.enter(structure.indirect.size > 0 || this.#built.usesHub ? 'loop' : 'block');
    this.#within(
      structure.children[region.blocks.length]!,
      (depth) => this.#dispatch(depth),
      DISPATCH,
    );
    code.op('unreachable').end().op('unreachable');
  }

  #exit(exit: Exit | Restart | ToHub, depth: number): void {
    if ('restarts' in exit) return void this.#code.br(depth - this.#restarts.get(exit.restarts)!);
    if ('leavesTo' in exit) return this.#goToHub(depth);
    const { helper, leaving, behind } = exit;
    if (behind) this.#call(helper, leaving, behind, depth);
    else this.#leave(helper, leaving);
  }

  #leave(exit: Helper, leaving: Leaving): void {
    this.#exits.write(this.#code, exit, this.#built.liveness.dirtyAt(leaving), this.#local);
  }

  /** Calls what may come back, and goes on behind: with registers that are in memory, and another fuel. */
  #call(exit: Helper, leaving: Leaving, behind: Edge, depth: number): void {
    const code = this.#code;
    const { frame, liveness } = this.#built;
    this.#exits.call(code, exit, liveness.dirtyAt(leaving), this.#local);
    const result = frame.block.local;
    // One look says that it has come back, and with fuel enough.
    code
      .tee(result)
      .i32(RETURNED + this.#mostBehind(behind))
      .op('i32.le_u')
      .enterUnlikely();
    code.get(result).i64(BigInt(behind.to.code.va)).get(2);
    code.returnCall(this.#imports.helper(unwound)).end();
    code.get(result).i32(RETURNED).op('i32.xor').set(frame.fuel.local);
    this.#guardBehind(behind);
    countEntry(code, frame.fuel.local, this.#imports.global(this.#built.globalName(NOTES)));
    this.#readOrdinary();
    this.#stackBehind(behind, depth);
    this.#jump(behind, depth);
  }

  /**
   * The window is still there where a call comes back, since whatever unmaps memory stops execution. It leaves where RSP is another
   * than it was before.
   */
  #stackBehind({ from, to }: Edge, depth: number): void {
    const { stack } = this.#built;
    if (!stack.isWanted(to)) return;
    const leave = (b: Builder): void => {
      b.node('return_call', undefined, 'effect', this.#onwards(b, to), exitTo);
    };
    if (stack.isApart(from, to, true)) return this.#lookUp(to, depth, rspInMemory, leave);
    const b = new Builder(new Tier0Target(undefined));
    const base = b.sub(rspInMemory(b), b.i64(stack.startOf(to).rsp!));
    b.unlikely(b.ne(base, b.value(stack.base)), () => leave(b));
    emit(b.root, this.#code, this.#linker, depth);
  }

  /** Leaves where a call comes back to another page, which is no longer what it was, or which this space has not been at. */
  #guardBehind(behind: Edge): void {
    const code = this.#code;
    const pages = this.#built.frame.pages.unknown(behind.from, behind.to);
    if (pages.length === 0) return;
    pages.forEach((page, i) => {
      const guard = this.#imports.global(guardGlobal(page.va));
      code.get(2).globalGet(guard).op('i32.add').mem('i32.load8_u', CODE_GUARDS).op('i32.eqz');
      if (i > 0) code.op('i32.or');
    });
    code.enterUnlikely().i64(BigInt(behind.to.code.va)).get(this.#built.frame.fuel.local);
    code.i32(EXIT_LOOKUP).returnCall(this.#imports.helper(exitWith)).end();
  }

  readonly #local = (variable: Var): number => {
    if (variable.local < 0) variable.local = this.#code.local(variable.type);
    return variable.local;
  };

  #enter(): void {
    const { frame } = this.#built;
    // Its local is 0 at first: one that has not been another's.
    this.#local(frame.missed);
    this.#begin();
    this.#readOrdinary();
  }

  /** Counts the entry; with too little fuel, the record goes by the handler that tier 0 would take. */
  #begin(): void {
    const code = this.#code;
    code.get(1).i32(this.#built.longest).op('i32.le_s').enterUnlikely();
    code.get(0).get(1).get(2).get(0).mem('i32.load16_u');
    code.returnCall(this.#imports.helper(exitToRecord)).end();
    countEntry(code, 1, this.#imports.global(this.#built.globalName(NOTES)));
    this.#findStack();
  }

  /** Looks up the stack's window at an entry; without it the record goes by its own handler. */
  #findStack(): void {
    const { region, stack, frame } = this.#built;
    const wants = (block: Block): boolean => stack.isWanted(block);
    if (!region.entries.some(wants)) return;
    const wanting = region.hub.length > 0 ? region.entries : region.entries.filter(wants);
    const b = new Builder(new Tier0Target(undefined));
    const isAt = (block: Block): Node =>
      b.eq(b.value(frame.block), b.i32(region.entries.indexOf(block)));
    const look = (): void => {
      let depth: Node = b.i64(-stack.startOf(wanting[0]!).rsp!);
      for (const block of wanting.slice(1)) {
        const { rsp } = stack.startOf(block);
        if (rsp !== stack.startOf(wanting[0]!).rsp) depth = b.select(isAt(block), b.i64(-rsp!), depth); // prettier-ignore
      }
      stack.lookUp(b, b.add(rspInMemory(b), depth), () => {
        refuse(b);
        const handlerOf = (block: Block): Node => {
          const name = handlerGlobal(this.#built.number, region.entries.indexOf(block));
          return b.node('global.get', 'i32', 'pure', [], name);
        };
        let handler = handlerOf(wanting[0]!);
        for (const block of wanting.slice(1))
          handler = b.select(isAt(block), handlerOf(block), handler);
        const args = [b.param(0, 'i32'), b.param(1, 'i32'), b.param(2, 'i32'), handler];
        b.node('return_call', undefined, 'effect', args, exitToRecord);
      });
    };
    // With many entries the others look, too: it does no harm.
    const isSome = wanting.length < region.entries.length && region.hub.length === 0;
    if (isSome)
      b.if(
        wanting.map(isAt).reduce((x, y) => b.or(x, y)),
        look,
      );
    else look();
    emit(b.root, this.#code, this.#linker);
  }

  /** Reads registers. */
  #read(wanted: bigint): void {
    const { frame } = this.#built;
    const code = this.#code;
    for (const { address, variable } of frame.registersOf(wanted))
      code.i32(0).mem(`${variable.type}.load`, address).set(this.#local(variable));
    if (wanted & FLAGS) {
      code.i32(0).mem('i64.load', FLAGS_RESULT).set(this.#local(frame.x));
      code.i32(0).mem('i64.load', KEPT_Y).set(this.#local(frame.y));
      code.i32(0).mem('i32.load8_u', KEPT_KIND).set(this.#local(frame.kind));
    }
  }

  /** Reads what the region takes for granted of MXCSR. */
  #readOrdinary(): void {
    const { frame } = this.#built;
    const code = this.#code;
    if (frame.usesFloat)
      code.call(this.#imports.helper(ordinaryBits)).set(this.#local(frame.ordinary));
    if (!frame.usesVectors) return;
    const { f32, f64 } = frame.ordinaryLanes;
    code.i32(0).get(this.#local(frame.ordinary)).op('i64.eqz').op('i32.sub');
    code.tee(this.#local(f32)).i32(3).op('i32.or').set(this.#local(f64));
    code.get(this.#local(f32)).i32(15).op('i32.or').set(this.#local(f32));
  }

  #dispatch(depth: number): void {
    const { dispatched } = this.#built.structure;
    const labels = dispatched.map((block) => depth - this.#labels.get(block)!);
    if (this.#built.usesHub) this.#hub(labels, depth);
    else if (labels.length === 1) this.#code.br(labels[0]!);
    else this.#code.get(this.#built.frame.block.local).brTable(labels.slice(0, -1), labels.at(-1)!);
  }

  /** Goes by the hub to an address that is on the stack, with enough fuel. */
  #goToHub(depth: number): void {
    const { frame, longest, structure } = this.#built;
    const code = this.#code;
    const aim = this.#local(frame.aim);
    code.set(aim).get(frame.fuel.local).i32(longest).op('i32.le_s').enterUnlikely();
    code.get(aim).get(frame.fuel.local).get(2).returnCall(this.#imports.helper(exitTo)).end();
    const b = new Builder(new Tier0Target(undefined));
    const slot = this.#slots.indexOf(b, b.value(frame.aim));
    b.assign(frame.block, b.add(slot, b.i32(structure.dispatched.length)));
    emit(b.root, code, this.#linker, depth);
    code.br(depth - DISPATCH);
  }

  /**
   * The dispatcher with the hub's slots behind the blocks' own numbers. @param labels those of the blocks, from within `depth` labels
   */
  #hub(labels: readonly number[], depth: number): void {
    const code = this.#code;
    const { region, frame } = this.#built;
    const { blocks } = this.#slots;
    // From the outside: the miss, then a label for each slot that is taken.
    const taken = blocks.filter((block) => block !== undefined);
    code.enter('block');
    for (const _ of taken) code.enter('block');
    const own = labels.map((label) => label + taken.length + 1);
    const slots = blocks.map((block) => (block ? taken.indexOf(block) : taken.length));
    code.get(frame.block.local).brTable([...own, ...slots], taken.length);
    taken.forEach((block, i) => {
      const open = taken.length - i;
      code.end();
      const b = new Builder(new Tier0Target(undefined));
      const guard = b.node('global.get', 'i32', 'pure', [], guardGlobal(block.code.page.va));
      const allowed = b.load('i32.load8_u', b.add(b.param(2, 'i32'), guard), CODE_GUARDS);
      const isIt = b.eq(b.value(frame.aim), b.i64(BigInt(block.code.va)));
      b.if(b.and(isIt, b.ne(allowed, b.i32(0))), () => {
        b.node('br', undefined, 'effect', [], this.#labels.get(block)!);
      });
      emit(b.root, code, this.#linker, depth + open);
      code.br(open - 1);
    });
    code.end();
    const b = new Builder(new Tier0Target(undefined));
    const site = region.blocks.find(({ usesHub }) => usesHub)!.code.addresses.at(-2)!;
    noteAtTimes(b, b.value(frame.fuel), site, b.value(frame.aim));
    const way = [b.value(frame.aim), b.value(frame.fuel), b.param(2, 'i32')];
    b.node('return_call', undefined, 'effect', way, linkTo);
    emit(b.root, code, this.#linker, depth);
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
    const { structure, read } = this.#built;
    const loop = structure.isLoop[block.index] === 1;
    const code = this.#code;
    const isTight = structure.tight[block.index] === block.index;
    // A tight loop has its registers in locals all the time.
    if (isTight) {
      this.#read(read[block.index]!);
      this.#beginStream(block);
    }
    if (loop) {
      code.enter('loop');
      this.#loops.set(block, depth + 1);
    }
    if (!isTight) this.#read(read[block.index]!);
    if (this.#isVerified) this.#verifyStack(block);
    const merges = structure.children[block.index]!.filter((b) => structure.isMerge[b.index]);
    this.#within(merges, (inner) => this.#own(block, inner), loop ? depth + 1 : depth);
    if (loop) code.end();
  }

  #beginStream({ index }: Block): void {
    for (const { page } of this.#built.streams.get(index)?.pages ?? [])
      this.#code.i64(NOWHERE).set(this.#local(page));
  }

  /** A block itself, with `depth` labels open; behind it, the way out that leaves it to tier 0. */
  #own(block: Block, depth: number): void {
    const { blocks, frame, uses } = this.#built;
    const code = this.#code;
    const { restarts } = uses.get(block)!;
    if (restarts) {
      code.enter('block');
      this.#restarts.set(block, depth + 1);
    }
    emit(blocks.get(block)!, code, this.#linker, restarts ? depth + 1 : depth);
    if (!restarts) return;
    const { va } = block.code;
    code
      .end()
      .globalGet(this.#imports.global(recGlobal(va)))
      .get(frame.fuel.local)
      .get(2);
    code.globalGet(this.#imports.global(ownHandlerGlobal(va)));
    code.returnCall(this.#imports.helper(exitToRecord));
  }

  /** Traps where RSP is not where the region takes it to be. */
  #verifyStack(block: Block): void {
    const { frame, stack } = this.#built;
    if (!stack.isWanted(block)) return;
    const code = this.#code;
    code.get(this.#local(frame.gprs[RSP]!.variable)).i64(BigInt(stack.startOf(block).rsp!));
    code.op('i64.sub').get(this.#local(stack.base)).op('i64.ne').enterUnlikely();
    code.op('unreachable').end();
  }

  /** Most instructions before the next look at the fuel behind a jump that has looked. */
  #mostBehind({ from, to }: Edge): number {
    const { structure, longest } = this.#built;
    return structure.indirect.has(edgeKey(from, to)) ? longest : structure.longest[to.index]!;
  }

  /** Writes a jump with the look at the fuel that belongs to it. */
  #goto(edge: Edge, depth: number): void {
    const { from, to } = edge;
    const { order, indirect, isStop } = this.#built.structure;
    const back = order[to.index]! <= order[from.index]!;
    if (back || isStop[to.index] || indirect.has(edgeKey(from, to)))
      this.#unlessLow(from, to, this.#mostBehind(edge));
    if (this.#built.mustLookUp(from, to)) {
      const leaving = this.#built.uses.get(from)!;
      const way: Exit = { helper: exitTo, leaving, behind: undefined };
      const { variable } = this.#built.frame.gprs[RSP]!;
      this.#lookUp(
        to,
        depth,
        (b) => b.value(variable),
        (b) => {
          b.node('exit', undefined, 'effect', this.#onwards(b, to), way);
        },
      );
    }
    if (this.#built.endsLoop(from, to)) {
      const { uses, liveness } = this.#built;
      const dirty = liveness.dirtyAt(uses.get(from)!);
      this.#exits.store(this.#code, dirty, this.#local);
    }
    this.#jump(edge, depth);
  }

  /** What `exitTo` wants to go on with a block. */
  #onwards(b: Builder, to: Block): Node[] {
    return [b.i64(BigInt(to.code.va)), b.value(this.#built.frame.fuel), b.param(2, 'i32')];
  }

  /** Looks up the stack's window where a block begins; without it tier 0 goes on. */
  #lookUp(to: Block, depth: number, rsp: (b: Builder) => Node, fail: (b: Builder) => void): void {
    const { stack } = this.#built;
    const b = new Builder(new Tier0Target(undefined));
    stack.lookUp(b, b.add(rsp(b), b.i64(-stack.startOf(to).rsp!)), () => {
      refuse(b);
      fail(b);
    });
    emit(b.root, this.#code, this.#linker, depth);
  }

  /** Writes a jump: to a label, or the block itself where no other jump leads to it. */
  #jump({ from, to }: Edge, depth: number): void {
    const { structure, frame } = this.#built;
    const { order, indirect, dispatched, isMerge } = structure;
    const code = this.#code;
    if (indirect.has(edgeKey(from, to))) {
      code.i32(dispatched.indexOf(to)).set(frame.block.local);
      code.br(depth - DISPATCH);
    } else if (order[to.index]! <= order[from.index]!) code.br(depth - this.#loops.get(to)!);
    else if (isMerge[to.index]) code.br(depth - this.#labels.get(to)!);
    else this.#tree(to, depth);
  }

  /** Leaves when there may not be fuel enough for all that comes before the next look at it: tier 0 stops exactly. */
  #unlessLow(from: Block, to: Block, most: number): void {
    const code = this.#code;
    const { frame } = this.#built;
    code.get(frame.fuel.local).i32(most).op('i32.le_s').enterUnlikely();
    code.i64(BigInt(to.code.va)).get(frame.fuel.local).get(2);
    this.#leave(exitTo, this.#built.uses.get(from)!);
    code.end();
  }
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
  const built = regions.map((region, number) => new Built(region, number, imports, verified));
  const module = new ModuleWriter();
  imports.declare(module);
  built.forEach((one, number) => {
    const { index, code } = module.func(REGION, ['i32']);
    new Writer(one, imports, code, new Exits(module, one.frame, imports), verified).write();
    module.exportFunc(regionExport(number), index);
    one.region.entries.forEach((_, entry) => {
      const of: EntryOf = {
        most: one.longest,
        handler: imports.global(handlerGlobal(number, entry)),
        notes: imports.global(notesGlobal(number)),
      };
      const entered = module.func(HANDLER, ['i32']);
      writeEntry(entered.code, of, imports.helper(interpret)).i32(entry).returnCall(index);
      module.exportFunc(entryExport(number, entry), entered.index);
    });
  });
  return { bytes: module.finish(), globals: [...imports.globals.keys()] };
}
