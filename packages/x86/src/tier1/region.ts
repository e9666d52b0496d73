import { decode, DECODED, Insn, SEG_NONE } from '../decode.ts';
import { semantics } from '../insn/index.ts';
import { SLOT_ZERO } from '../layout.ts';
import { rows } from '../opcodes.ts';
import type { CodePage } from '../tier0/code-pages.ts';
import { RESERVED, shapeOf } from '../tier0/handlers.ts';
import { layoutOfHandler, MICRO_COUNT, MICRO_EA, MICRO_EA32, MICRO_GOTO_VA, MICRO_LINK, recordSize, STUB_COUNT, STUB_TIMES, WARM } from '../tier0/record.ts'; // prettier-ignore
import { findLive, MAX_BLOCK } from '../tier0/translate.ts';
import { entrancesAt } from './entrance.ts';
import { cutOverlaps } from './overlaps.ts';
import { jumpsOf } from './structure.ts';

/** How large a region may become. */
interface Limits {
  readonly blocks: number;
  readonly instructions: number;
  /** From here on calls leave the region instead of taking their function in. */
  readonly calls: number;
  /** Instructions of a function of which each call gets a copy. */
  readonly small: number;
}

/** An effort has this added where the stack is not looked up at entries: it was refused too often (stack.ts). */
export const NO_WINDOW = 8;

/** And this where too many numbers were not in the middle of their range (insn/sse-usual.ts). */
export const WILD = 16;

/** And this where accesses have extents at hand (extents.ts). */
export const HAS_EXTENTS = 32;

/** And this where they had them, and accesses were found to be all over memory. */
export const STRAYS = 64;

/** How often a region has been made again, because it is entered and left all the time. */
export const timesMade = (effort: number): number => effort & (NO_WINDOW - 1);

/** It gets larger each time. */
const limitsOf = (effort: number): Limits => ({
  blocks: 160 + 80 * effort,
  instructions: 600 + 300 * effort,
  calls: 300 + 250 * effort,
  small: 64 << effort,
});

/** The same for a region with a hub: an interpreter's loop is one function, and whatever is not in the region leaves it all the time. */
const hubLimitsOf = (effort: number): Limits => ({
  ...limitsOf(effort),
  blocks: 400 + 100 * effort,
  instructions: 2000 + 500 * effort,
  calls: 1000 + 250 * effort,
});

/** How deep functions are copied into those that call them. */
const MAX_DEPTH = 4;

/** Copies of one function in a region. */
const MAX_COPIES = 3;

/** Addresses that an indirect jump is compared with. */
const MAX_TARGETS = 32;

/** Blocks that jumps through pointers must lead to for a region to have a hub, and how many there are at most. */
const MIN_HUB = 8;
const MAX_HUB = 128;

/** A jump that leads to so few compares with them first. */
const FEW_TARGETS = 3;

/** A function that was called within the region, and where its RET goes. */
export interface Inline {
  readonly caller: Inline | undefined;
  readonly entry: number;
  readonly back: number;
  readonly depth: number;
  /** It is a stub, and the region leaves to where that jumps. */
  readonly leaves: boolean;
}

/** A basic block of tier 0's partition: fuel and faults must come out the same in both tiers. */
export interface BlockCode {
  readonly page: CodePage;
  /** The page that its only instruction ends in, when that straddles two. */
  readonly tail: CodePage | undefined;
  /** Tier 0's record of each instruction: of its address, where that is computed apart. */
  readonly records: readonly number[];
  readonly va: number;
  readonly insns: readonly Insn[];
  /** Virtual address of each instruction, and of what follows the last. */
  readonly addresses: readonly number[];
  /** Which instructions' flags are read. */
  readonly live: Uint8Array;
  /** How often its jump was taken, and the next block executed after it; {@link WARM} or more is all the same. */
  readonly taken: number;
  readonly fell: number;
}

/** A block in a region; a function taken in at several calls has blocks for each. */
export interface Block {
  readonly index: number;
  /** Shorter than tier 0's block where another one begins in it (overlaps.ts). */
  code: BlockCode;
  readonly inline: Inline | undefined;
  /** Where the branch displacement leads, and the next instruction, when they are in the region. */
  taken: Block | undefined;
  next: Block | undefined;
  /** Where an indirect jump or a return may lead. */
  readonly targets: Block[];
  /** Where the region goes on when a function comes back that it has left for. */
  behind: Block | undefined;
  /** What says how its loop goes on at the end of a strip (strip.ts). */
  again?: Block | undefined;
  /** It ends with a jump that goes by the hub, where it leads to none of its targets. */
  usesHub: boolean;
}

export interface Region {
  readonly blocks: readonly Block[];
  /** Blocks that tier 0 may enter: the first one, and what follows calls that leave. */
  readonly entries: readonly Block[];
  /** Entries that indirect jumps lead to, any of them to each: what an interpreter has for the codes of its program (hub.ts). */
  readonly hub: readonly Block[];
  readonly instructions: number;
  /** Blocks and jumps within: what makes one region better than another around the same block. */
  readonly size: number;
  /** Whether the stack is looked up where it is entered. */
  readonly window: boolean;
  /** Whether numbers are expected in the middle of their range. */
  readonly tame: boolean;
  /** Whether accesses have extents at hand. */
  readonly extents: boolean;
}

/** Of a branch that a block does not have. */
export const NEVER = -1;

/** A block that tier 0 knows. */
export interface Found {
  readonly page: CodePage;
  readonly rec: number;
  readonly tail: CodePage | undefined;
}

/** What the finder knows of the code around. */
export interface Surroundings {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** The block at an address of the current space, if it has been executed. */
  find(va: number): Found | undefined;
  /** Where the indirect jump or call at an address has gone before. */
  targets(page: CodePage, site: number): Iterable<number>;
  /** The pointer at an address. */
  pointerAt(va: number): number | undefined;
  /** How often the region has been made before, with {@link NO_WINDOW}, {@link WILD}, {@link HAS_EXTENTS} and {@link STRAYS}. */
  readonly effort: number;
  /** How often the jumps were taken that the region follows. */
  readonly warm: number;
  /** Semantics that are left to tier 0. */
  readonly excluded: ReadonlySet<string>;
}

/** Whether a block ends with a jump through a pointer that always lies in the same place. */
function isFixed({ insns }: BlockCode): boolean {
  const { isReg, base, index, segment } = insns.at(-1)!;
  return !isReg && base === SLOT_ZERO && index === SLOT_ZERO && segment === SEG_NONE;
}

function addTarget(block: Block, target: Block | undefined): void {
  if (target && block.targets.length < MAX_TARGETS && !block.targets.includes(target))
    block.targets.push(target);
}

/** Finds what direct jumps, calls and known indirect targets connect with a block, as far as it has been executed. */
class Finder {
  readonly #around: Surroundings;
  readonly #codes = new Map<number, BlockCode | null>();
  readonly #found = new Map<string, Block>();
  readonly #waiting: Block[] = [];
  readonly #copies = new Map<number, number>();
  readonly #sizes = new Map<number, number>();
  readonly #root: number;
  readonly #hot: number;
  #limits: Limits;
  readonly blocks: Block[] = [];
  readonly entries: Block[] = [];
  /** Jumps through pointers, but for those in copies of functions, and where they lead. */
  readonly #jumps: Block[] = [];
  readonly #jumped = new Set<number>();
  /** Calls of functions that are in the region once, and the blocks behind them. */
  readonly #callers = new Map<Block, Set<Block>>();
  readonly #behind = new Map<Block, Block>();
  instructions = 0;

  constructor(around: Surroundings, root: number, hot: number) {
    this.#around = around;
    this.#root = root;
    this.#hot = hot;
    this.#limits = limitsOf(timesMade(around.effort));
  }

  get #isFull(): boolean {
    const { blocks, instructions } = this.#limits;
    return this.blocks.length >= blocks || this.instructions >= instructions;
  }

  run(): void {
    const first = this.#at(this.#root, undefined);
    // Whoever enters has looked at the page of the block only.
    if (!first || first.code.tail) return;
    this.entries.push(first);
    for (let block = this.#waiting.shift(); block; block = this.#waiting.shift())
      this.#follow(block);
    for (const [entry, calls] of this.#callers) this.#returnTo(entry, calls);
  }

  /** Makes the hub of what jumps through pointers lead to, if that is much. */
  hub(): readonly Block[] {
    if (this.#jumped.size < MIN_HUB) return [];
    const hub = [...this.#jumped].flatMap((va) => this.#found.get(`${va}`) ?? []);
    const some = hub.filter(({ code }) => !code.tail).slice(0, MAX_HUB);
    for (const block of this.#jumps) {
      block.usesHub = true;
      if (block.targets.length > FEW_TARGETS) block.targets.length = 0;
    }
    for (const block of some) this.#enter(block);
    return some;
  }

  /** The returns of a function that several calls share lead behind each of these. */
  #returnTo(entry: Block, calls: ReadonlySet<Block>): void {
    const backs = [...calls].map((call) => this.#behind.get(call)).filter((b) => b !== undefined);
    const seen = new Set([entry]);
    for (const block of seen) {
      if (block.code.insns.at(-1)!.row.sem === 'ret')
        for (const back of backs) addTarget(block, back);
      const behind = this.#behind.get(block);
      const on = behind ? [behind] : [block.taken, block.next, block.behind];
      // A copy of a small function comes back by itself.
      for (const to of on) if (to) seen.add(to);
      if (block.inline || block.taken?.inline) for (const to of block.targets) seen.add(to);
    }
  }

  #code(va: number): BlockCode | undefined {
    const known = this.#codes.get(va);
    if (known !== undefined) return known ?? undefined;
    const place = this.#around.find(va);
    const code = place && decodeBlock(this.#around, place, va);
    this.#codes.set(va, code ?? null);
    return code;
  }

  /** The block at an address within a function, made when there is room. */
  #at(va: number, inline: Inline | undefined): Block | undefined {
    let key = `${va}`;
    for (let i = inline; i; i = i.caller) key += `,${i.back}`;
    const known = this.#found.get(key);
    if (known) return known;
    if (this.#isFull) return undefined;
    const code = this.#code(va);
    if (!code) return undefined;
    const index = this.blocks.length;
    const block: Block = {
      index,
      code,
      inline,
      taken: undefined,
      next: undefined,
      targets: [],
      behind: undefined,
      usesHub: false,
    };
    this.instructions += code.insns.length;
    this.#found.set(key, block);
    this.blocks.push(block);
    this.#waiting.push(block);
    return block;
  }

  #follow(block: Block): void {
    const { insns, addresses, taken, fell } = block.code;
    const { warm } = this.#around;
    const { row, imm } = insns.at(-1)!;
    const after = addresses.at(-1)!;
    if (row.sem === 'call') {
      if (taken >= warm) this.#call(block, after + imm, after);
    } else if (row.sem === 'call_indirect') this.#callAny(block, after);
    else if (!row.end || row.operands.some((o) => o.code === 'J')) {
      // A region that was left for a block executes the jump there itself, uncounted.
      const isSeen = (to: number, times: number): boolean =>
        times >= warm || (to === this.#hot && times !== NEVER);
      if (isSeen(after + imm, taken)) block.taken = this.#at(after + imm, block.inline);
      if (isSeen(after, fell)) block.next = this.#at(after, block.inline);
      if (row.sem === 'jmp' && !block.taken) block.behind = this.#back(block);
    } else if (row.sem === 'ret') this.#return(block);
    else if (row.sem === 'jmp_indirect') this.#indirect(block, block.inline);
  }

  #return(block: Block): void {
    const back = this.#back(block);
    if (back) block.targets.push(back);
  }

  /** What is behind the call of the function that a block is in, as far as the region knows. */
  #back({ inline }: Block): Block | undefined {
    return inline && this.#at(inline.back, inline.caller);
  }

  #indirect(block: Block, inline: Inline | undefined): void {
    block.behind = this.#back(block);
    if (inline?.leaves) return;
    const targets = this.#targetsOf(block.code);
    if (!inline && !isFixed(block.code)) this.#jumpAny(block, targets);
    for (const va of targets) addTarget(block, this.#at(va, inline));
  }

  #jumpAny(block: Block, targets: Iterable<number>): void {
    this.#jumps.push(block);
    for (const va of targets) this.#jumped.add(va);
    if (this.#jumped.size < MIN_HUB) return;
    this.#limits = hubLimitsOf(timesMade(this.#around.effort));
    for (const va of this.#jumped) this.#at(va, undefined);
  }

  /** A function that does nothing but jump to another one, as those of a PLT. */
  #isStub(entry: number): boolean {
    return this.#code(entry)?.insns.at(-1)!.row.sem === 'jmp_indirect';
  }

  /** Where an indirect jump or call may lead: one through a fixed place, to what stands there; others, where they have led. */
  #targetsOf(code: BlockCode): Iterable<number> {
    const { page, insns, addresses } = code;
    if (!isFixed(code)) return this.#around.targets(page, addresses.at(-2)!);
    const { ripRelative, disp } = insns.at(-1)!;
    const target = this.#around.pointerAt(ripRelative ? addresses.at(-1)! + disp : disp);
    return target === undefined ? [] : [target];
  }

  /** A call through a pointer takes in the functions that it has led to. */
  #callAny(block: Block, after: number): void {
    for (const va of this.#targetsOf(block.code)) {
      const inline = this.#inline(va, after, block.inline);
      if (inline) addTarget(block, this.#at(va, inline));
      else if (this.#isShared(va, block.inline)) this.#share(block, this.#at(va, undefined), after);
    }
    block.behind = this.#at(after, block.inline);
    this.#enterBehind(block, after);
  }

  /** What returns from elsewhere comes in again behind the call. */
  #enterBehind(block: Block, after: number): void {
    if (!block.inline) this.#enter(this.#at(after, undefined));
  }

  #enter(block: Block | undefined): void {
    const isAt = ({ code }: Block): boolean => code.va === block!.code.va;
    if (block && !block.code.tail && !this.entries.some(isAt)) this.entries.push(block);
  }

  /** Enters the loop around a block, and those that now have heads. */
  enterLoops(): void {
    const cut = cutOverlaps(this);
    const inner = this.blocks.filter(({ code }) => code.va === this.#hot);
    for (const block of [...inner, ...cut])
      if (!block.inline) for (const entry of entrancesAt(this, block)) this.#enter(entry);
  }

  #call(block: Block, target: number, after: number): void {
    const inline = this.#inline(target, after, block.inline);
    if (inline) block.taken = this.#at(target, inline);
    else if (this.#isShared(target, block.inline)) {
      block.taken = this.#at(target, undefined);
      this.#share(block, block.taken, after);
    }
    if (!block.taken) block.behind = this.#at(after, block.inline);
    if (!block.taken || this.#isStub(target)) this.#enterBehind(block, after);
  }

  /** A function with its own room in the region; within copies of others the way back would not be known. */
  #isShared(entry: number, caller: Inline | undefined): boolean {
    return !caller && entry === this.#root;
  }

  #share(call: Block, entry: Block | undefined, after: number): void {
    const back = entry && this.#at(after, undefined);
    if (!back) return;
    if (entry !== call.taken) addTarget(call, entry);
    this.#behind.set(call, back);
    // The way back may lead through what the region has no room for.
    this.#enter(back);
    let calls = this.#callers.get(entry);
    if (!calls) this.#callers.set(entry, (calls = new Set()));
    calls.add(call);
  }

  /** Whether a called function may be taken in, and as what. */
  #inline(entry: number, back: number, caller: Inline | undefined): Inline | undefined {
    const depth = caller ? caller.depth + 1 : 1;
    for (let i = caller; i; i = i.caller) if (i.entry === entry) return undefined;
    const copies = this.#copies.get(entry) ?? 0;
    const hasRoom =
      depth <= MAX_DEPTH &&
      copies < MAX_COPIES &&
      this.instructions < this.#limits.calls &&
      this.#sizeOf(entry) <= this.#limits.small;
    // A stub is but a jump to where its pointer leads.
    if (!hasRoom)
      return this.#isStub(entry) ? { caller, entry, back, depth, leaves: true } : undefined;
    this.#copies.set(entry, copies + 1);
    return { caller, entry, back, depth, leaves: false };
  }

  /** Instructions of a function as far as it has been executed, with those that it calls; Infinity when there are many. */
  #sizeOf(entry: number): number {
    const known = this.#sizes.get(entry);
    if (known !== undefined) return known;
    // A recursive function is not small.
    this.#sizes.set(entry, Infinity);
    const seen = new Set<number>();
    const waiting = [entry];
    let size = this.#code(entry) ? 0 : Infinity;
    for (
      let va = waiting.pop();
      va !== undefined && size <= this.#limits.small;
      va = waiting.pop()
    ) {
      const code = seen.has(va) ? undefined : this.#code(va);
      seen.add(va);
      if (!code) continue;
      const { row, imm } = code.insns.at(-1)!;
      const after = code.addresses.at(-1)!;
      const taken = code.taken >= this.#around.warm;
      size += code.insns.length;
      if (row.sem === 'call_indirect') size = Infinity;
      else if (row.sem === 'jmp_indirect') waiting.push(...this.#targetsOf(code));
      else if (row.sem === 'call') {
        if (!taken) continue;
        size += this.#code(after + imm) ? this.#sizeOf(after + imm) : 0;
        waiting.push(after);
      } else {
        if (taken) waiting.push(after + imm);
        if (code.fell >= this.#around.warm) waiting.push(after);
      }
    }
    this.#sizes.set(entry, size);
    return size;
  }
}

/**
 * The region around a block of the current address space; undefined when the block itself stays with tier 0.
 * @param hot a block that is executed all the time: tier 0 can enter the loop that it is in
 */
export function regionAt(
  around: Surroundings,
  root: number,
  hot: number = root,
): Region | undefined {
  const finder = new Finder(around, root, hot);
  finder.run();
  const { blocks, entries } = finder;
  if (entries.length === 0) return undefined;
  const window = (around.effort & NO_WINDOW) === 0;
  const tame = (around.effort & WILD) === 0;
  const extents = (around.effort & HAS_EXTENTS) !== 0;
  const hub = finder.hub();
  // The loop around a hub goes through the dispatcher anyhow, and is entered by what the hub leads to.
  if (hub.length === 0) finder.enterLoops();
  const instructions = blocks.reduce((sum, { code }) => sum + code.insns.length, 0);
  const jumps = blocks.reduce((sum, block) => sum + jumpsOf(block).length, 0);
  const size = blocks.length + jumps;
  return { blocks, entries, hub, instructions, size, window, tame, extents };
}

/** As Translator decodes it; undefined for what stays with tier 0. */
function decodeBlock(around: Surroundings, place: Found, va: number): BlockCode | undefined {
  const { u16, u32, excluded } = around;
  const { page, rec, tail } = place;
  const insns = tail ? decodeStraddling(around, place, va) : decodeWithin(around, page, va);
  if (insns.length === 0 || !insns.every((insn) => compiles(insn, excluded))) return undefined;
  const addresses = [va];
  for (const { length } of insns) addresses.push(addresses.at(-1)! + length);
  const live = new Uint8Array(insns.length);
  findLive(insns, insns.length, live);
  const { records, end } = recordsOf(u16, page, rec, insns.length);
  const times = (link: number): number => timesTaken(around, u32[link >> 2]!);
  const block = { page, tail, va, insns, addresses, live, records };
  const last = records.at(-1)!;
  const { row } = insns.at(-1)!;
  // A block that no branch ends has a MICRO_GOTO.
  if (!row.end) return { ...block, taken: NEVER, fell: times(end + 8) };
  const { links, hasLinks } = layoutOfHandler(page.replaced.get(last) ?? u16[last >> 1]!);
  if (!hasLinks) return { ...block, taken: NEVER, fell: NEVER };
  const falls = row.sem !== 'jmp' && row.sem !== 'call';
  return { ...block, taken: times(last + links), fell: falls ? times(last + links + 4) : NEVER };
}

/** The instructions of a block within its page. */
export function decodeWithin({ u8 }: Surroundings, page: CodePage, va: number): Insn[] {
  const insns: Insn[] = [];
  for (let offset = va - page.va; insns.length < MAX_BLOCK && offset < 4096;) {
    const insn = new Insn(page.isa);
    if (decode(insn, u8, page.pfn * 4096 + offset, 4096 - offset) !== DECODED) break;
    insns.push(insn);
    offset += insn.length;
    if (insn.row.end) break;
  }
  return insns;
}

/** An instruction that straddles two pages is a block of its own. */
function decodeStraddling({ u8 }: Surroundings, { page, tail }: Found, va: number): Insn[] {
  const window = new Uint8Array(32);
  const start = page.pfn * 4096 + (va - page.va);
  const first = (page.pfn + 1) * 4096 - start;
  window.set(u8.subarray(start, start + first));
  window.set(u8.subarray(tail!.pfn * 4096, tail!.pfn * 4096 + 15), first);
  const insn = new Insn(page.isa);
  return decode(insn, window, 0, 15) === DECODED ? [insn] : [];
}

/** How often a branch was taken, by the record that its link leads to. */
function timesTaken({ u16, u32 }: Surroundings, rec: number): number {
  const handler = u16[rec >> 1]!;
  if (handler === MICRO_LINK) return 0;
  if (handler === MICRO_COUNT) return u16[(rec + STUB_COUNT) >> 1]!;
  return handler === MICRO_GOTO_VA ? u32[(rec + STUB_TIMES) >> 2]! : WARM;
}

/**
 * Walks tier 0's records of a block; also finds where they end. A Jcc that is executed with the comparison before it has
 * that one's record.
 */
function recordsOf(
  u16: Uint16Array,
  page: CodePage,
  first: number,
  count: number,
): { records: readonly number[]; end: number } {
  const records: number[] = [];
  let at = first;
  while (records.length < count) {
    records.push(at);
    let handler = page.replaced.get(at) ?? u16[at >> 1]!;
    if (handler === MICRO_EA || handler === MICRO_EA32) {
      at += recordSize(handler);
      handler = u16[at >> 1]!;
    }
    if (handler < RESERVED) break;
    if (shapeOf(handler).fused) records.push(at);
    at += recordSize(handler);
  }
  return { records, end: at };
}

/** What has stored something when a later access misses the TLB: the instruction could not be begun again in tier 0. */
const STORES_BEFORE: ReadonlySet<string> = new Set(['enter']);

/** Rows beyond x86-64-v2 stay with tier 0. */
const compiles = ({ row }: Insn, excluded: ReadonlySet<string>): boolean =>
  row.id < rows.length &&
  semantics[row.sem] !== undefined &&
  !STORES_BEFORE.has(row.sem) &&
  !excluded.has(row.sem);
