import { misaligned } from './alignment.ts';
import { cpuid } from './cpuid.ts';
import { assists } from './assist.ts';
import { Contexts } from './contexts.ts';
import type { Cpu, CpuCounters } from './cpu.ts';
import {
  PTE_A,
  PTE_NX_HI,
  PTE_P,
  PTE_PS,
  PTE_U,
  RCX,
  RSP,
  TRAP_EXCEPTION,
  TRAP_FUEL,
  TRAP_PAGE_FAULT,
  TRAP_SYSCALL,
  VECTOR_AC,
  DR6_BS,
  VECTOR_DB,
  VECTOR_GP,
  VECTOR_PF,
  VECTOR_SS,
} from './cpu.ts';
import { decode, DECODED, Insn, ISA_V2, ISA_V3, SEG_FS, SEG_GS } from './decode.ts';
import {
  fxrstorImage,
  fxsaveImage,
  FXSAVE_SIZE,
  MXCSR_MASK,
  XCR0,
  xrstorImage,
  xsaveImage,
} from './fxsave.ts';
import { ASSISTS } from './insn/system.ts';
import { AC, DF, ID, NT, RF, TF, ZF } from './ir/flags.ts';
import * as L from './layout.ts';
import { FETCH, NON_CANONICAL, READ, WRITE } from './mmu.ts';
import { isX87 } from './opcodes.ts';
import { createRam, type MemoryRam } from './ram.ts';
import { CodePages, type CodePage } from './tier0/code-pages.ts';
import { fingerprint, handlersOfV3 } from './tier0/handlers.ts';
import { noteBlock } from './tier0/known-blocks.ts';
import {
  isStub,
  MICRO_GOTO,
  MICRO_GOTO_VA,
  REC_COUNT,
  REC_PLACE,
  STUB_TIMES,
} from './tier0/record.ts';
import { MAX_BLOCK, onStack, Translator, x87Place } from './tier0/translate.ts';
import { SAMPLED } from './tier1/account.ts';
import { DEFAULT_JIT, Jit, type JitOptions } from './tier1/jit.ts';
import type { Found } from './tier1/region.ts';
import { wasm, type WasmModule, type WasmTable } from './wasm-api.ts';

export interface CpuOptions {
  /** Bytes of RAM; see createRam. */
  readonly ramSize: number;
  /** The compiled interpreter (generateTier0's bytes): one serves all machines of a process. */
  readonly module: WasmModule;
  /**
   * The model: x86-64-v2 unless `v3`, the compiled module of generateTier0V3, adds AVX2, BMI, FMA and the like, and AES
   * and SHA.
   */
  readonly v3?: WasmModule | undefined;
  /** Instructions after which frequent records are executed by one function together (tier0/core.ts). */
  readonly coreAfter?: number | undefined;
  /** Compile hot code (tier 1). Off unless given. */
  readonly jit?: boolean | Partial<JitOptions> | undefined;
}

interface Exports {
  enter(fuel: number, tlb: number): number;
  resume(record: number, fuel: number, tlb: number): number;
  /** Absent from a module that counts. */
  core?(record: number, fuel: number, tlb: number): number;
  moveIn?(): void;
  fingerprint(): number;
  walk(va: bigint, access: number): number;
  getFlags(): number;
  setFlags(word: number): void;
}

/** Instantiates the handlers beyond x86-64-v2, which enter themselves in the interpreter's table. */
function addV3(v3: WasmModule, env: Record<string, unknown>, tier0: Record<string, unknown>): void {
  const end = handlersOfV3();
  const table = tier0['handlers'] as WasmTable;
  if (table.length < end) table.grow(end - table.length);
  const { exports } = new wasm.Instance(v3, { env, tier0 });
  if ((exports as unknown as Exports).fingerprint() !== fingerprint(true))
    throw new Error('the v3 module was generated from another opcode table: build again');
}

/**
 * The core takes V8 a millisecond, and a tenth of a second of another thread to optimise, for which a process that ends meanwhile would
 * wait: what is over soon does without. A third of this time is for that.
 */
const CORE_AFTER = 12_000_000;
const CORE_ROUNDS = 1000;

const YMM_BYTES = 256;

const STATUS = 0x8d5;

/** Its number as a segment register. */
const SS = 2;

const REST_WRITABLE: number = TF | DF | NT | RF | AC | ID;
/** Bit 1 is always set, and so is IF in user mode. */
const REST_FIXED = 0x202;

/** Bytes of the largest operand that handlers access at once. */
const LARGEST_OPERAND = 16n;

/** Operands of assists up to the one size and from the other on are accessed at once. */
const LARGEST_PIECE = 16;
const SMALLEST_WHOLE = 160;

/**
 * Bytes of an operand that must be at addresses before any page is looked at: numbers of 80 bits are accessed in two parts, the
 * x87 environment by its words.
 */
function together(length: number): number {
  if (length === 10) return 8;
  if (length <= LARGEST_PIECE && length !== 14) return length;
  if (length >= SMALLEST_WHOLE) return length;
  return length % 4 === 0 ? 4 : 2;
}

/** Semantics that address the stack by themselves. */
const STACK_OPERATIONS: ReadonlySet<string> = new Set(
  'push pop pushf popf call call_indirect ret leave enter push_segment pop_segment retf iret'.split(
    ' ',
  ),
);

const toPair = (va: number): bigint => BigInt.asUintN(64, BigInt(va));

/** The processor: tier 0 and its translator around one RAM. */
export class Machine implements Cpu {
  readonly ram: MemoryRam;
  readonly gpr: BigUint64Array;
  readonly gpr32: Uint32Array;
  faultAddress = 0;
  errorCode = 0;
  dr6 = 0;
  vector = 0;
  retired = 0;
  readonly contextSize: number;
  readonly isa: number;
  /** Source of RDTSC; by default the instructions executed. */
  tsc: () => number = () => this.retired;
  /** RDTSC and RDTSCP are #GP. */
  tsd = false;
  /** What RDTSCP puts in ECX. */
  tscAux = 0;

  clock: (() => number) | undefined;
  #translationNs = 0;
  /** Tier 1's share of a sample: finding a region, generating its module, having it compiled. */
  #tier1Ns = 0;

  readonly #exports: Exports;
  readonly #contexts: Contexts;
  readonly #pages: CodePages;
  readonly #translator: Translator;
  readonly #jit: Jit | undefined;
  /** Instructions after which the core is compiled, and after which it moves in. */
  #wantsCore: number;
  #hasCore: number;
  /** Instructions of tier 0 until the next sample of what is hot. */
  #slice = SAMPLED;
  readonly #insn: Insn;
  readonly #window = new Uint8Array(16);

  constructor({ ramSize, module, v3, coreAfter = CORE_AFTER, jit = false }: CpuOptions) {
    this.#wantsCore = coreAfter / 3;
    this.#hasCore = coreAfter;
    this.isa = v3 ? ISA_V3 : ISA_V2;
    this.#insn = new Insn(this.isa);
    this.contextSize = L.CONTEXT_SIZE + (v3 ? YMM_BYTES : 0);
    this.ram = createRam(ramSize);
    const { buffer } = this.ram.memory;
    this.gpr = new BigUint64Array(buffer, 0, 16);
    this.gpr32 = new Uint32Array(buffer, 0, 32);
    const env = { memory: this.ram.memory, codeWritten: (pfn: number) => this.dropCode(pfn >>> 0) };
    const { exports } = new wasm.Instance(module, { env });
    this.#exports = exports as unknown as Exports;
    if (this.#exports.fingerprint() !== fingerprint())
      throw new Error(
        'the interpreter module was generated from another opcode table: build again',
      );
    if (v3) addV3(v3, env, exports);
    this.#contexts = new Contexts(this.ram);
    this.#pages = new CodePages(this.ram, this.isa);
    this.#translator = new Translator(this.ram, this.#pages, this.isa);
    if (jit) {
      const now = (): number => (this.clock?.() ?? 0) / 1e6;
      const options = { ...DEFAULT_JIT, now, ...(jit === true ? {} : jit) };
      const tier1 = new Jit(
        {
          ram: this.ram,
          pages: this.#pages,
          tier0: exports,
          find: (va, decoding) => this.#find(va, decoding),
          pointerAt: (va) => this.#pointerAt(va),
          link: (...entry) => this.#contexts.link(...entry),
          allow: (page) => this.#allowAccessed(page),
          forbid: () => this.#contexts.flushJumps(),
        },
        options,
      );
      this.#pages.onRetire = (page) => tier1.drop(page);
      this.#jit = tier1;
    }
    this.reset();
  }

  // ---- registers

  get rip(): number {
    const { u32 } = this.ram;
    return u32[L.RIP_CELL >> 2]! + (u32[(L.RIP_CELL >> 2) + 1]! | 0) * 2 ** 32;
  }

  set rip(va: number) {
    this.#setPair(L.RIP_CELL, va);
  }

  get fsBase(): number {
    return this.#pair(L.FS_CELL);
  }

  set fsBase(va: number) {
    this.#setPair(L.FS_CELL, va);
  }

  get gsBase(): number {
    return this.#pair(L.GS_CELL);
  }

  set gsBase(va: number) {
    this.#setPair(L.GS_CELL, va);
  }

  #pair(cell: number): number {
    return this.ram.u32[cell >> 2]! + (this.ram.u32[(cell >> 2) + 1]! | 0) * 2 ** 32;
  }

  #setPair(cell: number, va: number): void {
    this.ram.u32[cell >> 2] = va % 2 ** 32;
    this.ram.u32[(cell >> 2) + 1] = Math.floor(va / 2 ** 32);
  }

  get rflags(): number {
    return this.ram.u32[L.FLAGS_REST >> 2]! | this.#exports.getFlags();
  }

  set rflags(value: number) {
    this.ram.u32[L.FLAGS_REST >> 2] = (value & REST_WRITABLE) | REST_FIXED;
    this.#exports.setFlags(value & STATUS);
  }

  get mxcsr(): number {
    return this.ram.u32[L.MXCSR_CELL >> 2]!;
  }

  set mxcsr(value: number) {
    this.ram.u32[L.MXCSR_CELL >> 2] = value & MXCSR_MASK;
  }

  get cr3(): number {
    return this.ram.u32[L.CR3_CELL >> 2]!;
  }

  set cr3(value: number) {
    if (value === this.cr3 && this.#contexts.current.cr3 === value) return;
    this.ram.u32[L.CR3_CELL >> 2] = value;
    this.#contexts.select(value);
  }

  reset(): void {
    this.ram.u8.fill(0, 0, L.CONTEXT_SIZE);
    this.ram.u8.fill(0, L.YMM_HIGH, L.YMM_HIGH + YMM_BYTES);
    this.ram.u16[L.FCW_CELL >> 1] = 0x37f;
    this.mxcsr = 0x1f80;
    this.rflags = REST_FIXED;
  }

  save(to: Uint8Array): void {
    to.set(this.ram.u8.subarray(0, L.CONTEXT_SIZE));
    if (this.isa === ISA_V3)
      to.set(this.ram.u8.subarray(L.YMM_HIGH, L.YMM_HIGH + YMM_BYTES), L.CONTEXT_SIZE);
  }

  load(from: Uint8Array): void {
    this.ram.u8.set(from.length === L.CONTEXT_SIZE ? from : from.subarray(0, L.CONTEXT_SIZE));
    if (this.isa === ISA_V3)
      this.ram.u8.set(from.subarray(L.CONTEXT_SIZE, L.CONTEXT_SIZE + YMM_BYTES), L.YMM_HIGH);
  }

  fxsave(to: Uint8Array): void {
    fxsaveImage(this.ram, to.subarray(0, FXSAVE_SIZE), true);
  }

  fxrstor(from: Uint8Array): void {
    fxrstorImage(this.ram, from, true, true);
  }

  get xfeatures(): number {
    return this.isa === ISA_V3 ? XCR0 : 0;
  }

  xsave(to: Uint8Array): void {
    xsaveImage(this.ram, to, XCR0, true);
  }

  xrstor(from: Uint8Array): void {
    xrstorImage(this.ram, from, XCR0, true);
  }

  // ---- translation caches

  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number] {
    return cpuid(leaf, subleaf, this.isa === ISA_V3);
  }

  counters(): CpuCounters {
    const compilationNs = (this.#jit?.counters.instantiate ?? 0) * 1e6;
    return {
      pageWalks: this.ram.u32[L.WALKS_CELL >> 2]!,
      translationNs: this.#translationNs + Math.max(0, this.#tier1Ns - compilationNs),
      compilationNs,
    };
  }

  invlpg(va: number): void {
    this.#contexts.invlpg(va);
  }

  flushTlb(cr3?: number): void {
    this.#contexts.flush(cr3);
  }

  hasCode(pfn: number): boolean {
    return (this.ram.u8[L.FRAME_FLAGS + pfn]! & L.FRAME_CODE) !== 0;
  }

  dropCode(pfn: number): void {
    if (!this.#pages.has(pfn)) return;
    this.#pages.drop(pfn);
    this.#contexts.flushJumps();
    // Regions that execute, or wait for a call, may be in that code.
    this.ram.u32[L.CODE_DROPPED >> 2] = 1;
    this.ram.u32[L.RETURN_BASE >> 2] = this.ram.u32[L.RETURN_TOP >> 2]!;
  }

  // ---- execution

  run(fuel: number): number {
    if (this.ram.u32[L.FLAGS_REST >> 2]! & (TF | AC)) return this.#runTraced(fuel);
    if (fuel === 1) return this.#step();
    this.#pages.reclaim();
    if (this.retired >= this.#wantsCore) this.#useCore();
    if (this.#jit) return this.#runSliced(fuel, this.#jit);
    let left = fuel;
    for (;;) {
      const exit = this.#exports.enter(left, this.#contexts.current.address);
      left = this.#account(left, exit);
      const trap = this.#answer(exit);
      if (trap >= 0) return trap;
      if (left <= 0) return TRAP_FUEL;
    }
  }

  /**
   * Has V8 optimise the core, on another thread, and lets it have its places when that should be done. A jump to itself, executed some
   * times, is what V8 takes for hot code.
   */
  #useCore(): void {
    const { core, moveIn } = this.#exports;
    if (this.retired >= this.#hasCore) {
      this.#wantsCore = Infinity;
      moveIn?.();
      return;
    }
    this.#wantsCore = this.#hasCore;
    const { u8, u16, u32 } = this.ram;
    u16[L.SCRATCH >> 1] = MICRO_GOTO;
    u8[L.SCRATCH + REC_COUNT] = 1;
    u32[(L.SCRATCH + 8) >> 2] = L.SCRATCH;
    core?.(L.SCRATCH, CORE_ROUNDS, this.#contexts.current.address);
  }

  /** With TF, a trap after one instruction; with AC, instructions whose accesses are looked at first. */
  #runTraced(fuel: number): number {
    for (let left = fuel; left > 0; left--) {
      const rest = this.ram.u32[L.FLAGS_REST >> 2]!;
      if ((rest & (TF | AC)) === 0) return left === fuel ? this.run(fuel) : TRAP_FUEL;
      if (rest & AC && this.#decodeHere() && misaligned(this, this.#insn)) {
        this.vector = VECTOR_AC;
        this.errorCode = 0;
        return TRAP_EXCEPTION;
      }
      const trap = rest & TF ? this.#stepIteration() : this.#step();
      if (trap !== TRAP_FUEL) return trap;
      // A move to SS holds the trap behind it back, so that RSP can be set with it.
      const { row, reg } = this.#insn;
      if (rest & TF && !(row.sem === 'mov_to_segment' && (reg & 7) === SS)) {
        this.vector = VECTOR_DB;
        this.dr6 = DR6_BS;
        this.errorCode = 0;
        return TRAP_EXCEPTION;
      }
    }
    return TRAP_FUEL;
  }

  /** One instruction, or one iteration of a repeated string instruction. */
  #stepIteration(): number {
    const { rip, gpr } = this;
    const insn = this.#insn;
    const repeated = this.#decodeHere() && insn.row.rep && insn.rep !== 0;
    const { address32, rep, row } = insn;
    const before = gpr[RCX]!;
    const count = address32 ? before & 0xffff_ffffn : before;
    if (!repeated || count < 2n) return this.#step();
    gpr[RCX] = 1n;
    const trap = this.#step();
    if (trap !== TRAP_FUEL) {
      gpr[RCX] = before;
      return trap;
    }
    gpr[RCX] = count - 1n;
    const zero = (this.rflags & ZF) !== 0;
    if (row.writesSometimes === 0 || zero === (rep === 1)) this.rip = rip;
    return trap;
  }

  /** POPF that sets TF or AC: `run` looks at the flags anew. */
  #popf(): number {
    if (!this.#decodeHere()) return this.#fault();
    const { length, opsize } = this.#insn;
    const bytes = new Uint8Array(opsize / 8);
    if (!this.copyIn(this.gpr[RSP]!, bytes)) return this.#fault();
    const word = bytes[0]! | (bytes[1]! << 8) | ((bytes[2] ?? 0) << 16);
    const kept = opsize === 16 ? this.rflags & ~0xffff : 0;
    this.rflags = kept | word;
    this.gpr[RSP] = this.gpr[RSP]! + BigInt(bytes.length);
    this.rip += length;
    this.retired++;
    return TRAP_FUEL;
  }

  /** As {@link run}, stopping at times to see what is hot; the stops do not show in what is executed. */
  #runSliced(fuel: number, jit: Jit): number {
    const { u32 } = this.ram;
    let left = fuel;
    jit.tick(this.retired);
    for (;;) {
      const { address } = this.#contexts.current;
      const slice = Math.min(left, this.#slice);
      u32[L.FUEL_BEYOND >> 2] = left - slice;
      let exit = this.#exports.enter(slice, address);
      while (exit === L.EXIT_FUEL && u32[L.FUEL_BEYOND >> 2]! > 0 && this.#insideBlock()) {
        const more = Math.min(u32[L.FUEL_BEYOND >> 2]!, SAMPLED);
        u32[L.FUEL_BEYOND >> 2]! -= more;
        const rest = (u32[L.EXIT_FUEL_LEFT >> 2]! | 0) + more;
        exit = this.#exports.resume(u32[L.EXIT_REC >> 2]!, rest, address);
      }
      u32[L.EXIT_FUEL_LEFT >> 2]! += u32[L.FUEL_BEYOND >> 2]!;
      u32[L.FUEL_BEYOND >> 2] = 0;
      const before = left;
      left = this.#account(left, exit);
      // A slice goes on behind whatever else has ended execution: the fuel of this call, too.
      const interpreted = before - left - u32[L.REGIONS_RETIRED >> 2]!;
      jit.counters.interpreted += interpreted;
      this.#slice -= interpreted;
      u32[L.REGIONS_RETIRED >> 2] = 0;
      // One that ends with the fuel is no sample: calls begin and end where regions do.
      if (this.#slice <= 0)
        this.#slice = left > 0 ? SAMPLED : 1 + ((this.retired * 7919) % SAMPLED);
      if (left > 0 && (exit === L.EXIT_FUEL || exit === L.EXIT_FUEL_RIP)) {
        this.#sampleLast(jit);
        continue;
      }
      const trap = this.#answer(exit);
      if (trap >= 0) return trap;
      if (left <= 0) return TRAP_FUEL;
    }
  }

  /** Fuel ran out in a repeated string instruction; a block that began there would be another one. */
  #insideBlock(): boolean {
    const { u32, u16, u8 } = this.ram;
    const rec = u32[L.EXIT_REC >> 2]!;
    if (rec === 0) return false;
    const handler = u16[rec >> 1]!;
    return !isStub(handler) && u8[rec + REC_COUNT]! > 1;
  }

  /** What tier 1 has done, for measurements; undefined without it. */
  get jit(): Jit | undefined {
    return this.#jit;
  }

  /** Tier 1 sees the block at RIP. */
  #sample(jit: Jit): void {
    const rec = this.#block(this.rip);
    const page = rec === 0 ? undefined : this.#pages.ownerOf(rec);
    if (page) this.#show(jit, page, this.rip - page.va);
  }

  /**
   * Tier 1 sees where tier 0 has gone on since a region was left for it, which an entry there would have saved; or else the
   * block that was executed last: what comes next may be a region's already.
   */
  #sampleLast(jit: Jit): void {
    const { u32 } = this.ram;
    const va = u32[L.LEFT_TO >> 2]! + u32[(L.LEFT_TO + 4) >> 2]! * 2 ** 32;
    if (va !== 0) {
      u32[L.LEFT_TO >> 2] = u32[(L.LEFT_TO + 4) >> 2] = 0;
      const left = this.#find(va, false);
      if (left && !left.tail) return this.#show(jit, left.page, va - left.page.va, true);
    }
    const rec = this.ram.u32[L.EXIT_LAST >> 2]!;
    const page = this.#pages.ownerOf(rec);
    const offset = page?.blockAt(rec);
    if (offset !== undefined) this.#show(jit, page!, offset);
  }

  #show(jit: Jit, page: CodePage, offset: number, left = false): void {
    const start = this.clock?.() ?? 0;
    jit.sample(page, offset, page.blocks.get(offset)!, left);
    if (this.clock) this.#tier1Ns += this.clock() - start;
  }

  /** The block at an address for tier 1, without a trace of the look: decoded if it is not yet, or none. */
  #find(va: number, decoding: boolean): Found | undefined {
    const physical = this.#peek(va);
    if (physical < 0) return undefined;
    if (decoding) this.#decodeAt(va, physical);
    const offset = va % 4096;
    const page = this.#pages.known(physical >>> 12, va - offset);
    const rec = page?.blocks.get(offset);
    if (rec === undefined) return undefined;
    const tail = page!.tails.get(offset);
    if (tail === undefined) return { page: page!, rec, tail };
    if (this.#peek(page!.va + 4096) >>> 12 !== tail) return undefined;
    return { page: page!, rec, tail: this.#pages.page(tail, page!.va + 4096) };
  }

  /** Decodes a block that has not been executed: no A bit is set, and nothing is dropped to make room. */
  #decodeAt(va: number, physical: number): void {
    if (this.#pages.full) return;
    const offset = va % 4096;
    const page = this.#codePage(physical >>> 12, va - offset);
    const nextPage = (): number => {
      const tail = this.#peek(page.va + 4096);
      if (tail >= 0) this.#noteCode(tail >>> 12);
      return tail;
    };
    const tail = page.tails.get(offset);
    if (page.blocks.has(offset) && (tail === undefined || nextPage() >>> 12 === tail)) return;
    this.#translator.translate({ page, physical: (physical & ~0xfff) >>> 0, nextPage }, offset);
  }

  /** Physical address of code or, without `code`, of data, or -1: a page walk that sets no A bits. */
  #peek(va: number, code = true, wanted = PTE_P | PTE_U): number {
    const { u32 } = this.ram;
    if (va < 0 || va >= 2 ** 47) return -1;
    let table = (u32[L.CR3_CELL >> 2]! & ~0xfff) >>> 0;
    for (const shift of [39, 30, 21, 12]) {
      const at = (table + (Math.floor(va / 2 ** shift) % 512) * 8) >> 2;
      const low = u32[at]!;
      if ((low & wanted) !== wanted || (code && (u32[at + 1]! & PTE_NX_HI) !== 0)) return -1;
      const base = (low & ~0xfff) >>> 0;
      if (shift > 12 && shift < 39 && (low & PTE_PS) !== 0)
        return base - (base % 2 ** shift) + (va % 2 ** shift);
      table = base;
    }
    return table + (va % 4096);
  }

  /** Where this space has not accessed a page yet, a region's first jump to it leaves, so that the A bit is set. */
  #allowAccessed({ guard, va, pfn }: CodePage): void {
    const physical = this.#peek(va, true, PTE_P | PTE_U | PTE_A);
    if (physical >= 0 && physical >>> 12 === pfn) this.#contexts.allow(guard, va);
  }

  #pointerAt(va: number): number | undefined {
    const physical = va % 8 === 0 ? this.#peek(va, false) : -1;
    if (physical < 0) return undefined;
    const { u32 } = this.ram;
    return u32[physical >> 2]! + u32[(physical >> 2) + 1]! * 2 ** 32;
  }

  /** Executes exactly one instruction. */
  #step(): number {
    this.#pages.reclaim();
    const { rip } = this;
    const rec = this.#block(rip, 1);
    if (rec === 0) return this.#fetchFault();
    this.#contexts.enterJump(rip, rec);
    const exit = this.#exports.enter(1, this.#contexts.current.address);
    this.#account(1, exit);
    this.#contexts.forgetJump(rip);
    const trap = this.#answer(exit);
    return trap >= 0 ? trap : TRAP_FUEL;
  }

  /** Counts the instructions executed since `enter`; makes RIP right for exits at a record. Returns the fuel left. */
  #account(before: number, exit: number): number {
    const { u32, u8, u16 } = this.ram;
    let left = u32[L.EXIT_FUEL_LEFT >> 2]! | 0;
    switch (exit) {
      case L.EXIT_FUEL:
      case L.EXIT_PAGE_FAULT:
      case L.EXIT_FAULT:
      case L.EXIT_RESYNC:
      case L.EXIT_ASSIST: {
        const rec = u32[L.EXIT_REC >> 2]!;
        // Tier 1 leaves with RIP and the fuel exact.
        if (rec === 0) break;
        const handler = u16[rec >> 1]!;
        if (isStub(handler)) {
          this.rip = this.#translator.targetOf(rec);
          break;
        }
        left -= u8[rec + REC_COUNT]! - 1;
        this.rip = this.#pages.ownerOf(rec)!.va + (u16[(rec + REC_PLACE) >> 1]! & 0xfff);
      }
    }
    this.retired += before - left;
    return left;
  }

  /** @returns a TRAP_ number, or -1 to go on */
  #answer(exit: number): number {
    switch (exit) {
      case L.EXIT_FUEL:
      case L.EXIT_FUEL_RIP:
        return TRAP_FUEL;
      case L.EXIT_SYSCALL:
        return TRAP_SYSCALL;
      case L.EXIT_PAGE_FAULT:
      case L.EXIT_FAULT:
        return this.#fault();
      case L.EXIT_TRAP:
        this.vector = this.ram.u32[L.FAULT_VECTOR >> 2]!;
        this.errorCode = 0;
        this.dr6 = 0;
        return TRAP_EXCEPTION;
      case L.EXIT_LOOKUP:
        return this.#lookup();
      case L.EXIT_LINK:
        return this.#link();
      case L.EXIT_ASSIST:
        return this.#assist();
      default:
        this.#pages.reclaim();
        return -1;
    }
  }

  /** Takes the fault out of the cells. */
  #fault(): number {
    const { u32 } = this.ram;
    this.vector = u32[L.FAULT_VECTOR >> 2]!;
    this.errorCode = u32[L.FAULT_CODE >> 2]!;
    if (this.vector === VECTOR_PF) {
      this.faultAddress = this.#pair(L.FAULT_ADDRESS);
      return TRAP_PAGE_FAULT;
    }
    if (this.vector === L.VECTOR_TRACED_POPF) return this.#popf();
    if (this.vector === NON_CANONICAL) this.vector = this.#usesStack() ? VECTOR_SS : VECTOR_GP;
    return TRAP_EXCEPTION;
  }

  /** Whether the instruction at RIP addresses memory through RSP or RBP, or implicitly the stack. */
  #usesStack(): boolean {
    if (!this.#decodeHere()) return false;
    const insn = this.#insn;
    // With a memory operand, what faulted may be either of the two.
    const fault = this.ram.u64[L.FAULT_ADDRESS >> 3]!;
    const isOperand =
      !insn.isReg && BigInt.asUintN(64, fault - this.effectiveAddress(insn)) < LARGEST_OPERAND;
    if (STACK_OPERATIONS.has(insn.row.sem) && !isOperand) return true;
    return onStack(insn);
  }

  /** Decodes the instruction at RIP, which has been executed before. */
  #decodeHere(): boolean {
    const { rip } = this;
    const first = this.#exports.walk(toPair(rip), FETCH);
    if (first === -1) return false;
    const within = Math.min(15, 4096 - (rip % 4096));
    const bytes = this.#window;
    bytes.set(this.ram.u8.subarray(first >>> 0, (first >>> 0) + within));
    if (decode(this.#insn, bytes, 0, within) === DECODED) return true;
    const second = within < 15 ? this.#exports.walk(toPair(rip + within), FETCH) : -1;
    if (second === -1) return false;
    bytes.set(this.ram.u8.subarray(second >>> 0, (second >>> 0) + 15 - within), within);
    return decode(this.#insn, bytes, 0, 15) === DECODED;
  }

  /** Finds or translates the block at a virtual address; 0 with the FAULT_ cells set if it cannot be fetched. */
  #block(va: number, limit: number = MAX_BLOCK): number {
    const physical = this.#exports.walk(toPair(va), FETCH);
    if (physical === -1) return 0;
    const offset = va % 4096;
    const pageVa = va - offset;
    let page = this.#codePage(physical >>> 12, pageVa);
    const nextPage = (): number => {
      const tail = this.#exports.walk(toPair(pageVa + 4096), FETCH);
      if (tail !== -1) this.#noteCode(tail >>> 12);
      return tail === -1 ? -1 : tail >>> 0;
    };
    const known = limit === MAX_BLOCK ? page.blocks.get(offset) : undefined;
    if (known !== undefined) {
      const tail = page.tails.get(offset);
      if (tail === undefined) return known;
      const now = nextPage();
      if (now < 0) return 0;
      this.#contexts.noteExecuted(Math.floor(va / 4096) + 1);
      if (now >>> 12 === tail) return known;
    }
    if (this.#pages.full) {
      this.#pages.dropAll();
      this.#contexts.flushJumps();
      page = this.#codePage(physical >>> 12, pageVa);
    }
    const source = { page, physical: (physical & ~0xfff) >>> 0, nextPage };
    const start = this.clock?.() ?? 0;
    const rec = this.#translator.translate(source, offset, limit);
    if (this.clock) this.#translationNs += this.clock() - start;
    if (rec !== 0 && page.tails.has(offset)) this.#contexts.noteExecuted(Math.floor(va / 4096) + 1);
    return rec;
  }

  #codePage(pfn: number, va: number): CodePage {
    this.#noteCode(pfn);
    return this.#pages.page(pfn, va);
  }

  /** Code is about to be decoded from a frame: guest writes to it must be seen from now on. */
  #noteCode(pfn: number): void {
    const flags = this.ram.u8[L.FRAME_FLAGS + pfn]!;
    if ((flags & L.FRAME_WRITTEN) === 0) return;
    this.#contexts.protect(pfn);
    this.ram.u8[L.FRAME_FLAGS + pfn] = flags & ~L.FRAME_WRITTEN;
  }

  /** RIP has no entry in the jump cache. */
  #lookup(): number {
    const { rip } = this;
    const rec = this.#block(rip);
    if (rec === 0) return this.#fetchFault();
    this.#contexts.enterJump(rip, rec);
    const page = this.#pages.ownerOf(rec)!;
    // Other address spaces find it by themselves now; not while every first execution is to be seen.
    if (!page.tails.has(rip % 4096) && !this.#jit?.eager) noteBlock(this.ram, rip, page.pfn, rec);
    if (this.#jit) this.#allow(page, rip);
    if (this.#jit?.eager) this.#sample(this.#jit);
    return -1;
  }

  /** Regions may go to a block from other pages now. */
  #allow(page: CodePage, va: number): void {
    const frame = page.tails.get(va % 4096);
    const tail = frame === undefined ? undefined : this.#pages.known(frame, page.va + 4096);
    for (const one of [page, tail])
      if (one && one.guard >= 0) this.#contexts.allow(one.guard, one.va);
  }

  #fetchFault(): number {
    return this.#fault();
  }

  /** A branch within a page was taken for the first time: links it to its target. */
  #link(): number {
    const { u16, u32 } = this.ram;
    const stub = u32[L.EXIT_REC >> 2]!;
    const target = this.#translator.targetOf(stub);
    this.rip = target;
    const owner = this.#pages.ownerOf(stub);
    const rec = this.#block(target);
    if (rec === 0) return this.#fetchFault();
    const linkable = owner !== undefined && owner === this.#pages.ownerOf(rec);
    if (linkable && !owner.tails.has(target % 4096)) this.#translator.linkTo(stub, rec);
    else if (linkable) {
      u16[stub >> 1] = MICRO_GOTO_VA;
      u32[(stub + STUB_TIMES) >> 2] = 0;
    }
    this.#contexts.enterJump(target, rec);
    if (this.#jit?.eager) this.#sample(this.#jit);
    return -1;
  }

  #assist(): number {
    if (!this.#decodeHere()) return this.#fault();
    const insn = this.#insn;
    const name = ASSISTS[this.ram.u32[L.ASSIST_CELL >> 2]!]!;
    const result = assists[name](this, insn);
    if (result === -1) return this.#fault();
    if (result !== undefined) {
      this.vector = result & 0xff;
      this.errorCode = result >>> 8;
      return TRAP_EXCEPTION;
    }
    if (isX87(insn.row)) this.#noteX87(insn);
    this.rip += insn.length;
    this.retired++;
    // IRET sets them like POPF: `run` looks at them anew.
    return this.ram.u32[L.FLAGS_REST >> 2]! & (TF | AC) ? TRAP_FUEL : -1;
  }

  /** What the handlers of tier 0 and tier 1 note by themselves. */
  #noteX87(insn: Insn): void {
    this.ram.u64[L.FIP_CELL >> 3] = x87Place(insn, this.rip);
    if (insn.isReg) return;
    const selector = onStack(insn) ? 0x2bn : 0n;
    this.ram.u64[L.FDP_CELL >> 3] = BigInt.asUintN(48, this.effectiveAddress(insn)) | (selector << 48n); // prettier-ignore
  }

  // ---- memory for assists

  /** Effective address of a decoded instruction's memory operand. */
  effectiveAddress(insn: Insn): bigint {
    const slot = (n: number): bigint => this.ram.u64[n]!;
    let va = BigInt(insn.disp) + slot(insn.base) + (slot(insn.index) << BigInt(insn.scale));
    if (insn.ripRelative) va += toPair(this.rip + insn.length);
    va = BigInt.asUintN(insn.address32 ? 32 : 64, va);
    if (insn.segment === SEG_FS) va += slot(L.SLOT_FS);
    if (insn.segment === SEG_GS) va += slot(L.SLOT_GS);
    return BigInt.asUintN(64, va);
  }

  readable(va: bigint): boolean {
    return this.#exports.walk(BigInt.asIntN(64, va), READ) !== -1;
  }

  /** Writes guest memory, or nothing: false leaves the fault in the cells. */
  copyOut(va: bigint, bytes: Uint8Array): boolean {
    return this.#pieces(va, bytes.length, WRITE, (physical, from, to) => {
      const pfn = physical >>> 12;
      if (this.hasCode(pfn)) this.dropCode(pfn);
      this.ram.u8[L.FRAME_FLAGS + pfn]! |= L.FRAME_WRITTEN;
      this.ram.u8.set(bytes.subarray(from, to), physical);
    });
  }

  copyIn(va: bigint, bytes: Uint8Array): boolean {
    return this.#pieces(va, bytes.length, READ, (physical, from, to) =>
      bytes.set(this.ram.u8.subarray(physical, physical + to - from), from),
    );
  }

  /** Translates every page of a range before touching the first. */
  #pieces(
    va: bigint,
    length: number,
    access: number,
    touch: (physical: number, from: number, to: number) => void,
  ): boolean {
    const last = BigInt.asIntN(64, va + BigInt(together(length) - 1));
    if (BigInt.asIntN(48, last) !== last) return this.#exports.walk(last, access) !== -1;
    const pieces: [number, number, number][] = [];
    for (let from = 0; from < length;) {
      const physical = this.#exports.walk(BigInt.asIntN(64, va + BigInt(from)), access);
      if (physical === -1) return false;
      const to = Math.min(length, from + 4096 - (physical & 0xfff));
      pieces.push([physical >>> 0, from, to]);
      from = to;
    }
    for (const piece of pieces) touch(...piece);
    return true;
  }
}

export function createCpu(options: CpuOptions): Machine {
  return new Machine(options);
}
