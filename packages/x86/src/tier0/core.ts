/**
 * The handlers of what is executed most, as one function. Between handlers of their own, V8 takes a frame down and sets one up,
 * checks the stack and the signature, and fetches the instance's fields again, more than most of them do otherwise; here it is one
 * jump through a table. All of a record's fields and of its meaning are the same (target.ts).
 */
import type { Code } from '@vitrine/wasm/code.ts';
import { Builder } from '../ir/builder.ts';
import { emit, type Linker } from '../ir/emit.ts';
import type { Node, Var } from '../ir/node.ts';
import { ALONE, type Shape } from './handlers.ts';
import { Tier0Target } from './target.ts';

/** The parameters, which go on changing: the record and the fuel; and the record that a branch leads to. */
const REC: Var = { type: 'i32', local: 0, kept: true };
const FUEL: Var = { type: 'i32', local: 1, kept: true };
const NEXT: Var = { type: 'i32', local: 3, kept: true };
const LOCALS = 3;

/** Labels around all handlers, the outermost one first: the next record, one that is not in the core, one alone, a branch. */
const AGAIN = 1;
const ELSEWHERE = 2;
const BY_ITSELF = 3;
const BRANCH = 4;

/** Leaves what is seldom to the record's own handler, so that nothing is called from here that comes back. */
export class CoreTarget extends Tier0Target {
  override translate(b: Builder, va: Node, size: number, write: boolean): Node {
    if (b.nested) throw new Error('an access on some ways only cannot be in the core');
    return super.translate(b, va, size, write);
  }

  protected override missed(b: Builder): void {
    this.#enter(b);
    br(b, BY_ITSELF);
  }

  /** Operands that straddle two pages miss. */
  override commit(): void {}

  /** So do stores to code. */
  override nextIfDropped(): void {}

  override dispatch(b: Builder, rec: Node, fuel: Node): void {
    if (fuel.op !== 'param') b.assign(FUEL, fuel);
    b.assign(REC, rec);
    br(b, AGAIN);
  }

  protected override goto(b: Builder, rec: Node): void {
    b.assign(NEXT, rec);
    if (this.isFused) b.assign(FUEL, b.sub(this.fuel(b), b.i32(1)));
    this.#enter(b);
    br(b, BRANCH);
    this.ended = true;
  }

  /** Behind all branches: goes on at NEXT as long as there is fuel. */
  goToNext(b: Builder): void {
    super.goto(b, b.value(NEXT));
  }

  /** The second record of a pair becomes the one at hand. */
  #enter(b: Builder): void {
    if (this.offset > 0) b.assign(REC, this.rec(b));
  }
}

const br = (b: Builder, label: number): Node => b.node('br', undefined, 'effect', [], label);

/** Makes the nodes of a handler. */
export type Build = (
  b: Builder,
  make: (shape: Shape | undefined, offset?: number) => CoreTarget,
) => void;

/** Writes the function's body: (record, fuel, TLB), as any handler. @param handlers by their numbers */
export function writeCore(code: Code, linker: Linker, handlers: ReadonlyMap<number, Build>): void {
  const numbers = [...handlers.keys()];
  const count = numbers.length;
  if (code.local('i32') !== LOCALS) throw new Error('a handler has three parameters');
  code.enter('loop');
  for (let i = AGAIN; i < BRANCH + count; i++) code.enter('block');
  const depths = new Array<number>(Math.max(...numbers) + 1).fill(BRANCH - ELSEWHERE + count);
  numbers.forEach((number, i) => (depths[number] = i));
  code
    .get(0)
    .mem('i32.load16_u')
    .brTable(depths, BRANCH - ELSEWHERE + count);
  [...handlers.values()].forEach((build, i) => {
    code.end();
    const b = new Builder(new CoreTarget(undefined));
    build(b, (shape, offset) => (b.target = new CoreTarget(shape, offset)) as CoreTarget);
    emit(b.root, code, linker, BRANCH + count - 1 - i);
    code.op('unreachable');
  });
  code.end();
  const behind = new CoreTarget(undefined);
  const b = new Builder(behind);
  behind.goToNext(b);
  emit(b.root, code, linker, BY_ITSELF);
  code.end();
  code.get(0).get(1).get(2).get(0).mem('i32.load16_u').i32(ALONE).op('i32.add');
  code.returnCallIndirect(linker.handlerType).end();
  code.get(0).get(1).get(2).get(0).mem('i32.load16_u');
  code.returnCallIndirect(linker.handlerType).end().op('unreachable');
}
