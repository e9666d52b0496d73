import type { Ram } from '../cpu.ts';
import { VECTOR_GP, VECTOR_UD } from '../cpu.ts';
import {
  decode,
  DECODED,
  DECODE_MORE,
  DECODE_UD,
  Insn,
  SEG_FS,
  SEG_GS,
  SEG_NONE,
  wraps,
} from '../decode.ts';
import { FIP_BY_CODE, FIP_ON_STACK, SLOT_EA, SLOT_FS, SLOT_GS, SLOT_ZERO } from '../layout.ts';
import type { OperandSpec } from '../opcodes.ts';
import type { CodePage, CodePages } from './code-pages.ts';
import { fusedNumber, handlerNumber, pairNumber, rowHandlers, type Form } from './handlers.ts';
import * as record from './record.ts';

/** Most instructions in a block; the partition into blocks is part of the processor's defined behaviour. */
export const MAX_BLOCK = 32;
const LONGEST_RECORD = 64;

export const SEGMENT_SLOT: Record<number, number> = {
  [SEG_NONE]: SLOT_ZERO,
  [SEG_FS]: SLOT_FS,
  [SEG_GS]: SLOT_GS,
};

const ALL_FLAGS = 0x8d5;

/**
 * Flags nobody reads before they are overwritten need not be computed. A possible fault reads them all, and so does a
 * store, which may change the instructions behind it.
 */
export function findLive(insns: readonly Insn[], count: number, out: Uint8Array): void {
  let live = ALL_FLAGS;
  for (let i = count - 1; i >= 0; i--) {
    const { row, isReg } = insns[i]!;
    if (!isReg && row.operands[0]?.access !== 'r') live = ALL_FLAGS;
    // Repeated comparisons show the flags of the last one when they fault.
    out[i] = row.rep || (row.writes | row.writesSometimes) & live ? 1 : 0;
    live = (live & ~row.writes) | row.reads;
    if (row.faultsAlways || (row.mayFault && !isReg)) live = ALL_FLAGS;
  }
}

/** Where the code bytes of a block come from. */
export interface Source {
  readonly page: CodePage;
  /** Physical address of the page. */
  readonly physical: number;
  /** Physical address of the following virtual page, or -1 when it cannot be fetched. */
  nextPage(): number;
}

/**
 * Decodes one basic block and writes its records.
 *
 * A block ends after an instruction that ends one, before an instruction that cannot be decoded or that straddles the
 * page, at the end of the page, or at MAX_BLOCK. A straddling instruction is a block of its own.
 */
export class Translator {
  readonly #ram: Ram;
  readonly #pages: CodePages;
  readonly #view: DataView;
  readonly #insns: Insn[];
  readonly #offsets = new Int32Array(MAX_BLOCK + 1);
  readonly #live = new Uint8Array(MAX_BLOCK);
  readonly #window = new Uint8Array(32);
  #count = 0;
  /** What stopped decoding: a DECODE_ status of the instruction at the end, or DECODED. */
  #stop = DECODED;
  #at = 0;
  /** The last record, while it is not part of a pair, and where it ends. */
  #unpaired = 0;
  #unpairedEnd = 0;

  constructor(ram: Ram, pages: CodePages, isa: number) {
    this.#insns = Array.from({ length: MAX_BLOCK }, () => new Insn(isa));
    this.#ram = ram;
    this.#pages = pages;
    this.#view = new DataView(ram.u8.buffer);
  }

  /**
   * @param limit most instructions (1 for single steps, which are not entered in the page's table)
   * @returns the first record, or 0 when the first instruction straddles into a page that cannot be fetched
   */
  translate(source: Source, offset: number, limit: number = MAX_BLOCK): number {
    const { page } = source;
    this.#decodeBlock(source, offset, limit);
    if (this.#count === 0 && this.#stop === DECODE_MORE) return 0;
    findLive(this.#insns, this.#count, this.#live);
    const room = (this.#count + 3) * LONGEST_RECORD;
    const start = this.#pages.allocate(page, room);
    this.#at = start;
    this.#unpaired = 0;
    if (limit === MAX_BLOCK) page.blocks.set(offset, start);
    for (let i = 0; i < this.#count; i = this.#instruction(page, i));
    this.#end(page);
    this.#pages.giveBack(page, start + room - this.#at);
    return start;
  }

  #decodeBlock({ page, physical, nextPage }: Source, start: number, limit: number): void {
    let offset = start;
    this.#count = 0;
    this.#stop = DECODED;
    this.#offsets[0] = start;
    while (this.#count < limit && offset < 4096) {
      const insn = this.#insns[this.#count]!;
      this.#stop = decode(insn, this.#ram.u8, physical + offset, 4096 - offset);
      if (this.#stop === DECODE_MORE && this.#count === 0) {
        const tail = nextPage();
        if (tail < 0) return;
        this.#stop = this.#decodeStraddling(insn, physical, offset, tail);
        this.#pages.addTail(page, offset, tail >>> 12);
      }
      if (this.#stop !== DECODED) return;
      offset += insn.length;
      this.#offsets[++this.#count] = offset;
      if (insn.row.end) return;
    }
  }

  #decodeStraddling(insn: Insn, physical: number, offset: number, tail: number): number {
    const { u8 } = this.#ram;
    this.#window.set(u8.subarray(physical + offset, physical + 4096));
    this.#window.set(u8.subarray(tail, tail + 15), 4096 - offset);
    return decode(insn, this.#window, 0, 15);
  }

  #header(
    handler: number,
    reg: number,
    rm: number,
    index: number,
    i: number,
    scale: number,
  ): number {
    const { u8, u16 } = this.#ram;
    const at = this.#at;
    u16[at >> 1] = handler;
    u8[at + record.REC_REG] = reg;
    u8[at + record.REC_RM] = rm;
    u8[at + record.REC_INDEX] = index * 8;
    u8[at + record.REC_COUNT] = i + 1;
    u16[(at + record.REC_PLACE) >> 1] = this.#offsets[i]! | (scale << record.SCALE_SHIFT);
    return at;
  }

  #pair(at: number, low: number, high: number): void {
    this.#ram.u32[at >> 2] = low;
    this.#ram.u32[(at >> 2) + 1] = high;
  }

  /** A virtual address as a pair. */
  #address(at: number, va: number): void {
    this.#pair(at, va % 2 ** 32, Math.floor(va / 2 ** 32));
  }

  /** Writes the records of instruction i, and of i + 1 if the two are fused; returns the next one's index. */
  #instruction(page: CodePage, i: number): number {
    const insn = this.#insns[i]!;
    const { row } = insn;
    const handlers = rowHandlers[row.id]!;
    const nextIp = page.va + this.#offsets[i + 1]!;
    let base = insn.base;
    let disp = insn.disp;
    let dispHigh = insn.dispHigh;
    let form: Form = 'reg';
    if (!insn.isReg) {
      form = 'mem';
      if (insn.ripRelative) {
        const va = nextIp + insn.disp;
        disp = va % 2 ** 32;
        dispHigh = Math.floor(va / 2 ** 32);
      }
      // POP computes its destination's address after incrementing RSP.
      if (row.sem === 'pop' && base === 4) {
        const moved = disp + insn.opsize / 8;
        dispHigh = Math.floor((moved | 0) / 2 ** 32);
        disp = moved;
      }
      const indexed = insn.index !== SLOT_ZERO;
      const segment = row.sem === 'lea' ? SEG_NONE : insn.segment;
      if (segment !== SEG_NONE && !insn.address32 && !indexed && base === SLOT_ZERO)
        base = SEGMENT_SLOT[segment]!;
      else if (
        insn.address32 ||
        segment !== SEG_NONE ||
        (indexed && !handlers.forms.includes('indexed'))
      ) {
        this.#effectiveAddress(insn, i, base, disp, dispHigh, segment);
        base = SLOT_EA;
        disp = 0;
        dispHigh = 0;
      } else if (indexed) form = 'indexed';
    }
    const rep = (row.rep ? insn.rep : 0) + (wraps(insn) ? 4 : 0);
    const single = handlerNumber(handlers, insn.opsize, form, this.#live[i] === 1, rep);
    const fused = this.#fuse(single, i);
    const handler = fused ?? single;
    const layout = record.layoutOfHandler(handler);
    const rm = form === 'reg' ? rmSlot(insn) : base * 8;
    const at = this.#header(
      handler,
      regSlot(insn),
      rm,
      row.vex ? vvvvSlot(insn) : insn.index,
      i,
      form === 'indexed' ? insn.scale : 0,
    );
    if (form !== 'reg') this.#pair(at + 8, disp, dispHigh);
    if (layout.hasNextIp) this.#address(at + layout.immediate, nextIp);
    else if (layout.hasX87Place)
      this.#view.setBigUint64(
        at + layout.immediate,
        x87Place(insn, page.va + this.#offsets[i]!),
        true,
      );
    else if (layout.hasImmediate)
      this.#pair(at + layout.immediate, insn.imm | (insn.imm2 << 16), insn.immHigh);
    this.#at = at + layout.size;
    this.#pairUp(at, handler);
    if (fused !== undefined) {
      this.#links(page, at + layout.links, page.va + this.#offsets[i + 2]!, this.#insns[i + 1]!);
      return i + 2;
    }
    if (layout.hasLinks) this.#links(page, at + layout.links, nextIp, insn);
    return i + 1;
  }

  /** Lets the record before this one, if it is free and right in front, execute this one, too. */
  #pairUp(at: number, handler: number): void {
    const { u16 } = this.#ram;
    const before = this.#unpaired;
    const pair =
      before === 0 || this.#unpairedEnd !== at ? undefined : pairNumber(u16[before >> 1]!, handler);
    if (pair !== undefined) u16[before >> 1] = pair;
    this.#unpaired = pair === undefined ? at : 0;
    this.#unpairedEnd = this.#at;
  }

  /** The handler for instruction i together with a Jcc behind it. */
  #fuse(handler: number, i: number): number | undefined {
    const next = i + 1 < this.#count ? this.#insns[i + 1]!.row : undefined;
    return next?.sem === 'jcc' ? fusedNumber(handler, next.opcode & 15) : undefined;
  }

  #effectiveAddress(
    insn: Insn,
    i: number,
    base: number,
    disp: number,
    dispHigh: number,
    segment: number,
  ): void {
    const handler = insn.address32 ? record.MICRO_EA32 : record.MICRO_EA;
    const at = this.#header(
      handler,
      SEGMENT_SLOT[segment]! * 8,
      base * 8,
      insn.index,
      i,
      insn.scale,
    );
    this.#pair(at + 8, disp, dispHigh);
    this.#at = at + record.MICRO_SIZE[handler]!;
  }

  /** The stubs of a branch: taken, then not taken. */
  #links(page: CodePage, at: number, nextIp: number, insn: Insn): void {
    const target = nextIp + insn.imm;
    this.#link(page, at, target);
    if (insn.row.sem !== 'call' && insn.row.sem !== 'jmp') this.#link(page, at + 4, nextIp);
  }

  /** Makes the link word at `slot` lead to `target`, through a stub. */
  #link(page: CodePage, slot: number, target: number): void {
    const { u32 } = this.#ram;
    const offset = target - page.va;
    const inPage = offset >= 0 && offset < 4096;
    const i = Math.max(0, this.#count - 1);
    const handler = inPage ? record.MICRO_LINK : record.MICRO_GOTO_VA;
    const stub = this.#header(handler, 0, 0, 0, i, 0);
    this.#address(stub + record.STUB_VA, target);
    u32[(stub + record.STUB_LINK) >> 2] = inPage ? slot : 0;
    u32[slot >> 2] = stub;
    const known = inPage && !page.tails.has(offset) ? page.blocks.get(offset) : undefined;
    if (known !== undefined) this.linkTo(stub, known);
    this.#at = stub + record.MICRO_SIZE[handler]!;
  }

  /** Ends a block that no branch ends. */
  #end(page: CodePage): void {
    const count = this.#count;
    if (count === 0) {
      const vector = this.#stop === DECODE_UD ? VECTOR_UD : VECTOR_GP;
      const at = this.#header(record.MICRO_RAISE, 0, 0, 0, 0, 0);
      this.#pair(at + 8, vector, 0);
      this.#at = at + 16;
      return;
    }
    const last = this.#insns[count - 1]!.row;
    if (last.end && (last.size64 === 'forced' || last.operands.some((o) => o.code === 'J'))) return;
    const at = this.#header(record.MICRO_GOTO, 0, 0, 0, count - 1, 0);
    this.#at = at + 16;
    this.#link(page, at + 8, page.va + this.#offsets[count]!);
  }

  /** Makes a MICRO_LINK lead to the record of its target, and count how often. */
  linkTo(stub: number, target: number): void {
    const { u16, u32 } = this.#ram;
    u16[stub >> 1] = record.MICRO_COUNT;
    u16[(stub + record.STUB_COUNT) >> 1] = 0;
    u32[(stub + record.STUB_TARGET) >> 2] = target;
  }

  /** Reads a stub's target. */
  targetOf(stub: number): number {
    return this.#view.getUint32(stub + 8, true) + this.#view.getInt32(stub + 12, true) * 2 ** 32;
  }
}

/** Whether the memory operand is in SS by default: based on RSP or RBP. */
export const onStack = ({ isReg, segment, base }: Insn): boolean =>
  !isReg && segment === SEG_NONE && (base === 4 || base === 5);

/** FIP_CELL after an x87 instruction at an address. */
export function x87Place(insn: Insn, va: number): bigint {
  const opcode = BigInt(((insn.row.opcode & 7) << 8) | insn.modrm);
  return (
    FIP_BY_CODE |
    (onStack(insn) ? FIP_ON_STACK : 0n) |
    (opcode << 48n) |
    BigInt.asUintN(48, BigInt(va))
  );
}

/** Byte offset, in its file, of the register in ModRM.reg or the opcode. */
export function regSlot(insn: Insn): number {
  const spec = insn.row.operands.find((o) => 'GVPZS'.includes(o.code));
  return spec ? slotOf(insn, spec, insn.reg) : 0;
}

/** The same of ModRM.rm; of the segment's base when there is no ModRM. */
export function rmSlot(insn: Insn): number {
  if (!insn.row.hasModrm) return SEGMENT_SLOT[insn.segment]! * 8;
  const spec = insn.row.operands.find((o) => 'EWUQNR'.includes(o.code));
  return spec ? slotOf(insn, spec, insn.rm) : insn.rm * 8;
}

/** The register in the VEX prefix, in units of eight bytes. */
const vvvvSlot = ({ row, vvvv }: Insn): number =>
  row.operands.some((o) => o.code === 'H') ? vvvv * 2 : vvvv;

/** Byte offset of a register in its file. */
function slotOf(insn: Insn, spec: OperandSpec, number: number): number {
  if ('VWU'.includes(spec.code)) return number * 16;
  if ('PQN'.includes(spec.code)) return (number & 7) * 16;
  // Without REX, byte registers 4–7 are AH, CH, DH and BH.
  if (spec.size === 'b' && insn.rex === 0 && number >= 4 && number < 8) return (number - 4) * 8 + 1;
  return number * 8;
}
