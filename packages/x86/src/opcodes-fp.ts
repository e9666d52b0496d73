/** SSE and SSE2 floating point: the four data types of an operation share an opcode and differ in the prefix. */
function arithmetic(): string {
  const ops = [
    ['58', 'add'],
    ['59', 'mul'],
    ['5C', 'sub'],
    ['5D', 'min'],
    ['5E', 'div'],
    ['5F', 'max'],
  ] as const;
  return ops
    .flatMap(([byte, name]) => [
      `NP.0F${byte} ${name}ps +Vdq,Wdq fault`,
      `66.0F${byte} ${name}pd +Vdq,Wdq fault`,
      `F3.0F${byte} ${name}ss +Vd,Wd fault`,
      `F2.0F${byte} ${name}sd +Vq,Wq x fault`,
    ])
    .join('\n');
}

const others = `
NP.0F51 sqrtps =Vdq,Wdq fault
66.0F51 sqrtpd =Vdq,Wdq fault
F3.0F51 sqrtss =Vd,Wd fault
F2.0F51 sqrtsd =Vq,Wq fault
NP.0F52 rsqrtps =Vdq,Wdq
F3.0F52 rsqrtss =Vd,Wd
NP.0F53 rcpps =Vdq,Wdq
F3.0F53 rcpss =Vd,Wd
NP.0F2E ucomiss Vd,Wd W:oszapc fault
66.0F2E ucomisd Vq,Wq W:oszapc fault
NP.0F2F comiss Vd,Wd W:oszapc fault
66.0F2F comisd Vq,Wq W:oszapc fault
NP.0FC2 cmpps +Vdq,Wdq,Ib fault
66.0FC2 cmppd +Vdq,Wdq,Ib fault
F3.0FC2 cmpss +Vd,Wd,Ib fault
F2.0FC2 cmpsd +Vq,Wq,Ib fault
F3.0F2A cvtsi2ss =Vd,Ey fault
F2.0F2A cvtsi2sd =Vq,Ey fault
F3.0F2C cvttss2si =Gy,Wd fault
F2.0F2C cvttsd2si =Gy,Wq fault
F3.0F2D cvtss2si =Gy,Wd fault
F2.0F2D cvtsd2si =Gy,Wq fault
NP.0F5A cvtps2pd =Vdq,Wq fault
66.0F5A cvtpd2ps =Vdq,Wdq fault
F3.0F5A cvtss2sd =Vq,Wd fault
F2.0F5A cvtsd2ss =Vd,Wq fault
NP.0F5B cvtdq2ps =Vdq,Wdq fault
66.0F5B cvtps2dq =Vdq,Wdq fault
F3.0F5B cvttps2dq =Vdq,Wdq fault
F3.0FE6 cvtdq2pd =Vdq,Wq
F2.0FE6 cvtpd2dq =Vdq,Wdq fault
66.0FE6 cvttpd2dq =Vdq,Wdq fault
`;

/** x87, by opcode byte: the memory forms by ModRM.reg, then the register forms. */
function x87(): string {
  const ops = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'];
  const memory: readonly (readonly [string, string, string])[] = [
    ['D8', 'Md', 'm32'],
    ['DA', 'Md', 'i32'],
    ['DC', 'Mq', 'm64'],
    ['DE', 'Mw', 'm16'],
  ];
  const lines: string[] = [];
  for (const [byte, operand, kind] of memory) {
    const integer = kind === 'i32' || kind === 'm16';
    ops.forEach((name, digit) => {
      const shown = integer ? name.replace('f', 'fi') : name;
      lines.push(`${byte}/${digit}m ${shown} ${operand} sem=${name}_${kind} fault`);
    });
  }
  ops.forEach((name, digit) => {
    const compares = digit === 2 || digit === 3;
    lines.push(`D8/${digit}r ${name} ST0,STi sem=${name}_st fault`);
    // In the forms that write ST(i), the encodings of the reversed operations are exchanged.
    const swapped = digit < 4 ? name : ops[digit ^ 1]!;
    const sem = compares ? `${name}_st` : `${swapped}_sti`;
    lines.push(`DC/${digit}r ${swapped} STi,ST0 sem=${sem} fault`);
    if (!compares) lines.push(`DE/${digit}r ${swapped}p STi,ST0 sem=${swapped}p fault`);
  });
  return [...lines, x87Others].join('\n');
}

const x87Others = `
DE/2r fcomp STi sem=fcomp_st fault
DE:D9 fcompp - fault
D9/0m fld Md sem=fld_m32 fault
D9/2m fst +Md sem=fst_m32 fault
D9/3m fstp +Md sem=fstp_m32 fault
D9/4m fldenv M fault end wv
D9/5m fldcw Mw fault
D9/6m fnstenv M fault end wv
D9/7m fnstcw =Mw fault
D9/0r fld STi sem=fld_st fault
D9/1r fxch STi fault
D9:D0 fnop - fault
D9/3r fstp STi sem=fstpnce fault
D9:E0 fchs - fault
D9:E1 fabs - fault
D9:E4 ftst - fault
D9:E5 fxam - fault
D9:E8 fld1 - fault
D9:E9 fldl2t - fault
D9:EA fldl2e - fault
D9:EB fldpi - fault
D9:EC fldlg2 - fault
D9:ED fldln2 - fault
D9:EE fldz - fault
D9:F0 f2xm1 - fault end
D9:F1 fyl2x - fault end
D9:F2 fptan - fault end
D9:F3 fpatan - fault end
D9:F4 fxtract - fault end
D9:F5 fprem1 - fault end
D9:F6 fdecstp - fault
D9:F7 fincstp - fault
D9:F8 fprem - fault end
D9:F9 fyl2xp1 - fault end
D9:FA fsqrt - fault
D9:FB fsincos - fault end
D9:FC frndint - fault
D9:FD fscale - fault end
D9:FE fsin - fault end
D9:FF fcos - fault end
DA/0r fcmovb ST0,STi R:c fault
DA/1r fcmove ST0,STi R:z fault
DA/2r fcmovbe ST0,STi R:cz fault
DA/3r fcmovu ST0,STi R:p fault
DA:E9 fucompp - fault
DB/0m fild Md sem=fld_i32 fault
DB/1m fisttp +Md sem=fisttp_i32 fault gate=sse3
DB/2m fist +Md sem=fist_i32 fault
DB/3m fistp +Md sem=fistp_i32 fault
DB/5m fld M sem=fld_m80 fault
DB/7m fstp +Mt sem=fstp_m80 fault
DB/0r fcmovnb ST0,STi R:c fault
DB/1r fcmovne ST0,STi R:z fault
DB/2r fcmovnbe ST0,STi R:cz fault
DB/3r fcmovnu ST0,STi R:p fault
DB:E0 fneni - sem=nop
DB:E1 fndisi - sem=nop
DB:E2 fnclex -
DB:E3 fninit -
DB:E4 fnsetpm - sem=nop
DB/5r fucomi ST0,STi W:oszapc fault
DB/6r fcomi ST0,STi W:oszapc fault
DD/0m fld Mq sem=fld_m64 fault
DD/1m fisttp +Mq sem=fisttp_i64 fault gate=sse3
DD/2m fst +Mq sem=fst_m64 fault
DD/3m fstp +Mq sem=fstp_m64 fault
DD/4m frstor M fault end wv
DD/6m fnsave M fault end wv
DD/7m fnstsw =Mw fault
DD/0r ffree STi fault
DD/1r fxch STi fault
DD/2r fst STi sem=fst_st fault
DD/3r fstp STi sem=fstp_st fault
DD/4r fucom STi fault
DD/5r fucomp STi fault
DF/0m fild Mw sem=fld_m16 fault
DF/1m fisttp +Mw sem=fisttp_m16 fault gate=sse3
DF/2m fist +Mw sem=fist_m16 fault
DF/3m fistp +Mw sem=fistp_m16 fault
DF/4m fbld M fault end
DF/5m fild Mq sem=fld_i64 fault
DF/6m fbstp M fault end
DF/7m fistp +Mq sem=fistp_i64 fault
DF/0r ffreep STi fault
DF/1r fxch STi fault
DF/2r fstp STi sem=fstp_st fault
DF/3r fstp STi sem=fstp_st fault
DF:E0 fnstsw - sem=fnstsw_ax
DF/5r fucomip ST0,STi W:oszapc fault
DF/6r fcomip ST0,STi W:oszapc fault
`;

/** Rows of the opcode table (opcodes.ts) for x87, MMX and SSE/SSE2 floating point. */
export const fpRows: string = [arithmetic(), others, x87()].join('\n');
