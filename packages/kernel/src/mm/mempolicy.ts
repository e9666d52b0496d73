import { serializable } from '../include/serial.ts';

/** Analogous to `struct mempolicy`: on which nodes memory is wanted. Immutable, so that ranges may share one. */
export class MemPolicy {
  readonly mode: number;
  /** MPOL_F_… as they were given. */
  readonly flags: number;
  readonly nodes: bigint;
  static {
    serializable('MemPolicy', this);
  }

  constructor(mode: number, flags: number, nodes: bigint) {
    this.mode = mode;
    this.flags = flags;
    this.nodes = nodes;
  }

  equals(other: MemPolicy | null): boolean {
    return other !== null && this.mode === other.mode && this.flags === other.flags;
  }
}
