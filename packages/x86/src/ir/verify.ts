import { instructions } from '@vitrine/wasm/instructions.ts';
import type { Node, Region } from './node.ts';

/**
 * Checks that a function's nodes are well-formed: operands have the types that their instruction takes, and come before
 * their user, in its region or one around it. Throws an Error that names the node.
 */
export function verify(root: Region): void {
  check(root, new Set());
}

function check(region: Region, visible: Set<Node>): void {
  const here = new Set(visible);
  for (const node of region.nodes) {
    if (node.region !== region) throw new Error(`${node.op} stands in another region's list`);
    if (node.kind === 'const') throw new Error(`${node.op} is a constant, which has no place`);
    checkOperands(node, here);
    for (const body of node.bodies) check(body, here);
    here.add(node);
  }
}

function checkOperands(node: Node, visible: ReadonlySet<Node>): void {
  const params = instructions.get(node.op)?.params;
  node.args.forEach((arg, i) => {
    if (arg.kind !== 'const' && !visible.has(arg))
      throw new Error(`${node.op} uses ${arg.op} where that has not been evaluated`);
    if (arg.type === undefined) throw new Error(`${node.op} uses ${arg.op}, which has no value`);
    const wanted = params?.[i];
    if (wanted !== undefined && arg.type !== wanted)
      throw new Error(`${node.op} takes ${wanted}, and gets ${arg.type} from ${arg.op}`);
  });
}

/** The same after scheduling: what is evaluated within its user has one, in the same region. */
export function verifySchedule(root: Region): void {
  for (const node of root.nodes) {
    const { user } = node;
    if (!node.pinned && node.uses > 0 && (node.uses !== 1 || user?.region !== node.region))
      throw new Error(`${node.op} is evaluated within a user that it does not have alone`);
    for (const body of node.bodies) verifySchedule(body);
  }
}
