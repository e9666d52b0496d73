/**
 * The processor's own memory: physical addresses below `Ram.base` (as firmware is reserved on a PC).
 *
 * The register context comes first, so that the byte offset of a register, which is what a decoded record stores,
 * is its address.
 */
import { TLB_SPAN } from './cpu.ts';

/** Slots of eight bytes that a record can name with one byte: the sixteen registers, then these. */
export const SLOT_ZERO = 16;
export const SLOT_FS = 17;
export const SLOT_GS = 18;
/** The address computed by an `ea` micro-operation. */
export const SLOT_EA = 19;
export const SLOT_RIP = 20;

export const RIP_CELL: number = SLOT_RIP * 8;
export const FS_CELL: number = SLOT_FS * 8;
export const GS_CELL: number = SLOT_GS * 8;

/** Lazily kept status flags; see ir/flags.ts. */
export const FLAGS_RESULT = 0xb0;
export const FLAGS_AUX = 0xb8;

export const MXCSR_CELL = 0xc0;
/** The other RFLAGS bits (DF, TF, AC, ID, NT, IF and the fixed ones). */
export const FLAGS_REST = 0xc4;
/** x87: control word, status word (TOP included), tag word (abridged: 1 = valid, by physical register). */
export const FCW_CELL = 0xc8;
export const FSW_CELL = 0xca;
export const FTW_CELL = 0xcc;
/** CS of the last x87 instruction, when it was loaded and not executed (FIP_BY_CODE). */
export const FCS_CELL = 0xce;
/**
 * The last x87 instruction that was no control instruction, as one store notes it: its address in 48 bits, its opcode
 * in 11, FIP_ON_STACK when its operand is in SS, and FIP_BY_CODE. FDP: its operand's address in 48 bits, the selector above.
 */
export const FIP_CELL = 0xd0;
export const FDP_CELL = 0xd8;
export const FIP_ON_STACK: bigint = 1n << 59n;
export const FIP_BY_CODE: bigint = 1n << 63n;

/** XMM registers, 16 bytes each. */
export const XMM_BASE = 0x100;
/** x87 registers by physical number, 80 bits in 16 bytes; the low eight bytes are the MMX register. */
export const ST_BASE = 0x200;
export const CONTEXT_SIZE = 0x280;

/** Why and where the handlers left; written just before they return an EXIT_ code. */
export const EXIT_REC = 0x300;
export const EXIT_FUEL_LEFT = 0x304;
export const FAULT_ADDRESS = 0x308;
export const FAULT_CODE = 0x310;
export const FAULT_VECTOR = 0x314;
export const CR3_CELL = 0x318;
/** Number of the JavaScript assist wanted. */
export const ASSIST_CELL = 0x31c;
/** The two physical addresses and the split of the store held in BOUNCE. */
export const BOUNCE_FIRST = 0x320;
export const BOUNCE_SECOND = 0x324;
export const BOUNCE_SPLIT = 0x328;
export const BOUNCE_SIZE = 0x32c;
/** Physical size of RAM, for the page walk's check of entries. */
export const RAM_SIZE_CELL = 0x330;
/** Page walks so far. */
export const WALKS_CELL = 0x334;
/**
 * Fuel beyond what tier 0 was given: regions of tier 1 use it up first, so that a slice of execution ends after so many
 * instructions of tier 0. And tier 0's share while a region runs.
 */
export const FUEL_BEYOND = 0x338;
export const FUEL_SHARE = 0x33c;
/**
 * What regions of tier 1 hand on to one another of the flags (tier1/frame.ts): the kind of operation, 0 when FLAGS_RESULT
 * and FLAGS_AUX hold them, else their operands are in FLAGS_RESULT and KEPT_Y. Always 0 in tier 0 and outside, and the high half
 * of KEPT_Y then, too.
 */
export const KEPT_KIND = 0x340;
export const KEPT_Y: number = FLAGS_AUX;
/** Not 0: code was dropped since a region looked here last. */
export const CODE_DROPPED = 0x348;
/** Instructions that regions of tier 1 have executed since it was last looked at. */
export const REGIONS_RETIRED = 0x350;
/** The notes of the region that executes. */
export const REGION_NOTES = 0x354;
/**
 * Calls that regions of tier 1 wait for: the innermost one's place in {@link RETURNS}, and that of the last which waits in vain,
 * since code was dropped after it; where one is to go that would be too deep, and with how much fuel.
 */
export const RETURN_TOP = 0x358;
export const RETURN_BASE = 0x374;
export const RETURN_FUEL = 0x35c;
export const RETURN_TO = 0x360;
/** The record that tier 0 executed last when its fuel ran out. */
export const EXIT_LAST = 0x368;
/** Where the known blocks begin, and how many bits of a hash of 32 are not for their lines (tier0/known-blocks.ts). */
export const KNOWN_BLOCKS = 0x36c;
export const KNOWN_BLOCKS_SHIFT = 0x370;
/** Where tier 0 was to go on when tier 1 left to it last, 0 for a record; or since then that was seen (Jit.sample). */
export const LEFT_TO = 0x378;
/** An operand that straddles two pages is assembled here. */
export const BOUNCE = 0x380;
/** Scratch for semantics that need to index bytes of a vector. */
export const SCRATCH = 0x3c0;

/** Soft floating point (insn/softfloat.ts): operand and result slots of 16 bytes, the unrounded result, exceptions. */
export const SF_A = 0x400;
export const SF_B = 0x410;
export const SF_R = 0x420;
export const SF_SIGN = 0x430;
export const SF_EXP = 0x434;
export const SF_HIGH = 0x438;
export const SF_LOW = 0x440;
export const SF_FLAGS = 0x448;
/** Not 0: the operation raised an exception that is not masked. */
export const SF_TRAP = 0x44c;
/** Not 0: a packed operation looks for exceptions of its operands before it computes; what it found. */
export const SF_PROBE = 0x450;
export const SF_PROBED = 0x454;
export const SF_C = 0x460;

/** Upper halves of the YMM registers: as far behind the lower ones as {@link YMM_HIGH_OFFSET} says. */
export const YMM_HIGH = 0x500;
export const YMM_HIGH_OFFSET: number = YMM_HIGH - XMM_BASE;
/** Vectors in the making (insn/vex.ts). */
export const VEX_TEMP = 0x600;

/** Addresses that the calls return to, behind a place that is nobody's. */
export const RETURNS = 0x700;
export const MOST_RETURNS = 48;

/**
 * What regions of tier 1 compare numbers with (insn/sse-usual.ts): a limit for doubles, of 64 bits, and one for floats, 0 when MXCSR is
 * not as it usually is; and 0, or all ones then, for vectors.
 */
export const ORDINARY_F64 = 0x900;
export const ORDINARY_F32 = 0x908;
export const ORDINARY_LANES = 0x90c;
/** Pages that the accesses of a loop were in last (tier1/stream.ts). */
export const STREAMS = 0x910;
/** What a loop has computed of registers that it only reads (tier1/unwritten.ts). */
export const UNWRITTEN = 0x9d0;
/** A constant on its way into a variable (tier1/generate.ts). */
export const HIDDEN = 0xa30;
/** The extent that is to be filled, 1 more where it is to be written, or 0; and the address that was accessed (extents.ts). */
export const EXTENT_WANTED = 0xa40;
export const EXTENT_VA = 0xa48;
/** How many extents are filled. */
export const EXTENTS_FILLED = 0xa50;

/**
 * One context per cached address space: a TLB of {@link TLB_ENTRIES} entries of 16 bytes (the page's address, in whose low
 * bits {@link TLB_READ_ONLY} may be; what makes an address physical), a jump cache of {@link JUMP_ENTRIES} entries of 16
 * bytes (virtual address, record, where other regions of tier 1 go on: a region's place in the table of handlers and its
 * entry, or 0), and code guards.
 */
export const CONTEXTS = 16;
export const CONTEXT_AREA = 0x1_0000;
export const TLB_ENTRIES: number = TLB_SPAN / 4096;
export const TLB_ENTRY_SHIFT = 4;
export const TLB_TAG = 0;
export const TLB_ADDEND = 8;
export const TLB_READ_ONLY = 1;
export const JUMP_ENTRIES = 16384;
export const LINK_PLACE = 0xffff;
export const LINK_ENTRY_SHIFT = 16;
/** Offset of the jump cache in a context. */
export const JUMP_CACHE: number = TLB_ENTRIES << TLB_ENTRY_SHIFT;
/**
 * Offset of the code guards in a context: a byte for each page that tier 1's regions reach from other pages, not 0 while
 * the page is known to be mapped, executable, in this space.
 */
export const CODE_GUARDS: number = JUMP_CACHE + JUMP_ENTRIES * 16;
export const GUARD_COUNT = 4096;
/**
 * Offset of a context's map of pages that its jump cache may lead to: a byte for any at all, then a bit for those that are
 * alike in their low bits.
 */
export const EXECUTED: number = CODE_GUARDS + GUARD_COUNT;
export const EXECUTED_MAP: number = EXECUTED + 64;
export const EXECUTED_BITS = 0x1_0000;
/**
 * Offset of the stack's window in a context (stack-window.ts): its address and its size, of 64 bits, what makes an address physical, and
 * for each of {@link WINDOW_CLASSES} in how much of it so many bytes may begin: nothing where it is empty.
 */
export const WINDOW_START: number = EXECUTED_MAP + EXECUTED_BITS / 8;
export const WINDOW_SIZE: number = WINDOW_START + 8;
export const WINDOW_ADDEND: number = WINDOW_SIZE + 8;
export const WINDOW_LIMITS: number = WINDOW_ADDEND + 8;
export const WINDOW_CLASSES: readonly number[] = [...Array.from({ length: 16 }, (_, i) => 64 * (i + 1)), 1536, 2048, 3072, 4096]; // prettier-ignore
/**
 * Offset of a context's map of what its TLB may hold: a byte, not 0, for each {@link TLB_GROUP} entries of which one was filled. Most
 * spaces are small, and those that are emptied or looked through need not be whole.
 */
export const TLB_FILLED: number = Math.ceil((WINDOW_LIMITS + WINDOW_CLASSES.length * 8) / 64) * 64;
export const TLB_GROUP = 256;
export const TLB_GROUPS: number = TLB_ENTRIES / TLB_GROUP;
export const CONTEXT_STRIDE: number = TLB_FILLED + TLB_GROUPS;

const upTo64K = (address: number): number => Math.ceil(address / 0x1_0000) * 0x1_0000;

/** One byte a page frame of 4 GiB: FRAME_ bits. */
export const FRAME_FLAGS: number = upTo64K(CONTEXT_AREA + CONTEXTS * CONTEXT_STRIDE);
/** Records were decoded from this frame. */
export const FRAME_CODE = 1;
/** Some TLB has held a write tag for this frame since it last had code. */
export const FRAME_WRITTEN = 2;

/**
 * Extents (extents.ts), by turns for reading and for writing: the first page's address; how much of it an access may begin in, 0 where it
 * is empty; what makes an address physical; accesses elsewhere until it is filled again; and how many there are in between.
 */
export const EXTENTS: number = FRAME_FLAGS + 0x10_0000;
export const EXTENT_COUNT = 4096;
export const EXTENT_SIZE = 32;
export const EXTENT_START = 0;
export const EXTENT_LIMIT = 8;
export const EXTENT_ADDEND = 16;
export const EXTENT_LEFT = 20;
export const EXTENT_PERIOD = 24;
/** The addresses of those that are filled, of 32 bits. */
export const EXTENTS_LISTED: number = EXTENTS + EXTENT_COUNT * EXTENT_SIZE;

/** For each handler of tier 1 a word: where other regions go on instead (the jump cache's). */
export const LINKS: number = EXTENTS_LISTED + EXTENT_COUNT * 4;

/** Decoded records, up to the known blocks (tier0/known-blocks.ts), which end at `Ram.base`. */
export const ARENA: number = LINKS + 4 * (LINK_PLACE + 1);

/** A pseudo-vector: POPF sets TF or AC, which the run loop carries out. */
export const VECTOR_TRACED_POPF = 0x101;

/** What handlers return. */
export const EXIT_FUEL = 0;
/** Fuel used up at an indirect jump: RIP_CELL holds the target. */
export const EXIT_FUEL_RIP = 1;
export const EXIT_SYSCALL = 2;
export const EXIT_PAGE_FAULT = 3;
/** FAULT_VECTOR at the record (a fault). */
export const EXIT_FAULT = 4;
/** FAULT_VECTOR with RIP_CELL after the instruction (a trap). */
export const EXIT_TRAP = 5;
/** RIP_CELL holds an address with no jump-cache entry. */
export const EXIT_LOOKUP = 6;
/** The record is an unresolved link within its page. */
export const EXIT_LINK = 7;
/** The record's code was dropped: decode again from its address. */
export const EXIT_RESYNC = 8;
/** JavaScript carries out the instruction at the record. */
export const EXIT_ASSIST = 9;
/** To the region that waits: its call has not been carried out, since there are too many that wait. JavaScript never sees it. */
export const TOO_DEEP = 10;
/** The same: its call has come back to the address that it expected, with the fuel in the other bits. */
export const RETURNED: number = -(2 ** 31);
