/**
 * Descriptor tables as a user program sees them (SDM vol. 2: SGDT, SIDT, SLDT, STR, SMSW, LAR, LSL, VERR, VERW): those of Linux,
 * which shows its addresses to nobody (arch/x86/kernel/umip.c).
 */
import type { Insn } from '../decode.ts';
import { ZF } from '../ir/flags.ts';
import type { Machine } from '../machine.ts';

export const DESCRIPTOR_ASSISTS = [
  'sgdt',
  'sidt',
  'sldt',
  'str',
  'smsw',
  'lar',
  'lsl',
  'verr',
  'verw',
] as const;

type Result = number | undefined;
const PAGE_FAULT = -1;

/** UMIP_DUMMY_GDT_BASE and UMIP_DUMMY_IDT_BASE. */
const GDT_BASE = 0xffff_ffff_fffe_0000n;
const IDT_BASE = 0xffff_ffff_ffff_0000n;
/** GDT_ENTRY_TSS * 8. */
const TSS_SELECTOR = 0x40n;
/** CR0_STATE: PE MP ET NE WP AM PG. */
const CR0 = 0x8005_0033n;

interface Descriptor {
  /** Its second word, as LAR gives it. */
  readonly rights: number;
  readonly limit: number;
}

/** The segments with privilege level 3, by selector without its low two bits (<asm/segment.h>). */
const SEGMENTS: Readonly<Record<number, Descriptor>> = {
  0x20: { rights: 0xcf_fb00, limit: 0xffff_ffff }, // __USER32_CS
  0x28: { rights: 0xcf_f300, limit: 0xffff_ffff }, // __USER_DS
  0x30: { rights: 0xaf_fb00, limit: 0xffff_ffff }, // __USER_CS
  0x78: { rights: 0x40_f500, limit: 0 }, // __CPUNODE_SEG: the limit is the CPU's number and its node
};
const CPUNODE = 0x78;
/** Of a descriptor's rights. */
const WRITABLE_DATA = 0x200;
const CODE = 0x800;

/** Whether a selector names a segment that user mode may load into DS, ES, FS and GS. */
export const loadable = (selector: number): boolean => selector < 4 || (selector & ~3) in SEGMENTS;

function setGpr(machine: Machine, register: number, value: bigint, width: number): void {
  if (width === 16) machine.ram.u16[register * 4] = Number(value & 0xffffn);
  else machine.gpr[register] = width === 32 ? value & 0xffff_ffffn : value;
}

/** To a register in its size, to memory two bytes. */
function store(machine: Machine, insn: Insn, value: bigint): Result {
  if (insn.isReg) {
    setGpr(machine, insn.rm, value, insn.opsize);
    return undefined;
  }
  const bytes = Uint8Array.of(Number(value & 0xffn), Number((value >> 8n) & 0xffn));
  return machine.copyOut(machine.effectiveAddress(insn), bytes) ? undefined : PAGE_FAULT;
}

/** A table's limit, which is 0, and its base. */
function storeTable(machine: Machine, insn: Insn, base: bigint): Result {
  const bytes = new Uint8Array(10);
  new DataView(bytes.buffer).setBigUint64(2, base, true);
  return machine.copyOut(machine.effectiveAddress(insn), bytes) ? undefined : PAGE_FAULT;
}

/** The selector that the operand holds, or -1 after a page fault. */
export function selectorOf(machine: Machine, insn: Insn): number {
  if (insn.isReg) return machine.gpr32[insn.rm * 2]! & 0xffff;
  const bytes = new Uint8Array(2);
  if (!machine.copyIn(machine.effectiveAddress(insn), bytes)) return -1;
  return bytes[0]! | (bytes[1]! << 8);
}

/** Looks at the segment that the operand names; ZF tells whether it is one and serves. */
function look(
  machine: Machine,
  insn: Insn,
  serves: (segment: Descriptor, selector: number) => boolean,
): Result {
  const selector = selectorOf(machine, insn);
  if (selector < 0) return PAGE_FAULT;
  const segment = SEGMENTS[selector & ~3];
  const { rflags } = machine;
  machine.rflags = segment && serves(segment, selector) ? rflags | ZF : rflags & ~ZF;
  return undefined;
}

const lar = (machine: Machine, insn: Insn): Result =>
  look(machine, insn, ({ rights }) => {
    setGpr(machine, insn.reg, BigInt(rights), insn.opsize);
    return true;
  });

const lsl = (machine: Machine, insn: Insn): Result =>
  look(machine, insn, ({ limit }, selector) => {
    const value = (selector & ~3) === CPUNODE ? machine.tscAux : limit;
    setGpr(machine, insn.reg, BigInt(value), insn.opsize);
    return true;
  });

export const descriptorAssists: Readonly<
  Record<(typeof DESCRIPTOR_ASSISTS)[number], (machine: Machine, insn: Insn) => Result>
> = {
  sgdt: (machine, insn) => storeTable(machine, insn, GDT_BASE),
  sidt: (machine, insn) => storeTable(machine, insn, IDT_BASE),
  sldt: (machine, insn) => store(machine, insn, 0n),
  str: (machine, insn) => store(machine, insn, TSS_SELECTOR),
  smsw: (machine, insn) => store(machine, insn, CR0),
  lar,
  lsl,
  verr: (machine, insn) => look(machine, insn, () => true),
  verw: (machine, insn) =>
    look(machine, insn, ({ rights }) => (rights & (CODE | WRITABLE_DATA)) === WRITABLE_DATA),
};
