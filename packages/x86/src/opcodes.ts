/**
 * THE table of instructions, in the notation of the SDM's opcode map (vol. 2, appendix A). The decoder, the
 * disassembler and every tier read it; nothing else knows an opcode.
 *
 * A line is `opcode name operands attributes…`.
 *
 * - opcode: map bytes joined (`0FAF`, `0F3800`), after `NP.` `66.` `F3.` `F2.` when a mandatory prefix selects the
 *   row. `50+` stands for the opcodes up to 57 with a register in the low three bits. `/d` is ModRM.reg, `/m` and `/r` demand a memory or a register ModRM.rm (`/4m`), `:xx` is a whole ModRM byte.
 * - operands: `=` written, `+` read and written, else read. Letters as in the SDM: E G I J M O V W U P Q N R S Z, sizes
 *   b w d q dq t v z y; `Ibs` is sign-extended; `Wu` is an unaligned 128-bit operand; `-` none.
 * - flags by letter from oszapc: `W:` written, `C:` written only when a count is not zero, `R:` read, `U:` undefined
 *   afterwards.
 * - a32: the address-size prefix changes registers that no operand shows, or where a bit string goes on.
 * - lock: LOCK allowed with a memory destination. d64: operand size defaults to 64 bits; f64: is 64 bits always.
 *   end: ends a basic block. rep: repeatable string instruction. x: has a handler of its own for indexed addresses.
 *   fault: may fault though it has no memory operand. sem=NAME: meaning, where it is not the mnemonic's. wN: fixed
 *   operand width. gate=NAME: exists only with that CPUID feature (features.ts).
 * - VEX (`V66.0F58`): the prefix is in a VEX prefix. L0, L1, W0, W1 demand a bit of it. Operands H and B are the XMM or
 *   general register VEX.vvvv, L the XMM register of the immediate's high half; sizes x (aligned: xa) h f e are a whole,
 *   half, quarter and eighth vector of 128 or 256 bits.
 */
import { fpRows } from './opcodes-fp.ts';
import { mmxRows } from './opcodes-mmx.ts';
import { sse4Rows } from './opcodes-sse4.ts';
import { v3Text } from './opcodes-v3.ts';

const integer = `
63 movsxd =Gv,Ed x
68 push Iz d64 fault
6A push Ibs d64 fault
50+ push Zv d64 fault
58+ pop =Zv d64 fault
69 imul =Gv,Ev,Iz W:oc U:szap
6B imul =Gv,Ev,Ibs W:oc U:szap
6C ins Yb fault sem=privileged
6D ins Yz fault sem=privileged
6E outs Xb fault sem=privileged
6F outs Xz fault sem=privileged
84 test Eb,Gb W:oszpc U:a
85 test Ev,Gv W:oszpc U:a
86 xchg +Eb,+Gb lock
87 xchg +Ev,+Gv lock
88 mov =Eb,Gb x
89 mov =Ev,Gv x
8A mov =Gb,Eb x
8B mov =Gv,Ev x
8C mov =Ev,Sw sem=mov_from_segment end
8D lea =Gv,M x
8E mov Sw,Ew sem=mov_to_segment end
8F/0 pop =Ev d64 fault
90 nop -
F3.90 pause - sem=nop
91+ xchg +Zv,+rAX
98 cbw - wv
99 cwd - wv
9B wait - sem=fwait fault
9C pushf - wv d64 fault R:oszapc
9D popf - wv d64 fault W:oszapc end
9E sahf - W:szapc gate=lahf
9F lahf - R:szapc gate=lahf
A0 mov =AL,Ob
A1 mov =rAX,Ov
A2 mov =Ob,AL
A3 mov =Ov,rAX
A4 movs Yb,Xb rep a32 fault
A5 movs Yv,Xv rep a32 fault
A6 cmps Xb,Yb rep a32 fault C:oszapc
A7 cmps Xv,Yv rep a32 fault C:oszapc
A8 test AL,Ib W:oszpc U:a
A9 test rAX,Iz W:oszpc U:a
AA stos Yb,AL rep a32 fault
AB stos Yv,rAX rep a32 fault
AC lods AL,Xb rep a32 fault
AD lods rAX,Xv rep a32 fault
AE scas AL,Yb rep a32 fault C:oszapc
AF scas rAX,Yv rep a32 fault C:oszapc
B0+ mov =Zb,Ib
B8+ mov =Zv,Iv
C2 ret Iw f64 fault end
C3 ret - f64 fault end
C6/0 mov =Eb,Ib x
C7/0 mov =Ev,Iz x
C8 enter Iw,Ib d64 wv fault
C9 leave - d64 wv fault
CA retf Iw wv fault end
CB retf - wv fault end
CC int3 - end
CD int Ib fault end
CF iret - wv fault end
D7 xlat - fault a32
E0 loopne Jb end a32 R:z sem=loopne
E1 loope Jb end a32 R:z sem=loope
E2 loop Jb end a32
E3 jrcxz Jb end a32
E4 in AL,Ib fault sem=privileged
E5 in rAX,Ib fault sem=privileged
E6 out Ib,AL fault sem=privileged
E7 out Ib,rAX fault sem=privileged
E8 call Jz f64 fault end
E9 jmp Jz f64 end
EB jmp Jb f64 end
EC in AL,DX fault sem=privileged
ED in rAX,DX fault sem=privileged
EE out DX,AL fault sem=privileged
EF out DX,rAX fault sem=privileged
F1 int1 - end
F4 hlt - fault sem=privileged
F5 cmc - R:c W:c
F6/0 test Eb,Ib W:oszpc U:a
F6/1 test Eb,Ib W:oszpc U:a
F7/0 test Ev,Iz W:oszpc U:a
F7/1 test Ev,Iz W:oszpc U:a
F6/2 not +Eb lock
F7/2 not +Ev lock
F6/3 neg +Eb lock W:oszapc
F7/3 neg +Ev lock W:oszapc
F6/4 mul Eb W:oc U:szap
F7/4 mul Ev W:oc U:szap
F6/5 imul Eb W:oc U:szap sem=imul1
F7/5 imul Ev W:oc U:szap sem=imul1
F6/6 div Eb fault U:oszapc
F7/6 div Ev fault U:oszapc
F6/7 idiv Eb fault U:oszapc
F7/7 idiv Ev fault U:oszapc
F8 clc - W:c
F9 stc - W:c
FA cli - fault sem=privileged
FB sti - fault sem=privileged
FC cld -
FD std -
FE/0 inc +Eb lock W:oszap R:c
FF/0 inc +Ev lock W:oszap R:c
FE/1 dec +Eb lock W:oszap R:c
FF/1 dec +Ev lock W:oszap R:c
FF/2 call Eq f64 fault end sem=call_indirect
FF/3m callf M wv fault end
FF/4 jmp Eq f64 end sem=jmp_indirect
FF/5m jmpf M wv fault end
FF/6 push Ev d64 fault
0F00/0 sldt =Ev fault end
0F00/1 str =Ev fault end
0F00/2 lldt Ew fault sem=privileged
0F00/3 ltr Ew fault sem=privileged
0F00/4 verr Ew fault end
0F00/5 verw Ew fault end
0F01/0m sgdt M fault end
0F01/1m sidt M fault end
0F01/2m lgdt M fault sem=privileged
0F01/3m lidt M fault sem=privileged
0F01/4 smsw =Ev fault end
0F01/6 lmsw Ew fault sem=privileged
0F01/7m invlpg M fault sem=privileged
0F01:F8 swapgs - fault sem=privileged
0F01:F9 rdtscp - end sem=rdtscp
0F02 lar +Gv,Ew fault end
0F03 lsl +Gv,Ew fault end
0F05 syscall - end R:oszapc
0F06 clts - fault sem=privileged
0F07 sysret - fault sem=privileged
0F08 invd - fault sem=privileged
0F09 wbinvd - fault sem=privileged
0F0B ud2 - fault sem=ud end
0F0D prefetchw M sem=nop
0F18/m prefetch M sem=nop
0F18/r nop Ev sem=nop
0F19 nop Ev
0F1A nop Ev
0F1B nop Ev
0F1C nop Ev
0F1D nop Ev
0F1E nop Ev
F3.0F1E:FA endbr64 - sem=nop
0F1F nop Ev
0F20 mov Rq,Gq fault sem=privileged
0F21 mov Rq,Gq fault sem=privileged
0F22 mov Gq,Rq fault sem=privileged
0F23 mov Gq,Rq fault sem=privileged
0F30 wrmsr - fault sem=privileged
0F31 rdtsc - end
0F32 rdmsr - fault sem=privileged
0F33 rdpmc - fault sem=privileged
0FA0 push - d64 fault sem=push_segment wv
0FA1 pop - d64 fault sem=pop_segment wv
0FA2 cpuid - end
0FA3 bt Ev,Gv a32 W:c U:osap sem=bt_reg
0FA4 shld +Ev,Gv,Ib C:oszapc
0FA5 shld +Ev,Gv,CL C:oszapc
0FA8 push - d64 fault sem=push_segment wv
0FA9 pop - d64 fault sem=pop_segment wv
0FAB bts +Ev,Gv lock a32 W:c U:osap sem=bts_reg
0FAC shrd +Ev,Gv,Ib C:oszapc
0FAD shrd +Ev,Gv,CL C:oszapc
NP.0FAE/0m fxsave M fault end
NP.0FAE/1m fxrstor M fault end
NP.0FAE/2m ldmxcsr Md fault
NP.0FAE/3m stmxcsr =Md
NP.0FAE/5r lfence - sem=nop
NP.0FAE/6r mfence - sem=nop
NP.0FAE/7r sfence - sem=nop
NP.0FAE/7m clflush Mb
0FAF imul +Gv,Ev W:oc U:szap sem=imul2
0FB0 cmpxchg +Eb,Gb lock W:oszapc
0FB1 cmpxchg +Ev,Gv lock W:oszapc
0FB3 btr +Ev,Gv lock a32 W:c U:osap sem=btr_reg
0FB6 movzx =Gv,Eb x
0FB7 movzx =Gv,Ew x
F3.0FB8 popcnt =Gv,Ev W:oszapc gate=popcnt
0FB9 ud1 Gv,Ev fault sem=ud end
0FBA/4 bt Ev,Ib W:c U:osap
0FBA/5 bts +Ev,Ib lock W:c U:osap
0FBA/6 btr +Ev,Ib lock W:c U:osap
0FBA/7 btc +Ev,Ib lock W:c U:osap
0FBB btc +Ev,Gv lock a32 W:c U:osap sem=btc_reg
0FBC bsf +Gv,Ev W:z U:osapc
0FBD bsr +Gv,Ev W:z U:osapc
0FBE movsx =Gv,Eb x
0FBF movsx =Gv,Ew x
0FC0 xadd +Eb,+Gb lock W:oszapc
0FC1 xadd +Ev,+Gv lock W:oszapc
NP.0FC3 movnti =My,Gy sem=mov
0FC7/1m cmpxchg8b M lock W:z wy fault
0FC8+ bswap +Zv
0FFF ud0 Gv,Ev fault sem=ud end
`;

/** Families of the integer set whose rows differ by a number only. */
function families(): string {
  const lines: string[] = [];
  'add or adc sbb and sub xor cmp'.split(' ').forEach((name, i) => {
    const op = (n: number): string => (i * 8 + n).toString(16).toUpperCase().padStart(2, '0');
    const logic = name === 'or' || name === 'and' || name === 'xor';
    const flags =
      (logic ? 'W:oszpc U:a' : 'W:oszapc') + (name === 'adc' || name === 'sbb' ? ' R:c' : '');
    const dst = name === 'cmp' ? '' : '+';
    const lock = name === 'cmp' ? '' : 'lock';
    lines.push(
      `${op(0)} ${name} ${dst}Eb,Gb ${flags} ${lock}`,
      `${op(1)} ${name} ${dst}Ev,Gv ${flags} ${lock} x`,
      `${op(2)} ${name} ${dst}Gb,Eb ${flags}`,
      `${op(3)} ${name} ${dst}Gv,Ev ${flags} x`,
      `${op(4)} ${name} ${dst}AL,Ib ${flags}`,
      `${op(5)} ${name} ${dst}rAX,Iz ${flags}`,
      `80/${i} ${name} ${dst}Eb,Ib ${flags} ${lock}`,
      `81/${i} ${name} ${dst}Ev,Iz ${flags} ${lock}`,
      `83/${i} ${name} ${dst}Ev,Ibs ${flags} ${lock}`,
    );
  });
  'rol ror rcl rcr shl shr sal sar'.split(' ').forEach((name, i) => {
    const rotate = i < 4;
    const flags = rotate ? 'C:oc' : 'C:oszapc';
    const reads = i === 2 || i === 3 ? 'R:c' : '';
    const sem = name === 'sal' ? 'sem=shl' : '';
    const tail = `${flags} ${reads} ${sem}`;
    lines.push(
      `C0/${i} ${name} +Eb,Ib ${tail}`,
      `C1/${i} ${name} +Ev,Ib ${tail}`,
      `D0/${i} ${name} +Eb,1 ${tail}`,
      `D1/${i} ${name} +Ev,1 ${tail}`,
      `D2/${i} ${name} +Eb,CL ${tail}`,
      `D3/${i} ${name} +Ev,CL ${tail}`,
    );
  });
  const conditions = 'o no b nb z nz be nbe s ns p np l nl le nle'.split(' ');
  const reads = 'o o c c z z cz cz s s p p so so szo szo'.split(' ');
  conditions.forEach((cc, i) => {
    const hex = i.toString(16).toUpperCase();
    lines.push(
      `7${hex} j${cc} Jb end f64 sem=jcc R:${reads[i]}`,
      `0F8${hex} j${cc} Jz end f64 sem=jcc R:${reads[i]}`,
      `0F4${hex} cmov${cc} +Gv,Ev sem=cmovcc R:${reads[i]}`,
      `0F9${hex} set${cc} =Eb sem=setcc R:${reads[i]}`,
    );
  });
  return lines.join('\n');
}

/** SSE and SSE2 data movement, logic and integer arithmetic. */
const sseMoves = `
NP.0F10 movups =Vdq,Wu x sem=movdq
NP.0F11 movups =Wu,Vdq x sem=movdq
66.0F10 movupd =Vdq,Wu sem=movdq
66.0F11 movupd =Wu,Vdq sem=movdq
F3.0F10/m movss =Vdq,Md x sem=movd_load
F3.0F10/r movss =Vd,Ud sem=mov_low
F3.0F11/m movss =Md,Vd x sem=mov_low
F3.0F11/r movss =Ud,Vd sem=mov_low
F2.0F10/m movsd =Vdq,Mq x sem=movq_load
F2.0F10/r movsd =Vq,Uq sem=mov_low
F2.0F11/m movsd =Mq,Vq x sem=mov_low
F2.0F11/r movsd =Uq,Vq sem=mov_low
NP.0F12/m movlps =Vq,Mq sem=mov_low
NP.0F12/r movhlps =Vq,Udq
66.0F12/m movlpd =Vq,Mq sem=mov_low
NP.0F13/m movlps =Mq,Vq sem=mov_low
66.0F13/m movlpd =Mq,Vq sem=mov_low
NP.0F14 unpcklps +Vdq,Wdq sem=punpckldq
66.0F14 unpcklpd +Vdq,Wdq sem=punpcklqdq
NP.0F15 unpckhps +Vdq,Wdq sem=punpckhdq
66.0F15 unpckhpd +Vdq,Wdq sem=punpckhqdq
NP.0F16/m movhps =Vdq,Mq sem=movh_load
NP.0F16/r movlhps =Vdq,Uq sem=movh_load
66.0F16/m movhpd =Vdq,Mq sem=movh_load
NP.0F17/m movhps =Mq,Vdq sem=movh_store
66.0F17/m movhpd =Mq,Vdq sem=movh_store
NP.0F28 movaps =Vdq,Wdq x sem=movdq
NP.0F29 movaps =Wdq,Vdq x sem=movdq
66.0F28 movapd =Vdq,Wdq sem=movdq
66.0F29 movapd =Wdq,Vdq sem=movdq
NP.0F2B/m movntps =Mdq,Vdq sem=movdq
66.0F2B/m movntpd =Mdq,Vdq sem=movdq
NP.0F50 movmskps =Gd,Udq
66.0F50 movmskpd =Gd,Udq
NP.0F54 andps +Vdq,Wdq sem=pand
66.0F54 andpd +Vdq,Wdq sem=pand
NP.0F55 andnps +Vdq,Wdq sem=pandn
66.0F55 andnpd +Vdq,Wdq sem=pandn
NP.0F56 orps +Vdq,Wdq sem=por
66.0F56 orpd +Vdq,Wdq sem=por
NP.0F57 xorps +Vdq,Wdq sem=pxor
66.0F57 xorpd +Vdq,Wdq sem=pxor
66.0F60 punpcklbw +Vdq,Wdq
66.0F61 punpcklwd +Vdq,Wdq
66.0F62 punpckldq +Vdq,Wdq
66.0F63 packsswb +Vdq,Wdq
66.0F64 pcmpgtb +Vdq,Wdq
66.0F65 pcmpgtw +Vdq,Wdq
66.0F66 pcmpgtd +Vdq,Wdq
66.0F67 packuswb +Vdq,Wdq
66.0F68 punpckhbw +Vdq,Wdq
66.0F69 punpckhwd +Vdq,Wdq
66.0F6A punpckhdq +Vdq,Wdq
66.0F6B packssdw +Vdq,Wdq
66.0F6C punpcklqdq +Vdq,Wdq
66.0F6D punpckhqdq +Vdq,Wdq
66.0F6E movd =Vdq,Ey sem=movd_to
66.0F6F movdqa =Vdq,Wdq x sem=movdq
F3.0F6F movdqu =Vdq,Wu x sem=movdq
66.0F70 pshufd =Vdq,Wdq,Ib
F3.0F70 pshufhw =Vdq,Wdq,Ib
F2.0F70 pshuflw =Vdq,Wdq,Ib
66.0F71/2r psrlw +Udq,Ib sem=psrlw_imm
66.0F71/4r psraw +Udq,Ib sem=psraw_imm
66.0F71/6r psllw +Udq,Ib sem=psllw_imm
66.0F72/2r psrld +Udq,Ib sem=psrld_imm
66.0F72/4r psrad +Udq,Ib sem=psrad_imm
66.0F72/6r pslld +Udq,Ib sem=pslld_imm
66.0F73/2r psrlq +Udq,Ib sem=psrlq_imm
66.0F73/3r psrldq +Udq,Ib
66.0F73/6r psllq +Udq,Ib sem=psllq_imm
66.0F73/7r pslldq +Udq,Ib
66.0F74 pcmpeqb +Vdq,Wdq
66.0F75 pcmpeqw +Vdq,Wdq
66.0F76 pcmpeqd +Vdq,Wdq
66.0F7E movd =Ey,Vdq sem=movd_from
F3.0F7E movq =Vdq,Wq x sem=movq_load
66.0F7F movdqa =Wdq,Vdq x sem=movdq
F3.0F7F movdqu =Wu,Vdq x sem=movdq
66.0FC4/r pinsrw +Vdq,Rd,Ib
66.0FC4/m pinsrw +Vdq,Mw,Ib
66.0FC5/r pextrw =Gd,Udq,Ib
NP.0FC6 shufps +Vdq,Wdq,Ib
66.0FC6 shufpd +Vdq,Wdq,Ib
66.0FD1 psrlw +Vdq,Wdq
66.0FD2 psrld +Vdq,Wdq
66.0FD3 psrlq +Vdq,Wdq
66.0FD4 paddq +Vdq,Wdq
66.0FD5 pmullw +Vdq,Wdq
66.0FD6/m movq =Mq,Vq sem=mov_low
66.0FD6/r movq =Udq,Vq sem=movq_load
66.0FD7/r pmovmskb =Gd,Udq
66.0FD8 psubusb +Vdq,Wdq
66.0FD9 psubusw +Vdq,Wdq
66.0FDA pminub +Vdq,Wdq
66.0FDB pand +Vdq,Wdq
66.0FDC paddusb +Vdq,Wdq
66.0FDD paddusw +Vdq,Wdq
66.0FDE pmaxub +Vdq,Wdq
66.0FDF pandn +Vdq,Wdq
66.0FE0 pavgb +Vdq,Wdq
66.0FE1 psraw +Vdq,Wdq
66.0FE2 psrad +Vdq,Wdq
66.0FE3 pavgw +Vdq,Wdq
66.0FE4 pmulhuw +Vdq,Wdq
66.0FE5 pmulhw +Vdq,Wdq
66.0FE7/m movntdq =Mdq,Vdq sem=movdq
66.0FE8 psubsb +Vdq,Wdq
66.0FE9 psubsw +Vdq,Wdq
66.0FEA pminsw +Vdq,Wdq
66.0FEB por +Vdq,Wdq
66.0FEC paddsb +Vdq,Wdq
66.0FED paddsw +Vdq,Wdq
66.0FEE pmaxsw +Vdq,Wdq
66.0FEF pxor +Vdq,Wdq
66.0FF1 psllw +Vdq,Wdq
66.0FF2 pslld +Vdq,Wdq
66.0FF3 psllq +Vdq,Wdq
66.0FF4 pmuludq +Vdq,Wdq
66.0FF5 pmaddwd +Vdq,Wdq
66.0FF6 psadbw +Vdq,Wdq
66.0FF7/r maskmovdqu Vdq,Udq fault a32
66.0FF8 psubb +Vdq,Wdq
66.0FF9 psubw +Vdq,Wdq
66.0FFA psubd +Vdq,Wdq
66.0FFB psubq +Vdq,Wdq
66.0FFC paddb +Vdq,Wdq
66.0FFD paddw +Vdq,Wdq
66.0FFE paddd +Vdq,Wdq
`;

export type OperandCode =
  | 'E'
  | 'G'
  | 'I'
  | 'J'
  | 'M'
  | 'O'
  | 'V'
  | 'W'
  | 'U'
  | 'P'
  | 'Q'
  | 'N'
  | 'R'
  | 'S'
  | 'X'
  | 'Y'
  | 'Z'
  /** Registers that a VEX prefix or an immediate names. */
  | 'H'
  | 'B'
  | 'L'
  /** A register that the opcode implies. */
  | 'fixed'
  /** The constant 1. */
  | 'one'
  /** An x87 stack register: ST(i) from ModRM.rm, or ST(0). */
  | 'st';

export interface OperandSpec {
  readonly code: OperandCode;
  /** b w d q dq u t v z y bs, or empty. */
  readonly size: string;
  readonly access: 'r' | 'w' | 'rw';
  /** As written in the table, for the disassembler (AL, rAX, CL, ST0 …). */
  readonly text: string;
}

/** -1: whatever the prefixes; else the one that selects the row. */
export const PREFIX_NONE = 0;
export const PREFIX_66 = 1;
export const PREFIX_F3 = 2;
export const PREFIX_F2 = 3;

export interface Row {
  readonly id: number;
  readonly name: string;
  /** Semantics, a key of insn/index.ts. */
  readonly sem: string;
  /** 0 one-byte, 1 0F, 2 0F38, 3 0F3A. */
  readonly map: number;
  readonly opcode: number;
  /** Consecutive opcodes that the row covers: 8, or 7, when their low three bits name a register. */
  readonly span: number;
  readonly prefix: number;
  readonly digit: number;
  readonly mod: 'any' | 'mem' | 'reg';
  readonly modrm: number;
  readonly hasModrm: boolean;
  readonly operands: readonly OperandSpec[];
  /** Flags as RFLAGS bits. */
  readonly writes: number;
  readonly writesSometimes: number;
  readonly reads: number;
  readonly undefines: number;
  readonly lock: boolean;
  readonly size64: 'no' | 'default' | 'forced';
  readonly end: boolean;
  readonly rep: boolean;
  /** The address-size prefix changes implied registers. */
  readonly address32: boolean;
  readonly indexed: boolean;
  readonly mayFault: boolean;
  /** Faults in register forms too: stack, string and privileged instructions, division. */
  readonly faultsAlways: boolean;
  /** Sizes that the operand-size prefixes select among; empty when they do not matter. */
  readonly widths: readonly (16 | 32 | 64)[];
  readonly gate: string;
  readonly vex: boolean;
  /** Bits of the VEX prefix that are demanded; -1: any. */
  readonly vexL: number;
  readonly vexW: number;
  /** The operand size is VEX.L's: 32 stands for 128 bits and 64 for 256. */
  readonly byL: boolean;
}

const FLAG: Record<string, number> = { o: 0x800, s: 0x80, z: 0x40, a: 0x10, p: 4, c: 1 };
const PREFIXES: Record<string, number> = { NP: 0, '66': 1, F3: 2, F2: 3 };
const OPCODE =
  /^(?:(V?)(NP|66|F3|F2)\.)?((?:0F(?:38|3A)?)?)([0-9A-F]{2})(\+?)(?:\/([0-7])?([mr])?)?(?::([0-9A-F]{2}))?$/;
const FIXED = /^(AL|AH|rAX|CL|DX|rCX|ST0)$/;

function parseOperand(text: string): OperandSpec {
  const access = text[0] === '=' ? 'w' : text[0] === '+' ? 'rw' : 'r';
  const name = access === 'r' ? text : text.slice(1);
  if (name === '1') return { code: 'one', size: 'b', access, text: name };
  if (name === 'STi' || name === 'ST0') return { code: 'st', size: '', access, text: name };
  if (FIXED.test(name)) {
    const size = name === 'AL' || name === 'CL' ? 'b' : name === 'DX' ? 'w' : 'v';
    return { code: 'fixed', size, access, text: name };
  }
  return { code: name[0] as OperandCode, size: name.slice(1), access, text: name };
}

/** What attributes say; lines with the same ones share it, which makes loading the table cheap. */
interface Attributes {
  readonly flags: Pick<Row, 'writes' | 'writesSometimes' | 'reads' | 'undefines'>;
  readonly words: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  readonly size64: Row['size64'];
}

function parseAttributes(text: string): Attributes {
  const words = new Set(text.split(/ +/));
  const bits: Record<string, number> = { W: 0, C: 0, R: 0, U: 0 };
  const values = new Map<string, string>();
  for (const word of words) {
    if (word[1] === ':') for (const letter of word.slice(2)) bits[word[0]!]! |= FLAG[letter]!;
    const at = word.indexOf('=');
    if (at > 0) values.set(word.slice(0, at), word.slice(at + 1));
  }
  const { W, C, R, U } = bits as Record<'W' | 'C' | 'R' | 'U', number>;
  return {
    flags: { writes: W | U, writesSometimes: C, reads: R, undefines: U },
    words,
    values,
    size64: words.has('d64') ? 'default' : words.has('f64') ? 'forced' : 'no',
  };
}

const BY_L: ReadonlySet<string> = new Set(['x', 'xa', 'h', 'f', 'e']);

function widthsOf(operands: readonly OperandSpec[], { words, size64 }: Attributes): Row['widths'] {
  const has = (size: string): boolean => operands.some((o) => o.size === size);
  if (size64 === 'forced') return [];
  if (operands.some((o) => BY_L.has(o.size))) return words.has('L1') ? [64] : [32, 64];
  if (words.has('wv') || has('v') || has('z'))
    return size64 === 'default' ? [16, 64] : [16, 32, 64];
  if (size64 === 'default') return [16, 64];
  return words.has('wy') || has('y') ? [32, 64] : [];
}

function cached<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    let value = known.get(text);
    if (value === undefined) known.set(text, (value = parse(text)));
    return value;
  };
}

const operandsFrom = cached((text) => (text === '-' ? [] : text.split(',').map(parseOperand)));
const attributesFrom = cached(parseAttributes);

const MODRM_CODES = 'EGMVWUPQNRS';
const MEMORY_CODES = 'EMWQO';
const LINE = /^(\S+) +(\S+) +(\S+) *(.*)$/;

function parseRow(line: string, id: number): Row {
  const [, code, name, operandText, tail] = LINE.exec(line)!;
  const match = OPCODE.exec(code!);
  if (!match) throw new Error(`bad opcode ${code}`);
  const [, vex, prefix, map, byte, plus, digit, mod, modrm] = match;
  const operands = operandsFrom(operandText!);
  const attributes = attributesFrom(tail!.trimEnd());
  const { words, values, size64, flags } = attributes;
  const only = (codes: string): boolean => operands.some((o) => codes.includes(o.code));
  const form = mod === 'm' || only('M') ? 'mem' : mod === 'r' || only('RUN') ? 'reg' : 'any';
  const touchesMemory =
    form !== 'reg' && operands.some((o) => MEMORY_CODES.includes(o.code) && o.size !== '');
  const explicit = digit !== undefined || mod !== undefined || modrm !== undefined;
  const opcode = parseInt(byte!, 16);
  const demanded = (bit: string): number =>
    words.has(`${bit}0`) ? 0 : words.has(`${bit}1`) ? 1 : -1;
  return {
    id,
    name: name!,
    sem: values.get('sem') ?? name!,
    map: map === '' ? 0 : map === '0F' ? 1 : map === '0F38' ? 2 : 3,
    opcode,
    span: plus === '' ? 1 : 8 - (opcode & 7),
    prefix: prefix === undefined ? -1 : PREFIXES[prefix]!,
    digit: digit === undefined ? -1 : Number(digit),
    mod: form,
    modrm: modrm === undefined ? -1 : parseInt(modrm, 16),
    hasModrm: explicit || operands.some((o) => o.code === 'st' || MODRM_CODES.includes(o.code)),
    operands,
    writes: flags.writes,
    writesSometimes: flags.writesSometimes,
    reads: flags.reads,
    undefines: flags.undefines,
    lock: words.has('lock'),
    size64,
    end: words.has('end'),
    rep: words.has('rep'),
    address32: words.has('a32'),
    indexed: words.has('x'),
    mayFault: words.has('fault') || touchesMemory,
    faultsAlways: words.has('fault'),
    widths: widthsOf(operands, attributes),
    gate: values.get('gate') ?? '',
    vex: vex === 'V',
    vexL: demanded('L'),
    vexW: demanded('W'),
    byL: operands.some((o) => BY_L.has(o.size)),
  };
}

const X87_CONTROL = /^(f(ninit|nclex|ldcw|nst(cw|sw.*|env)|ldenv|nsave|rstor|wait)|nop)$/;

/** An x87 instruction whose place and operand are noted (SDM vol. 1, 8.1.8): any but the control instructions. */
export const isX87 = ({ map, opcode, sem }: Row): boolean =>
  map === 0 && opcode >> 3 === 0x1b && !X87_CONTROL.test(sem);

function parseTable(text: string, first = 0): Row[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, i) => parseRow(line, first + i));
}

export const rows: readonly Row[] = parseTable(
  [integer, families(), sseMoves, mmxRows, sse4Rows, fpRows].join('\n'),
);

let later: readonly Row[] | undefined;

/** The rows beyond x86-64-v2, whose ids follow: parsed when a processor has them. */
export function v3Rows(): readonly Row[] {
  return (later ??= parseTable(v3Text(), rows.length));
}
