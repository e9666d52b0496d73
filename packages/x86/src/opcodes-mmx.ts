/**
 * Rows of the opcode table (opcodes.ts) for MMX, and for the SSE and SSE2 instructions on MMX registers. The packed
 * operations have the opcodes and the meanings of their SSE2 namesakes, which the prefix 66 selects.
 */
const packed = `
63 packsswb
64 pcmpgtb
65 pcmpgtw
66 pcmpgtd
67 packuswb
68 punpckhbw
69 punpckhwd
6A punpckhdq
6B packssdw
74 pcmpeqb
75 pcmpeqw
76 pcmpeqd
D1 psrlw
D2 psrld
D3 psrlq
D4 paddq
D5 pmullw
D8 psubusb
D9 psubusw
DA pminub
DB pand
DC paddusb
DD paddusw
DE pmaxub
DF pandn
E0 pavgb
E1 psraw
E2 psrad
E3 pavgw
E4 pmulhuw
E5 pmulhw
E8 psubsb
E9 psubsw
EA pminsw
EB por
EC paddsb
ED paddsw
EE pmaxsw
EF pxor
F1 psllw
F2 pslld
F3 psllq
F4 pmuludq
F5 pmaddwd
F6 psadbw
F8 psubb
F9 psubw
FA psubd
FB psubq
FC paddb
FD paddw
FE paddd
`;

const others = `
NP.0F2A/r cvtpi2ps =Vq,Nq
NP.0F2A/m cvtpi2ps =Vq,Mq sem=cvtpi2ps_mem
66.0F2A/r cvtpi2pd =Vdq,Nq
66.0F2A/m cvtpi2pd =Vdq,Mq sem=cvtpi2pd_mem
NP.0F2C cvttps2pi =Pq,Wq
66.0F2C cvttpd2pi =Pq,Wdq
NP.0F2D cvtps2pi =Pq,Wq
66.0F2D cvtpd2pi =Pq,Wdq
NP.0F60 punpcklbw +Pq,Qd sem=mmx_punpcklbw
NP.0F61 punpcklwd +Pq,Qd sem=mmx_punpcklwd
NP.0F62 punpckldq +Pq,Qd sem=mmx_punpckldq
NP.0F6E movd =Pq,Ey sem=mmx_movd_to
NP.0F6F movq =Pq,Qq sem=mmx_movq
NP.0F70 pshufw =Pq,Qq,Ib sem=mmx_pshufw
NP.0F71/2r psrlw +Nq,Ib sem=mmx_psrlw_imm
NP.0F71/4r psraw +Nq,Ib sem=mmx_psraw_imm
NP.0F71/6r psllw +Nq,Ib sem=mmx_psllw_imm
NP.0F72/2r psrld +Nq,Ib sem=mmx_psrld_imm
NP.0F72/4r psrad +Nq,Ib sem=mmx_psrad_imm
NP.0F72/6r pslld +Nq,Ib sem=mmx_pslld_imm
NP.0F73/2r psrlq +Nq,Ib sem=mmx_psrlq_imm
NP.0F73/6r psllq +Nq,Ib sem=mmx_psllq_imm
NP.0F77 emms - sem=emms fault
NP.0F7E movd =Ey,Pq sem=mmx_movd_from
NP.0F7F movq =Qq,Pq sem=mmx_movq
NP.0FC4/r pinsrw +Pq,Rd,Ib sem=mmx_pinsrw
NP.0FC4/m pinsrw +Pq,Mw,Ib sem=mmx_pinsrw
NP.0FC5/r pextrw =Gd,Nq,Ib sem=mmx_pextrw
F3.0FD6/r movq2dq =Vdq,Nq sem=movq2dq
F2.0FD6/r movdq2q =Pq,Uq sem=movdq2q
NP.0FD7/r pmovmskb =Gd,Nq sem=mmx_pmovmskb
NP.0FE7/m movntq =Mq,Pq sem=mmx_movq
NP.0FF7/r maskmovq Pq,Nq fault a32 sem=mmx_maskmov
`;

/** Every instruction may report a pending x87 exception, so all of them may fault. */
export const mmxRows: string = [...packed.trim().split('\n')]
  .map((line) => line.split(' '))
  .map(([byte, name]) => `NP.0F${byte} ${name} +Pq,Qq sem=mmx_${name} fault`)
  .concat(
    others
      .trim()
      .split('\n')
      .map((line) => `${line} fault`),
  )
  .join('\n');
