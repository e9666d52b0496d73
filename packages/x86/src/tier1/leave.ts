import type { Code } from '@vitrine/wasm/code.ts';
import type { ModuleWriter } from '@vitrine/wasm/module.ts';
import type { Helper, Var } from '../ir/node.ts';
import { FLAGS_RESULT, KEPT_KIND, KEPT_Y } from '../layout.ts';
import { callTo, linkTo, returnTo } from './exits.ts';
import { FLAGS, type Frame } from './frame.ts';
import type { Imports } from './imports.ts';

/** Registers that a way out writes back by itself; more of them are the arguments of a function that does it. */
const FEW = 6;

/** Ways out that are taken all the time. */
const OFTEN: ReadonlySet<Helper> = new Set([linkTo, callTo, returnTo]);

/** The local that keeps a register. */
type LocalOf = (variable: Var) => number;

/**
 * The ways out of a region: each writes back what a path to it may have written, and goes on to one of exits.ts. With
 * many registers that is one call with all of them as arguments, which V8 compiles faster than stores at every exit.
 */
export class Exits {
  readonly #module: ModuleWriter;
  readonly #frame: Frame;
  readonly #imports: Imports;
  readonly #functions = new Map<string, number>();

  constructor(module: ModuleWriter, frame: Frame, imports: Imports) {
    this.#module = module;
    this.#frame = frame;
    this.#imports = imports;
  }

  /** Leaves with the arguments of the exit on the stack. */
  write(code: Code, exit: Helper, dirty: bigint, local: LocalOf): void {
    code.returnCall(this.#prepare(code, exit, dirty, local));
  }

  /** The same, to come back perhaps. */
  call(code: Code, exit: Helper, dirty: bigint, local: LocalOf): void {
    code.call(this.#prepare(code, exit, dirty, local));
  }

  /** Writes the registers back, or puts them on the stack for the function that does. Returns what to call. */
  #prepare(code: Code, exit: Helper, dirty: bigint, local: LocalOf): number {
    const kept = this.#variablesOf(dirty);
    if (kept.length <= FEW || OFTEN.has(exit)) {
      this.store(code, dirty, local);
      return this.#imports.helper(exit);
    }
    for (const variable of kept) code.get(local(variable));
    return this.#function(exit, dirty);
  }

  /** The registers of a set, then what the flags are. */
  #variablesOf(dirty: bigint): readonly Var[] {
    const { x, y, kind } = this.#frame;
    const registers = this.#frame.registersOf(dirty).map(({ variable }) => variable);
    return dirty & FLAGS ? [...registers, x, y, kind] : registers;
  }

  /** Writes registers back. */
  store(code: Code, dirty: bigint, local: LocalOf): void {
    for (const { address, variable } of this.#frame.registersOf(dirty))
      code.i32(0).get(local(variable)).mem(`${variable.type}.store`, address);
    if (!(dirty & FLAGS)) return;
    const { x, y, kind } = this.#frame;
    code.i32(0).get(local(x)).mem('i64.store', FLAGS_RESULT);
    code.i32(0).get(local(y)).mem('i64.store', KEPT_Y);
    code.i32(0).get(local(kind)).mem('i32.store8', KEPT_KIND);
  }

  #function(exit: Helper, dirty: bigint): number {
    const key = `${exit.name} ${dirty}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const kept = this.#variablesOf(dirty);
    const types = kept.map(({ type }) => type);
    const { index, code } = this.#module.func([...exit.params, ...types], ['i32']);
    this.store(code, dirty, (variable) => exit.params.length + kept.indexOf(variable));
    exit.params.forEach((_, i) => code.get(i));
    code.returnCall(this.#imports.helper(exit));
    this.#functions.set(key, index);
    return index;
  }
}
