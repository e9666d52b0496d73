/** MMX (SDM vol. 1, chapter 9). */
import { VECTOR_MF } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import { FSW_CELL, FTW_CELL } from '../layout.ts';
import type { Semantics } from './semantics.ts';
import { mmxConversions } from './sse-float.ts';
import { sseInteger } from './sse-integer.ts';
import { ssse3 } from './ssse3.ts';
import { sseMoves } from './sse-moves.ts';

/** FSW.ES: an unmasked x87 exception waits to be reported. */
const EXCEPTION_SUMMARY = 0x80;
const TOP = 0x3800;

function checkPending(b: Builder): void {
  const pending = b.and(b.cell(FSW_CELL, 'i32.load16_u'), b.i32(EXCEPTION_SUMMARY));
  b.if(pending, () => b.raise(VECTOR_MF));
}

/** All registers become valid and TOP 0 once the instruction cannot fault any more. */
function useRegisters(b: Builder): void {
  const status = b.cell(FSW_CELL, 'i32.load16_u');
  b.setCell(FSW_CELL, 'i32.store16', b.and(status, b.i32(0xffff & ~TOP)));
  b.setCell(FTW_CELL, 'i32.store8', b.i32(0xff));
}

const afterPending =
  (meaning: Semantics): Semantics =>
  (b, o) => {
    checkPending(b);
    meaning(b, o);
  };

const mmxForm = (meaning: Semantics): Semantics =>
  afterPending((b, o) => {
    meaning(b, o);
    useRegisters(b);
  });

const moves: Record<string, Semantics> = {
  movq: (b, [dst, src]) => b.set(dst!, b.get(src!)),
  movd_to: (b, [dst, src]) => b.set(dst!, b.extendU(b.get(src!))),
  movd_from: (b, [dst, src]) =>
    b.set(dst!, b.getAs(src!, b.width === 64 ? 'i64.load' : 'i32.load')),
  pmovmskb: (b, [dst, src]) =>
    b.set(dst!, b.op('i8x16.bitmask', b.getAs(src!, 'v128.load64_zero'))),
  maskmov: sseMoves['maskmovdqu']!,
};

const renamed = Object.entries({ ...sseInteger, ...ssse3, ...moves }).map(
  ([name, meaning]): [string, Semantics] => [`mmx_${name}`, mmxForm(meaning)],
);

const conversions = Object.entries(mmxConversions(useRegisters)).map(
  ([name, meaning]): [string, Semantics] => [name, afterPending(meaning)],
);

export const mmx: Record<string, Semantics> = {
  ...Object.fromEntries([...renamed, ...conversions]),
  movq2dq: mmxForm((b, [dst, src]) =>
    b.setAs(dst!, 'v128.store', b.getAs(src!, 'v128.load64_zero')),
  ),
  movdq2q: mmxForm((b, [dst, src]) => b.set(dst!, b.getAs(src!, 'i64.load'))),
  emms: afterPending((b) => {
    useRegisters(b);
    b.setCell(FTW_CELL, 'i32.store8', b.i32(0));
  }),
};
