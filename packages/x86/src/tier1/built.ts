/** What a region means: nodes for each of its blocks, and what is known of them as a whole. */
import { RSP } from '../cpu.ts';
import { wraps } from '../decode.ts';
import { Gathered } from '../insn/gathered.ts';
import { semantics } from '../insn/index.ts';
import type { Semantics } from '../insn/semantics.ts';
import { sseUsual } from '../insn/sse-usual.ts';
import { Builder } from '../ir/builder.ts';
import type { Helper, Region as Nodes } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { windowAt } from '../stack-window.ts';
import type { Row } from '../opcodes.ts';
import { rowHandlers } from '../tier0/handlers.ts';
import { operandsOf } from '../tier0/operands.ts';
import { interpret } from '../tier0/target.ts';
import { exitTo, exitToRecord, exitWith, linkTo, unwound } from './exits.ts';
import { type Exit, Frame, noteOrdinary, type Restart, type ToHub } from './frame.ts';
import { upperLoads } from './halves.ts';
import type { Imports } from './imports.ts';
import { KnownPages, pagesOf } from './known-pages.ts';
import { Liveness, Use } from './liveness.ts';
import { handlerGlobal, notesGlobal, recGlobal, ownHandlerGlobal, guardGlobal, NOTES } from './names.ts'; // prettier-ignore
import type { Block, Region } from './region.ts';
import { Stack } from './stack.ts';
import { State } from './state.ts';
import { type Stream, streamsOf } from './stream.ts';
import { Straight } from './straight.ts';
import type { Strip } from './strip.ts';
import { edgeKey, jumpsOf, structureOf, type Structure } from './structure.ts';
import { type Around, Tier1Target, type Edge } from './target.ts';
import { stripLoops } from './twice.ts';
import { type Unwritten, unwrittenOf } from './unwritten.ts';

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
function buildBlock(frame: Frame, block: Block, state: State, around: Around): Builder {
  frame.use = new Use(block);
  const { strip } = around;
  const target = new Tier1Target(frame, block, state, around);
  const b = new Builder(target);
  if (strip?.fast === block) strip.begin(b, frame, state);
  target.enter(b);
  const upper = upperLoads(block.code.insns);
  block.code.insns.forEach((_, i) => buildInsn(b, target, block, i, upper.has(i)));
  if (!target.ended) target.fallThrough(b);
  return b;
}

/** The meaning of several times round a loop at once (straight.ts); undefined if they cannot be. */
function buildAtOnce(
  frame: Frame,
  block: Block,
  state: State,
  around: Around,
  strip: Strip,
): Builder | undefined {
  frame.use = new Use(block);
  // It may be left where it begins.
  frame.use.leave(false);
  const gathered = new Gathered();
  const target = new Tier1Target(frame, block, state, { ...around, gathered });
  const b = new Builder(target);
  target.enter(b);
  const { length } = block.code.insns;
  const round = length / strip.groups.atOnce;
  for (let i = 0; i < length; i++) {
    strip.groups.round = Math.floor(i / round);
    // It is known that the branch at the end goes on.
    if ((i + 1) % round === 0) target.begin(i);
    else buildInsn(b, target, block, i);
  }
  target.endRounds(b);
  const straight = Straight.of(b, strip.groups.locate(frame));
  return straight?.write(
    (into, of) => {
      const flags = [frame.kind, frame.x, frame.y].map(
        (one) => [one, straight.again(one)] as const,
      );
      gathered.look(into, of, () => {
        for (const [one, value] of flags) if (value) into.assign(one, value);
        strip.refuse(into);
      });
    },
    (into) => strip.goRound(into),
  );
}

/** Reads the upper half of a vector, and has it as the lower one, too. */
const loadUpper: Semantics = (b, [dst, src]) => {
  // The address is that of the whole.
  b.get(src!);
  b.set(dst!, b.getAs(src!, 'v128.load64_splat', 8));
};

function buildInsn(
  b: Builder,
  target: Tier1Target,
  { code }: Block,
  i: number,
  isUpper = false,
): void {
  const insn = target.begin(i);
  const { row, opsize, isReg, rep } = insn;
  b.width = widthOf(row, opsize);
  b.rep = row.rep ? rep : 0;
  b.address32 = wraps(insn);
  b.opcode = row.opcode;
  b.flags.live = code.live[i] === 1 || !(row.writes | row.writesSometimes);
  try {
    const meaning = isUpper ? loadUpper : (sseUsual[row.sem] ?? semantics[row.sem]!);
    meaning(b, operandsOf(row.operands, b.width, isReg) as Operand[]);
  } catch (error) {
    throw new Unsupported(row.sem, error);
  }
  b.flags.settle();
  target.finish(b);
}

/** A region's meaning: nodes for each of its blocks. */
export class Built {
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
  /** Loops that are there twice. */
  readonly strips: readonly Strip[];
  /** What tight loops only read. */
  readonly unwritten: Map<number, Unwritten>;
  readonly #imports: Imports;
  readonly number: number;
  usesHub = false;

  constructor(found: Region, number: number, imports: Imports, verified: boolean) {
    const before = structureOf(found);
    const { region, strips } = stripLoops(found, before);
    this.region = region;
    this.strips = strips;
    this.number = number;
    this.#imports = imports;
    this.structure = strips.length > 0 ? structureOf(region) : before;
    this.streams = streamsOf(region.blocks, this.structure);
    this.unwritten = unwrittenOf(region.blocks, this.structure);
    this.read = region.blocks.map(() => 0n);
    const { children, dispatched, longest, order } = this.structure;
    const reached = region.blocks.filter(({ index }) => order[index]! >= 0);
    this.stack = new Stack(region, reached.sort((x, y) => order[x.index]! - order[y.index]!)); // prettier-ignore
    this.frame = new Frame(this.stack, new KnownPages(region.blocks, region.entries), region);
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
    if (this.frame.usesFloat) imports.helper(noteOrdinary);
    imports.global(notesGlobal(number));
    region.entries.forEach((_, entry) => imports.global(handlerGlobal(number, entry)));
  }

  /** A block and what it dominates. What holds at a jump holds behind it where no other leads there. */
  #build(block: Block, state: State, anew: boolean): void {
    const { isLoop, isMerge, children, tight } = this.structure;
    const strip = this.strips.find(({ way }) => way === block);
    if (strip) return this.#buildWay(strip);
    const around = this.strips.find(({ fast }) => fast.index === tight[block.index]);
    const start = isLoop[block.index] ? new State() : state;
    around?.name(block, start);
    start.begin(this.stack.startOf(block), anew);
    const { order, indirect } = this.structure;
    const root = this.#buildOwn(block, start, {
      isTight: tight[block.index]! >= 0,
      stream: around ? undefined : this.streams.get(tight[block.index]!),
      strip: around,
      unwritten: this.unwritten.get(tight[block.index]!),
      goesOn: (to) => {
        const forward = order[to.index]! > order[block.index]! && !indirect.has(edgeKey(block, to));
        return forward && !isMerge[to.index] && !isLoop[to.index];
      },
    });
    if (block.again && !around) this.strips.find(({ way }) => way === block.again)!.ends(start);
    this.blocks.set(block, root);
    this.uses.set(block, this.frame.use);
    const edges = this.#note(root);
    for (const child of children[block.index]!) {
      const edge = isMerge[child.index] ? undefined : edges.find(({ to }) => to === child);
      this.#build(child, edge?.state ?? new State(), this.stack.isApart(block, child));
    }
  }

  #buildOwn(block: Block, start: State, around: Around): Nodes {
    const { strip } = around;
    if (strip && strip.groups.atOnce > 1) {
      const found = buildAtOnce(this.frame, block, new State(start), around, strip);
      if (found) return found.root;
      strip.giveUpCounting();
    }
    return buildBlock(this.frame, block, start, around).root;
  }

  /** Says how a loop goes on that is there twice: what it has to look up is known when that is built. */
  #buildWay(strip: Strip): void {
    const { way } = strip;
    const { children, longest } = this.structure;
    const isFast = (block: Block): number => Number(block === strip.fast);
    for (const child of children[way.index]!.toSorted((x, y) => isFast(x) - isFast(y)))
      this.#build(child, new State(), false);
    const { nodes, use } = strip.build(this.frame, longest[way.index]!);
    this.blocks.set(way, nodes.root);
    this.uses.set(way, use);
    this.#note(nodes.root);
  }

  /** The loop that is there twice in which a jump goes back to the head. */
  stripOf(from: Block, to: Block): Strip | undefined {
    return this.strips.find(
      ({ way, plain, fast }) => from !== way && (to === plain || to === fast),
    );
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
