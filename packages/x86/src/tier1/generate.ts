/** Generates the WebAssembly of regions: a function each, and a handler for each of their entries. */
import type { Code } from '@vitrine/wasm/code.ts';
import { ModuleWriter } from '@vitrine/wasm/module.ts';
import { RSP } from '../cpu.ts';
import { LOWEST } from '../insn/sse-usual.ts';
import { Builder } from '../ir/builder.ts';
import { emit, type Linker } from '../ir/emit.ts';
import type { Helper, Node, Var } from '../ir/node.ts';
import {
  CODE_GUARDS,
  EXIT_LOOKUP,
  HIDDEN,
  FLAGS_RESULT,
  KEPT_KIND,
  KEPT_Y,
  RETURNED,
  UNWRITTEN,
} from '../layout.ts';
import { interpret, Tier0Target } from '../tier0/target.ts';
import {
  countIn,
  exitTo,
  exitToRecord,
  exitWith,
  linkTo,
  NOTES_REFUSED,
  unwound,
} from './exits.ts';
import { Built } from './built.ts';
import { countEntry, type EntryOf, writeEntry } from './enter.ts';
import { DISPATCH, type Exit, FLAGS, noteOrdinary, type Restart, type ToHub } from './frame.ts';
import { Slots } from './hub.ts';
import { Imports } from './imports.ts';
import { guardOf } from './known-pages.ts';
import { Exits } from './leave.ts';
import type { Leaving } from './liveness.ts';
import { entryExport, regionExport, handlerGlobal, notesGlobal, recGlobal, ownHandlerGlobal, guardGlobal, NOTES } from './names.ts'; // prettier-ignore
import { noteAtTimes } from './notes.ts';
import type { Block, Region } from './region.ts';
import { KEPT_LIMIT } from './stream.ts';
import type { Strip } from './strip.ts';
import { edgeKey } from './structure.ts';
import { laneOf } from './vectors.ts';
import type { Edge } from './target.ts';

const HANDLER = ['i32', 'i32', 'i32'] as const;
const REGION = [...HANDLER, 'i32'] as const;

const rspInMemory = (b: Builder): Node => b.load('i64.load', b.i32(0), RSP * 8);

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
    this.#noteOrdinary();
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
    for (const { isLong } of this.#built.strips) this.#local(isLong);
    this.#begin();
    this.#noteOrdinary();
    if (frame.usesFloat) this.#hide(LOWEST.f64, frame.lowest);
  }

  /** Keeps a constant that V8 is to take for a variable. */
  #hide(value: bigint, variable: Var): void {
    this.#code.i32(0).i64(value).mem('i64.store', HIDDEN);
    this.#code.i32(0).mem('i64.load', HIDDEN).set(this.#local(variable));
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
    const { region, stack } = this.#built;
    const { entries, hub } = region;
    const wants = (block: Block): boolean => stack.isWanted(block);
    if (!entries.some(wants)) return;
    // With many entries the others look, too: it does no harm.
    const wanting = hub.length > 0 ? entries : entries.filter(wants);
    const b = new Builder(new Tier0Target(undefined));
    const look = (): void => {
      stack.lookUp(b, b.add(rspInMemory(b), this.#heightAt(b, wanting)), () => {
        countIn(b, NOTES_REFUSED);
        const handler = this.#handlerAt(b, wanting);
        const args = [b.param(0, 'i32'), b.param(1, 'i32'), b.param(2, 'i32'), handler];
        b.node('return_call', undefined, 'effect', args, exitToRecord);
      });
    };
    if (wanting.length < entries.length) b.if(this.#isAt(b, wanting), look);
    else look();
    emit(b.root, this.#code, this.#linker);
  }

  /** How far the base is from RSP at an entry, which is one of some. */
  #heightAt(b: Builder, some: readonly Block[]): Node {
    const { stack } = this.#built;
    const alike = new Map<number, Block[]>();
    for (const block of some) {
      const height = -stack.startOf(block).rsp!;
      alike.set(height, [...(alike.get(height) ?? []), block]);
    }
    const [most, ...others] = [...alike].sort(([, x], [, y]) => y.length - x.length);
    let height: Node = b.i64(most![0]);
    for (const [other, blocks] of others)
      height = b.select(this.#isAt(b, blocks), b.i64(other), height);
    return height;
  }

  /** The handler that tier 0 has for an entry, which is one of some. */
  #handlerAt(b: Builder, some: readonly Block[]): Node {
    const handlers = some.map((block) => {
      const name = handlerGlobal(this.#built.number, this.#built.region.entries.indexOf(block));
      return b.node('global.get', 'i32', 'pure', [], name);
    });
    return handlers.reduce((handler, one, i) => b.select(this.#isAt(b, [some[i]!]), one, handler));
  }

  /** Whether the entry is one of some: a bit in a word, since looking for it one by one is half of what entering takes. */
  #isAt(b: Builder, some: readonly Block[]): Node {
    const { region, frame } = this.#built;
    const entry = b.value(frame.block);
    const numbers = some.map((block) => region.entries.indexOf(block));
    if (numbers.length === 1) return b.eq(entry, b.i32(numbers[0]!));
    const words = Array<bigint>(Math.ceil(region.entries.length / 64)).fill(0n);
    for (const number of numbers) words[number >> 6]! |= 1n << BigInt(number & 63);
    const word = words
      .map((bits): Node => b.i64(BigInt.asIntN(64, bits)))
      .reduceRight((high, low, i) => b.select(b.ltU(entry, b.i32(64 * (i + 1))), low, high));
    return b.and(b.wrap(b.shrU(word, b.extendU(entry))), b.i32(1));
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

  /** Notes what the region takes for granted of MXCSR. */
  #noteOrdinary(): void {
    const { frame } = this.#built;
    if (frame.usesFloat) this.#code.call(this.#imports.helper(noteOrdinary));
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
    const { frame, longest, structure, region, strips } = this.#built;
    const code = this.#code;
    const aim = this.#local(frame.aim);
    code.set(aim).get(frame.fuel.local).i32(longest).op('i32.le_s').enterUnlikely();
    code.get(aim).get(frame.fuel.local).get(2).returnCall(this.#imports.helper(exitTo)).end();
    const b = new Builder(new Tier0Target(undefined));
    const slot = this.#slots.indexOf(b, b.value(frame.aim));
    b.assign(frame.block, b.add(slot, b.i32(structure.dispatched.length)));
    for (const { way, isLong } of strips) if (region.hub.includes(way)) b.assign(isLong, b.i32(0));
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
      const isIt = b.eq(b.value(frame.aim), b.i64(BigInt(block.code.va)));
      b.if(b.and(isIt, b.ne(guardOf(b, block.code.page), b.i32(0))), () => {
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
      this.#computeUnwritten(block, depth);
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
    for (const page of this.#built.streams.get(index)?.pages ?? [])
      this.#code
        .i32(0)
        .i64(0n)
        .mem('i64.store', page + KEPT_LIMIT);
  }

  /**
   * What a tight loop wants of registers that it only reads. It is read from memory, since V8 would compute in the loop what is not needed
   * on all ways through it.
   */
  #computeUnwritten({ index }: Block, depth: number): void {
    const { frame, unwritten } = this.#built;
    const b = new Builder(new Tier0Target(undefined));
    unwritten.get(index)?.kept.forEach(({ register, load, compute, variable }, i) => {
      const whole = b.value(frame.vectors[register]!.variable);
      const value = load === 'v128.load' ? whole : b.lane(laneOf(load), [whole], 0);
      const { type } = variable;
      const cell = UNWRITTEN + 16 * i;
      b.store(`${type}.store`, b.i32(0), compute(b, value), cell);
      b.assign(variable, b.load(`${type}.load`, b.i32(0), cell));
    });
    emit(b.root, this.#code, this.#linker, depth);
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
    const strip = this.#built.stripOf(from, to);
    if (strip) this.#endStrip(strip, from, depth);
    else if (back || isStop[to.index] || indirect.has(edgeKey(from, to)))
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

  /** Has a loop that is there twice go on as its way says, at the end of a strip. */
  #endStrip({ way, stop }: Strip, from: Block, depth: number): void {
    const code = this.#code;
    code.get(this.#built.frame.fuel.local).get(this.#local(stop)).op('i32.le_s').enterUnlikely();
    this.#goto({ from, to: way, state: undefined }, depth + 1);
    code.end();
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
      countIn(b, NOTES_REFUSED);
      fail(b);
    });
    emit(b.root, this.#code, this.#linker, depth);
  }

  /** Writes a jump: to a label, or the block itself where no other jump leads to it. */
  #jump({ from, to }: Edge, depth: number): void {
    const { structure, frame } = this.#built;
    const { order, indirect, dispatched, isMerge } = structure;
    const code = this.#code;
    const strip = this.#built.strips.find(({ way }) => way === to);
    if (strip && !strip.blocks.has(from)) code.i32(0).set(this.#local(strip.isLong));
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
