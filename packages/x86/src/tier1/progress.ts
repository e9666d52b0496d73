import type { Builder } from '../ir/builder.ts';
import type { Helper, Node, Region as Nodes } from '../ir/node.ts';

const STORES: ReadonlySet<string> = new Set(['memory.copy', 'memory.fill']);

const stores = ({ op }: Node): boolean => op.includes('.store') || STORES.has(op);

const calls = ({ op, imm }: Node): boolean =>
  op === 'call_import' || (op === 'call' && !(imm as Helper).pure);

/**
 * What a block has done so far. Registers are written to memory at its end, so tier 0 may execute it from its start: unless it has
 * written what was read before, which would be read again.
 */
export class Progress {
  #isRepeatable: boolean;
  #hasLoaded = false;
  /** Nodes that have been looked at. */
  #seen = 0;
  /** What accesses of memory were translated to: all else that is stored to is the processor's own state. */
  readonly #physical = new Set<Node>();

  /** @param isRepeatable whether registers are in memory at the block's start */
  constructor(isRepeatable: boolean) {
    this.#isRepeatable = isRepeatable;
  }

  /** Whether the block may be executed again when what has been built of it is done. */
  mayRepeat({ root }: Builder): boolean {
    return this.#isRepeatable && !this.#harms(root.nodes.slice(this.#seen));
  }

  /** The instruction accesses memory. */
  accesses(physical: Node): void {
    // Loads and stores take constants out of their addresses.
    this.#physical.add(physical.op === 'i32.add' ? physical.args[0]! : physical);
  }

  /** An instruction has ended. */
  finish(builder: Builder): void {
    this.#isRepeatable = this.mayRepeat(builder);
    this.#seen = builder.root.nodes.length;
  }

  #harms(nodes: readonly Node[]): boolean {
    return nodes.some((node) => {
      const isMemory = node.args.length > 0 && this.#physical.has(node.args[0]!);
      if (stores(node)) return this.#hasLoaded || !isMemory;
      this.#hasLoaded ||= isMemory && node.op.includes('.load');
      return calls(node) || node.bodies.some((body) => !leaves(body) && this.#harms(body.nodes));
    });
  }
}

/** Whether nothing comes behind. */
const leaves = ({ nodes }: Nodes): boolean => nodes.at(-1)?.op === 'exit';
