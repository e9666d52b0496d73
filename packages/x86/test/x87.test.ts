import { describe, expect, test } from 'vitest';
import { TRAP_EXCEPTION } from '@vitrine/x86/cpu.ts';
import { FlatMachine } from '../../../tests/cpu/flat.ts';

/** Sign with exponent, and significand. */
type Extended = readonly [number, bigint];
const ONE: Extended = [0x3fff, 1n << 63n];

/** What an instruction makes of ST(0) and ST(1). */
function execute(code: readonly number[], st0: Extended, st1: Extended): Extended {
  const { cpu } = new FlatMachine().load(Uint8Array.of(...code, 0xcc));
  const image = new Uint8Array(512);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint16(2, 6 << 11, true);
  view.setUint8(4, 0xc0);
  [st0, st1].forEach(([word, significand], i) => {
    view.setBigUint64(32 + i * 16, significand, true);
    view.setUint16(40 + i * 16, word, true);
  });
  cpu.fxrstor(image);
  expect(cpu.run(100)).toBe(TRAP_EXCEPTION);
  cpu.fxsave(image);
  return [view.getUint16(40, true), view.getBigUint64(32, true)];
}

const F2XM1 = [0xd9, 0xf0];
const FYL2XP1 = [0xd9, 0xf9];

describe('the second term of a series decides how a tiny result is rounded', () => {
  test('2^x - 1', () => {
    expect(execute(F2XM1, [0x3fbb, 0xcc9d_2b6b_6803_fa4en], ONE)).toEqual([0x3fbb, 0x8dd3_dc2a_cafc_c198n]); // prettier-ignore
    expect(execute(F2XM1, [0xbfbb, 0xcb5e_28e0_7164_e972n], ONE)).toEqual([0xbfbb, 0x8cf6_bd3b_b68b_903fn]); // prettier-ignore
  });

  test('log2(1 + x)', () => {
    expect(execute(FYL2XP1, [0xbfbb, 0xf1e1_46a6_a6bd_43c6n], ONE)).toEqual([0xbfbc, 0xae7a_c246_b1e3_0f9an]); // prettier-ignore
    expect(execute(FYL2XP1, [0xbfbb, 0xec83_6ac5_fbef_9578n], ONE)).toEqual([0xbfbc, 0xaa9b_baab_b44a_93e4n]); // prettier-ignore
  });
});
