import { EINVAL } from '@vitrine/uapi/errno.ts';
import * as B from '@vitrine/uapi/seccomp.ts';
import { viewOf } from '../fs/bytes.ts';
import { errno } from '../include/errno.ts';

/** Classic BPF (analogous to net/core/filter.c): small programs that look at data and give a number. */

/** Bytes of a `struct sock_filter`. */
export const SOCK_FILTER_SIZE = 8;

export interface SockFilter {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The program in the bytes of an array of them. */
export function sock_filters(bytes: Uint8Array): SockFilter[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / SOCK_FILTER_SIZE }, (_, i) => {
    const at = i * SOCK_FILTER_SIZE;
    return {
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    };
  });
}

const CLASS = 7;
/** From here on a place means something beside the packet (SKF_AD_OFF). */
const SKF_AD_OFF = 0xffff_f000;
const SKF_AD_MAX = 64;
const BPF_H = 8;
const ALU_OPS: readonly number[] = [B.BPF_ADD, B.BPF_SUB, B.BPF_MUL, B.BPF_DIV, B.BPF_OR, B.BPF_AND, B.BPF_LSH, B.BPF_RSH, B.BPF_XOR]; // prettier-ignore
const JUMPS: readonly number[] = [B.BPF_JEQ, B.BPF_JGT, B.BPF_JGE, B.BPF_JSET];

/** The instructions that programs for seccomp(2) may have; what they load are words of their data. */
const CODES: ReadonlySet<number> = new Set([
  B.BPF_LD | B.BPF_W | B.BPF_ABS,
  B.BPF_LD | B.BPF_W | B.BPF_LEN,
  B.BPF_LDX | B.BPF_W | B.BPF_LEN,
  B.BPF_LD | B.BPF_IMM,
  B.BPF_LDX | B.BPF_IMM,
  B.BPF_LD | B.BPF_MEM,
  B.BPF_LDX | B.BPF_MEM,
  B.BPF_ST,
  B.BPF_STX,
  B.BPF_RET | B.BPF_K,
  B.BPF_RET | B.BPF_A,
  B.BPF_ALU | B.BPF_NEG,
  B.BPF_MISC | B.BPF_TAX,
  B.BPF_MISC | B.BPF_TXA,
  B.BPF_JMP | B.BPF_JA,
  ...ALU_OPS.flatMap((op) => [B.BPF_ALU | op | B.BPF_K, B.BPF_ALU | op | B.BPF_X]),
  ...JUMPS.flatMap((op) => [B.BPF_JMP | op | B.BPF_K, B.BPF_JMP | op | B.BPF_X]),
]);

/** What programs for sockets have beyond those: bytes and halves, places that are computed, remainders. */
const PACKET_CODES: ReadonlySet<number> = new Set([
  ...CODES,
  ...[B.BPF_W, BPF_H, B.BPF_B].flatMap((size) => [
    B.BPF_LD | size | B.BPF_ABS,
    B.BPF_LD | size | B.BPF_IND,
  ]),
  B.BPF_LDX | B.BPF_B | B.BPF_MSH,
  B.BPF_ALU | B.BPF_MOD | B.BPF_K,
  B.BPF_ALU | B.BPF_MOD | B.BPF_X,
]);

const bad = (pc: number, what: string): never => {
  throw errno(EINVAL, 'instruction {} of the filter {}', pc, what);
};

const isMemory = (code: number): boolean =>
  code === B.BPF_ST || code === B.BPF_STX || code === (B.BPF_LD | B.BPF_MEM) || code === (B.BPF_LDX | B.BPF_MEM); // prettier-ignore

/**
 * Refuses a program that could do something undefined: every jump goes forward and stays inside, the last instruction returns,
 * and nothing is divided by zero or shifted too far (bpf_check_classic, seccomp_check_filter). Throws EINVAL.
 * @param size bytes of the data that it looks at, for seccomp(2); null for a program that looks at packets
 */
export function bpf_check_classic(program: readonly SockFilter[], size: number | null): void {
  const end = program.length;
  program.forEach(({ code, jt, jf, k }, pc) => {
    if (!(size === null ? PACKET_CODES : CODES).has(code))
      bad(pc, `has the unknown code 0x${code.toString(16)}`);
    if (size === null && (code & 0xe7) === (B.BPF_LD | B.BPF_ABS) && k >= SKF_AD_OFF + SKF_AD_MAX)
      bad(pc, `loads what is unknown, 0x${k.toString(16)}`);
    if (size !== null && code === (B.BPF_LD | B.BPF_W | B.BPF_ABS) && (k >= size || k % 4 !== 0))
      bad(pc, `loads a word at ${k} of ${size} bytes`);
    const divides = (code & 0xf0) === B.BPF_DIV || (code & 0xf0) === B.BPF_MOD;
    if ((code & (CLASS | B.BPF_X)) === B.BPF_ALU && divides && k === 0) bad(pc, 'divides by 0');
    const shift = (code & 0xf0) === B.BPF_LSH || (code & 0xf0) === B.BPF_RSH;
    if ((code & (CLASS | B.BPF_X)) === B.BPF_ALU && shift && k >= 32) bad(pc, `shifts by ${k}`);
    if (isMemory(code) && k >= B.BPF_MEMWORDS) bad(pc, `uses the memory word ${k}`);
    if (code === (B.BPF_JMP | B.BPF_JA)) {
      if (k >= end - pc - 1) bad(pc, 'jumps out of the program');
    } else if ((code & CLASS) === B.BPF_JMP && (pc + jt + 1 >= end || pc + jf + 1 >= end))
      bad(pc, 'jumps out of the program');
  });
  if ((program.at(-1)!.code & CLASS) !== B.BPF_RET) bad(end - 1, 'is the last and does not return');
  checkMemory(program);
}

/** No memory word is read before it was written, on any way (check_load_and_stores). */
function checkMemory(program: readonly SockFilter[]): void {
  const masks = new Uint16Array(program.length).fill(0xffff);
  let valid = 0;
  const reaches = (to: number): void => {
    masks[to]! &= valid;
  };
  program.forEach(({ code, jt, jf, k }, pc) => {
    valid &= masks[pc]!;
    if (code === B.BPF_ST || code === B.BPF_STX) valid |= 1 << k;
    else if (isMemory(code)) {
      if (!(valid & (1 << k))) bad(pc, `reads the memory word ${k}, which nothing has written`);
    } else if ((code & CLASS) === B.BPF_JMP) {
      if (code === (B.BPF_JMP | B.BPF_JA)) reaches(pc + 1 + k);
      else {
        reaches(pc + 1 + jt);
        reaches(pc + 1 + jf);
      }
      valid = 0xffff;
    }
  });
}

/** Instructions of the eBPF program that Linux makes of it, whose number has a limit (bpf_convert_filter). */
export function bpf_length(program: readonly SockFilter[]): number {
  let n = 3;
  for (const { code, jt, jf, k } of program) {
    n++;
    if (code === (B.BPF_RET | B.BPF_K)) n++;
    if (code === (B.BPF_ALU | B.BPF_DIV | B.BPF_X)) n += 3;
    if ((code & CLASS) !== B.BPF_JMP || code === (B.BPF_JMP | B.BPF_JA)) continue;
    if (!(code & B.BPF_X) && k >= 2 ** 31) n++;
    if (jt !== 0 && jf !== 0) n++;
  }
  return n;
}

/** Loads what an instruction names; null ends the program. */
type Load = (code: number, k: number, x: number, memory: Uint32Array) => number | null;

/** Runs a checked program on its data, which are words. */
export function bpf_run(program: readonly SockFilter[], data: Uint32Array): number {
  return run(program, (code, k, _x, memory) => load(code, k, data, memory));
}

/** Runs one on a packet: what lies outside it ends the program with 0. @returns how many bytes are kept */
export function bpf_run_packet(program: readonly SockFilter[], packet: Uint8Array): number {
  return run(program, (code, k, x, memory) => loadPacket(code, k, x, packet, memory));
}

function run(program: readonly SockFilter[], fetch: Load): number {
  const memory = new Uint32Array(B.BPF_MEMWORDS);
  let a = 0;
  let x = 0;
  for (let pc = 0; ; pc++) {
    const { code, jt, jf, k } = program[pc]!;
    const operand = code & B.BPF_X ? x : k;
    switch (code & CLASS) {
      case B.BPF_LD:
      case B.BPF_LDX: {
        const value = fetch(code, k, x, memory);
        if (value === null) return 0;
        if ((code & CLASS) === B.BPF_LD) a = value;
        else x = value;
        break;
      }
      case B.BPF_ST:
        memory[k] = a;
        break;
      case B.BPF_STX:
        memory[k] = x;
        break;
      case B.BPF_ALU:
        // Division by a register that is 0 ends the program.
        if (operand === 0 && ((code & 0xf0) === B.BPF_DIV || (code & 0xf0) === B.BPF_MOD)) return 0;
        a = alu(code & 0xf0, a, operand);
        break;
      case B.BPF_JMP:
        if ((code & 0xf0) === B.BPF_JA) pc += k;
        else pc += holds(code & 0xf0, a, operand) ? jt : jf;
        break;
      case B.BPF_RET:
        return (code & 0x18) === B.BPF_A ? a : k;
      default:
        if (code & B.BPF_TXA) a = x;
        else x = a;
    }
  }
}

function load(code: number, k: number, data: Uint32Array, memory: Uint32Array): number {
  switch (code & 0xe0) {
    case B.BPF_ABS:
      return data[k / 4]!;
    case B.BPF_MEM:
      return memory[k]!;
    case B.BPF_LEN:
      return data.byteLength;
    default:
      return k;
  }
}

function loadPacket(
  code: number,
  k: number,
  x: number,
  packet: Uint8Array,
  memory: Uint32Array,
): number | null {
  const mode = code & 0xe0;
  if (mode === B.BPF_MEM) return memory[k]!;
  if (mode === B.BPF_LEN) return packet.length;
  if (mode === B.BPF_IMM) return k;
  // What goes with a packet of a network: here there is nothing of it.
  if (mode === B.BPF_ABS && k >= SKF_AD_OFF) return 0;
  const at = mode === B.BPF_IND ? k + x : k;
  if (mode === B.BPF_MSH) return at < packet.length ? (packet[at]! & 15) * 4 : null;
  const size = (code & 0x18) === B.BPF_W ? 4 : (code & 0x18) === BPF_H ? 2 : 1;
  if (at + size > packet.length) return null;
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + packet[at + i]!;
  return value;
}

function alu(op: number, a: number, b: number): number {
  switch (op) {
    case B.BPF_ADD:
      return (a + b) >>> 0;
    case B.BPF_SUB:
      return (a - b) >>> 0;
    case B.BPF_MUL:
      return Math.imul(a, b) >>> 0;
    case B.BPF_DIV:
      return Math.floor(a / b);
    case B.BPF_MOD:
      return a % b;
    case B.BPF_OR:
      return (a | b) >>> 0;
    case B.BPF_AND:
      return (a & b) >>> 0;
    case B.BPF_LSH:
      return (a << b) >>> 0;
    case B.BPF_RSH:
      return a >>> b;
    case B.BPF_XOR:
      return (a ^ b) >>> 0;
    default:
      return -a >>> 0;
  }
}

function holds(op: number, a: number, b: number): boolean {
  switch (op) {
    case B.BPF_JEQ:
      return a === b;
    case B.BPF_JGT:
      return a > b;
    case B.BPF_JGE:
      return a >= b;
    default:
      return (a & b) !== 0;
  }
}
