/** Translations of one page as bytes: a header in JSON, then the code, the modules and what engines made of them, in its order. */
import { STRAYS } from './region.ts';
import { type Bundle, bundleOf, type SourceBlock, type Translation } from './translation.ts';

const HEADER = 4;
const MOST_BLOCKS = 4096;
const MOST_CODE = 1024;
const MOST_MEMBERS = 256;
const MOST_GLOBALS = 3 * MOST_BLOCKS;
const MOST_ELSEWHERE = 4096;
const GLOBAL = /^[\w.]{1,32}$/;
const PAGE = /^[\w-]{1,64}$/;

/** `[address, bytes of code, 1 if it stands for itself]` */
type StoredBlock = readonly [va: number, length: number, own: number];

interface StoredTranslation {
  readonly page: string;
  readonly root: number;
  readonly effort: number;
  readonly instructions: number;
  readonly size: number;
  readonly executed: number;
  readonly entries: readonly number[];
  readonly blocks: readonly StoredBlock[];
}

interface StoredBundle {
  readonly members: readonly StoredTranslation[];
  readonly globals: readonly string[];
  readonly length: number;
  /** Bytes of machine code; 0: there is none. */
  readonly native: number;
}

interface Head {
  readonly bundles: readonly StoredBundle[];
  readonly elsewhere: readonly string[];
}

/** What the storage has under a page's name. */
export interface StoredPage {
  readonly bundles: readonly Bundle[];
  /** Pages whose files have modules with more translations of this one. */
  readonly elsewhere: readonly string[];
}

const storedTranslation = ({ page, root, effort, instructions, size, executed, entries, blocks }: Translation): StoredTranslation => ({
  page,
  root,
  effort,
  instructions,
  size,
  executed,
  entries,
  blocks: blocks.map(({ va, code, own }) => [va, code.length, own ? 1 : 0]),
}); // prettier-ignore

const piecesOf = ({ members, bytes, native }: Bundle): Uint8Array[] => [
  ...members.flatMap(({ blocks }) => blocks.map(({ code }) => code)),
  bytes,
  ...(native ? [native] : []),
];

export function encodeBundles({ bundles, elsewhere }: StoredPage): Uint8Array {
  const head: Head = {
    bundles: bundles.map(({ members, globals, bytes, native }) => ({
      members: members.map(storedTranslation),
      globals,
      length: bytes.length,
      native: native?.length ?? 0,
    })),
    elsewhere,
  };
  const text = JSON.stringify(head);
  const pieces = bundles.flatMap(piecesOf);
  const total = pieces.reduce((sum, { length }) => sum + length, HEADER + text.length);
  const out = new Uint8Array(total);
  new DataView(out.buffer).setUint32(0, text.length, true);
  // Nothing in it is beyond ASCII.
  for (let i = 0; i < text.length; i++) out[HEADER + i] = text.charCodeAt(i);
  let at = HEADER + text.length;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Every host has it; this package compiles without any host's types. */
const decoder = new (globalThis as unknown as { TextDecoder: new (label: string) => { decode(bytes: Uint8Array): string } }).TextDecoder('latin1'); // prettier-ignore

/** Reads what may be anything. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    return this.view(length).slice();
  }

  /** The same without a copy: it keeps all else that was read. */
  view(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new RangeError('translations are truncated');
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  text(length: number): string {
    return decoder.decode(this.view(length));
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('there is more than translations');
  }
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new RangeError(`stored translations: ${what}`);
}

const isCount = (value: unknown, most: number): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;

const isAddress = (value: unknown): boolean => isCount(value, 2 ** 47 - 1);

function checkBlocks(blocks: unknown): asserts blocks is StoredBlock[] {
  check(Array.isArray(blocks) && blocks.length > 0 && blocks.length <= MOST_BLOCKS, 'blocks');
  for (const block of blocks as unknown[]) {
    check(Array.isArray(block) && block.length === 3, 'block');
    const [va, length, own] = block as unknown[];
    check(isAddress(va) && isCount(length, MOST_CODE) && length !== 0 && isCount(own, 1), 'block');
  }
}

function checkTranslation(stored: unknown): asserts stored is StoredTranslation {
  check(typeof stored === 'object' && stored !== null, 'no object');
  const { page, root, effort, instructions, size, executed, entries, blocks } = stored as Record<string, unknown>; // prettier-ignore
  check(typeof page === 'string' && PAGE.test(page), 'page');
  check(
    isCount(effort, 2 * STRAYS) && isCount(instructions, 2 ** 20) && isCount(size, 2 ** 20),
    'counts',
  );
  check(isCount(executed, Number.MAX_SAFE_INTEGER), 'counts');
  checkBlocks(blocks);
  const known = new Set(blocks.map(([va]) => va));
  check(known.size === blocks.length, 'the same block twice');
  check(Array.isArray(entries) && entries.length > 0 && entries[0] === root, 'root');
  check(
    (entries as unknown[]).every((va) => known.has(va as number)),
    'entries',
  );
}

function checkBundle(stored: unknown): asserts stored is StoredBundle {
  check(typeof stored === 'object' && stored !== null, 'no object');
  const { members, globals, length, native } = stored as Record<string, unknown>;
  check(isCount(length, 2 ** 26) && isCount(native, 2 ** 26), 'counts');
  check(Array.isArray(members) && members.length > 0 && members.length <= MOST_MEMBERS, 'members');
  for (const member of members as unknown[]) checkTranslation(member);
  const most = MOST_GLOBALS * (members as unknown[]).length;
  check(Array.isArray(globals) && globals.length <= most, 'globals');
  check((globals as unknown[]).every((name) => typeof name === 'string' && GLOBAL.test(name)), 'globals'); // prettier-ignore
}

function checkHead(head: unknown): asserts head is Head {
  check(typeof head === 'object' && head !== null, 'no object');
  const { bundles, elsewhere } = head as Record<string, unknown>;
  check(Array.isArray(bundles), 'no list');
  for (const bundle of bundles as unknown[]) checkBundle(bundle);
  check(Array.isArray(elsewhere) && elsewhere.length <= MOST_ELSEWHERE, 'pages');
  check((elsewhere as unknown[]).every((page) => typeof page === 'string' && PAGE.test(page)), 'pages'); // prettier-ignore
}

/** @throws RangeError or SyntaxError when they are not what {@link encodeBundles} gives */
export function decodeBundles(bytes: Uint8Array): StoredPage {
  const reader = new Reader(bytes);
  const [a, b, c, d] = reader.take(HEADER);
  const head: unknown = JSON.parse(reader.text((a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0));
  checkHead(head);
  const bundles = head.bundles.map((stored) => readBundle(reader, stored));
  reader.end();
  return { bundles, elsewhere: head.elsewhere };
}

function readBundle(reader: Reader, { members, globals, length, native }: StoredBundle): Bundle {
  const read = members.map(({ blocks, ...member }) => ({
    ...member,
    blocks: blocks.map(([va, count, own]): SourceBlock => ({ va, code: reader.take(count), own: own === 1 })), // prettier-ignore
  }));
  const generated = { bytes: reader.take(length), globals };
  const translations: Translation[] = [];
  const bundle = bundleOf(translations, generated, native > 0 ? reader.view(native) : undefined);
  translations.push(...read.map((member) => ({ ...member, bundle })));
  return bundle;
}
