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

/** Rows of the opcode table (opcodes.ts) for x87, MMX and SSE/SSE2 floating point. */
export const fpRows: string = [arithmetic(), others].join('\n');
