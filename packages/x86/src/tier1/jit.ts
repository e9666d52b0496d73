import type { Ram } from '../cpu.ts';
import { NOTES_ENTERED, NOTES_HALF } from './target.ts';
import { handlerCount } from '../tier0/handlers.ts';
import { CHUNK, type CodePage, type CodePages } from '../tier0/code-pages.ts';
import { wasm, type WasmMemory, type WasmTable } from '../wasm-api.ts';
import { GUARD_COUNT } from '../layout.ts';
import {
  entryExport,
  generateRegions,
  handlerGlobal,
  notesGlobal,
  Unsupported,
} from './generate.ts';
import { regionAt, type Region, type Surroundings } from './region.ts';

export interface JitOptions {
  /** Samples in a page that make its hottest block worth compiling; 0: every block when it is first found (tests). */
  readonly threshold: number;
  /** Bytes of generated modules after which all are forgotten. */
  readonly limit: number;
  /** Milliseconds of some clock, for the counters. */
  readonly now?: () => number;
}

export const DEFAULT_JIT: JitOptions = { threshold: 16, limit: 24 * 2 ** 20 };

const TABLE_SIZE = 0x1_0000;

/** Bytes in which a region notes where its indirect jumps have gone, and how often it was entered. */
const NOTES_SIZE = 2048;

/** Samples between two looks at how often regions are entered. */
const PERIOD = 64;
/** Entries in a period that make a region worth another try with what is known of its surroundings by then. */
const RESTLESS = 1000;
/** How often a region is made anew for that. */
const MAX_GROWN = 3;

/** What tier 1 asks of the processor around it. */
export interface JitHost {
  readonly ram: Ram & { readonly memory: WasmMemory };
  readonly pages: CodePages;
  /** Exports of the interpreter. */
  readonly tier0: Record<string, unknown>;
  /** The block at an address of the current space; undefined if it cannot be executed, or has not been (unless `decode`). */
  find(va: number, decode: boolean): { page: CodePage; rec: number } | undefined;
  /** The page is mapped, executable, in the current space. */
  allow(guard: number, va: number): void;
  /** Takes every guard back. */
  forbid(): void;
}

/** An entry of a region in the place of a record's handler. */
interface Entry {
  readonly page: CodePage;
  readonly rec: number;
  /** Number of the handler in the table. */
  readonly place: number;
}

/** How often slices of execution ended in a page, and at which of its blocks, by their offsets. */
interface Samples {
  all: number;
  readonly byOffset: Map<number, number>;
}

function hottestOf(counts: ReadonlyMap<number, number>): number {
  let best = -1;
  for (const [offset, count] of counts) if (best < 0 || count > counts.get(best)!) best = offset;
  return best;
}

/** A compiled region. */
interface Installed {
  readonly va: number;
  readonly pages: ReadonlySet<CodePage>;
  readonly entries: readonly Entry[];
  readonly notes: number;
  readonly size: number;
  /** Times that the region was compiled anew because more of the code around it had become known. */
  grown: number;
  entered: number;
}

/**
 * Tier 1: compiles the regions around hot blocks. An entry of a region is reached through the record of its first
 * instruction, whose handler is replaced; code that is dropped takes its replaced handlers back (CodePages).
 */
export class Jit {
  readonly #host: JitHost;
  readonly #table: WasmTable;
  readonly #options: JitOptions;
  readonly #samples = new Map<CodePage, Samples>();
  readonly #regions = new Map<CodePage, Set<Installed>>();
  readonly #free: number[] = [];
  readonly #freeNotes: number[] = [];
  readonly #excluded = new Set<string>();
  readonly #guarded = new Map<number, CodePage>();
  readonly #freeGuards: number[] = [];
  #bytes = 0;
  #clock = 0;
  /** Regions compiled so far, their instructions and bytes, and the milliseconds it took, for measurements. */
  readonly counters = {
    regions: 0,
    instructions: 0,
    bytes: 0,
    generate: 0,
    instantiate: 0,
    flushes: 0,
    failures: 0,
  };

  constructor(host: JitHost, options: JitOptions) {
    this.#host = host;
    this.#options = options;
    const table = host.tier0['handlers'] as WasmTable | undefined;
    if (!table) throw new Error('the interpreter module has no table for tier 1: build again');
    this.#table = table;
    if (table.length < TABLE_SIZE) table.grow(TABLE_SIZE - table.length);
    for (let i = TABLE_SIZE - 1; i >= handlerCount; i--) this.#free.push(i);
    for (let i = GUARD_COUNT - 1; i >= 0; i--) this.#freeGuards.push(i);
  }

  #now(): number {
    return this.#options.now?.() ?? 0;
  }

  get eager(): boolean {
    return this.#options.threshold === 0;
  }

  /** A block is about to be executed: for the first time when eager, otherwise because a slice ended here. */
  sample(page: CodePage, offset: number, rec: number): void {
    if (++this.#clock % PERIOD === 0) this.#growRestless();
    if (page.replaced.has(rec) || page.blocks.get(offset) !== rec) return;
    let samples = this.#samples.get(page);
    if (!samples) this.#samples.set(page, (samples = { all: 0, byOffset: new Map() }));
    const count = (samples.byOffset.get(offset) ?? 0) + 1;
    samples.byOffset.set(offset, count);
    if (++samples.all < this.#options.threshold) return;
    const hottest = this.eager ? offset : hottestOf(samples.byOffset);
    samples.byOffset.delete(hottest);
    samples.all = [...samples.byOffset.values()].reduce((sum, n) => sum + n, 0) >> 1;
    this.#compile(page.va + hottest);
  }

  /** Compiles regions anew that are left and entered all the time, if more of their surroundings is known now. */
  #growRestless(): void {
    const { u32 } = this.#host.ram;
    for (const region of new Set([...this.#regions.values()].flatMap((all) => [...all]))) {
      const entered = u32[(region.notes + NOTES_ENTERED) >> 2]!;
      const often = (entered - region.entered) >>> 0 >= RESTLESS;
      region.entered = entered;
      if (!often || region.grown >= MAX_GROWN || region.notes === 0) continue;
      region.grown++;
      this.#compile(region.va, region);
    }
  }

  /** @param old the region that this one takes the place of, if it is larger */
  #compile(va: number, old?: Installed): void {
    const start = this.#now();
    const found = this.#generate(va, old);
    if (!found || (old && found.region.size <= old.size)) return;
    if (old) this.#remove(old);
    const { region, bytes, globals } = found;
    const made = this.#now();
    if (
      this.#bytes + bytes.length > this.#options.limit ||
      this.#free.length < region.entries.length ||
      this.#freeGuards.length < region.blocks.length
    )
      this.flush();
    this.#bytes += bytes.length;
    this.#install(va, region, bytes, globals, old?.grown ?? 0);
    const { counters } = this;
    counters.regions++;
    counters.instructions += region.instructions;
    counters.bytes += bytes.length;
    counters.generate += made - start;
    counters.instantiate += this.#now() - made;
  }

  #generate(
    va: number,
    old?: Installed,
  ): { region: Region; bytes: Uint8Array; globals: readonly string[] } | undefined {
    for (;;) {
      try {
        const region = regionAt(this.#surroundings(old), va);
        return region && { region, ...generateRegions([region]) };
      } catch (error) {
        if (error instanceof Unsupported) this.#excluded.add(error.sem);
        else if (this.eager) throw error;
        else {
          // A bug of this tier: the block stays with the other one.
          this.counters.failures++;
          return undefined;
        }
      }
    }
  }

  #surroundings(old: Installed | undefined): Surroundings {
    return {
      u8: this.#host.ram.u8,
      u16: this.#host.ram.u16,
      find: (at) => this.#host.find(at, this.eager),
      jumps: old ? this.#noted(old.notes) : [],
      returns: old ? this.#noted(old.notes + NOTES_HALF) : [],
      excluded: this.#excluded,
    };
  }

  /** The addresses in one half of a region's notes. */
  #noted(notes: number): number[] {
    const { u32 } = this.#host.ram;
    const found: number[] = [];
    for (let at = notes >> 2; at < (notes + NOTES_HALF) >> 2; at += 2) {
      const va = u32[at]! + u32[at + 1]! * 2 ** 32;
      if (va !== 0) found.push(va);
    }
    return found;
  }

  #notes(): number {
    if (this.#freeNotes.length === 0) {
      const chunk = this.#host.pages.reserve();
      if (chunk === 0) return 0;
      for (let at = 0; at < CHUNK; at += NOTES_SIZE) this.#freeNotes.push(chunk + at);
    }
    const notes = this.#freeNotes.pop()!;
    this.#host.ram.u8.fill(0, notes, notes + NOTES_SIZE);
    return notes;
  }

  #install(
    va: number,
    region: Region,
    bytes: Uint8Array,
    wanted: readonly string[],
    grown: number,
  ): void {
    const notes = this.#notes();
    const pages = new Map(region.blocks.map(({ code: { page } }) => [page.va, page]));
    const { u16 } = this.#host.ram;
    const globals: Record<string, number> = { [notesGlobal(0)]: notes };
    const handlerOf = (page: CodePage, rec: number): number =>
      page.replaced.get(rec) ?? u16[rec >> 1]!;
    for (const page of pages.values()) {
      const name = `g${page.va}`;
      if (wanted.includes(name)) globals[name] = this.#guardOf(page);
    }
    for (const { code } of region.blocks) {
      const rec = code.records[0]!;
      globals[`r${code.va}`] = rec;
      globals[`o${code.va}`] = handlerOf(code.page, rec);
    }
    region.entries.forEach(({ code: { page, records } }, i) => {
      globals[handlerGlobal(0, i)] = handlerOf(page, records[0]!);
    });
    const { exports } = new wasm.Instance(new wasm.Module(bytes), {
      env: { memory: this.#host.ram.memory },
      tier0: this.#host.tier0,
      globals,
    });
    const entries: Entry[] = [];
    region.entries.forEach(({ code: { page, records } }, i) => {
      const rec = records[0]!;
      // An older region keeps its entry, but for the one that this was made for.
      if (i > 0 && page.replaced.has(rec)) return;
      const place = this.#free.pop()!;
      this.#table.set(place, exports[entryExport(0, i)]);
      if (!page.replaced.has(rec)) page.replaced.set(rec, u16[rec >> 1]!);
      u16[rec >> 1] = place;
      entries.push({ page, rec, place });
    });
    const installed: Installed = {
      va,
      pages: new Set(pages.values()),
      entries,
      notes,
      size: region.size,
      grown,
      entered: 0,
    };
    for (const page of installed.pages) {
      let all = this.#regions.get(page);
      if (!all) this.#regions.set(page, (all = new Set()));
      all.add(installed);
    }
  }

  #guardOf(page: CodePage): number {
    if (page.guard < 0) {
      page.guard = this.#freeGuards.pop()!;
      this.#guarded.set(page.guard, page);
    }
    this.#host.allow(page.guard, page.va);
    return page.guard;
  }

  /** How often each region has been entered, for measurements. */
  entered(): { va: number; size: number; grown: number; entered: number }[] {
    const { u32 } = this.#host.ram;
    return [...new Set([...this.#regions.values()].flatMap((all) => [...all]))].map(
      ({ va, size, grown, notes }) => ({
        va,
        size,
        grown,
        entered: u32[(notes + NOTES_ENTERED) >> 2]!,
      }),
    );
  }

  /** A page's code is gone, and with it every region that has some of it. */
  drop(page: CodePage): void {
    this.#samples.delete(page);
    this.#release(page);
    for (const region of this.#regions.get(page) ?? []) this.#remove(region);
    this.#regions.delete(page);
  }

  /** Whoever drops a page takes all guards back, so that its own can be another's. */
  #release(page: CodePage): void {
    if (page.guard < 0) return;
    this.#guarded.delete(page.guard);
    this.#freeGuards.push(page.guard);
    page.guard = -1;
  }

  #remove(region: Installed): void {
    const { u16 } = this.#host.ram;
    for (const { page, rec, place } of region.entries) {
      const before = page.replaced.get(rec);
      if (before !== undefined && u16[rec >> 1] === place) {
        u16[rec >> 1] = before;
        page.replaced.delete(rec);
      }
      this.#table.set(place, null);
      this.#free.push(place);
    }
    if (region.notes) this.#freeNotes.push(region.notes);
    for (const page of region.pages) this.#regions.get(page)?.delete(region);
  }

  /** Forgets every region; blocks go back to tier 0. Only while nothing executes. */
  flush(): void {
    for (const page of [...this.#regions.keys()]) this.drop(page);
    for (const page of [...this.#guarded.values()]) this.#release(page);
    this.#host.forbid();
    this.#bytes = 0;
    this.counters.flushes++;
  }
}
