/** Translations of one page as bytes: a header in JSON, then the code, the modules and what engines made of them, in its order. */
import type { SourceBlock, Translation } from './translation.ts';

const HEADER = 4;
const MOST_BLOCKS = 4096;
const MOST_CODE = 1024;
const MOST_GLOBALS = 3 * MOST_BLOCKS;
const GLOBAL = /^[\w.]{1,32}$/;

/** `[address, bytes of code, 1 if it stands for itself]` */
type StoredBlock = readonly [va: number, length: number, own: number];

interface StoredTranslation {
  readonly root: number;
  readonly effort: number;
  readonly instructions: number;
  readonly size: number;
  readonly executed: number;
  readonly entries: readonly number[];
  readonly globals: readonly string[];
  readonly blocks: readonly StoredBlock[];
  readonly length: number;
  /** Bytes of machine code; 0: there is none. */
  readonly native: number;
}

export function encodeTranslations(translations: readonly Translation[]): Uint8Array {
  const head = translations.map(
    ({ root, effort, instructions, size, executed, entries, globals, blocks, bytes, native }): StoredTranslation => ({
      root,
      effort,
      instructions,
      size,
      executed,
      entries,
      globals,
      blocks: blocks.map(({ va, code, own }) => [va, code.length, own ? 1 : 0]),
      length: bytes.length,
      native: native?.length ?? 0,
    }),
  ); // prettier-ignore
  const text = JSON.stringify(head);
  const pieces = translations.flatMap(({ blocks, bytes, native }) => [...blocks.map(({ code }) => code), bytes, ...(native ? [native] : [])]); // prettier-ignore
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

/** Reads what may be anything. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new RangeError('translations are truncated');
    return this.#bytes.slice(this.#at, (this.#at += length));
  }

  text(length: number): string {
    let text = '';
    for (const byte of this.take(length)) text += String.fromCharCode(byte);
    return text;
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

function checkHead(head: unknown): asserts head is StoredTranslation {
  check(typeof head === 'object' && head !== null, 'no object');
  const { root, effort, instructions, size, executed, entries, globals, blocks, length, native } = head as Record<string, unknown>; // prettier-ignore
  check(isCount(effort, 16) && isCount(instructions, 2 ** 20) && isCount(size, 2 ** 20), 'counts');
  check(
    isCount(executed, Number.MAX_SAFE_INTEGER) &&
      isCount(length, 2 ** 26) &&
      isCount(native, 2 ** 26),
    'counts',
  );
  checkBlocks(blocks);
  const known = new Set(blocks.map(([va]) => va));
  check(known.size === blocks.length, 'the same block twice');
  check(Array.isArray(entries) && entries.length > 0 && entries[0] === root, 'root');
  check(
    (entries as unknown[]).every((va) => known.has(va as number)),
    'entries',
  );
  check(Array.isArray(globals) && globals.length <= MOST_GLOBALS, 'globals');
  check((globals as unknown[]).every((name) => typeof name === 'string' && GLOBAL.test(name)), 'globals'); // prettier-ignore
}

/** @throws RangeError or SyntaxError when they are not what {@link encodeTranslations} gives */
export function decodeTranslations(bytes: Uint8Array, page: string): Translation[] {
  const reader = new Reader(bytes);
  const [a, b, c, d] = reader.take(HEADER);
  const heads: unknown = JSON.parse(reader.text((a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0));
  check(Array.isArray(heads), 'no list');
  const translations = (heads as unknown[]).map((head): Translation => {
    checkHead(head);
    const { root, effort, instructions, size, executed, entries, globals, length } = head;
    const blocks = head.blocks.map(([va, count, own]): SourceBlock => ({ va, code: reader.take(count), own: own === 1 })); // prettier-ignore
    const module = undefined;
    const wasm = reader.take(length);
    const native = head.native > 0 ? reader.take(head.native) : undefined;
    return { root, effort, instructions, size, executed, entries, globals, blocks, bytes: wasm, page, module, used: undefined, native }; // prettier-ignore
  });
  reader.end();
  return translations;
}
