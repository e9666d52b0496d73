import type { ValType } from '@vitrine/wasm/instructions.ts';

/**
 * One operation of the intermediate representation. Its vocabulary is WebAssembly's own instructions plus a few
 * structured ones (`if`, `loop`, `var.get` …), so that back ends only decide where operands live.
 *
 * Nodes form lists (regions) in program order. A node is evaluated at its place if it has an effect, or if it is
 * pinned; otherwise it is evaluated where its only user is (see schedule.ts).
 */
export interface Node {
  readonly op: string;
  readonly type: ValType | undefined;
  readonly args: readonly Node[];
  /** Constant, offset, variable, lanes or callee, as the operation requires. */
  readonly imm: unknown;
  readonly region: Region;
  /** Position in program order over all regions. */
  readonly seq: number;
  readonly kind: Kind;
  /** Nested lists of `if` (then, else) and `loop` (body). */
  readonly bodies: readonly Region[];
  uses: number;
  user: Node | undefined;
  pinned: boolean;
  /** The WebAssembly local that holds a pinned node's value. */
  local: number;
  /** Where the node is evaluated, as a position among all nodes (schedule.ts). */
  at: number;
}

/** `pure` nodes can be evaluated anywhere; `read` ones only before the next effect. */
export type Kind = 'const' | 'pure' | 'read' | 'effect';

export interface Region {
  readonly nodes: Node[];
}

/** A mutable variable of the semantics (a WebAssembly local). */
export interface Var {
  readonly type: ValType;
  local: number;
  /** Has its local for the whole function. */
  readonly kept?: true;
  /** An address that constants are added to without overflow. */
  readonly isBase?: true;
}

/** A WebAssembly function shared by handlers, written with the same builder. */
export interface Helper {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly result: ValType | undefined;
  /** True when the result depends on the arguments alone. */
  readonly pure: boolean;
  readonly body: (b: import('./builder.ts').Builder, ...params: Node[]) => Node | void;
}
