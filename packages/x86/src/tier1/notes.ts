/** Notes of where the indirect jumps of a region have gone, for the one that may take its place (exits.ts). */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { isCounted } from './enter.ts';
import { NOTES_ENTERED } from './exits.ts';
import { NOTES } from './names.ts';

/** @param site address of the jump */
export function noteAtTimes(b: Builder, fuel: Node, site: number, va: Node): void {
  b.unlikely(isCounted(b, fuel), () => note(b, BigInt(site), va));
}

function note(b: Builder, site: bigint, va: Node): void {
  const low = b.xor(b.wrap(va), b.i32(Number(site & 0xffffn) * 5));
  const mixed = b.xor(b.shl(low, b.i32(2)), b.shrU(low, b.i32(3)));
  const place = b.and(mixed, b.i32(NOTES_ENTERED - 8));
  const notes = b.node('global.get', 'i32', 'pure', [], NOTES);
  const entry = b.or(b.and(va, b.i64(2n ** 48n - 1n)), b.i64(site << 48n));
  b.store('i64.store', b.add(notes, place), entry);
}
