import type { CodePage } from '../tier0/code-pages.ts';
import { WARM } from '../tier0/record.ts';
import { wasm, type WasmModule } from '../wasm-api.ts';
import {
  Account,
  bundlingPays,
  COLD,
  extentsPay,
  growthSeeks,
  growthTakes,
  joins,
  lostIn,
  type Readiness,
  recallPays,
} from './account.ts';
import { Unsupported } from './built.ts';
import { type Generated, generateRegions } from './generate.ts';
import { Flows } from './function.ts';
import { type Installed, Installer, type JitHost, type Placed } from './installer.ts';
import { packRegion } from './packed.ts';
import { pageDigest } from './page-digest.ts';
import {
  type Found,
  NO_WINDOW,
  HAS_EXTENTS,
  STRAYS,
  WILD,
  regionAt,
  type Region,
  type Surroundings,
  timesMade,
} from './region.ts';
import type { Made, RemoteGenerator } from './remote.ts';
import type { Translations } from './store.ts';
import {
  type Bundle,
  bundleOf,
  describe,
  holds,
  type Places,
  type SourceBlock,
  sourceOf,
  type Translation,
} from './translation.ts';

export interface JitOptions {
  /** Samples in a page that make its hottest block worth compiling; 0: every block when it is first found (tests). */
  readonly threshold: number;
  /** Microseconds that may go into compiling before anything has been executed; less than 0: that tier 0 executes before. */
  readonly advance: number;
  /** Bytes that regions may take, with what V8 makes of them; who executes least goes when there is no more room. */
  readonly limit: number;
  /** Where translations are shared with other machines, and may be kept. */
  readonly store?: Translations | undefined;
  /** Who generates on another thread, where there is one: it does no harm to runs that are to repeat. */
  readonly generator?: RemoteGenerator | undefined;
  /** Numbers are not expected in the middle of their range from the first (tests). */
  readonly wild?: boolean;
  /** Regions have extents from the first (tests). */
  readonly extents?: boolean;
  /** Milliseconds of some clock, for the counters. */
  readonly now?: () => number;
  /** Told of each module that is installed: the address that its region was made for, and its bytes. */
  readonly dump?: (va: number, bytes: Uint8Array) => void;
}

export const DEFAULT_JIT: JitOptions = { threshold: 8, advance: COLD, limit: 40 * 2 ** 20 };

/**
 * What is in a page with this part of all samples is installed before the account for that opens, and compiled at once, though it takes
 * long on this thread when the generator is cold.
 */
const LARGE = 4;

/** How much of the room is left when some was made. */
const SHRUNK = 0.75;

/** Instructions between two looks at how often regions are entered, and how many more for each of them. */
const PERIOD = 10_000_000;
const LOOK = 20_000;
/** With how much effort a region that is entered all the time is made anew at most, and how much larger it must become each time. */
const MAX_EFFORT = 3;
const WORTHWHILE = 1.2;
/** Regions made anew at one look. */
const AT_ONCE = 2;
/**
 * Regions that are put into one module, and how long they must have been there: those that are entered all the time find what
 * they need of their instance in the caches then.
 */
const BUNDLED = 64;
const SETTLED = 4 * PERIOD;
/** Nor are they as long as more than this of all room is taken: regions come and go then, and others must not have the same code. */
const ROOMY = 0.6;
/** Addresses kept of an indirect jump. */
const MOST_TARGETS = 64;

/**
 * How much oftener than others a block must be seen that a region has: what executes behind a stop within it, up to its
 * next entry, is seen as well, in time in every block of a loop, and not worth another copy of that.
 */
const COVERED = 32;

/** How many samples one counts for that shows where an entry is missing. */
const LEFT = 4;

/** How often a page must be seen until it is looked for in the store, and until what is in it takes a large part for sure. */
const LOOKED_FOR = 4;
const SURELY = 32;

/** A region does without the stack's window when so many entries were refused, and one in so many; or without tame numbers. */
const REFUSED = 10_000;
const REFUSED_SHARE = 32;
/** Numbers that are not tame are many when there is one in so many instructions; and how often a region is tried again then. */
const OFTEN = 1000;
const MOST_TAMED = 2;
/**
 * A region's accesses get extents when it has executed so many instructions, and one in so many of all: to make it again takes long, and
 * takes it out of its bundle. They lose them when more than one instruction in so many has found its own elsewhere.
 */
const LONG = 2 ** 24;
const SHARE = 32;
const STRAYED = 256;

/** Instructions of a loop's region that is made again because it is left for a block that was not seen before. */
const MOST_GROWING = 200;

/** How often slices of execution ended in a page, and at which of its blocks, by their offsets. */
interface Samples {
  all: number;
  readonly byOffset: Map<number, number>;
  /** What the store has of the page is at hand. */
  isKnown: boolean;
}

/** A block, and how often slices ended behind it. */
interface Seen {
  readonly page: CodePage;
  readonly offset: number;
  readonly times: number;
}

/** A block that a region was made for. */
interface Root {
  readonly page: CodePage;
  readonly va: number;
  /** A block in it that was found to be hot. */
  hot: number;
  /** How much more than at first was put into its region, because it is left and entered all the time. */
  effort: number;
  installed: Installed | undefined;
  /** When that was: instructions executed before. */
  since: number;
  /** How often it was made again since numbers had become tame. */
  tamed: number;
  /** What must have been lost by its entries before it is made larger, where that is known. */
  price: number;
  /** Its region is being made by another thread. */
  ordered: boolean;
}

interface Live extends Root {
  installed: Installed;
}

const isLive = (root: Root): root is Live => root.installed?.live === true;

function hottestOf(counts: ReadonlyMap<number, number>): number {
  let best = -1;
  for (const [offset, count] of counts) if (best < 0 || count > counts.get(best)!) best = offset;
  return best;
}

/** Whether a loop's region lacks something, and is not so large that it is not made again with that. */
const mayGrow = (before: Translation, { size }: Region, hot: number): boolean =>
  before.instructions < MOST_GROWING &&
  (size > before.size || !before.blocks.some(({ va }) => va === hot));

/** The first of regions, and those of others that have nothing else at the addresses of its pages: a module names them once. */
function togetherAt<T extends { readonly installed: Installed }>(some: readonly T[]): T[] {
  const known = new Map<number, CodePage>();
  return some.filter(({ installed: { pages } }) => {
    for (const page of pages) if ((known.get(page.va) ?? page) !== page) return false;
    for (const page of pages) known.set(page.va, page);
    return true;
  });
}

/** Tier 1: decides what is compiled, and when. */
export class Jit {
  readonly #host: JitHost;
  readonly #options: JitOptions;
  readonly #installer: Installer;
  readonly #samples = new Map<CodePage, Samples>();
  readonly #roots = new Map<CodePage, Map<number, Root>>();
  /** Where indirect jumps and calls in regions of a page have gone, by the low bits of their addresses. */
  readonly #targets = new Map<CodePage, Map<number, Set<number>>>();
  /**
   * Blocks for which nothing gets extents, by their offsets: accesses around them were found to be all over memory, or a region there
   * would be smaller with them, since it was made by a process that knew more.
   */
  readonly #unsuited = new Map<CodePage, Set<number>>();
  readonly #excluded = new Set<string>();
  readonly #flows = new Flows();
  /** Translations that had to make room. */
  readonly #evicted = new WeakSet<Bundle>();
  /** A block of a translation that was not there, or was another one, when it was last looked for. */
  readonly #obstacles = new WeakMap<Translation, SourceBlock>();
  /** Where translations were installed last. */
  readonly #installed = new WeakMap<Translation, Installed>();
  /** How often tier 0 was seen in the blocks of a translation. */
  readonly #seen = new WeakMap<Translation, number>();
  #clock = 0;
  #pause = PERIOD;
  /** A module of several regions is being made. */
  #isBundling = false;
  /** Samples so far. */
  #sampled = 0;
  readonly #account: Account;
  /** Regions compiled so far, their instructions and bytes, and the milliseconds it took, for measurements. */
  readonly counters = {
    regions: 0,
    /** Regions whose translations were in the store, and what installing them took. */
    recalled: 0,
    recall: 0,
    instructions: 0,
    bytes: 0,
    /** Modules that were made of several. */
    bundles: 0,
    generate: 0,
    instantiate: 0,
    shrinks: 0,
    flushes: 0,
    failures: 0,
    /** Instructions that were left to tier 0. */
    interpreted: 0,
  };

  constructor(host: JitHost, options: JitOptions) {
    this.#host = host;
    this.#options = options;
    this.#installer = new Installer(host);
    this.#account = new Account(options.advance);
  }

  #now(): number {
    return this.#options.now?.() ?? 0;
  }

  /** About the bytes that regions take, with what V8 makes of them. */
  get bytes(): number {
    return this.#installer.footprint;
  }

  /** Who generates on another thread, once it is there; what must be there at once is generated on this one. */
  get #generator(): RemoteGenerator | undefined {
    const { generator } = this.#options;
    const isThere = generator?.state === 'idle' || generator?.state === 'busy';
    return this.eager || !isThere ? undefined : generator;
  }

  /**
   * There is credit, and somebody has time to generate: this thread, too, as long as it waits for the other one, what takes a large
   * part of all execution. @param samples of its page
   */
  #mayCompile(samples: Samples): boolean {
    if (!this.#account.mayCompile) return false;
    return this.#isServed || (this.#generator === undefined && this.#isLarge(samples));
  }

  /** Whether a large part of all execution is in a page. */
  #isLarge({ all }: Samples): boolean {
    return all * LARGE >= this.#sampled;
  }

  /** Who generates has time; another thread is asked to come, and waited for. */
  get #isServed(): boolean {
    const { generator } = this.#options;
    if (!generator || this.eager) return true;
    if (generator.state === 'away') generator.start();
    return generator.state === 'away' || generator.state === 'idle';
  }

  get #isRoomy(): boolean {
    return this.#installer.footprint <= this.#options.limit * ROOMY;
  }

  get eager(): boolean {
    return this.#options.threshold === 0;
  }

  /**
   * A block is about to be executed: for the first time when eager, otherwise because a slice ended here.
   * @param left the slice ended behind it: a region was left for it, and none entered since
   */
  sample(page: CodePage, offset: number, rec: number, left = false): void {
    if (page.replaced.has(rec) || page.blocks.get(offset) !== rec) return;
    if (this.eager) {
      const va = page.va + offset;
      if (!this.#recall(page, va, ({ entries }) => entries.includes(va)))
        this.#compile(this.#rootOf(page, va));
      return;
    }
    this.#account.sample();
    this.#sampled++;
    let samples = this.#samples.get(page);
    if (!samples)
      this.#samples.set(page, (samples = { all: 0, byOffset: new Map(), isKnown: false }));
    const va = page.va + offset;
    const { byOffset } = samples;
    const before = byOffset.get(offset) ?? 0;
    const weight = left ? LEFT : 1;
    if (this.#account.mayRecall || (samples.all >= SURELY && this.#isLarge(samples))) {
      if (samples.all >= LOOKED_FOR) this.#lookUp(page, samples);
      if (this.#recall(page, va, (translation) => this.#pays(translation))) return;
    }
    const isCovered = !(left && this.#isRoomy) && this.#installer.covers(page, va);
    const times = before + (isCovered ? weight / COVERED : weight);
    byOffset.set(offset, times);
    samples.all += times - before;
    if (samples.all < this.#options.threshold) return;
    const first = hottestOf(byOffset);
    const seen: Seen = { page, offset: first, times: byOffset.get(first)! };
    if (this.#mayCompile(samples)) this.#compileAround(seen);
  }

  /** Compiles what is around a block that was seen so many times, if that is worth it and the block still there. */
  #compileAround({ page, offset, times }: Seen): void {
    const samples = this.#samples.get(page);
    const va = page.va + offset;
    if (!samples?.byOffset.has(offset) || this.#host.find(va, false)?.page !== page) return;
    const { byOffset } = samples;
    if (this.#installer.covers(page, va) && times < this.#options.threshold) {
      // Most of these times no region had it, unless one was left for it.
      if (times < LEFT) byOffset.set(offset, times / COVERED);
      return;
    }
    byOffset.delete(offset);
    samples.all = [...byOffset.values()].reduce((sum, n) => sum + n, 0) / 2;
    // To install what the store has costs less than to make it once more, unless that comes and goes.
    this.#lookUp(page, samples);
    if (this.#recall(page, va, (translation) => this.#stateOf(translation) !== 'evicted')) return;
    const found = this.#rootAround(page, offset);
    if (found) this.#compile(found.root, false, found.region);
  }

  /**
   * The function that a hot block is in, with its region, or where that has not been seen often, or is too large, one of the loops
   * around; the block itself when that has one already. Undefined while one is being made.
   */
  #rootAround(page: CodePage, offset: number): { root: Root; region?: Region } | undefined {
    const hot = this.#rootOf(page, page.va + offset);
    const first = this.#flows.functionAround(this.#surroundings(hot), page, offset);
    if (first === offset) return { root: hot };
    const whole = this.#rootOf(page, page.va + first);
    if (whole.installed?.live) return { root: hot };
    for (const root of this.#rootsAround(whole, hot)) {
      if (root === hot) break;
      // It may be there soon.
      if (root.ordered) return undefined;
      const region = regionAt(this.#surroundings(root), root.va, hot.va);
      if (!region?.blocks.some(({ code }) => code.va === hot.va)) continue;
      if (root.installed?.live && !mayGrow(root.installed.translation, region, hot.va)) break;
      root.hot = hot.va;
      return { root, region };
    }
    return { root: hot };
  }

  /** A function, then the heads of its loops around a block: found only when they are wanted. */
  *#rootsAround(whole: Root, hot: Root): Iterable<Root> {
    yield whole;
    const { page, va } = hot;
    for (const head of this.#flows.headsAround(this.#surroundings(hot), page, va - page.va))
      yield this.#rootOf(page, page.va + head);
  }

  /** What the store calls a page. */
  #nameOf({ va, pfn }: CodePage): string {
    return `${va.toString(16)}-${pageDigest(this.#host.ram.u32, pfn * 1024)}`;
  }

  /** Has what the store keeps of a page at hand. */
  #lookUp(page: CodePage, samples: Samples): void {
    const { store } = this.#options;
    if (samples.isKnown || !store?.isKept) return;
    samples.isKnown = true;
    store.lookFor(page.isa, this.#nameOf(page));
  }

  /** Installs one of what the store has around a block in which tier 0 was seen. Returns whether there was any. */
  #recall(page: CodePage, va: number, isWanted: (translation: Translation) => boolean): boolean {
    const { store } = this.#options;
    if (!store) return false;
    const around = store.around(page.isa, va);
    for (const one of around) this.#seen.set(one, (this.#seen.get(one) ?? 0) + 1);
    return around.some((translation) => {
      if (!isWanted(translation)) return false;
      const installed = this.#installed.get(translation);
      if (installed?.live && installed.pages.has(page)) return false;
      return this.#offer(store, translation);
    });
  }

  #pays(translation: Translation): boolean {
    const seen = this.#seen.get(translation) ?? 0;
    return recallPays(translation, seen, this.#stateOf(translation));
  }

  /** Installs a better translation in the place of a region, if the store has one. Returns whether it had. */
  #recallBetter(root: Root): boolean {
    const { store } = this.#options;
    if (!store || !(this.eager || this.#account.mayRecall)) return false;
    return store.around(root.page.isa, root.va).some((translation) => {
      if (translation.root !== root.va || translation.effort < root.effort) return false;
      return this.#offer(store, translation);
    });
  }

  #stateOf({ bundle }: Translation): Readiness {
    if (this.#evicted.has(bundle)) return 'evicted';
    const { native, module, used } = bundle;
    return (native ?? module ?? used?.deref()) === undefined ? 'bytes' : 'ready';
  }

  /** Installs a translation if the code around is what it was made from, and nothing better is there; with others of its module. */
  #offer(store: Translations, translation: Translation): boolean {
    const start = this.#now();
    const { bundle } = translation;
    const state = this.#stateOf(translation);
    const first = this.#placed(translation);
    if (!first) return false;
    const others = bundle.members.filter(
      (other) => other !== translation && (this.eager || joins(other)),
    );
    const all = [first, ...others.flatMap((other) => this.#placed(other) ?? [])];
    try {
      this.#install(bundle, all, store.compile(bundle));
    } catch {
      // It was kept by something that is not this tier.
      store.remove(translation);
      this.counters.failures++;
      return false;
    }
    this.#account.recalls(
      all.map((one) => one.translation),
      state,
    );
    this.counters.recalled += all.length;
    this.counters.recall += this.#now() - start;
    return true;
  }

  /** A translation with its places, if they are here and have nothing better. */
  #placed(translation: Translation): Placed | undefined {
    if (this.#hasBetter(translation)) return undefined;
    const places = this.#placesOf(translation);
    return places && { translation, places };
  }

  /** Whether its root has it already, or a better one: cheaper to see than where all of its blocks are. */
  #hasBetter({ root, effort }: Translation): boolean {
    const page = this.#host.find(root, false)?.page;
    const installed = page && this.#roots.get(page)?.get(root)?.installed;
    return installed?.live === true && installed.translation.effort >= effort;
  }

  /** Where the blocks of a translation are, if they are here. */
  #placesOf(translation: Translation): Places | undefined {
    const obstacle = this.#obstacles.get(translation);
    if (obstacle && !this.#placeOf(obstacle)) return undefined;
    const places = new Map<number, Found>();
    for (const block of translation.blocks) {
      const place = this.#placeOf(block);
      if (!place) {
        this.#obstacles.set(translation, block);
        return undefined;
      }
      places.set(block.va, place);
    }
    return places;
  }

  #placeOf(block: SourceBlock): Found | undefined {
    const place = this.#host.find(block.va, true);
    return place && holds(this.#host.ram.u8, place, block) ? place : undefined;
  }

  #rootOf(page: CodePage, va: number): Root {
    let roots = this.#roots.get(page);
    if (!roots) this.#roots.set(page, (roots = new Map()));
    let root = roots.get(va);
    if (!root)
      roots.set(
        va,
        (root = {
          page,
          va,
          hot: va,
          effort: (this.#options.wild ? WILD : 0) | (this.#options.extents ? HAS_EXTENTS : 0),
          installed: undefined,
          since: 0,
          tamed: 0,
          price: 0,
          ordered: false,
        }),
      );
    return root;
  }

  #allRoots(): Root[] {
    const all: Root[] = [];
    for (const some of this.#roots.values()) for (const root of some.values()) all.push(root);
    return all;
  }

  /** Regions that are left and entered all the time; those that lose most by it come first. */
  #restless(roots: readonly Root[]): { root: Live; lost: number }[] {
    const found: { root: Live; lost: number }[] = [];
    const remote = this.#generator !== undefined;
    for (const root of roots) {
      if (!isLive(root)) continue;
      const { installed } = root;
      const lost = lostIn(this.#installer.timesEntered(installed));
      const price = Math.max(root.price, growthSeeks(installed.translation, remote));
      if (lost > price) found.push({ root, lost });
    }
    return found.sort((a, b) => b.lost - a.lost);
  }

  /** Makes regions again of which too much was taken for granted, or too little: that the stack is in one piece, and numbers are tame. */
  #adapt(roots: readonly Root[]): void {
    for (const root of roots) {
      if (!isLive(root)) continue;
      const effort = this.#adapted(root);
      if (effort === root.effort || root.ordered || !this.#isServed) continue;
      if (this.#host.find(root.va, false)?.page !== root.page) continue;
      const before = root.effort;
      if (before & ~effort & WILD) root.tamed++;
      if (effort & ~before & STRAYS) this.#noteUnsuited(root);
      root.effort = effort;
      if (effort > before && this.#recallBetter(root)) continue;
      const region = regionAt(this.#surroundings(root), root.va, root.hot);
      if (
        effort & ~before & HAS_EXTENTS &&
        !(region && region.size >= root.installed.translation.size)
      ) {
        root.effort = before;
        this.#noteUnsuited(root);
      } else if (region) this.#compile(root, false, region);
    }
  }

  #noteUnsuited({ page, installed }: Live): void {
    let offsets = this.#unsuited.get(page);
    if (!offsets) this.#unsuited.set(page, (offsets = new Set()));
    for (const va of installed.blocks) offsets.add(va - page.va);
  }

  #adapted({ page, va, effort, installed, tamed, since }: Live): number {
    const often = this.#installer.timesEntered(installed) / REFUSED_SHARE;
    const isRefused = this.#installer.timesRefused(installed) >= Math.max(REFUSED, often);
    if (isRefused && !(effort & NO_WINDOW)) return effort | NO_WINDOW;
    const wild = this.#installer.timesWild(installed);
    const executed = this.#installer.executed(installed);
    if (!(effort & WILD) && wild >= Math.max(REFUSED, executed / OFTEN)) return effort | WILD;
    const isTame = executed > PERIOD && wild < executed / OFTEN / 4;
    if (effort & WILD && isTame && tamed < MOST_TAMED) return effort & ~WILD;
    if (!(effort & HAS_EXTENTS)) {
      const isMuch = executed >= Math.max(LONG, (this.#clock - since) / SHARE);
      if (!isMuch || effort & STRAYS || this.#unsuited.get(page)?.has(va - page.va)) return effort;
      const pays = extentsPay(installed.translation, executed, this.#generator !== undefined);
      return pays ? effort | HAS_EXTENTS : effort;
    }
    const strayed = this.#installer.timesStrayed(installed);
    if (strayed <= Math.max(REFUSED, executed / STRAYED)) return effort;
    return (effort & ~HAS_EXTENTS) | STRAYS;
  }

  /** Looks at times for regions that are left and entered all the time. @param retired instructions executed so far */
  tick(retired: number): void {
    const elapsed = retired - this.#clock;
    if (elapsed < this.#pause) return;
    this.#account.passes(elapsed / PERIOD);
    this.#clock = retired;
    this.#pause = PERIOD + LOOK * this.#installer.count;
    this.#installer.report();
    const roots = this.#allRoots();
    this.#adapt(roots);
    const restless = this.#restless(roots);
    for (const { root } of restless) this.#gather(root.installed);
    for (const { root, lost } of restless.slice(0, AT_ONCE)) {
      if (!this.#isServed) break;
      // Another process may have other code at the address.
      if (this.#host.find(root.va, false)?.page !== root.page) continue;
      if (!root.ordered) this.#grow(root, lost);
    }
    this.#bundle(roots);
  }

  /** Makes a region larger, unless that costs more than has been lost so far; with what its jumps have led to since, at least. */
  #grow(root: Live, lost: number): void {
    const { effort } = root;
    const isMost = timesMade(effort) >= MAX_EFFORT;
    if (!isMost) root.effort++;
    if (this.#recallBetter(root)) return;
    const region = regionAt(this.#surroundings(root), root.va, root.hot);
    if (!region) return;
    root.price = growthTakes(region.instructions, this.#generator !== undefined);
    if (root.price > lost) {
      root.effort = effort;
      return;
    }
    // Whether there is more by then is seen when twice as much is lost.
    if (isMost) root.price = 2 * lost;
    if (region.size >= root.installed.translation.size * WORTHWHILE)
      this.#compile(root, true, region);
  }

  /** Has another thread put regions that are entered all the time into one module, if that pays. */
  #bundle(roots: readonly Root[]): void {
    const generator = this.#generator;
    if (!generator?.bundles || this.#isBundling || !this.#isServed) return;
    if (!this.#isRoomy) return;
    const settled: { installed: Installed; entered: number }[] = [];
    for (const { installed, since, ordered } of roots) {
      if (!installed?.live || ordered || this.#clock - since < SETTLED) continue;
      if (installed.translation.bundle.members.length > 1) continue;
      settled.push({ installed, entered: this.#installer.timesEntered(installed) });
    }
    if (settled.length < BUNDLED) return;
    settled.sort((a, b) => b.entered - a.entered);
    const chosen = togetherAt(settled).slice(0, BUNDLED);
    if (chosen.length < BUNDLED) return;
    const members = chosen.map(({ installed }) => installed.translation);
    const entered = chosen.reduce((sum, one) => sum + one.entered, 0);
    if (!bundlingPays(members, entered, this.#options.store?.isKept ?? false)) return;
    this.#isBundling = true;
    generator.bundle!(
      members.map(({ bundle }) => bundle.bytes),
      members.map(({ entries }) => entries.length),
      (reply) => {
        this.#isBundling = false;
        if ('module' in reply)
          this.#attempt(() => this.#arriveBundled(chosen.map((one) => one.installed), reply)); // prettier-ignore
        else this.counters.failures++;
      },
    );
  }

  /** Puts regions in their own places, from one module. What has gone meanwhile is in it, too. */
  #arriveBundled(chosen: readonly Installed[], made: Made): void {
    const { store } = this.#options;
    const bundle = bundleOf(chosen.map(({ translation }) => translation), made); // prettier-ignore
    bundle.module = made.module;
    if (store) store.regroup(bundle);
    else for (const translation of bundle.members) translation.bundle = bundle;
    const live = chosen.filter((installed) => installed.live);
    this.#install(bundle, live, store?.compile(bundle) ?? made.module);
    this.counters.bundles++;
  }

  /**
   * @param isPaid it is paid for by what is lost without it
   * @param known the region, where it has been found already
   */
  #compile(root: Root, isPaid = false, known?: Region): void {
    if (root.ordered) return;
    const region = known ?? regionAt(this.#surroundings(root), root.va, root.hot);
    if (!region) return;
    const remote = this.#generator;
    if (!isPaid) this.#account.compiles(region.instructions, remote !== undefined);
    if (remote) return this.#order(remote, root, region);
    this.#make(root, region);
  }

  /** Generates a region here and now. */
  #make(root: Root, region: Region): void {
    const start = this.#now();
    try {
      const generated = generateRegions([region], this.eager);
      const made = this.#now();
      this.counters.generate += made - start;
      const { blocks, places } = sourceOf(this.#host.ram.u8, region);
      const translation = this.#describe(root, region, blocks, generated);
      const { bundle } = translation;
      const module = this.#options.store?.compile(bundle) ?? new wasm.Module(bundle.bytes);
      this.#install(bundle, [{ translation, places }], module);
      this.counters.instantiate += this.#now() - made;
    } catch (error) {
      if (error instanceof Unsupported) this.#without(error.sem, root);
      else if (this.eager) throw error;
      // A bug of this tier: the block stays with the other one.
      else this.counters.failures++;
    }
  }

  /** Has another thread generate a region; when it is there, the machine may be in another address space, or no more. */
  #order(generator: RemoteGenerator, root: Root, region: Region): void {
    const { blocks } = sourceOf(this.#host.ram.u8, region);
    const { effort } = root;
    root.ordered = true;
    generator.generate(packRegion(region, blocks), (reply) => {
      root.ordered = false;
      if ('failure' in reply) this.counters.failures++;
      else if ('unsupported' in reply) this.#excluded.add(reply.unsupported);
      else if (root.effort === effort)
        this.#attempt(() => this.#arrive(root, region, blocks, reply));
    });
  }

  /** Takes what has arrived; without room for it, tier 0 goes on. */
  #attempt(install: () => void): void {
    const start = this.#now();
    try {
      install();
    } catch {
      this.counters.failures++;
    }
    this.counters.instantiate += this.#now() - start;
  }

  #arrive(root: Root, region: Region, blocks: readonly SourceBlock[], made: Made): void {
    const translation = this.#describe(root, region, blocks, made);
    const { bundle } = translation;
    bundle.module = made.module;
    const places = this.#placesOf(translation);
    // Without a store it is lost, where its code is not at hand.
    if (
      places &&
      places.get(root.va)!.page === root.page &&
      this.#roots.get(root.page)?.get(root.va) === root
    )
      this.#install(
        bundle,
        [{ translation, places }],
        this.#options.store?.compile(bundle) ?? made.module,
      );
  }

  /** The translation that a region was made into, which the store has from now on. */
  #describe(
    root: Root,
    region: Region,
    blocks: readonly SourceBlock[],
    generated: Generated,
  ): Translation {
    const { store } = this.#options;
    const name = store ? this.#nameOf(root.page) : '';
    const translation = describe(region, blocks, generated, name, root.effort);
    const before = root.installed?.live ? root.installed.translation : undefined;
    store?.add(root.page.isa, translation, before);
    const { counters } = this;
    counters.regions++;
    counters.instructions += translation.instructions;
    counters.bytes += generated.bytes.length;
    return translation;
  }

  /** Tries again without what cannot be compiled. */
  #without(sem: string, root: Root): void {
    this.#excluded.add(sem);
    const region = regionAt(this.#surroundings(root), root.va, root.hot);
    if (region) this.#make(root, region);
  }

  /** Puts translations of one module in the places of what their roots have now. */
  #install(bundle: Bundle, some: readonly Placed[], module: WasmModule): void {
    if (some.length === 0) return;
    const { limit, dump } = this.#options;
    const roots = some.map(({ translation: { root }, places }) => this.#rootOf(places.get(root)!.page, root)); // prettier-ignore
    if (bundle.members.length === 1) dump?.(roots[0]!.va, bundle.bytes);
    for (const { installed } of roots) if (installed?.live) this.#installer.remove(installed);
    if (this.#installer.footprintWith(bundle) > limit) this.#shrink(limit * SHRUNK);
    if (!this.#installer.hasRoom(some)) this.flush();
    const installed = this.#installer.install(bundle, some, module);
    roots.forEach((root, i) => {
      root.installed = installed[i]!;
      this.#installed.set(some[i]!.translation, installed[i]!);
      root.effort = Math.max(root.effort, some[i]!.translation.effort);
      root.since = this.#clock;
    });
  }

  #shrink(limit: number): void {
    this.#installer.shrink(limit);
    this.counters.shrinks++;
    for (const root of this.#allRoots()) {
      if (!root.installed || root.installed.live) continue;
      this.#evicted.add(root.installed.group.bundle);
      root.installed = undefined;
    }
  }

  #surroundings({ effort }: Root): Surroundings {
    return {
      u8: this.#host.ram.u8,
      u16: this.#host.ram.u16,
      u32: this.#host.ram.u32,
      find: (at) => this.#host.find(at, this.eager),
      targets: (page, site) => this.#targets.get(page)?.get(site & 0xffff) ?? [],
      pointerAt: (at) => this.#host.pointerAt(at),
      effort,
      warm: this.eager ? 0 : WARM >> (4 * timesMade(effort)),
      excluded: this.#excluded,
    };
  }

  /** Takes over what a region has noted of its indirect jumps. */
  #gather(installed: Installed): void {
    for (const { site, target } of this.#installer.jumpsOf(installed))
      for (const page of installed.pages) {
        if ((page.va & 0xf000) !== (site & 0xf000)) continue;
        let sites = this.#targets.get(page);
        if (!sites) this.#targets.set(page, (sites = new Map()));
        let targets = sites.get(site);
        if (!targets) sites.set(site, (targets = new Set()));
        if (targets.size < MOST_TARGETS) targets.add(target);
      }
  }

  /** How often each region has been entered, for measurements. */
  entered(): { va: number; size: number; grown: number; entered: number; executed: number }[] {
    return this.#allRoots()
      .filter(({ installed }) => installed?.live)
      .map(({ va, effort, installed }) => ({
        va,
        size: installed!.translation.size,
        grown: effort,
        entered: this.#installer.timesEntered(installed!),
        executed: this.#installer.executed(installed!),
      }));
  }

  /** A page's code is gone, and with it every region that has some of it. */
  drop(page: CodePage): void {
    this.#samples.delete(page);
    this.#roots.delete(page);
    this.#targets.delete(page);
    this.#unsuited.delete(page);
    this.#installer.drop(page);
  }

  /** Has the store keep what was worth it. */
  save(): void {
    this.#installer.report();
    this.#options.store?.save();
  }

  /** Forgets every region; blocks go back to tier 0. Only while nothing executes. */
  flush(): void {
    this.#installer.flush();
    this.counters.flushes++;
  }
}
