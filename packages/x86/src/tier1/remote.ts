/** Generating regions on another thread: what both sides say to one another, and the part of the one that generates. */
import { wasm, type WasmMemory, type WasmModule } from '../wasm-api.ts';
import {
  entryExport,
  type Generated,
  generateRegions,
  regionExport,
  Unsupported,
} from './generate.ts';
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
}

/** What the other thread does with a region. */
export function makeRegion(packed: PackedRegion): Reply {
  try {
    const generated = generateRegions([unpackRegion(packed)]);
    const module = new wasm.Module(generated.bytes);
    warm(module, packed.entries.length);
    return { ...generated, module };
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.sem };
    return { failure: String(error) };
  }
}

let memory: WasmMemory | undefined;

/** Every import of a module that is not to do anything. */
const anything = (value: unknown): Record<string, unknown> => new Proxy({}, { get: () => value });

/**
 * Has the module's functions compiled: engines do so when one is first called, and threads share the outcome. Without fuel a
 * region leaves at once.
 */
function warm(module: WasmModule, entries: number): void {
  memory ??= new wasm.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new wasm.Instance(module, {
    env: { memory },
    tier0: anything(() => 0),
    globals: anything(0),
  });
  const call = (name: string): unknown => (exports[name] as (...args: number[]) => unknown)(0, 0, 0, 0); // prettier-ignore
  call(regionExport(0));
  for (let entry = 0; entry < entries; entry++) call(entryExport(0, entry));
}
