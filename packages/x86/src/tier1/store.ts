import { wasm, type WasmModule } from '../wasm-api.ts';
import { regionExport } from './generate.ts';
import { decodeTranslations, encodeTranslations } from './stored.ts';
import { footprintOf, type Translation } from './translation.ts';

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

const weightOf = ({ bytes, native, blocks }: Translation): number =>
  bytes.length +
  (native?.length ?? 0) +
  blocks.reduce((sum, { code }) => sum + code.length + 32, 0);

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
  readonly #keptNative = new WeakSet<Translation>();
  /** By `isa` and virtual page: those with blocks of their own there, and which. */
  readonly #byPage = new Map<string, Map<Translation, Set<number>>>();
  /** By the name in the storage. */
  readonly #kept = new Map<string, Kept>();
  /** All, with their instruction sets; who was used last comes last. */
  readonly #all = new Map<Translation, number>();
  readonly #compiled = new Set<Translation>();
  #weight = 0;
  #compiledBytes = 0;

  constructor({ limit = LIMIT, compiled = COMPILED, storage, native }: StoreOptions = {}) {
    this.#limit = limit;
    this.#mostCompiled = compiled;
    this.#storage = storage;
    this.#native = storage && native;
  }

  /** Bytes that are remembered, and how many of modules stay compiled, for measurements. */
  get size(): { translations: number; bytes: number; compiled: number } {
    return { translations: this.#all.size, bytes: this.#weight, compiled: this.#compiledBytes };
  }

  /** What was made in a page before. What the storage has of it is at hand from now on. */
  madeIn(isa: number, page: string): Iterable<Translation> {
    const name = nameOf(isa, page);
    if (this.#storage && !this.#kept.has(name)) {
      for (const translation of this.#read(name)) {
        if (translation.native) this.#keptNative.add(translation);
        this.#enter(isa, translation);
      }
      const kept = this.#kept.get(name);
      if (kept) kept.changed = false;
    }
    return [...(this.#kept.get(name)?.translations ?? [])];
  }

  #read(name: string): Translation[] {
    const bytes = this.#storage!.load(name);
    if (!bytes) return [];
    try {
      return decodeTranslations(bytes, name.slice(name.indexOf('-') + 1));
    } catch {
      this.#storage!.discard(name);
      return [];
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
    if (kept.translations.size === 0) this.#storage?.discard(name);
  }

  /** Makes room; what the storage has of it stays there. */
  #forget(translation: Translation): void {
    const isa = this.#all.get(translation)!;
    this.#all.delete(translation);
    this.#weight -= weightOf(translation);
    this.#cool(translation);
    const name = nameOf(isa, translation.page);
    const kept = this.#kept.get(name)!;
    kept.translations.delete(translation);
    if (kept.translations.size === 0) this.#kept.delete(name);
    for (const { va } of translation.blocks) {
      const page = this.#byPage.get(placeOf(isa, va));
      page?.delete(translation);
      if (page?.size === 0) this.#byPage.delete(placeOf(isa, va));
    }
  }

  /** The module, compiled: machines share it, and with it what V8 makes of it. @throws when its bytes are none */
  compile(translation: Translation): WasmModule {
    const isa = this.#all.get(translation);
    const module = (translation.module ??= translation.used?.deref() ?? this.#load(translation));
    translation.used = new WeakRef(module);
    // One that was forgotten meanwhile is compiled for its machine alone.
    if (isa === undefined) {
      translation.module = undefined;
      return module;
    }
    this.#all.delete(translation);
    this.#all.set(translation, isa);
    if (!this.#compiled.delete(translation)) this.#compiledBytes += footprintOf(translation);
    this.#compiled.add(translation);
    for (const oldest of this.#compiled) {
      if (this.#compiledBytes <= this.#mostCompiled || oldest === translation) break;
      this.#cool(oldest);
    }
    return module;
  }

  #load(translation: Translation): WasmModule {
    const { native, bytes } = translation;
    if (native && this.#native) {
      // It is the module's from now on, or of no use.
      translation.native = undefined;
      if (this.#all.has(translation)) this.#weight -= native.length;
      const module = this.#native.load(native, bytes);
      if (module) return module;
      this.#keptNative.delete(translation);
    }
    return new wasm.Module(bytes);
  }

  #cool(translation: Translation): void {
    translation.module = undefined;
    if (this.#compiled.delete(translation)) this.#compiledBytes -= footprintOf(translation);
  }

  /** Hands to the storage what is new and was worth it. */
  save(): void {
    const storage = this.#storage;
    if (!storage) return;
    for (const [name, kept] of this.#kept) {
      const worth = [...kept.translations].filter((t) => t.executed >= WORTH_KEEPING);
      const optimised = worth.filter((t) => this.#nativeOf(t));
      if (!kept.changed && optimised.length === 0) continue;
      kept.changed = worth.length < kept.translations.size;
      if (worth.length === 0) continue;
      // What another process has added meanwhile stays.
      const before = this.#read(name);
      const roots = new Set([...kept.gone, ...worth.map(({ root }) => root)]);
      const others = before.filter((t) => !roots.has(t.root));
      storage.save(name, encodeTranslations([...worth.map((t) => withNative(t, before)), ...others])); // prettier-ignore
      for (const translation of optimised) {
        this.#keptNative.add(translation);
        translation.native = undefined;
      }
    }
    storage.close?.();
  }

  /** Asks for the machine code of what the storage has without. Returns whether there is any. */
  #nativeOf(translation: Translation): boolean {
    const module = translation.used?.deref();
    if (!module || !this.#native || this.#keptNative.has(translation)) return false;
    translation.native = this.#native.save(module, regionExport(0));
    return translation.native !== undefined;
  }
}

/** A translation with the machine code that the storage has of it, if it has none at hand. */
function withNative(translation: Translation, stored: readonly Translation[]): Translation {
  const { root, bytes } = translation;
  const native =
    translation.native ??
    stored.find((other) => other.root === root && isEqual(other.bytes, bytes))?.native;
  return { ...translation, native };
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

const isUsed = ({ used }: Translation): boolean => used?.deref() !== undefined;

const nameOf = (isa: number, page: string): string => `${isa}-${page}`;
const placeOf = (isa: number, va: number): string => `${isa}-${Math.floor(va / 4096)}`;

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
