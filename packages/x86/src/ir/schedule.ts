import type { Node, Region } from './node.ts';

/**
 * Decides which nodes get a local. A node used once, in the region where it was made, is evaluated inside its user,
 * unless it reads state that an effect between the two may change.
 */
export function schedule(root: Region): void {
  // Program order: nodes of a nested region come right behind the one that has it.
  const nodes: Node[] = [];
  collect(root, nodes);
  countUses(nodes);
  const effectsBefore = prefixEffects(nodes);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    const { user } = node;
    node.pinned ||=
      node.kind === 'effect' ||
      node.uses !== 1 ||
      user === undefined ||
      user.region !== node.region;
    if (!node.pinned && node.kind === 'read') {
      if (effectsBefore[user!.at]! > effectsBefore[i + 1]!) node.pinned = true;
    }
    node.at = node.pinned ? i : user!.at;
  }
}

function collect(region: Region, into: Node[]): void {
  for (const node of region.nodes) {
    into.push(node);
    for (const body of node.bodies) collect(body, into);
  }
}

/** Counts uses from effects backwards, so that what nobody needs has none. */
function countUses(nodes: readonly Node[]): void {
  for (const node of nodes) node.uses = 0;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (node.kind !== 'effect' && node.uses === 0) continue;
    for (const arg of node.args) {
      arg.uses++;
      arg.user = node;
    }
  }
}

/** `out[i]`: number of effects among the first i nodes. */
function prefixEffects(nodes: readonly Node[]): Int32Array {
  const out = new Int32Array(nodes.length + 1);
  for (let i = 0; i < nodes.length; i++)
    out[i + 1] = out[i]! + (nodes[i]!.kind === 'effect' ? 1 : 0);
  return out;
}
