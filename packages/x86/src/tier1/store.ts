import { wasm, type WasmModule } from '../wasm-api.ts';
import { regionExport } from './names.ts';
import { decodeBundles, encodeBundles, type StoredPage } from './stored.ts';
import { type Bundle, footprintOf, type Translation } from './translation.ts';

/**
 * Where translations outlive the process: a file for each page of code, by its address and what it holds. Whoever
 * implements it sees to it that what comes out is what went in.
 */
export interface TranslationStorage {
  /** What was kept under a name; undefined when there is nothing. */
  load(name: string): Uint8Array | undefined;
  save(name: string, bytes: Uint8Array): void;
  /** What was loaded is not what this version writes. */
  discard(name: string): void;
  /** Everything was saved. */
  close?(): void;
}

/** Has an engine say what it made of a module, where it can. */
export interface NativeCode {
  /** @returns undefined as long as the function of that name is not optimised */
  save(module: WasmModule, name: string): Uint8Array | undefined;
  /** @returns undefined when it is another engine's, or made with other settings */
  load(native: Uint8Array, bytes: Uint8Array): WasmModule | undefined;
}

export interface StoreOptions {
  /** Bytes of code and modules that are remembered; who was not used for the longest time goes first. */
  readonly limit?: number;
  /** Bytes that modules may take which stay compiled while no machine has them, with what V8 makes of them. */
  readonly compiled?: number;
  readonly storage?: TranslationStorage | undefined;
  /** Keeps machine code beside the modules that the storage has. */
  readonly native?: NativeCode | undefined;
}

const LIMIT = 16 * 2 ** 20;
const COMPILED = 8 * 2 ** 20;
/** Translations of one root that differ in what they were made from. */
const VARIANTS = 4;
/** What has executed fewer instructions is not worth keeping on disk. */
const WORTH_KEEPING = 1_000;

const weightOf = ({ blocks }: Translation): number =>
  blocks.reduce((sum, { code }) => sum + code.length + 32, 0);

const bundleWeight = ({ bytes, native }: Bundle): number => bytes.length + (native?.length ?? 0);

/** Translations made in one page, as the storage has them. */
interface Kept {
  /** Not as the storage has it. */
  changed: boolean;
  readonly translations: Set<Translation>;
  /** Roots of those that were taken out for good. */
  readonly gone: Set<number>;
}

/**
 * Translations of all machines in a process. Machines look by address and compare the code itself, so whoever has the
 * same program or library at the same place shares what others have translated.
 *
 * The instruction set of the processor is part of every name: `isa`.
 */
export class Translations {
  readonly #limit: number;
  readonly #mostCompiled: number;
  readonly #storage: TranslationStorage | undefined;
  readonly #native: NativeCode | undefined;
  /** Those whose machine code the storage has. */
  readonly #keptNative = new WeakSet<Bundle>();
  /** Modules, and how many of their translations are here. */
  readonly #bundles = new Map<Bundle, number>();
  /** By `isa` and virtual page: those with blocks of their own there, and which. */
  readonly #byPage = new Map<string, Map<Translation, Set<number>>>();
  /** By the name in the storage. */
  readonly #kept = new Map<string, Kept>();
  /** All, with their instruction sets; who was used last comes last. */
  readonly #all = new Map<Translation, number>();
  readonly #compiled = new Set<Bundle>();
  /** Names under which the storage was asked, and under which it was asked for modules of several pages. */
  readonly #looked = new Set<string>();
  readonly #lookedIn = new Set<string>();
  #weight = 0;
  #compiledBytes = 0;

  constructor({ limit = LIMIT, compiled = COMPILED, storage, native }: StoreOptions = {}) {
    this.#limit = limit;
    this.#mostCompiled = compiled;
    this.#storage = storage;
    this.#native = storage && native;
  }

  /** Whether other processes find what is here. */
  get isKept(): boolean {
    return this.#storage !== undefined;
  }

  /** Bytes that are remembered, and how many of modules stay compiled, for measurements. */
  get size(): { translations: number; bytes: number; compiled: number } {
    return { translations: this.#all.size, bytes: this.#weight, compiled: this.#compiledBytes };
  }

  /** What the storage has of a page is at hand from now on. */
  lookFor(isa: number, page: string): void {
    const name = nameOf(isa, page);
    if (!this.#storage || this.#looked.has(name)) return;
    this.#looked.add(name);
    const { bundles, elsewhere } = this.#read(name);
    for (const bundle of bundles) this.#enterStored(isa, bundle);
    for (const other of elsewhere) this.#lookIn(isa, other);
  }

  /** Takes from a page's file the modules that have something of others. */
  #lookIn(isa: number, page: string): void {
    const name = nameOf(isa, page);
    if (this.#looked.has(name) || this.#lookedIn.has(name)) return;
    this.#lookedIn.add(name);
    for (const bundle of this.#read(name).bundles)
      if (bundle.members.length > 1) this.#enterStored(isa, bundle);
  }

  /** Enters what is not here yet, nor anything better. */
  #enterStored(isa: number, bundle: Bundle): void {
    const isHere = ({ root, effort, page }: Translation): boolean => {
      for (const other of this.#kept.get(nameOf(isa, page))?.translations ?? [])
        if (other.root === root && other.effort >= effort) return true;
      return false;
    };
    if (bundle.native) this.#keptNative.add(bundle);
    for (const translation of bundle.members) {
      if (isHere(translation)) continue;
      const before = this.#kept.get(nameOf(isa, translation.page));
      const wasChanged = before?.changed ?? false;
      this.#enter(isa, translation);
      this.#kept.get(nameOf(isa, translation.page))!.changed = wasChanged;
    }
  }

  #read(name: string): StoredPage {
    const bytes = this.#storage!.load(name);
    if (!bytes) return NOTHING;
    try {
      const page = decodeBundles(bytes);
      if (page.bundles.every((bundle) => nameOf(isaOf(name), homeOf(bundle)) === name)) return page;
      throw new RangeError('stored translations: of another page');
    } catch {
      this.#storage!.discard(name);
      return NOTHING;
    }
  }

  /** Those that may be installed for a block: made for it, or with a place for it. The most promising come first. */
  around(isa: number, va: number): Translation[] {
    const page = this.#byPage.get(placeOf(isa, va));
    if (!page) return [];
    const found: Translation[] = [];
    for (const [translation, own] of page) if (own.has(va)) found.push(translation);
    const rank = (t: Translation): number => (t.root === va ? Infinity : t.executed);
    return found.sort(
      (a, b) =>
        (rank(a) === rank(b) ? 0 : rank(b) - rank(a)) || b.effort - a.effort || b.size - a.size,
    );
  }

  /** @param instead the translation that it is better than */
  add(isa: number, translation: Translation, instead?: Translation): void {
    if (instead) this.remove(instead);
    this.#enter(isa, translation);
    const { root } = translation;
    const alike = this.around(isa, root).filter((other) => other.root === root);
    if (alike.length > VARIANTS) this.#forget(this.#oldestOf(alike));
  }

  #oldestOf(some: readonly Translation[]): Translation {
    for (const translation of this.#all.keys()) if (some.includes(translation)) return translation;
    throw new Error('none of them is here');
  }

  #enter(isa: number, translation: Translation): void {
    this.#all.set(translation, isa);
    this.#weight += weightOf(translation);
    this.#hold(translation.bundle);
    for (const { va, own } of translation.blocks) {
      if (!own) continue;
      const page = entryOf(this.#byPage, placeOf(isa, va), () => new Map<Translation, Set<number>>()); // prettier-ignore
      entryOf(page, translation, () => new Set<number>()).add(va);
    }
    const name = nameOf(isa, translation.page);
    const kept = entryOf(this.#kept, name, (): Kept => ({ changed: true, translations: new Set(), gone: new Set() })); // prettier-ignore
    kept.translations.add(translation);
    kept.changed = true;
    this.#makeRoom(translation);
  }

  #hold(bundle: Bundle): void {
    const held = this.#bundles.get(bundle) ?? 0;
    this.#bundles.set(bundle, held + 1);
    if (held === 0) this.#weight += bundleWeight(bundle);
  }

  #release(bundle: Bundle): void {
    const held = this.#bundles.get(bundle)!;
    if (held > 1) return void this.#bundles.set(bundle, held - 1);
    this.#bundles.delete(bundle);
    this.#weight -= bundleWeight(bundle);
    this.#cool(bundle);
  }

  /** What was in modules of its own is in one from now on. */
  regroup(bundle: Bundle): void {
    for (const translation of bundle.members) {
      const isa = this.#all.get(translation);
      if (isa !== undefined) {
        this.#release(translation.bundle);
        this.#hold(bundle);
        this.#kept.get(nameOf(isa, translation.page))!.changed = true;
      }
      translation.bundle = bundle;
    }
  }

  /** Forgets the oldest but for one: those first that no machine has. */
  #makeRoom(but: Translation): void {
    for (const isSpared of [isUsed, () => false])
      for (const [oldest] of this.#all) {
        if (this.#weight <= this.#limit) return;
        if (oldest !== but && !isSpared(oldest)) this.#forget(oldest);
      }
  }

  /** Takes one out for good: it was bettered, or did not prove useful. */
  remove(translation: Translation): void {
    const isa = this.#all.get(translation);
    if (isa === undefined) return;
    const name = nameOf(isa, translation.page);
    const kept = this.#kept.get(name)!;
    kept.changed = true;
    kept.gone.add(translation.root);
    this.#forget(translation);
    if (kept.translations.size === 0 && translation.bundle.members.length === 1)
      this.#storage?.discard(name);
  }

  /** Makes room; what the storage has of it stays there. */
  #forget(translation: Translation): void {
    const isa = this.#all.get(translation)!;
    this.#all.delete(translation);
    this.#weight -= weightOf(translation);
    this.#release(translation.bundle);
    if (translation.bundle.members.length > 1) this.#lookedIn.clear();
    const name = nameOf(isa, translation.page);
    const kept = this.#kept.get(name)!;
    kept.translations.delete(translation);
    if (kept.translations.size === 0) {
      this.#kept.delete(name);
      this.#looked.delete(name);
    }
    for (const { va } of translation.blocks) {
      const page = this.#byPage.get(placeOf(isa, va));
      page?.delete(translation);
      if (page?.size === 0) this.#byPage.delete(placeOf(isa, va));
    }
  }

  /** The module, compiled: machines share it, and with it what V8 makes of it. @throws when its bytes are none */
  compile(bundle: Bundle): WasmModule {
    const module = (bundle.module ??= bundle.used?.deref() ?? this.#load(bundle));
    bundle.used = new WeakRef(module);
    // One that was forgotten meanwhile is compiled for its machine alone.
    if (!this.#bundles.has(bundle)) {
      bundle.module = undefined;
      return module;
    }
    for (const translation of bundle.members) {
      const isa = this.#all.get(translation);
      if (isa === undefined) continue;
      this.#all.delete(translation);
      this.#all.set(translation, isa);
    }
    if (!this.#compiled.delete(bundle)) this.#compiledBytes += footprintOf(bundle);
    this.#compiled.add(bundle);
    for (const oldest of this.#compiled) {
      if (this.#compiledBytes <= this.#mostCompiled || oldest === bundle) break;
      this.#cool(oldest);
    }
    return module;
  }

  #load(bundle: Bundle): WasmModule {
    const { native, bytes } = bundle;
    if (native && this.#native) {
      // It is the module's from now on, or of no use.
      bundle.native = undefined;
      if (this.#bundles.has(bundle)) this.#weight -= native.length;
      const module = this.#native.load(native, bytes);
      if (module) return module;
      this.#keptNative.delete(bundle);
    }
    return new wasm.Module(bytes);
  }

  #cool(bundle: Bundle): void {
    bundle.module = undefined;
    if (this.#compiled.delete(bundle)) this.#compiledBytes -= footprintOf(bundle);
  }

  /** Hands to the storage what is new and was worth it. */
  save(): void {
    const storage = this.#storage;
    if (!storage) return;
    for (const [name, kept] of this.#kept) this.#saveAs(storage, name, kept);
    storage.close?.();
  }

  /** A module of several pages' translations is in the file of its first one's page, to which the others' refer. */
  #saveAs(storage: TranslationStorage, name: string, kept: Kept): void {
    const worth = [...kept.translations].filter((t) => t.executed >= WORTH_KEEPING);
    const all = new Set(worth.map(({ bundle }) => bundle));
    const bundles = [...all].filter((bundle) => nameOf(isaOf(name), homeOf(bundle)) === name);
    const optimised = bundles.filter((bundle) => this.#nativeOf(bundle));
    if (!kept.changed && optimised.length === 0) return;
    kept.changed = worth.length < kept.translations.size;
    if (worth.length === 0) return;
    // What another process has added meanwhile stays.
    const before = this.#read(name);
    const roots = new Set([...kept.gone, ...worth.map(({ root }) => root)]);
    const keys = new Set(bundles.map(keyOf));
    const others = before.bundles.filter(
      (bundle) => !keys.has(keyOf(bundle)) && !bundle.members.every(({ root }) => roots.has(root)),
    );
    const elsewhere = new Set(before.elsewhere);
    for (const bundle of all) if (!bundles.includes(bundle)) elsewhere.add(homeOf(bundle));
    storage.save(name, encodeBundles({ bundles: [...bundles.map((bundle) => withNative(bundle, before.bundles)), ...others], elsewhere: [...elsewhere] })); // prettier-ignore
    for (const bundle of optimised) {
      this.#keptNative.add(bundle);
      bundle.native = undefined;
    }
  }

  /** Asks for the machine code of what the storage has without. Returns whether there is any. */
  #nativeOf(bundle: Bundle): boolean {
    const module = bundle.used?.deref();
    if (!module || !this.#native || this.#keptNative.has(bundle)) return false;
    bundle.native = this.#native.save(module, regionExport(0));
    return bundle.native !== undefined;
  }
}

const homeOf = ({ members }: Bundle): string => members[0]!.page;

const keyOf = ({ members }: Bundle): string =>
  members.map(({ root, effort }) => `${root} ${effort}`).join();

/** A module with the machine code that the storage has of it, if it has none at hand. */
function withNative(bundle: Bundle, stored: readonly Bundle[]): Bundle {
  const key = keyOf(bundle);
  const alike = stored.find((other) => keyOf(other) === key && isEqual(other.bytes, bundle.bytes));
  return { ...bundle, native: bundle.native ?? alike?.native };
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

const isUsed = ({ bundle }: Translation): boolean => bundle.used?.deref() !== undefined;

const NOTHING: StoredPage = { bundles: [], elsewhere: [] };

const nameOf = (isa: number, page: string): string => `${isa}-${page}`;
const isaOf = (name: string): number => Number(name.slice(0, name.indexOf('-')));
const placeOf = (isa: number, va: number): string => `${isa}-${Math.floor(va / 4096)}`;

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
