/**
 * Rows of the opcode table (opcodes.ts) beyond x86-64-v2: MOVBE, LZCNT, BMI, AES, PCLMULQDQ, SHA, AVX, AVX2, FMA and F16C.
 * Most VEX instructions mean what their namesakes without VEX do, with the first source in VEX.vvvv (insn/vex.ts).
 */
const plain = `
F3.0FBD lzcnt =Gv,Ev W:cz U:osap
F3.0FBC tzcnt =Gv,Ev W:cz U:osap
0F38F0/m movbe =Gv,Mv
0F38F1/m movbe =Mv,Gv
66.0F38DB aesimc =Vdq,Wdq
66.0F38DC aesenc +Vdq,Wdq
66.0F38DD aesenclast +Vdq,Wdq
66.0F38DE aesdec +Vdq,Wdq
66.0F38DF aesdeclast +Vdq,Wdq
66.0F3ADF aeskeygenassist =Vdq,Wdq,Ib
66.0F3A44 pclmulqdq +Vdq,Wdq,Ib
NP.0F38C8 sha1nexte +Vdq,Wu
NP.0F38C9 sha1msg1 +Vdq,Wu
NP.0F38CA sha1msg2 +Vdq,Wu
NP.0F38CB sha256rnds2 +Vdq,Wu
NP.0F38CC sha256msg1 +Vdq,Wu
NP.0F38CD sha256msg2 +Vdq,Wu
NP.0F3ACC sha1rnds4 +Vdq,Wu,Ib
NP.0FAE/4m xsave M fault end
NP.0FAE/5m xrstor M fault end
0F01:D0 xgetbv - fault end
`;

const bmi = `
VNP.0F38F2 andn =Gy,By,Ey L0 W:oszc U:ap
VNP.0F38F3/1 blsr =By,Ey L0 W:oszc U:ap
VNP.0F38F3/2 blsmsk =By,Ey L0 W:oszc U:ap
VNP.0F38F3/3 blsi =By,Ey L0 W:oszc U:ap
VNP.0F38F7 bextr =Gy,Ey,By L0 W:ozc U:sap
VNP.0F38F5 bzhi =Gy,Ey,By L0 W:oszc U:ap
VF3.0F38F5 pext =Gy,By,Ey L0
VF2.0F38F5 pdep =Gy,By,Ey L0
VF2.0F38F6 mulx =Gy,By,Ey L0
V66.0F38F7 shlx =Gy,Ey,By L0
VF3.0F38F7 sarx =Gy,Ey,By L0
VF2.0F38F7 shrx =Gy,Ey,By L0
VF2.0F3AF0 rorx =Gy,Ey,Ib L0
`;

const list = (text: string): string[][] =>
  text
    .trim()
    .split(/\s*;\s*|\n/)
    .map((item) => item.trim().split(/ +/));

/** Packed floating point: prefix NP for floats, 66 for doubles. */
const packedFloat = (): string[] =>
  list('58 add; 59 mul; 5C sub; 5D min; 5E div; 5F max').flatMap(([byte, name]) => [
    `VNP.0F${byte} v${name}ps =Vx,Hx,Wx fault`,
    `V66.0F${byte} v${name}pd =Vx,Hx,Wx fault`,
    `VF3.0F${byte} v${name}ss =Vd,Hd,Wd fault`,
    `VF2.0F${byte} v${name}sd =Vq,Hq,Wq fault`,
  ]);

/** Integer operations of two sources with the prefix 66, in the maps 0F and 0F38. */
const integer = (): string[] =>
  list(`
60 punpcklbw; 61 punpcklwd; 62 punpckldq; 63 packsswb; 64 pcmpgtb; 65 pcmpgtw; 66 pcmpgtd; 67 packuswb
68 punpckhbw; 69 punpckhwd; 6A punpckhdq; 6B packssdw; 6C punpcklqdq; 6D punpckhqdq; 74 pcmpeqb; 75 pcmpeqw; 76 pcmpeqd
D4 paddq; D5 pmullw; D8 psubusb; D9 psubusw; DA pminub; DB pand; DC paddusb; DD paddusw; DE pmaxub; DF pandn
E0 pavgb; E3 pavgw; E4 pmulhuw; E5 pmulhw; E8 psubsb; E9 psubsw; EA pminsw; EB por; EC paddsb; ED paddsw; EE pmaxsw
EF pxor; F4 pmuludq; F5 pmaddwd; F6 psadbw; F8 psubb; F9 psubw; FA psubd; FB psubq; FC paddb; FD paddw; FE paddd
3800 pshufb; 3801 phaddw; 3802 phaddd; 3803 phaddsw; 3804 pmaddubsw; 3805 phsubw; 3806 phsubd; 3807 phsubsw
3808 psignb; 3809 psignw; 380A psignd; 380B pmulhrsw; 3828 pmuldq; 3829 pcmpeqq; 382B packusdw; 3837 pcmpgtq
3838 pminsb; 3839 pminsd; 383A pminuw; 383B pminud; 383C pmaxsb; 383D pmaxsd; 383E pmaxuw; 383F pmaxud; 3840 pmulld
`).map(([code, name]) => `V66.0F${code} v${name} =Vx,Hx,Wx`);

/** Shifts by a count in a vector register. */
const shifts = (): string[] =>
  list('D1 psrlw; D2 psrld; D3 psrlq; E1 psraw; E2 psrad; F1 psllw; F2 pslld; F3 psllq').map(
    ([byte, name]) => `V66.0F${byte} v${name} =Vx,Hx,Wu`,
  );
const immediateShifts = (): string[] =>
  list(
    '71/2 psrlw; 71/4 psraw; 71/6 psllw; 72/2 psrld; 72/4 psrad; 72/6 pslld; 73/2 psrlq; 73/6 psllq',
  ).map(([code, name]) => `V66.0F${code}r v${name} =Hx,Ux,Ib sem=v${name}_imm`);

/** Of one source. */
const unary = (): string[] =>
  list('381C pabsb; 381D pabsw; 381E pabsd').map(([code, name]) => `V66.0F${code} v${name} =Vx,Wx`);
const widening = (): string[] =>
  list(`
20 pmovsxbw h; 21 pmovsxbd f; 22 pmovsxbq e; 23 pmovsxwd h; 24 pmovsxwq f; 25 pmovsxdq h
30 pmovzxbw h; 31 pmovzxbd f; 32 pmovzxbq e; 33 pmovzxwd h; 34 pmovzxwq f; 35 pmovzxdq h
`).map(([byte, name, size]) => `V66.0F38${byte} v${name} =Vx,W${size}`);

const avx = `
VNP.0F51 vsqrtps =Vx,Wx fault
V66.0F51 vsqrtpd =Vx,Wx fault
VF3.0F51 vsqrtss =Vd,Hd,Wd fault
VF2.0F51 vsqrtsd =Vq,Hq,Wq fault
VNP.0F52 vrsqrtps =Vx,Wx
VF3.0F52 vrsqrtss =Vd,Hd,Wd
VNP.0F53 vrcpps =Vx,Wx
VF3.0F53 vrcpss =Vd,Hd,Wd
VNP.0F2E vucomiss Vd,Wd W:oszapc fault
V66.0F2E vucomisd Vq,Wq W:oszapc fault
VNP.0F2F vcomiss Vd,Wd W:oszapc fault
V66.0F2F vcomisd Vq,Wq W:oszapc fault
VNP.0FC2 vcmpps =Vx,Hx,Wx,Ib fault
V66.0FC2 vcmppd =Vx,Hx,Wx,Ib fault
VF3.0FC2 vcmpss =Vd,Hd,Wd,Ib fault
VF2.0FC2 vcmpsd =Vq,Hq,Wq,Ib fault
VF3.0F2A vcvtsi2ss =Vd,Hd,Ey fault
VF2.0F2A vcvtsi2sd =Vq,Hq,Ey fault
VF3.0F2C vcvttss2si =Gy,Wd fault
VF2.0F2C vcvttsd2si =Gy,Wq fault
VF3.0F2D vcvtss2si =Gy,Wd fault
VF2.0F2D vcvtsd2si =Gy,Wq fault
VNP.0F5A vcvtps2pd =Vx,Wh fault
V66.0F5A vcvtpd2ps =Vdq,Wx fault
VF3.0F5A vcvtss2sd =Vq,Hq,Wd fault
VF2.0F5A vcvtsd2ss =Vd,Hd,Wq fault
VNP.0F5B vcvtdq2ps =Vx,Wx fault
V66.0F5B vcvtps2dq =Vx,Wx fault
VF3.0F5B vcvttps2dq =Vx,Wx fault
VF3.0FE6 vcvtdq2pd =Vx,Wh
VF2.0FE6 vcvtpd2dq =Vdq,Wx fault
V66.0FE6 vcvttpd2dq =Vdq,Wx fault
VNP.0F14 vunpcklps =Vx,Hx,Wx sem=vpunpckldq
V66.0F14 vunpcklpd =Vx,Hx,Wx sem=vpunpcklqdq
VNP.0F15 vunpckhps =Vx,Hx,Wx sem=vpunpckhdq
V66.0F15 vunpckhpd =Vx,Hx,Wx sem=vpunpckhqdq
VNP.0F54 vandps =Vx,Hx,Wx sem=vpand
V66.0F54 vandpd =Vx,Hx,Wx sem=vpand
VNP.0F55 vandnps =Vx,Hx,Wx sem=vpandn
V66.0F55 vandnpd =Vx,Hx,Wx sem=vpandn
VNP.0F56 vorps =Vx,Hx,Wx sem=vpor
V66.0F56 vorpd =Vx,Hx,Wx sem=vpor
VNP.0F57 vxorps =Vx,Hx,Wx sem=vpxor
V66.0F57 vxorpd =Vx,Hx,Wx sem=vpxor
VNP.0FC6 vshufps =Vx,Hx,Wx,Ib
V66.0FC6 vshufpd =Vx,Hx,Wx,Ib
V66.0FD0 vaddsubpd =Vx,Hx,Wx fault
VF2.0FD0 vaddsubps =Vx,Hx,Wx fault
V66.0F7C vhaddpd =Vx,Hx,Wx fault
VF2.0F7C vhaddps =Vx,Hx,Wx fault
V66.0F7D vhsubpd =Vx,Hx,Wx fault
VF2.0F7D vhsubps =Vx,Hx,Wx fault
V66.0F3A0C vblendps =Vx,Hx,Wx,Ib
V66.0F3A0D vblendpd =Vx,Hx,Wx,Ib
V66.0F3A0E vpblendw =Vx,Hx,Wx,Ib
V66.0F3A0F vpalignr =Vx,Hx,Wx,Ib
V66.0F3A40 vdpps =Vx,Hx,Wx,Ib fault
V66.0F3A41 vdppd =Vdq,Hdq,Wu,Ib L0 fault
V66.0F3A42 vmpsadbw =Vx,Hx,Wx,Ib
V66.0F3A08 vroundps =Vx,Wx,Ib fault
V66.0F3A09 vroundpd =Vx,Wx,Ib fault
V66.0F3A0A vroundss =Vd,Hd,Wd,Ib fault
V66.0F3A0B vroundsd =Vq,Hq,Wq,Ib fault
V66.0F3A4A vblendvps =Vx,Hx,Wx,Lb W0
V66.0F3A4B vblendvpd =Vx,Hx,Wx,Lb W0
V66.0F3A4C vpblendvb =Vx,Hx,Wx,Lb W0
VNP.0F10 vmovups =Vx,Wx sem=vmov
V66.0F10 vmovupd =Vx,Wx sem=vmov
VNP.0F11 vmovups =Wx,Vx sem=vmov
V66.0F11 vmovupd =Wx,Vx sem=vmov
VNP.0F28 vmovaps =Vx,Wxa sem=vmov
V66.0F28 vmovapd =Vx,Wxa sem=vmov
VNP.0F29 vmovaps =Wxa,Vx sem=vmov
V66.0F29 vmovapd =Wxa,Vx sem=vmov
V66.0F6F vmovdqa =Vx,Wxa sem=vmov
VF3.0F6F vmovdqu =Vx,Wx sem=vmov
V66.0F7F vmovdqa =Wxa,Vx sem=vmov
VF3.0F7F vmovdqu =Wx,Vx sem=vmov
VF2.0FF0/m vlddqu =Vx,Mx sem=vmov
VNP.0F2B/m vmovntps =Mxa,Vx sem=vmov
V66.0F2B/m vmovntpd =Mxa,Vx sem=vmov
V66.0FE7/m vmovntdq =Mxa,Vx sem=vmov
V66.0F382A/m vmovntdqa =Vx,Mxa sem=vmov
VF3.0F10/m vmovss =Vdq,Md sem=vmovd_load
VF3.0F10/r vmovss =Vd,Hd,Ud sem=vmov_low
VF3.0F11/m vmovss =Md,Vd sem=mov_low
VF3.0F11/r vmovss =Ud,Hd,Vd sem=vmov_low
VF2.0F10/m vmovsd =Vdq,Mq sem=vmovq_load
VF2.0F10/r vmovsd =Vq,Hq,Uq sem=vmov_low
VF2.0F11/m vmovsd =Mq,Vq sem=mov_low
VF2.0F11/r vmovsd =Uq,Hq,Vq sem=vmov_low
VNP.0F12/m vmovlps =Vq,Hq,Mq L0 sem=vmov_low
V66.0F12/m vmovlpd =Vq,Hq,Mq L0 sem=vmov_low
VNP.0F12/r vmovhlps =Vq,Hq,Udq L0
VNP.0F13/m vmovlps =Mq,Vq L0 sem=mov_low
V66.0F13/m vmovlpd =Mq,Vq L0 sem=mov_low
VNP.0F16/m vmovhps =Vdq,Hdq,Mq L0 sem=vmovh_load
V66.0F16/m vmovhpd =Vdq,Hdq,Mq L0 sem=vmovh_load
VNP.0F16/r vmovlhps =Vdq,Hdq,Uq L0 sem=vmovh_load
VNP.0F17/m vmovhps =Mq,Vdq L0 sem=movh_store
V66.0F17/m vmovhpd =Mq,Vdq L0 sem=movh_store
VF2.0F12 vmovddup =Vx,Wx
VF3.0F12 vmovsldup =Vx,Wx
VF3.0F16 vmovshdup =Vx,Wx
VNP.0F50/r vmovmskps =Gd,Ux
V66.0F50/r vmovmskpd =Gd,Ux
V66.0FD7/r vpmovmskb =Gd,Ux
V66.0F6E vmovd =Vdq,Ey L0 sem=vmovd_to
V66.0F7E vmovd =Ey,Vdq L0 sem=movd_from
VF3.0F7E vmovq =Vdq,Wq L0 sem=vmovq_load
V66.0FD6/m vmovq =Mq,Vq L0 sem=mov_low
V66.0FD6/r vmovq =Udq,Vq L0 sem=vmovq_load
V66.0F70 vpshufd =Vx,Wx,Ib
VF3.0F70 vpshufhw =Vx,Wx,Ib
VF2.0F70 vpshuflw =Vx,Wx,Ib
V66.0F73/3r vpsrldq =Hx,Ux,Ib
V66.0F73/7r vpslldq =Hx,Ux,Ib
V66.0FC4/r vpinsrw =Vdq,Hdq,Rd,Ib L0
V66.0FC4/m vpinsrw =Vdq,Hdq,Mw,Ib L0
V66.0FC5/r vpextrw =Gd,Udq,Ib L0 sem=pextrw
V66.0F3A14/r vpextrb =Rd,Vdq,Ib L0 sem=pextrb
V66.0F3A14/m vpextrb =Mb,Vdq,Ib L0 sem=pextrb
V66.0F3A15/r vpextrw =Rd,Vdq,Ib L0 sem=pextrw_store
V66.0F3A15/m vpextrw =Mw,Vdq,Ib L0 sem=pextrw_store
V66.0F3A16 vpextrd =Ey,Vdq,Ib L0 sem=pextrd
V66.0F3A17 vextractps =Ed,Vdq,Ib L0 sem=vextractps
V66.0F3A20/r vpinsrb =Vdq,Hdq,Rd,Ib L0
V66.0F3A20/m vpinsrb =Vdq,Hdq,Mb,Ib L0
V66.0F3A21/r vinsertps =Vdq,Hdq,Udq,Ib L0
V66.0F3A21/m vinsertps =Vdq,Hdq,Md,Ib L0
V66.0F3A22 vpinsrd =Vdq,Hdq,Ey,Ib L0
V66.0FF7/r vmaskmovdqu Vdq,Udq L0 fault sem=maskmovdqu
V66.0F3841 vphminposuw =Vdq,Wu L0
V66.0F3817 vptest Vx,Wx W:oszapc
V66.0F380E vtestps Vx,Wx W0 W:oszapc
V66.0F380F vtestpd Vx,Wx W0 W:oszapc
V66.0F3A60 vpcmpestrm Vdq,Wu,Ib L0 W:oszapc wy
V66.0F3A61 vpcmpestri Vdq,Wu,Ib L0 W:oszapc wy sem=pcmpestri
V66.0F3A62 vpcmpistrm Vdq,Wu,Ib L0 W:oszapc
V66.0F3A63 vpcmpistri Vdq,Wu,Ib L0 W:oszapc sem=pcmpistri
V66.0F38DB vaesimc =Vdq,Wu L0
V66.0F38DC vaesenc =Vdq,Hdq,Wu L0
V66.0F38DD vaesenclast =Vdq,Hdq,Wu L0
V66.0F38DE vaesdec =Vdq,Hdq,Wu L0
V66.0F38DF vaesdeclast =Vdq,Hdq,Wu L0
V66.0F3ADF vaeskeygenassist =Vdq,Wu,Ib L0
V66.0F3A44 vpclmulqdq =Vdq,Hdq,Wu,Ib L0
VNP.0FAE/2m vldmxcsr Md L0 fault sem=ldmxcsr
VNP.0FAE/3m vstmxcsr =Md L0 sem=stmxcsr
VNP.0F77 vzeroupper - L0
VNP.0F77 vzeroall - L1
V66.0F3818 vbroadcastss =Vx,Wd W0
V66.0F3819 vbroadcastsd =Vx,Wq L1 W0
V66.0F381A/m vbroadcastf128 =Vx,Mu L1 W0 sem=vbroadcast128
V66.0F385A/m vbroadcasti128 =Vx,Mu L1 W0 sem=vbroadcast128
V66.0F3858 vpbroadcastd =Vx,Wd W0 sem=vbroadcastss
V66.0F3859 vpbroadcastq =Vx,Wq W0 sem=vbroadcastsd
V66.0F3878 vpbroadcastb =Vx,Wb W0
V66.0F3879 vpbroadcastw =Vx,Ww W0
V66.0F380C vpermilps =Vx,Hx,Wx W0
V66.0F380D vpermilpd =Vx,Hx,Wx W0
V66.0F3A04 vpermilps =Vx,Wx,Ib W0 sem=vpshufd
V66.0F3A05 vpermilpd =Vx,Wx,Ib W0 sem=vpermilpd_imm
V66.0F3A06 vperm2f128 =Vx,Hx,Wx,Ib L1 W0 sem=vperm2x128
V66.0F3A46 vperm2i128 =Vx,Hx,Wx,Ib L1 W0 sem=vperm2x128
V66.0F3A18 vinsertf128 =Vx,Hx,Wu,Ib L1 W0 sem=vinsert128
V66.0F3A38 vinserti128 =Vx,Hx,Wu,Ib L1 W0 sem=vinsert128
V66.0F3A19 vextractf128 =Wu,Vx,Ib L1 W0 sem=vextract128
V66.0F3A39 vextracti128 =Wu,Vx,Ib L1 W0 sem=vextract128
V66.0F3836 vpermd =Vx,Hx,Wx L1 W0
V66.0F3816 vpermps =Vx,Hx,Wx L1 W0 sem=vpermd
V66.0F3A00 vpermq =Vx,Wx,Ib L1 W1
V66.0F3A01 vpermpd =Vx,Wx,Ib L1 W1 sem=vpermq
V66.0F3A02 vpblendd =Vx,Hx,Wx,Ib W0 sem=vblendps
V66.0F3845 vpsrlvd =Vx,Hx,Wx W0
V66.0F3845 vpsrlvq =Vx,Hx,Wx W1
V66.0F3846 vpsravd =Vx,Hx,Wx W0
V66.0F3847 vpsllvd =Vx,Hx,Wx W0
V66.0F3847 vpsllvq =Vx,Hx,Wx W1
V66.0F382C/m vmaskmovps =Vx,Hx,M W0 fault sem=vmaskload32
V66.0F382D/m vmaskmovpd =Vx,Hx,M W0 fault sem=vmaskload64
V66.0F382E/m vmaskmovps +M,Hx,Vx W0 fault sem=vmaskstore32
V66.0F382F/m vmaskmovpd +M,Hx,Vx W0 fault sem=vmaskstore64
V66.0F388C/m vpmaskmovd =Vx,Hx,M W0 fault sem=vmaskload32
V66.0F388C/m vpmaskmovq =Vx,Hx,M W1 fault sem=vmaskload64
V66.0F388E/m vpmaskmovd +M,Hx,Vx W0 fault sem=vmaskstore32
V66.0F388E/m vpmaskmovq +M,Hx,Vx W1 fault sem=vmaskstore64
V66.0F3890/m vpgatherdd =Vx,M,Hx W0 fault end sem=vgather
V66.0F3890/m vpgatherdq =Vx,M,Hx W1 fault end sem=vgather
V66.0F3891/m vpgatherqd =Vx,M,Hx W0 fault end sem=vgather
V66.0F3891/m vpgatherqq =Vx,M,Hx W1 fault end sem=vgather
V66.0F3892/m vgatherdps =Vx,M,Hx W0 fault end sem=vgather
V66.0F3892/m vgatherdpd =Vx,M,Hx W1 fault end sem=vgather
V66.0F3893/m vgatherqps =Vx,M,Hx W0 fault end sem=vgather
V66.0F3893/m vgatherqpd =Vx,M,Hx W1 fault end sem=vgather
V66.0F3813 vcvtph2ps =Vx,Wh W0 fault
V66.0F3A1D vcvtps2ph =Wh,Vx,Ib W0 fault
`;

/** FMA: the digits say which operands are multiplied (1 is VEX.reg, 2 VEX.vvvv, 3 ModRM.rm). */
const fma = (): string[] =>
  list('9 132; A 213; B 231').flatMap(([high, order]) =>
    list('6 maddsub; 7 msubadd; 8 madd; A msub; C nmadd; E nmsub').flatMap(([low, name]) => {
      const packed = `V66.0F38${high}${low} vf${name}${order}`;
      const lines = [`${packed}ps +Vx,Hx,Wx W0 fault`, `${packed}pd +Vx,Hx,Wx W1 fault`];
      if (low === '6' || low === '7') return lines;
      const scalar = `V66.0F38${high}${(parseInt(low!, 16) + 1).toString(16).toUpperCase()} vf${name}${order}`;
      return [...lines, `${scalar}ss +Vd,Hd,Wd W0 fault`, `${scalar}sd +Vq,Hq,Wq W1 fault`];
    }),
  );

/** Rows beyond x86-64-v2; put together when a processor has them. */
export const v3Text = (): string =>
  [
    plain,
    bmi,
    ...[packedFloat, integer, shifts, immediateShifts, unary, widening].map((rows) =>
      rows().join('\n'),
    ),
    avx,
    fma().join('\n'),
  ].join('\n');
