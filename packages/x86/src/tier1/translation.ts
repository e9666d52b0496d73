import { MAX_BLOCK } from '../tier0/translate.ts';
import type { WasmModule } from '../wasm-api.ts';
import type { Generated } from './generate.ts';
import type { BlockCode, Found, Region } from './region.ts';

/** A block that a module was generated from: where it is, and the bytes that make it what it is. */
export interface SourceBlock {
  readonly va: number;
  /** Its code, with what follows in the page as far as that decided that the block ends. */
  readonly code: Uint8Array;
  /** It stands in the region for itself, not only in copies of a function. */
  readonly own: boolean;
}

/**
 * A region with all that it was generated from and all that installing it takes: plain data, good for every machine of the
 * same model that has the same bytes at the same addresses. What differs between machines are the globals that its module
 * imports.
 */
export interface Translation {
  /** Address of the block that the region was made for. */
  readonly root: number;
  /** How often the region had been made before: Surroundings.effort. */
  readonly effort: number;
  readonly instructions: number;
  /** Region.size. */
  readonly size: number;
  readonly blocks: readonly SourceBlock[];
  /** Addresses of the blocks that tier 0 may enter. */
  readonly entries: readonly number[];
  /** Digest of the page that the root is in (store.ts). */
  readonly page: string;
  /** The module that it is in. */
  bundle: Bundle;
  /** Most instructions that it has executed in one machine. */
  executed: number;
}

/** A module with the functions of one region, or of several. */
export interface Bundle {
  /** In the order of their numbers in the module. */
  readonly members: readonly Translation[];
  /** Names of the globals that the module imports. */
  readonly globals: readonly string[];
  readonly bytes: Uint8Array;
  /** The module, while it is worth its memory. */
  module: WasmModule | undefined;
  /** The same for as long as a machine has it. */
  used: WeakRef<WasmModule> | undefined;
  /** What the engine had made of the module in another process (NativeCode), until it is wanted. */
  native: Uint8Array | undefined;
}

/**
 * About what an installed module takes, in bytes: its own, V8's copy, and what V8 compiles it to, once quickly and once well
 * (1.6 times as much, with V8's tables, by measurement).
 */
export const footprintOf = ({ bytes }: Bundle): number => 8192 + 3.6 * bytes.length;

/** A module of members that are in other modules until now. */
export const bundleOf = (
  members: readonly Translation[],
  { bytes, globals }: Generated,
  native?: Uint8Array,
): Bundle => ({ members, globals, bytes, module: undefined, used: undefined, native });

/** Where the processor has the blocks of a translation. */
export type Places = ReadonlyMap<number, Found>;

/** Longest instruction: what cannot be decoded is known within so many bytes. */
const LONGEST = 15;

/** Bytes of a block, and those behind it that made it end where no branch does. */
function extentOf({ va, insns, addresses, tail }: BlockCode): number {
  const length = addresses.at(-1)! - va;
  if (tail || insns.at(-1)!.row.end || insns.length === MAX_BLOCK) return length;
  return Math.min(length + LONGEST, 4096 - (va % 4096));
}

/** Whether memory holds the bytes that a block was; with `copy`, it is made to. */
function* piecesOf(
  { page, tail }: Found,
  va: number,
  length: number,
): Generator<[at: number, from: number, to: number]> {
  // prettier-ignore
  const first = Math.min(length, 4096 - (va - page.va));
  yield [page.pfn * 4096 + (va - page.va), 0, first];
  if (tail && first < length) yield [tail.pfn * 4096, first, length];
}

function readCode(u8: Uint8Array, place: Found, va: number, length: number): Uint8Array {
  const code = new Uint8Array(length);
  for (const [at, from, to] of piecesOf(place, va, length))
    code.set(u8.subarray(at, at + to - from), from);
  return code;
}

/** Whether a block's place holds the code that a translation was made from. */
export function holds(u8: Uint8Array, place: Found, { va, code }: SourceBlock): boolean {
  let compared = 0;
  for (const [at, from, to] of piecesOf(place, va, code.length)) {
    for (let i = from; i < to; i++) if (u8[at + i - from] !== code[i]) return false;
    compared = to;
  }
  return compared === code.length;
}

/** What a region is made from, and where its blocks are. */
export function sourceOf(
  u8: Uint8Array,
  region: Region,
): { blocks: readonly SourceBlock[]; places: Places } {
  const places = new Map<number, Found>();
  const blocks = new Map<number, SourceBlock>();
  for (const { code, inline } of region.blocks) {
    const { va, records, tail } = code;
    if (!places.has(va)) places.set(va, { page: code.page, rec: records[0]!, tail });
    const known = blocks.get(va);
    const length = extentOf(code);
    const isNew = !known || known.code.length < length;
    const bytes = isNew ? readCode(u8, places.get(va)!, va, length) : known.code;
    if (isNew || !known.own) blocks.set(va, { va, code: bytes, own: known?.own || !inline });
  }
  return { blocks: [...blocks.values()], places };
}

/** What a region that was just generated is. @param page the name of the page that its root is in */
export function describe(
  region: Region,
  blocks: readonly SourceBlock[],
  generated: Generated,
  page: string,
  effort: number,
): Translation {
  const members: Translation[] = [];
  const translation: Translation = {
    root: region.entries[0]!.code.va,
    effort,
    instructions: region.instructions,
    size: region.size,
    blocks,
    entries: region.entries.map(({ code }) => code.va),
    page,
    bundle: bundleOf(members, generated),
    executed: 0,
  };
  members.push(translation);
  return translation;
}
