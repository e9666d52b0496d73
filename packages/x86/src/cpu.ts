/**
 * The seam between the machine and the kernel (Documentation/architecture.md, "Two halves and one seam").
 *
 * The kernel calls {@link Cpu.run}; the processor executes ring-3 code until something needs the kernel and returns
 * one of the TRAP_ numbers. Details of the trap are fields of the Cpu, so that no object is made per trap.
 */

/** Fuel used up: `rip` is the next instruction to execute. */
export const TRAP_FUEL = 0;
/** SYSCALL executed: `rip` is the instruction after it, RCX and R11 are set as the SDM says. */
export const TRAP_SYSCALL = 1;
/** #PF: `faultAddress` and `errorCode` (PF_ bits) are set, `rip` is the faulting instruction, no state has changed. */
export const TRAP_PAGE_FAULT = 2;
/** Another exception: `vector` and `errorCode` are set; `rip` as the SDM says for a fault or a trap. */
export const TRAP_EXCEPTION = 3;

/** Page-fault error code bits (Intel SDM vol. 3, 4.7). */
export const PF_PRESENT = 1;
export const PF_WRITE = 2;
export const PF_USER = 4;
export const PF_RSVD = 8;
export const PF_FETCH = 16;

/** Exception vectors (Intel SDM vol. 3, table 6-1). */
export const VECTOR_DE = 0;
export const VECTOR_DB = 1;
/** DR6: the trap is a single step's. */
export const DR6_BS = 0x4000;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_UD = 6;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_MF = 16;
export const VECTOR_AC = 17;
export const VECTOR_XM = 19;

/** Page-table entry bits (Intel SDM vol. 3, table 4-20), in the low 32 bits except NX, bit 63. */
export const PTE_P = 1;
export const PTE_W = 2;
export const PTE_U = 4;
export const PTE_A = 0x20;
export const PTE_D = 0x40;
export const PTE_PS = 0x80;
export const PTE_G = 0x100;
/** NX as seen in the high 32-bit half of an entry. */
export const PTE_NX_HI = 0x8000_0000;

/** Pages that lie a multiple of so many bytes apart share an entry of the TLB: a kernel that is free to choose places them otherwise. */
export const TLB_SPAN = 0x400_0000;

/**
 * The register numbers of the integer file, in encoding order.
 */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;
export const R8 = 8;
export const R9 = 9;
export const R10 = 10;
export const R11 = 11;
export const R12 = 12;
export const R13 = 13;
export const R14 = 14;
export const R15 = 15;

/** Whether a linear address is one: bits 47 to 63 are alike. */
export const canonical = (va: bigint): boolean => BigInt.asIntN(48, va) === BigInt.asIntN(64, va);

/**
 * RAM: one WebAssembly.Memory. A physical address is an offset into it. The range [0, base) is the processor's own
 * (register file, TLB, translations) and is reserved in the memory map, as firmware is on a PC; the kernel owns
 * [base, size). The buffer never grows, so views may be kept.
 */
export interface Ram {
  /** First physical byte that belongs to the kernel; a multiple of 2 MiB. */
  readonly base: number;
  /** One past the last physical byte; a multiple of 4 KiB. */
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
}

/** Work of the processor's own, since it was made. */
export interface CpuCounters {
  /** Translations of addresses that no TLB had. */
  readonly pageWalks: number;
  /** Decoding into tier 0's records, finding regions and generating modules for tier 1. */
  readonly translationNs: number;
  /** The engine's compilation of these modules on this thread. */
  readonly compilationNs: number;
}

export interface Cpu {
  readonly ram: Ram;
  /** The sixteen integer registers, as u64 and as pairs of u32 (low half first). Views of the live register file. */
  readonly gpr: BigUint64Array;
  readonly gpr32: Uint32Array;
  /** Instruction pointer; a canonical user address is below 2^47, so a number holds it exactly. */
  rip: number;
  /** RFLAGS with the lazily kept flags made up; setting keeps reserved bits as hardware does. */
  rflags: number;
  fsBase: number;
  gsBase: number;
  mxcsr: number;
  /**
   * Physical address of the top-level page table. Setting it switches address space without flushing: translations
   * of the spaces used last are kept by this address, so a table whose frame is reused needs {@link flushTlb}.
   */
  cr3: number;

  /** Source of RDTSC; by default the instructions executed, so that runs repeat. */
  tsc: () => number;
  /** CR4.TSD: RDTSC and RDTSCP are #GP. */
  tsd: boolean;
  /** What RDTSCP puts in ECX: IA32_TSC_AUX, which Linux sets to the processor's number. */
  tscAux: number;

  /** Nanoseconds, for measuring translation and compilation; they are not measured without it. */
  clock: (() => number) | undefined;
  /** What the processor has done besides executing. */
  counters(): CpuCounters;

  /** Details of the last trap. */
  readonly faultAddress: number;
  readonly errorCode: number;
  /** Of #DB: DR6_BS after a single step, 0 after INT1. */
  readonly dr6: number;
  readonly vector: number;

  /** Instructions executed since construction (below 2^53). Exact, and equal in every tier. */
  readonly retired: number;

  /**
   * Executes until a trap. Stops with TRAP_FUEL at the first end of a basic block at which `fuel` or more instructions
   * have run; the partition into basic blocks depends on the code alone, so the stop is the same in every tier.
   * @param fuel instructions, 1 to 2^31-1. 1 executes exactly one instruction (single step).
   * @returns a TRAP_ number
   */
  run(fuel: number): number;

  /**
   * Forget the translation of one page of the current address space. Needed when an entry that was present changes;
   * entries that were not present are not cached.
   */
  invlpg(va: number): void;
  /** What CPUID tells programs, as signed or unsigned 32-bit numbers: EAX, EBX, ECX, EDX. */
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number];
  /** Forget every translation of the address space whose top-level table is `cr3` (all of them without it). */
  flushTlb(cr3?: number): void;

  /** True when decoded or translated code came from this page frame: the kernel must call dropCode after writing it. */
  hasCode(pfn: number): boolean;
  /** The kernel wrote or freed the frame: forget code that came from it. */
  dropCode(pfn: number): void;

  /** Bytes of a register context as {@link save} writes it. */
  readonly contextSize: number;
  /** Copies the whole register context (integer, rip, flags, bases, x87, SSE, MXCSR) out of / into the file. */
  save(to: Uint8Array): void;
  load(from: Uint8Array): void;
  /** A context as execve leaves it: zero registers, FCW 0x37f, MXCSR 0x1f80, rflags 0x202. */
  reset(): void;

  /** FXSAVE image of the x87 and SSE state, 512 bytes, as signal frames and core dumps carry it. */
  fxsave(to: Uint8Array): void;
  /** Takes an FXSAVE image; reserved MXCSR bits are masked off. */
  fxrstor(from: Uint8Array): void;
  /** XCR0: the components of the XSAVE image (standard format, 832 bytes); 0 when the processor has no XSAVE. */
  readonly xfeatures: number;
  xsave(to: Uint8Array): void;
  /** A malformed image is left alone. */
  xrstor(from: Uint8Array): void;
}
