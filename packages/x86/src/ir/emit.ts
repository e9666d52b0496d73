import type { Code } from '@vitrine/wasm/code.ts';
import { instructions, type ValType } from '@vitrine/wasm/instructions.ts';
import type { Helper, Node, Region, Var } from './node.ts';
import { UNLIKELY } from './builder.ts';
import { schedule } from './schedule.ts';
import { verify, verifySchedule } from './verify.ts';

/** What emission needs to know of the module around the function. */
export interface Linker {
  /** Function index of a helper. */
  helper(helper: Helper): number;
  /** Function index of an imported function. */
  imported(name: string): number;
  /** Check the nodes before and after they are scheduled (tests). */
  readonly verified?: boolean;
  /** Index of an imported global. */
  global?(name: string): number;
  /** Writes an `exit` node, whose arguments are on the stack. */
  exit?(exit: object, depth: number): void;
  /** Writes what follows an edge between blocks, with `depth` labels open. */
  goto?(edge: object, depth: number): void;
  /** Type index of the handlers in the table, and of the regions of tier 1 that it holds, too. */
  readonly handlerType: number;
  readonly regionType: number;
}

/**
 * Schedules a function's nodes and writes them as WebAssembly.
 * @param depth labels that are open around the code, which `br` nodes count from the outermost, 1
 */
export function emit(root: Region, code: Code, linker: Linker, depth = 0): void {
  if (linker.verified) verify(root);
  schedule(root);
  if (linker.verified) verifySchedule(root);
  const emitter = new Emitter(code, linker, depth);
  emitter.region(root);
  emitter.finish();
}

/**
 * Locals that nodes can have again when their values are no longer needed. V8 handles every local at every branch, so a
 * function with a local for each node takes long to compile.
 */
const pools = new WeakMap<Code, Map<ValType, number[]>>();

function poolOf(code: Code, type: ValType): number[] {
  let pool = pools.get(code);
  if (!pool) pools.set(code, (pool = new Map()));
  let free = pool.get(type);
  if (!free) pool.set(type, (free = []));
  return free;
}

class Emitter {
  readonly #code: Code;
  readonly #linker: Linker;

  #depth: number;
  /** Within a loop of the semantics: what was made outside is needed again in the next round. */
  #loops = 0;
  readonly #own: Var[] = [];

  constructor(code: Code, linker: Linker, depth: number) {
    this.#code = code;
    this.#linker = linker;
    this.#depth = depth;
  }

  region(region: Region): void {
    for (const node of region.nodes) {
      if (!node.pinned || (node.kind !== 'effect' && node.uses === 0)) continue;
      this.#operation(node);
      if (!node.type) continue;
      if (node.uses === 0) this.#code.op('drop');
      else {
        node.local = this.#take(node.type);
        this.#code.set(node.local);
      }
    }
  }

  /** Gives back the locals of variables that were first used here. */
  finish(): void {
    for (const { type, local } of this.#own) poolOf(this.#code, type).push(local);
  }

  #take(type: ValType): number {
    return poolOf(this.#code, type).pop() ?? this.#code.local(type);
  }

  #nested(region: Region): void {
    this.#depth++;
    this.region(region);
    this.#depth--;
  }

  #value(node: Node): void {
    if (node.kind !== 'const' && node.pinned) {
      if (node.local < 0) throw new Error(`${node.op} used before it is evaluated`);
      this.#code.get(node.local);
      if (--node.uses === 0 && this.#loops === 0) poolOf(this.#code, node.type!).push(node.local);
    } else this.#operation(node);
  }

  #operation(node: Node): void {
    const code = this.#code;
    if (node.op === 'if') return this.#if(node);
    for (const arg of node.args) this.#value(arg);
    switch (node.op) {
      case 'i32.const':
        return void code.i32(node.imm as number);
      case 'i64.const':
        return void code.i64(node.imm as bigint);
      case 'f32.const':
        return void code.f32(node.imm as number);
      case 'f64.const':
        return void code.f64(node.imm as number);
      case 'v128.const':
        return void code.v128(node.imm as Uint8Array);
      case 'param':
        return void code.get(node.imm as number);
      case 'var.get':
        return void code.get(this.#var(node.imm as Var));
      case 'var.set':
        return void code.set(this.#var(node.imm as Var));
      case 'loop':
        code.enter('loop');
        this.#loops++;
        this.#nested(node.bodies[0]!);
        this.#loops--;
        return void code.end();
      case 'again':
        return void code.brIf(0);
      case 'global.get':
        return void code.globalGet(this.#linker.global!(node.imm as string));
      case 'goto':
        return this.#linker.goto!(node.imm as object, this.#depth);
      case 'br':
        return void code.br(this.#depth - (node.imm as number));
      case 'exit':
        return this.#linker.exit!(node.imm as object, this.#depth);
      case 'call':
        return void code.call(this.#linker.helper(node.imm as Helper));
      case 'return_call':
        return void code.returnCall(this.#linker.helper(node.imm as Helper));
      case 'call_import':
        return void code.call(this.#linker.imported(node.imm as string));
      case 'return':
        return void code.op('return');
      case 'tail':
        return void code.returnCallIndirect(this.#linker.handlerType);
      case 'link':
        return void code.returnCallIndirect(this.#linker.regionType);
      case 'enter':
        return void code.callIndirect(this.#linker.handlerType);
      case 'unreachable':
        return void code.op('unreachable');
      case 'memory.copy':
        return void code.memoryCopy();
      case 'memory.fill':
        return void code.memoryFill();
    }
    const row = instructions.get(node.op);
    if (row?.immediate === 'mem') code.memRow(row, node.imm as number);
    else if (row?.immediate === 'L' || row?.immediate === 'LL')
      code.lane(node.op, ...(node.imm as readonly number[]));
    else code.row(row, node.op);
  }

  #if(node: Node): void {
    const [then, otherwise] = node.bodies;
    this.#value(node.args[0]!);
    if (node.imm === UNLIKELY) this.#code.enterUnlikely();
    else this.#code.enter('if');
    this.#nested(then!);
    if (otherwise!.nodes.length > 0) {
      this.#code.else();
      this.#nested(otherwise!);
    }
    this.#code.end();
  }

  #var(variable: Var): number {
    if (variable.local >= 0) return variable.local;
    // What is kept may be needed again before code that was written earlier: its local is nobody else's.
    if (variable.kept) return (variable.local = this.#code.local(variable.type));
    variable.local = this.#take(variable.type);
    this.#own.push(variable);
    return variable.local;
  }
}
