/**
 * Machine code that V8 made of WebAssembly modules, as bytes. Node has no public way to it (Chromium keeps such bytes beside what it
 * fetched); V8's own tests do, by functions of its runtime. Bytes begin with a digest of V8's version, of its settings and of the
 * processor's features: what another engine made is refused, and compiled anew.
 */
import { MEMORY_LIMITS } from '@vitrine/x86/tier1/imports.ts';
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import type { NativeCode, Optimise } from '@vitrine/x86';

interface Runtime {
  isOptimised(exported: unknown): boolean;
  optimise(exported: unknown): void;
  serialize(module: WebAssembly.Module): ArrayBuffer;
  deserialize(native: ArrayBuffer, bytes: Uint8Array): WebAssembly.Module | undefined;
}

const SOURCE = `({
  isOptimised: (exported) => %IsTurboFanFunction(exported),
  optimise: (exported) => %WasmTierUpFunction(exported),
  serialize: (module) => %SerializeWasmModule(module),
  deserialize: (native, bytes) => %DeserializeWasmModule(native, bytes),
})`;

/** Whether the process was started with what {@link withRuntime} switches on, and may have functions of its own that need it. */
let isAllowed: boolean | undefined;

function parses(source: string): boolean {
  try {
    return new Script(source) instanceof Script;
  } catch {
    return false;
  }
}

/** V8 parses a function when it is first called, and again when it has not been for long. */
function withRuntime<T>(action: () => T): T {
  isAllowed ??= parses('%IsSmi(1)');
  if (isAllowed) return action();
  setFlagsFromString('--allow-natives-syntax');
  try {
    return action();
  } finally {
    setFlagsFromString('--no-allow-natives-syntax');
  }
}

/** The major versions of Node that this was tried with: elsewhere the functions may be others. */
const KNOWN = new Set([20, 22, 24]);

/**
 * Whether the processor's faults stand for checks of bounds, as usual, so that machine code has none. Its bytes do not tell; Node
 * goes without where it was asked to, or may not reserve address space.
 */
function isGuarded(): boolean {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  if (options.includes('disable-wasm-trap-handler')) return false;
  try {
    return /^Max address space +unlimited/m.test(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    // Not Linux, where Node has no such limit.
    return true;
  }
}

function open(): Runtime | undefined {
  const { node, electron } = process.versions;
  const [major] = node.split('.', 1);
  if (electron !== undefined || !KNOWN.has(Number(major)) || !isGuarded()) return undefined;
  try {
    return withRuntime(() => new Script(SOURCE).runInThisContext() as Runtime);
  } catch {
    return undefined;
  }
}

/** Something of the right kind for everything that a module imports. */
function imports(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Imports {
  const made: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const value = kind === 'memory' ? memory : kind === 'global' ? 0 : () => 0;
    (made[from] ??= {})[name] = value;
  }
  return made;
}

class V8NativeCode implements NativeCode {
  readonly #runtime: Runtime;
  #memory: WebAssembly.Memory | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  save(module: WebAssembly.Module, name: string): Uint8Array | undefined {
    const made = this.#exportOf(module, name);
    // V8 ends the process when it is asked for machine code that it does not have, or of what is no function.
    if (typeof made !== 'function') return undefined;
    return withRuntime(() =>
      this.#runtime.isOptimised(made) ? new Uint8Array(this.#runtime.serialize(module)) : undefined,
    );
  }

  /** undefined as well where there is no room for an instance. */
  #exportOf(module: WebAssembly.Module, name: string): unknown {
    try {
      this.#memory ??= new WebAssembly.Memory({
        initial: MEMORY_LIMITS.min,
        maximum: MEMORY_LIMITS.max,
      });
      return new WebAssembly.Instance(module, imports(module, this.#memory)).exports[name];
    } catch {
      return undefined;
    }
  }

  load(native: Uint8Array, bytes: Uint8Array): WebAssembly.Module | undefined {
    return withRuntime(() => this.#runtime.deserialize(new Uint8Array(native).buffer, bytes));
  }
}

let runtime: Runtime | null | undefined;
let code: NativeCode | undefined;

function opened(): Runtime | undefined {
  if (runtime === undefined) runtime = open() ?? null;
  return runtime ?? undefined;
}

/** undefined where V8 is not known to have what it takes. */
export function nativeCode(): NativeCode | undefined {
  const known = opened();
  return (code ??= known && new V8NativeCode(known));
}

/** The same: compiles a function with the optimising compiler, and comes back when that is done and others had their turn. */
export function optimiser(): Optimise | undefined {
  const known = opened();
  if (!known) return undefined;
  return async (exported) => {
    try {
      known.optimise(exported);
    } catch (error) {
      // It has to be parsed first. The switch is the whole process's, so it is not on for as long as compiling takes.
      if (!(error instanceof SyntaxError)) throw error;
      withRuntime(() => known.optimise(exported));
    }
    await setImmediate();
  };
}
