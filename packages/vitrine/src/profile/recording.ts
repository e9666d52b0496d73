/** What a profiler found: stacks with their time and instructions, as a flame graph's file and as a table. */

export const KINDS = ['guest', 'page walks', 'translation', 'compilation', 'kernel'] as const;
export type Kind = (typeof KINDS)[number];

interface Sample {
  readonly stack: number;
  nanoseconds: number;
  instructions: number;
}

/** More samples than this lose their order and are added up by stack. */
const MOST_SAMPLES = 200_000;
const TOP = 25;

/** A call stack: a frame called from another one. */
interface Node {
  readonly frame: number;
  readonly parent: number;
  readonly children: Map<number, number>;
}

/** A profile under way. */
export class Recording {
  /** Page walks by the processor (TLB misses). */
  pageWalks = 0;
  readonly #frames = new Map<string, number>();
  readonly #nodes: Node[] = [{ frame: -1, parent: -1, children: new Map() }];
  #samples: Sample[] = [];
  readonly #kinds = new Map<Kind, number>();
  readonly #self = new Map<string, Sample>();
  readonly #calls = new Map<string, { count: number; nanoseconds: number }>();
  #instructions = 0;

  /** @param stack names from the outermost to the innermost */
  add(kind: Kind, stack: readonly string[], nanoseconds: number, instructions: number): void {
    if (nanoseconds <= 0 && instructions <= 0) return;
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + nanoseconds);
    this.#instructions += instructions;
    const leaf = stack.at(-1)!;
    if (kind === 'kernel') this.#call(leaf).nanoseconds += nanoseconds;
    else if (kind === 'guest') {
      let self = this.#self.get(leaf);
      if (!self) this.#self.set(leaf, (self = { stack: 0, nanoseconds: 0, instructions: 0 }));
      self.nanoseconds += nanoseconds;
      self.instructions += instructions;
    }
    const id = this.#stack(stack);
    const last = this.#samples.at(-1);
    if (last?.stack === id) {
      last.nanoseconds += nanoseconds;
      last.instructions += instructions;
    } else this.#samples.push({ stack: id, nanoseconds, instructions });
    if (this.#samples.length > MOST_SAMPLES) this.#merge();
  }

  /** One more call of that name. */
  count(call: string): void {
    this.#call(call).count++;
  }

  #call(name: string): { count: number; nanoseconds: number } {
    let call = this.#calls.get(name);
    if (!call) this.#calls.set(name, (call = { count: 0, nanoseconds: 0 }));
    return call;
  }

  #frame(name: string): number {
    let frame = this.#frames.get(name);
    if (frame === undefined) this.#frames.set(name, (frame = this.#frames.size));
    return frame;
  }

  #stack(names: readonly string[]): number {
    let at = 0;
    for (const name of names) {
      const frame = this.#frame(name);
      let next = this.#nodes[at]!.children.get(frame);
      if (next === undefined) {
        next = this.#nodes.length;
        this.#nodes.push({ frame, parent: at, children: new Map() });
        this.#nodes[at]!.children.set(frame, next);
      }
      at = next;
    }
    return at;
  }

  #merge(): void {
    const merged = new Map<number, Sample>();
    for (const sample of this.#samples) {
      const known = merged.get(sample.stack);
      if (!known) merged.set(sample.stack, sample);
      else {
        known.nanoseconds += sample.nanoseconds;
        known.instructions += sample.instructions;
      }
    }
    this.#samples = [...merged.values()];
  }

  #framesOf(stack: number): number[] {
    const frames: number[] = [];
    for (let at = stack; at > 0; at = this.#nodes[at]!.parent) frames.push(this.#nodes[at]!.frame);
    return frames.reverse();
  }

  /** The file that speedscope (https://www.speedscope.app) opens: the same samples weighed by time and by instructions. */
  toSpeedscope(name: string): object {
    const profile = (title: string, unit: string, weigh: (s: Sample) => number): object => {
      // What stood between two samples of one stack may weigh nothing here.
      const samples: number[] = [];
      const sums: number[] = [];
      for (const sample of this.#samples) {
        const weight = weigh(sample);
        if (weight <= 0) continue;
        if (samples.at(-1) === sample.stack) sums[sums.length - 1]! += weight;
        else {
          samples.push(sample.stack);
          sums.push(weight);
        }
      }
      const weights = sums.map(Math.round);
      const endValue = weights.reduce((sum, weight) => sum + weight, 0);
      return { type: 'sampled', name: title, unit, startValue: 0, endValue, samples: samples.map((stack) => this.#framesOf(stack)), weights }; // prettier-ignore
    };
    return {
      $schema: 'https://www.speedscope.app/file-format-schema.json',
      exporter: 'vitrine',
      name,
      activeProfileIndex: 0,
      shared: { frames: [...this.#frames.keys()].map((frame) => ({ name: frame })) },
      profiles: [
        profile(`${name}: time`, 'nanoseconds', (s) => s.nanoseconds),
        profile(`${name}: instructions`, 'none', (s) => s.instructions),
      ],
    };
  }

  /** Tables for people: by kind, by guest function, by system call. */
  summary(): string {
    const total = [...this.#kinds.values()].reduce((sum, ns) => sum + ns, 0) || 1;
    const ms = (ns: number): string => (ns / 1e6).toFixed(1).padStart(10);
    const share = (ns: number): string => `${((100 * ns) / total).toFixed(1)}%`.padStart(7);
    const lines = [`${ms(total)} ms in all, ${(this.#instructions / 1e6).toFixed(1)} million guest instructions, ${this.pageWalks} page walks`]; // prettier-ignore
    for (const kind of KINDS) {
      const ns = this.#kinds.get(kind) ?? 0;
      lines.push(`${ms(ns)} ms ${share(ns)}  ${kind === 'page walks' ? 'page walks (estimated)' : kind}`); // prettier-ignore
    }
    lines.push('', '   self ms   share   Minstr  guest function');
    const functions = [...this.#self].toSorted(([, a], [, b]) => b.nanoseconds - a.nanoseconds);
    for (const [name, { nanoseconds, instructions }] of functions.slice(0, TOP))
      lines.push(`${ms(nanoseconds)} ${share(nanoseconds)} ${(instructions / 1e6).toFixed(1).padStart(8)}  ${name}`); // prettier-ignore
    lines.push('', ' kernel ms   share    calls  for');
    const calls = [...this.#calls].toSorted(([, a], [, b]) => b.nanoseconds - a.nanoseconds);
    for (const [name, { count, nanoseconds }] of calls.slice(0, TOP))
      lines.push(`${ms(nanoseconds)} ${share(nanoseconds)} ${String(count || '').padStart(8)}  ${name}`); // prettier-ignore
    return `${lines.join('\n')}\n`;
  }
}
