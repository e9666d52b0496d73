/** Rows of the opcode table (opcodes.ts) for SSE3, SSSE3, SSE4.1 and SSE4.2. */
const sse3 = `
F2.0F12 movddup =Vdq,Wq gate=sse3
F3.0F12 movsldup =Vdq,Wdq gate=sse3
F3.0F16 movshdup =Vdq,Wdq gate=sse3
F2.0FF0/m lddqu =Vdq,Mu sem=movdq gate=sse3
66.0FD0 addsubpd +Vdq,Wdq fault gate=sse3
F2.0FD0 addsubps +Vdq,Wdq fault gate=sse3
66.0F7C haddpd +Vdq,Wdq fault gate=sse3
F2.0F7C haddps +Vdq,Wdq fault gate=sse3
66.0F7D hsubpd +Vdq,Wdq fault gate=sse3
F2.0F7D hsubps +Vdq,Wdq fault gate=sse3
`;

/** Each exists on XMM registers (prefix 66) and on MMX registers. */
const ssse3 = `
00 pshufb
01 phaddw
02 phaddd
03 phaddsw
04 pmaddubsw
05 phsubw
06 phsubd
07 phsubsw
08 psignb
09 psignw
0A psignd
0B pmulhrsw
1C pabsb
1D pabsw
1E pabsd
`
  .trim()
  .split('\n')
  .map((line) => line.split(' '))
  .map(
    ([byte, name]) => `66.0F38${byte} ${name} +Vdq,Wdq gate=ssse3
NP.0F38${byte} ${name} +Pq,Qq sem=mmx_${name} fault gate=ssse3`,
  )
  .join('\n');

const palignr = `
66.0F3A0F palignr +Vdq,Wdq,Ib gate=ssse3
NP.0F3A0F palignr +Pq,Qq,Ib sem=mmx_palignr fault gate=ssse3
`;

const sse41 = `
66.0F3810 pblendvb +Vdq,Wdq
66.0F3814 blendvps +Vdq,Wdq
66.0F3815 blendvpd +Vdq,Wdq
66.0F3817 ptest Vdq,Wdq W:oszapc
66.0F3820 pmovsxbw =Vdq,Wq
66.0F3821 pmovsxbd =Vdq,Wd
66.0F3822 pmovsxbq =Vdq,Ww
66.0F3823 pmovsxwd =Vdq,Wq
66.0F3824 pmovsxwq =Vdq,Wd
66.0F3825 pmovsxdq =Vdq,Wq
66.0F3828 pmuldq +Vdq,Wdq
66.0F3829 pcmpeqq +Vdq,Wdq
66.0F382A/m movntdqa =Vdq,Mdq sem=movdq
66.0F382B packusdw +Vdq,Wdq
66.0F3830 pmovzxbw =Vdq,Wq
66.0F3831 pmovzxbd =Vdq,Wd
66.0F3832 pmovzxbq =Vdq,Ww
66.0F3833 pmovzxwd =Vdq,Wq
66.0F3834 pmovzxwq =Vdq,Wd
66.0F3835 pmovzxdq =Vdq,Wq
66.0F3838 pminsb +Vdq,Wdq
66.0F3839 pminsd +Vdq,Wdq
66.0F383A pminuw +Vdq,Wdq
66.0F383B pminud +Vdq,Wdq
66.0F383C pmaxsb +Vdq,Wdq
66.0F383D pmaxsd +Vdq,Wdq
66.0F383E pmaxuw +Vdq,Wdq
66.0F383F pmaxud +Vdq,Wdq
66.0F3840 pmulld +Vdq,Wdq
66.0F3841 phminposuw =Vdq,Wdq
66.0F3A08 roundps =Vdq,Wdq,Ib fault
66.0F3A09 roundpd =Vdq,Wdq,Ib fault
66.0F3A0A roundss =Vd,Wd,Ib fault
66.0F3A0B roundsd =Vq,Wq,Ib fault
66.0F3A0C blendps +Vdq,Wdq,Ib
66.0F3A0D blendpd +Vdq,Wdq,Ib
66.0F3A0E pblendw +Vdq,Wdq,Ib
66.0F3A14/r pextrb =Rd,Vdq,Ib
66.0F3A14/m pextrb =Mb,Vdq,Ib
66.0F3A15/r pextrw =Rd,Vdq,Ib sem=pextrw_store
66.0F3A15/m pextrw =Mw,Vdq,Ib sem=pextrw_store
66.0F3A16 pextrd =Ey,Vdq,Ib
66.0F3A17 extractps =Ed,Vdq,Ib sem=pextrd
66.0F3A20/r pinsrb +Vdq,Rd,Ib
66.0F3A20/m pinsrb +Vdq,Mb,Ib
66.0F3A21/r insertps +Vdq,Udq,Ib
66.0F3A21/m insertps +Vdq,Md,Ib
66.0F3A22 pinsrd +Vdq,Ey,Ib
66.0F3A40 dpps +Vdq,Wdq,Ib fault
66.0F3A41 dppd +Vdq,Wdq,Ib fault
66.0F3A42 mpsadbw +Vdq,Wdq,Ib
`;

const sse42 = `
66.0F3837 pcmpgtq +Vdq,Wdq
66.0F3A60 pcmpestrm Vdq,Wu,Ib W:oszapc wy
66.0F3A61 pcmpestri Vdq,Wu,Ib W:oszapc wy
66.0F3A62 pcmpistrm Vdq,Wu,Ib W:oszapc
66.0F3A63 pcmpistri Vdq,Wu,Ib W:oszapc
F2.0F38F0 crc32 +Gd,Eb
F2.0F38F1 crc32 +Gd,Ev
`;

const gated = (lines: string, gate: string): string =>
  lines
    .trim()
    .split('\n')
    .map((line) => `${line} gate=${gate}`)
    .join('\n');

export const sse4Rows: string = [
  sse3,
  ssse3,
  palignr,
  gated(sse41, 'sse4.1'),
  gated(sse42, 'sse4.2'),
].join('\n');
