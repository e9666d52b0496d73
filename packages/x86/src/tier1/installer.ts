import type { Ram } from '../cpu.ts';
import { GUARD_COUNT, LINK_ENTRY_SHIFT } from '../layout.ts';
import { CHUNK, type CodePage, type CodePages } from '../tier0/code-pages.ts';
import { handlerCount } from '../tier0/handlers.ts';
import { wasm, type WasmMemory, type WasmModule, type WasmTable } from '../wasm-api.ts';
import {
  NOTES_ENTERED,
  NOTES_EXECUTED,
  NOTES_REFUSED,
  NOTES_STRAYED,
  NOTES_WILD,
} from './exits.ts';
import { entryExport, guardGlobal, handlerGlobal, notesGlobal, ownHandlerGlobal, recGlobal, regionExport } from './names.ts'; // prettier-ignore
import type { Found } from './region.ts';
import { type Bundle, footprintOf, type Places, type Translation } from './translation.ts';

const TABLE_SIZE = 0x1_0000;

/** Bytes in which a region notes where its indirect jumps have gone, and how often it was entered. */
const NOTES_SIZE = 1024;

/** Instructions that each entry of a region counts for at least. */
const SHORT_STAY = 20;

/** What tier 1 asks of the processor around it. */
export interface JitHost {
  readonly ram: Ram & { readonly memory: WasmMemory };
  readonly pages: CodePages;
  /** Exports of the interpreter. */
  readonly tier0: Record<string, unknown>;
  /** The block at an address of the current space; undefined if it cannot be executed, or has not been (unless `decode`). */
  find(va: number, decode: boolean): Found | undefined;
  /** The eight bytes at an address of the current space, as one; undefined where none is mapped. */
  pointerAt(va: number): number | undefined;
  /** Regions go on at a record, which tier 0 executes by a handler, at an entry of a region (Contexts), or no longer (0). */
  link(va: number, rec: number, handler: number, linked: number): void;
  /** Regions may go to a page from others, if the current space has it. */
  allow(page: CodePage): void;
  /** Takes every guard back. */
  forbid(): void;
}

/** An entry of a region in the place of a record's handler. */
interface Entry {
  readonly page: CodePage;
  readonly va: number;
  readonly rec: number;
  /** Number of the handler in the table. */
  readonly place: number;
}

const pagesOf = ({ page, tail }: Found): CodePage[] => (tail ? [page, tail] : [page]);

/** A translation and where its blocks are. */
export interface Placed {
  readonly translation: Translation;
  readonly places: Places;
}

/** What is installed of a module, whose memory is there again when the last of it has gone. */
interface Group {
  readonly bundle: Bundle;
  readonly members: Set<Installed>;
}

interface Noted extends Placed {
  /** Of its region in the module. */
  readonly number: number;
  readonly notes: number;
}

/** What a region's module exports of it. */
interface Exported {
  readonly region: unknown;
  readonly handlers: readonly unknown[];
}

/** A compiled region. */
export interface Installed extends Placed {
  readonly pages: ReadonlySet<CodePage>;
  /** Addresses of its blocks, but for copies of functions. */
  readonly blocks: ReadonlySet<number>;
  readonly entries: readonly Entry[];
  /** The region's own place in the table: where other regions go on. */
  readonly place: number;
  readonly notes: number;
  readonly group: Group;
  /** What it had executed when room was made last; -1 for one that is newer. */
  seen: number;
  /** False when it has been taken out. */
  live: boolean;
}

/**
 * Puts compiled regions in the way of execution and takes them out again. An entry of a region is reached through the
 * record of its first instruction, whose handler is replaced; code that is dropped takes its replaced handlers back
 * (CodePages).
 */
export class Installer {
  readonly #host: JitHost;
  readonly #table: WasmTable;
  readonly #regions = new Map<CodePage, Set<Installed>>();
  /** Places in the table that were given back, and the first one of those that were never taken. */
  readonly #free: number[] = [];
  #unused = handlerCount;
  readonly #freeNotes: number[] = [];
  /** In the order of their age. */
  readonly #groups = new Map<Bundle, Group>();
  #footprint = 0;
  readonly #guarded = new Map<number, CodePage>();
  readonly #freeGuards: number[] = [];
  #unusedGuard = 0;
  /** Where regions note things when there is no room for notes of their own. */
  readonly #spare: number;

  constructor(host: JitHost) {
    this.#host = host;
    const table = host.tier0['handlers'] as WasmTable | undefined;
    if (!table) throw new Error('the interpreter module has no table for tier 1: build again');
    this.#table = table;
    this.#spare = this.#takeNotes();
  }

  *#all(): Iterable<Installed> {
    for (const { members } of this.#groups.values()) yield* members;
  }

  /** How many regions there are. */
  get count(): number {
    let count = 0;
    for (const { members } of this.#groups.values()) count += members.size;
    return count;
  }

  /** Whether there is room for regions. */
  hasRoom(some: readonly Placed[]): boolean {
    const unguarded = new Set<CodePage>();
    for (const { places } of some)
      for (const place of places.values())
        for (const page of pagesOf(place)) if (page.guard < 0) unguarded.add(page);
    const entries = some.reduce((sum, { translation }) => sum + 1 + translation.entries.length, 0);
    return (
      this.#free.length + TABLE_SIZE - this.#unused >= entries &&
      this.#freeGuards.length + GUARD_COUNT - this.#unusedGuard >= unguarded.size
    );
  }

  /** A place in the table, which grows as they are needed: a machine that compiles nothing starts sooner. */
  #takePlace(content: unknown): number {
    const place = this.#free.pop() ?? this.#unused++;
    const { length } = this.#table;
    if (place >= length) this.#table.grow(Math.min(TABLE_SIZE, 2 * length) - length);
    this.#table.set(place, content);
    return place;
  }

  #givePlace(place: number): void {
    this.#table.set(place, null);
    this.#free.push(place);
  }

  /** Whether a region has a block of the page, other than in a copy of a function. */
  covers(page: CodePage, va: number): boolean {
    for (const { blocks } of this.#regions.get(page) ?? []) if (blocks.has(va)) return true;
    return false;
  }

  /** How often a region has been entered since it was made. */
  timesEntered({ notes }: Installed): number {
    return notes === 0 ? 0 : this.#host.ram.u32[(notes + NOTES_ENTERED) >> 2]!;
  }

  /** How often it could not be entered for want of the stack's window. */
  timesRefused({ notes }: Installed): number {
    return notes === 0 ? 0 : this.#host.ram.u32[(notes + NOTES_REFUSED) >> 2]!;
  }

  /** How often accesses were not in their extents, as far as that was found to be too often. */
  timesStrayed({ notes }: Installed): number {
    return notes === 0 ? 0 : this.#host.ram.u32[(notes + NOTES_STRAYED) >> 2]!;
  }

  /** How often a region was left for numbers that are not tame. */
  timesWild({ notes }: Installed): number {
    return notes === 0 ? 0 : this.#host.ram.u32[(notes + NOTES_WILD) >> 2]!;
  }

  /** How many instructions it has executed, about: what regions behind a link do counts for the first one. */
  executed(installed: Installed): number {
    const { u32 } = this.#host.ram;
    const at = (installed.notes + NOTES_EXECUTED) >> 2;
    if (installed.notes === 0) return 0;
    return u32[at]! + u32[at + 1]! * 2 ** 32 + SHORT_STAY * this.timesEntered(installed);
  }

  /** Where a region's indirect jumps and calls have gone, with the low 16 bits of their own addresses. */
  *jumpsOf({ notes }: Installed): Iterable<{ site: number; target: number }> {
    const { u32 } = this.#host.ram;
    if (notes === 0) return;
    for (let at = notes >> 2; at < (notes + NOTES_ENTERED) >> 2; at += 2) {
      const high = u32[at + 1]!;
      const target = u32[at]! + (high & 0xffff) * 2 ** 32;
      if (target !== 0) yield { site: high >>> 16, target };
    }
  }

  #takeNotes(): number {
    if (this.#freeNotes.length === 0) {
      const chunk = this.#host.pages.reserve();
      if (chunk === 0) return 0;
      for (let at = 0; at < CHUNK; at += NOTES_SIZE) this.#freeNotes.push(chunk + at);
    }
    const notes = this.#freeNotes.pop()!;
    this.#host.ram.u8.fill(0, notes, notes + NOTES_SIZE);
    return notes;
  }

  /**
   * Installs some of a module's regions, which share an instance of it.
   * @throws when the module is not what a translation's must be; nothing is changed then
   */
  install(bundle: Bundle, some: readonly Placed[], module: WasmModule): Installed[] {
    const noted = some.map((placed) => ({ ...placed, number: bundle.members.indexOf(placed.translation), notes: this.#takeNotes() })); // prettier-ignore
    const exported = this.#instantiate(bundle, noted, module);
    let group = this.#groups.get(bundle);
    if (!group) {
      this.#groups.set(bundle, (group = { bundle, members: new Set() }));
      this.#footprint += footprintOf(bundle);
    }
    return noted.map((one, i) => this.#enter(group, one, exported[i]!));
  }

  #enter(
    group: Group,
    { translation, places, notes }: Noted,
    { region, handlers }: Exported,
  ): Installed {
    const { u16 } = this.#host.ram;
    const own = this.#takePlace(region);
    const entries = translation.entries.map((va, i): Entry => {
      const { page, rec } = places.get(va)!;
      const place = this.#takePlace(handlers[i]);
      if (!page.replaced.has(rec)) page.replaced.set(rec, u16[rec >> 1]!);
      u16[rec >> 1] = place;
      this.#host.link(va, rec, place, own | (i << LINK_ENTRY_SHIFT));
      return { page, va, rec, place };
    });
    const pages = new Set([...places.values()].flatMap(pagesOf));
    const blocks = new Set(translation.blocks.filter((block) => block.own).map(({ va }) => va));
    const installed: Installed = { translation, places, group, pages, blocks, entries, place: own, notes, seen: -1, live: true }; // prettier-ignore
    group.members.add(installed);
    for (const page of pages) {
      let some = this.#regions.get(page);
      if (!some) this.#regions.set(page, (some = new Set()));
      some.add(installed);
    }
    return installed;
  }

  /** Regions of a module, and the handlers of their entries, in their order. */
  #instantiate(bundle: Bundle, some: readonly Noted[], module: WasmModule): Exported[] {
    try {
      const { exports } = new wasm.Instance(module, {
        env: { memory: this.#host.ram.memory },
        tier0: this.#host.tier0,
        globals: this.#globals(bundle, some),
      });
      const exported = (name: string): unknown => {
        if (typeof exports[name] === 'function') return exports[name];
        throw new TypeError('a translation has not all of its entries');
      };
      return some.map(({ translation, number }) => {
        const handlers = translation.entries.map((_, i) => exported(entryExport(number, i)));
        return { region: exported(regionExport(number)), handlers };
      });
    } catch (error) {
      for (const { notes } of some) if (notes) this.#freeNotes.push(notes);
      throw error;
    }
  }

  /** What the module's regions that are not installed want is of no interest. */
  #globals({ globals }: Bundle, some: readonly Noted[]): Record<string, number> {
    const { u16 } = this.#host.ram;
    const wanted = new Set(globals);
    const values: Record<string, number> = {};
    for (const name of globals) values[name] = 0;
    const handlerOf = ({ page, rec }: Found): number => page.replaced.get(rec) ?? u16[rec >> 1]!;
    for (const { translation, number, places, notes } of some) {
      values[notesGlobal(number)] = notes || this.#spare;
      for (const [va, place] of places) {
        for (const page of pagesOf(place)) {
          const guard = guardGlobal(page.va);
          if (wanted.delete(guard)) values[guard] = this.#guardOf(page);
        }
        values[recGlobal(va)] = place.rec;
        values[ownHandlerGlobal(va)] = handlerOf(place);
      }
      translation.entries.forEach((va, i) => {
        values[handlerGlobal(number, i)] = handlerOf(places.get(va)!);
      });
    }
    return values;
  }

  #guardOf(page: CodePage): number {
    if (page.guard < 0) {
      page.guard = this.#freeGuards.pop() ?? this.#unusedGuard++;
      this.#guarded.set(page.guard, page);
    }
    this.#host.allow(page);
    return page.guard;
  }

  /** A page's code is gone, and with it every region that has some of it. */
  drop(page: CodePage): void {
    this.#release(page);
    for (const installed of this.#regions.get(page) ?? []) this.remove(installed);
    this.#regions.delete(page);
  }

  /** Whoever drops a page takes all guards back, so that its own can be another's. */
  #release(page: CodePage): void {
    if (page.guard < 0) return;
    this.#guarded.delete(page.guard);
    this.#freeGuards.push(page.guard);
    page.guard = -1;
  }

  /** Tells the translations what they have executed so far. */
  report(): void {
    for (const installed of this.#all()) this.#note(installed);
  }

  #note(installed: Installed): void {
    const { translation } = installed;
    translation.executed = Math.max(translation.executed, this.executed(installed));
  }

  remove(installed: Installed): void {
    const { u16 } = this.#host.ram;
    this.#note(installed);
    installed.live = false;
    const { group } = installed;
    group.members.delete(installed);
    if (group.members.size === 0 && this.#groups.delete(group.bundle))
      this.#footprint -= footprintOf(group.bundle);
    for (const { page, va, rec, place } of installed.entries) {
      const before = page.replaced.get(rec);
      if (before !== undefined && u16[rec >> 1] === place) {
        u16[rec >> 1] = before;
        this.#host.link(va, rec, place, 0);
        page.replaced.delete(rec);
      }
      this.#givePlace(place);
    }
    this.#givePlace(installed.place);
    if (installed.notes) this.#freeNotes.push(installed.notes);
    for (const page of installed.pages) this.#regions.get(page)?.delete(installed);
  }

  /** About the bytes that all regions take once some of a module are installed. */
  footprintWith(bundle: Bundle): number {
    return this.#footprint + (this.#groups.has(bundle) ? 0 : footprintOf(bundle));
  }

  /** About the bytes that all regions take. */
  get footprint(): number {
    return this.#footprint;
  }

  /**
   * Takes out modules whose regions have executed least for their size since room was last made, until the rest takes at most
   * `limit` bytes; new ones last. Only while nothing executes.
   */
  shrink(limit: number): void {
    const ranked = [...this.#groups.values()].map((group) => ({
      group,
      worth: this.#worthOf(group),
    }));
    // A stable sort: of new ones, the oldest go first.
    ranked.sort((a, b) => (a.worth < b.worth ? -1 : a.worth > b.worth ? 1 : 0));
    for (const { group } of ranked) {
      if (this.#footprint <= limit) break;
      for (const installed of [...group.members]) this.remove(installed);
    }
    for (const installed of this.#all()) installed.seen = this.executed(installed);
  }

  #worthOf({ bundle, members }: Group): number {
    let executed = 0;
    for (const installed of members)
      executed += installed.seen < 0 ? Infinity : this.executed(installed) - installed.seen;
    return executed / footprintOf(bundle);
  }

  /** Takes every region out. Only while nothing executes. */
  flush(): void {
    for (const page of [...this.#regions.keys()]) this.drop(page);
    for (const page of [...this.#guarded.values()]) this.#release(page);
    this.#host.forbid();
  }
}
