/** Generating regions on another thread: what both sides say to one another, and the part of the one that generates. */
import { wasm, type WasmMemory, type WasmModule } from '../wasm-api.ts';
import { bundle } from './bundle.ts';
import { Unsupported } from './built.ts';
import { type Generated, generateRegions } from './generate.ts';
import { MEMORY_LIMITS } from './imports.ts';
import { entryExport, regionExport } from './names.ts';
import { type PackedRegion, unpackRegion } from './packed.ts';

/** A region's module, compiled. */
export interface Made extends Generated {
  readonly module: WasmModule;
}

/** Semantics that cannot be compiled; or a bug of this tier. */
export type Reply = Made | { readonly unsupported: string } | { readonly failure: string };

/** Whoever generates regions for the machines of this thread. */
export interface RemoteGenerator {
  /** Whether it is there (`idle` or `busy`), with more to do than it should (`busy`), on its way, or neither. */
  readonly state: 'away' | 'coming' | 'idle' | 'busy';
  /** There will be something to do; does nothing where it has been said before. */
  start(): void;
  /** @param done told later, while nothing executes */
  generate(region: PackedRegion, done: (reply: Reply) => void): void;
  /** Whether it makes one module of several, and has it optimised before that is there. */
  readonly bundles?: boolean;
  /** @param entries how many entries each of the modules' regions has */
  bundle?(modules: readonly Uint8Array[], entries: readonly number[], done: (reply: Reply) => void): void; // prettier-ignore
}

/** Has an engine optimise a function that a module exports; other orders may be carried out before the next one. */
export type Optimise = (exported: unknown) => Promise<void>;

/** What the other thread is asked for: a region's module, or one of several with so many entries. */
export type Order =
  | { readonly region: PackedRegion }
  | { readonly modules: readonly Uint8Array[]; readonly entries: readonly number[] };

/** What the other thread does. @param optimise undefined where it cannot */
export async function carryOut(order: Order, optimise: Optimise | undefined): Promise<Reply> {
  if ('region' in order) return makeRegion(order.region);
  if (optimise) return makeBundle(order.modules, order.entries, optimise);
  return { failure: 'the engine is not to be asked for optimised code' };
}

/** What the other thread does with a region. */
export function makeRegion(packed: PackedRegion): Reply {
  try {
    const generated = generateRegions([unpackRegion(packed)]);
    const module = new wasm.Module(generated.bytes);
    const call = (exported: unknown): unknown => (exported as (...args: number[]) => unknown)(0, 0, 0, 0); // prettier-ignore
    for (const exported of exportsOf(module, [packed.entries.length])) call(exported);
    return { ...generated, module };
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.sem };
    return { failure: String(error) };
  }
}

/** Puts the functions of several modules into one. */
async function makeBundle(
  modules: readonly Uint8Array[],
  entries: readonly number[],
  optimise: Optimise,
): Promise<Reply> {
  try {
    const generated = bundle(modules);
    const module = new wasm.Module(generated.bytes);
    for (const exported of exportsOf(module, entries)) await optimise(exported);
    return { ...generated, module };
  } catch (error) {
    return { failure: String(error) };
  }
}

let memory: WasmMemory | undefined;

/** Every import of a module that is not to do anything. */
const anything = (value: unknown): Record<string, unknown> => new Proxy({}, { get: () => value });

/**
 * Regions and their entries as functions: engines compile one when it is first called, and threads share the outcome. Without fuel
 * a region leaves at once.
 */
function exportsOf(module: WasmModule, entries: readonly number[]): unknown[] {
  memory ??= new wasm.Memory({ initial: MEMORY_LIMITS.min, maximum: MEMORY_LIMITS.max });
  const { exports } = new wasm.Instance(module, {
    env: { memory },
    tier0: anything(() => 0),
    globals: anything(0),
  });
  const names = entries.flatMap((count, region) => [
    regionExport(region),
    ...Array.from({ length: count }, (_, entry) => entryExport(region, entry)),
  ]);
  return names.map((name) => exports[name]);
}
