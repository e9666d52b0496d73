import type { Ram } from '../cpu.ts';
import { handlerCount } from '../tier0/handlers.ts';
import type { CodePage } from '../tier0/code-pages.ts';
import { wasm, type WasmMemory, type WasmTable } from '../wasm-api.ts';
import { entryExport, generateRegion } from './generate.ts';
import { regionAt } from './region.ts';

export interface JitOptions {
  /** Samples that make a block hot; 0 compiles every block when it is first found (tests). */
  readonly threshold: number;
  /** Bytes of generated modules after which all are forgotten. */
  readonly limit: number;
}

export const DEFAULT_JIT: JitOptions = { threshold: 2, limit: 8 * 2 ** 20 };

const TABLE_SIZE = 0x1_0000;

/** What tier 1 knows of a page. */
interface PageState {
  /** Times that a slice of execution ended at a block, by its offset. */
  readonly samples: Map<number, number>;
  /** Place in the table of the handler that enters a region at a block. */
  readonly entries: Map<number, number>;
}

/**
 * Tier 1: compiles the regions around hot blocks. A compiled block is reached through the record of its first
 * instruction, whose handler is replaced; code that is dropped takes its replaced handlers back (CodePages).
 */
export class Jit {
  readonly #ram: Ram & { readonly memory: WasmMemory };
  readonly #tier0: Record<string, unknown>;
  readonly #table: WasmTable;
  readonly #options: JitOptions;
  readonly #states = new Map<CodePage, PageState>();
  readonly #free: number[] = [];
  #bytes = 0;
  /** Regions compiled so far, for measurements. */
  compiled = 0;

  constructor(
    ram: Ram & { readonly memory: WasmMemory },
    tier0: Record<string, unknown>,
    options: JitOptions,
  ) {
    this.#ram = ram;
    this.#tier0 = tier0;
    this.#options = options;
    const table = tier0['handlers'] as WasmTable | undefined;
    if (!table) throw new Error('the interpreter module has no table for tier 1: build again');
    this.#table = table;
    if (table.length < TABLE_SIZE) table.grow(TABLE_SIZE - table.length);
    for (let i = TABLE_SIZE - 1; i >= handlerCount; i--) this.#free.push(i);
  }

  get eager(): boolean {
    return this.#options.threshold === 0;
  }

  /** A block is about to be executed: for the first time when eager, otherwise because a slice ended here. */
  sample(page: CodePage, offset: number, rec: number): void {
    if (page.replaced.has(rec) || page.blocks.get(offset) !== rec) return;
    let state = this.#states.get(page);
    if (!state) this.#states.set(page, (state = { samples: new Map(), entries: new Map() }));
    const samples = (state.samples.get(offset) ?? 0) + 1;
    state.samples.set(offset, samples);
    if (samples < this.#options.threshold) return;
    if (!state.entries.has(offset)) this.#compile(page, state, offset);
    this.#replace(page, state);
  }

  #compile(page: CodePage, state: PageState, offset: number): void {
    const region = regionAt(this.#ram.u8, page, offset, this.eager);
    if (region.blocks.length === 0) return;
    const bytes = generateRegion(region);
    if (
      this.#bytes + bytes.length > this.#options.limit ||
      this.#free.length < region.blocks.length
    )
      this.#flushBut(page, state);
    this.#bytes += bytes.length;
    this.compiled++;
    const env = { memory: this.#ram.memory };
    const { exports } = new wasm.Instance(new wasm.Module(bytes), { env, tier0: this.#tier0 });
    region.blocks.forEach((block, i) => {
      if (state.entries.has(block.offset)) return;
      const place = this.#free.pop()!;
      this.#table.set(place, exports[entryExport(i)]);
      state.entries.set(block.offset, place);
    });
  }

  /** Has the blocks that tier 0 knows by now enter their regions. */
  #replace(page: CodePage, state: PageState): void {
    const { u16 } = this.#ram;
    for (const [offset, place] of state.entries) {
      const rec = page.blocks.get(offset);
      if (rec === undefined || page.replaced.has(rec)) continue;
      page.replaced.set(rec, u16[rec >> 1]!);
      u16[rec >> 1] = place;
    }
  }

  /** A page's code is gone. */
  drop(page: CodePage): void {
    const state = this.#states.get(page);
    if (!state) return;
    this.#states.delete(page);
    for (const place of state.entries.values()) {
      this.#table.set(place, null);
      this.#free.push(place);
    }
    state.entries.clear();
  }

  /** Forgets every region, but goes on with a page. */
  #flushBut(page: CodePage, state: PageState): void {
    this.flush();
    this.#states.set(page, state);
  }

  /** Forgets every region; blocks go back to tier 0. Only while nothing executes. */
  flush(): void {
    const { u16 } = this.#ram;
    for (const page of [...this.#states.keys()]) {
      for (const [rec, handler] of page.replaced) u16[rec >> 1] = handler;
      page.replaced.clear();
      this.drop(page);
    }
    this.#bytes = 0;
  }
}
