/**
 * Numbers of several times round a loop that are computed alike, as lanes of vectors: beginning with what is read side by side, then
 * what is computed of that in the same way, and what is written side by side.
 */
import { type Float, LANES } from '../insn/sse-float.ts';
import type { Node, Var } from '../ir/node.ts';
import type { Access } from './straight.ts';

/** Values that are the lanes of a vector. */
export interface Pack {
  readonly format: Float;
  /** The first of them says what the vector is. */
  readonly lanes: readonly Node[];
}

/** A lane of a pack. */
export interface Lane {
  readonly pack: Pack;
  readonly number: number;
}

/** What vectors have as well. */
const OPERATION = /^(f32|f64)\.(add|sub|mul|div|sqrt|abs|neg)$/;

export class Packs {
  readonly #lanes = new Map<Node, Lane>();

  /**
   * @param nodes those of a block, of whose values variables say what they are
   * @param numbers those that are read
   * @param resolve what a value is in terms of those at the block's start
   */
  constructor(
    nodes: readonly Node[],
    numbers: Iterable<Access>,
    resolve: (node: Node) => Node | Var,
  ) {
    for (const some of sideBySide(numbers)) this.#add(some.map(({ node }) => node));
    const operations = nodes.filter(({ op }) => OPERATION.test(op));
    while (this.#packAlike(operations, resolve));
  }

  laneOf(node: Node): Lane | undefined {
    return this.#lanes.get(node);
  }

  /** Whether values are the lanes of a pack, in their order. */
  isPack(values: readonly (Node | Var)[]): boolean {
    const lanes = values.map((value) => this.#lanes.get(value as Node));
    const pack = lanes[0]?.pack;
    return pack !== undefined && lanes.every((lane, i) => lane?.pack === pack && lane.number === i);
  }

  #add(lanes: readonly Node[]): void {
    const pack: Pack = { format: lanes[0]!.type as Float, lanes };
    lanes.forEach((node, number) => this.#lanes.set(node, { pack, number }));
  }

  /** Packs what is computed of packs, and of the same other values, in the same way. Returns whether there was any. */
  #packAlike(operations: readonly Node[], resolve: (node: Node) => Node | Var): boolean {
    const names = new Map<object, number>();
    const nameOf = (what: object): number => {
      if (!names.has(what)) names.set(what, names.size);
      return names.get(what)!;
    };
    const alike = new Map<string, Node[]>();
    let found = false;
    for (const node of operations) {
      if (this.#lanes.has(node)) continue;
      const args = node.args.map(resolve);
      const lanes = args.map((arg) => this.#lanes.get(arg as Node));
      const number = lanes.find((lane) => lane)?.number;
      if (number === undefined || lanes.some((lane) => lane && lane.number !== number)) continue;
      const key = [node.op, ...args.map((arg, i) => nameOf(lanes[i]?.pack ?? arg))].join();
      const some = alike.get(key) ?? [];
      alike.set(key, some);
      // Where there are several with the same operands, one is a lane; the others are computed by themselves.
      some[number] ??= node;
      const count = LANES[node.type as Float];
      if (Array.from({ length: count }, (_, i) => some[i]).some((lane) => !lane)) continue;
      this.#add(some);
      alike.delete(key);
      found = true;
    }
    return found;
  }
}

/** Accesses of numbers that are side by side, as many as a vector has lanes. */
export function sideBySide(accesses: Iterable<Access>): Access[][] {
  const found: Access[][] = [];
  const byName = new Map<object, Map<string, Access>>();
  const nameOf = (format: Float, at: bigint): string => `${format} ${at}`;
  for (const access of accesses) {
    const near = byName.get(access.from) ?? new Map<string, Access>();
    byName.set(access.from, near);
    const name = nameOf(floatOf(access), access.at);
    if (!near.has(name)) near.set(name, access);
  }
  for (const near of byName.values()) {
    const left = new Set([...near.values()].toSorted((x, y) => (x.at < y.at ? -1 : 1)));
    for (const first of left) {
      const format = floatOf(first);
      const some = Array.from({ length: LANES[format] }, (_, i) =>
        near.get(nameOf(format, first.at + BigInt(i * first.size))),
      );
      if (!some.every((one) => one !== undefined && left.has(one))) continue;
      for (const one of some) left.delete(one!);
      found.push(some as Access[]);
    }
  }
  return found;
}

/** Of what is read, or written. */
const floatOf = ({ node: { op } }: Access): Float => (op.startsWith('f32') ? 'f32' : 'f64');
