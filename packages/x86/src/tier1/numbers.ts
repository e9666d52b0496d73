import { either, type Known, NORMAL, type Range } from '../insn/exponents.ts';
import type { Node } from '../ir/node.ts';

export const FORMATS = ['f32', 'f64'] as const;

type Format = (typeof FORMATS)[number];

const BYTES: Readonly<Record<Format, number>> = { f32: 4, f64: 8 };

const ZERO: Known = { range: { lo: 0, hi: 0 }, proved: false };

/** What is known of the numbers that a block computes with, or of all lanes of its vectors. */
export class Numbers {
  readonly #known = { f32: new Map<Node, Known>(), f64: new Map<Node, Known>() };
  readonly #isTame: boolean;

  /** @param isTame otherwise nothing is known but that they are normal */
  constructor(isTame: boolean) {
    this.#isTame = isTame;
  }

  known(node: Node, f: Format): Known | undefined {
    return this.#known[f].get(node) ?? this.#follows(node, f);
  }

  know(node: Node, f: Format, range: Range, proved: boolean): void {
    this.#known[f].set(node, { range: this.#isTame ? range : NORMAL[f], proved });
  }

  inherit(node: Node, f: Format, known: Known | undefined): void {
    if (known) this.#known[f].set(node, known);
  }

  forget(): void {
    for (const f of FORMATS) this.#known[f].clear();
  }

  /** What follows from what is known of the parts that a value is made of. */
  #follows({ op, args, imm }: Node, f: Format): Known | undefined {
    const shape = `${f}x${16 / BYTES[f]}`;
    if (op === 'v128.const') return isZero(imm as readonly number[]) ? ZERO : undefined;
    if (op === `${shape}.extract_lane`) return this.known(args[0]!, f);
    if (op === `${shape}.replace_lane`) return this.#allOf(args, f);
    if (op !== 'i8x16.shuffle' || !movesWhole(imm as readonly number[], BYTES[f])) return undefined;
    const lanes = imm as readonly number[];
    const moved = args.filter((_, i) => lanes.some((lane) => lane >> 4 === i));
    return this.#allOf(moved, f);
  }

  #allOf(nodes: readonly Node[], f: Format): Known | undefined {
    const all = nodes.map((node) => this.known(node, f));
    return all.reduce((x, y) => x && y && either(x, y));
  }
}

const isZero = (bytes: readonly number[]): boolean => bytes.every((x) => x === 0);

/** Whether a shuffle of bytes moves elements of some size as a whole. */
const movesWhole = (lanes: readonly number[], size: number): boolean =>
  lanes.every((lane, i) => (i % size === 0 ? lane % size === 0 : lane === lanes[i - 1]! + 1));
