/** What several instructions look at of numbers, to be looked at at once. */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';

/** Gives what stands for a node where it is looked at. */
export interface Of {
  (node: Node): Node;
  /** The first of the numbers that are lanes of the vector in which this one is, if there is one. */
  firstOf?(node: Node): Node | undefined;
  /** That vector, by its first number; or one of which all lanes are a number. */
  vectorOf?(node: Node): Node;
}

/** Not 0 if some numbers are unusual. */
export type Look = (b: Builder, values: readonly Node[], of: Of) => Node;

/** Not 0 if an instruction cannot be executed as usual. */
export type Fails = (b: Builder, of: Of) => Node;

/** How numbers are looked at. */
export interface Looking {
  /** One look at all of them, which may find what is none. */
  readonly first: Look;
  /** A closer one. */
  readonly closer: Look;
  /** How vectors of such numbers are, which their first ones stand for. */
  readonly wide?: Looking;
}

/** Numbers, by how they are looked at. */
class Numbers {
  readonly #of: Of;
  /** Each once, by what stands for it. */
  readonly #all = new Map<Looking, Map<Node, Node>>();

  constructor(of: Of) {
    this.#of = of;
  }

  add(looking: Looking, value: Node): void {
    const some = this.#all.get(looking) ?? new Map<Node, Node>();
    this.#all.set(looking, some.set(this.#of(value), value));
  }

  looks(b: Builder, which: 'first' | 'closer'): Node[] {
    return [...this.#all].map(([looking, values]) =>
      looking[which](b, [...values.values()], this.#of),
    );
  }
}

interface Seen {
  readonly looking: Looking;
  readonly values: readonly Node[];
  readonly fails: Fails | undefined;
}

const any = (b: Builder, conditions: readonly Node[]): Node =>
  conditions.reduce((x, y) => b.or(x, y));

export class Gathered {
  readonly #seen: Seen[] = [];
  readonly #conditions: { readonly isUnusual: Node; readonly fails: Fails }[] = [];

  /** @param fails takes the place of the closer look */
  add(looking: Looking, values: readonly Node[], fails: Fails | undefined): void {
    this.#seen.push({ looking, values, fails });
  }

  addCondition(isUnusual: Node, fails: Fails): void {
    this.#conditions.push({ isUnusual, fails });
  }

  /** Leaves if any instruction cannot be executed as usual. */
  look(b: Builder, of: Of, leave: () => void): void {
    const numbers = new Numbers(of);
    const closely = new Numbers(of);
    // Where there are vectors, one look serves them and all other numbers.
    const isWide = ({ looking, values }: Seen): boolean =>
      looking.wide !== undefined && values.some((value) => of.firstOf?.(value));
    const wide = new Set(this.#seen.filter(isWide).map(({ looking }) => looking));
    for (const { looking, values, fails } of this.#seen)
      for (const value of values) {
        const how = wide.has(looking) ? looking.wide! : looking;
        const what = of.firstOf?.(value) ?? value;
        numbers.add(how, what);
        if (!fails) closely.add(how, what);
      }
    const isUnusual = [
      ...numbers.looks(b, 'first'),
      ...this.#conditions.map((condition) => of(condition.isUnusual)),
    ];
    if (isUnusual.length === 0) return;
    b.unlikely(any(b, isUnusual), () => {
      const fails = [...this.#seen, ...this.#conditions].flatMap((one) => one.fails ?? []);
      const failing = [...closely.looks(b, 'closer'), ...fails.map((one) => one(b, of))];
      b.unlikely(any(b, failing), leave);
    });
  }
}
