import { MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '@vitrine/uapi/mount.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { type Dentry, is_subdir } from './dcache.ts';
import type { Mount } from './mount.ts';

/** Mount propagation (analogous to fs/pnode.c; mount_namespaces(7), "Shared subtrees"). */

/** Mounts that share what is mounted below them, and those that receive it from them. */
export class PeerGroup {
  readonly id: number;
  readonly members: Set<Mount> = new Set();
  readonly slaves: Set<Mount> = new Set();
  constructor(id: number) {
    this.id = id;
  }
  static {
    serializable('PeerGroup', this);
  }
}

declare module './vfs.ts' {
  interface Vfs {
    peerGroups?: Map<number, PeerGroup>;
  }
}

function groups(kernel: Kernel): Map<number, PeerGroup> {
  return (kernel.vfs.peerGroups ??= new Map());
}

function peerGroup(mnt: Mount, id: number): PeerGroup {
  const all = groups(mnt.sb.kernel);
  let group = all.get(id);
  if (group === undefined) all.set(id, (group = new PeerGroup(id)));
  return group;
}

/** The lowest number that no peer group has (mnt_alloc_group_id). */
function new_group_id(kernel: Kernel): number {
  const all = groups(kernel);
  let id = 1;
  while (all.has(id)) id++;
  return id;
}

/** Makes a mount a member of a peer group, 0 for none. The last one that leaves hands the group's slaves on. */
export function set_peer_group(mnt: Mount, id: number): void {
  if (mnt.group === id) return;
  if (mnt.group !== 0) {
    const old = peerGroup(mnt, mnt.group);
    old.members.delete(mnt);
    if (old.members.size === 0) {
      for (const slave of [...old.slaves]) set_master(slave, mnt.master);
      groups(mnt.sb.kernel).delete(old.id);
    }
  }
  mnt.group = id;
  if (id !== 0) peerGroup(mnt, id).members.add(mnt);
}

/** Makes a mount receive what is mounted in a peer group, 0 for none. */
export function set_master(mnt: Mount, id: number): void {
  if (mnt.master !== 0) groups(mnt.sb.kernel).get(mnt.master)?.slaves.delete(mnt);
  mnt.master = id;
  if (id !== 0) peerGroup(mnt, id).slaves.add(mnt);
}

/** Another peer than the mount itself is in its group. */
const has_peers = (mnt: Mount): boolean =>
  mnt.group !== 0 && peerGroup(mnt, mnt.group).members.size > 1;

/** change_mnt_propagation: one of MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE. */
export function change_mnt_propagation(mnt: Mount, type: number): void {
  if (type === MS_SHARED) {
    if (mnt.group === 0) set_peer_group(mnt, new_group_id(mnt.sb.kernel));
    mnt.unbindable = false;
    return;
  }
  // A slave of nobody is private: a group of one has no master to give.
  const master = has_peers(mnt) ? mnt.group : mnt.master;
  const had = mnt.group !== 0;
  set_peer_group(mnt, 0);
  if (type === MS_SLAVE) {
    if (had || master !== 0) set_master(mnt, master);
  } else {
    set_master(mnt, 0);
    mnt.unbindable = type === MS_UNBINDABLE;
  }
}

/** A mount is gone from its namespace: it takes part no more. */
export function leave_propagation(mnt: Mount): void {
  if (mnt.group !== 0 || mnt.master !== 0) change_mnt_propagation(mnt, MS_PRIVATE);
}

/** A copy takes part where its original does. */
export function copy_propagation(copy: Mount, from: Mount): void {
  set_peer_group(copy, from.group);
  set_master(copy, from.master);
}

/** Every mount of a tree, the root first, each before what is mounted on it (next_mnt). Trees may be very deep. */
export function* tree_mounts(root: Mount): Generator<Mount> {
  const todo = [root];
  for (let mnt = todo.pop(); mnt !== undefined; mnt = todo.pop()) {
    yield mnt;
    for (const child of [...mnt.children.values()].toReversed()) todo.push(child);
  }
}

/** What is mounted below a shared mount is shared itself (invent_group_ids, set_mnt_shared). */
export function make_tree_shared(root: Mount): void {
  for (const mnt of tree_mounts(root)) change_mnt_propagation(mnt, MS_SHARED);
}

/** Copies a tree of mounts (fs/namespace.ts gives its own copy_tree). */
export type CopyTree = (source: Mount) => Mount;
/** Attaches a copy at the dentry, seen through that mount. */
export type AttachCopy = (copy: Mount, to: Mount, at: Dentry) => void;

/** Does the mount show that dentry, and is it in a namespace? */
export const shows = (mnt: Mount, at: Dentry): boolean =>
  mnt.ns !== null && is_subdir(at, mnt.root);

/**
 * Makes a tree that is about to be mounted at `at` of `dest` shared, and copies it to every mount that receives from `dest` (propagate_mnt).
 * Peers get copies that are peers of the source, slaves get slaves of it.
 */
export function propagate_mnt(
  dest: Mount,
  at: Dentry,
  source: Mount,
  copy: CopyTree,
  attach: AttachCopy,
): void {
  // Attached when all are made: what is mounted on a peer that is copied itself must not be copied with it.
  const made: [copy: Mount, to: Mount][] = [];
  const add = (copy: Mount, to: Mount): number => made.push([copy, to]);
  // Until it is mounted, what was private in the tree does not pass on what it gets itself.
  const fresh = new Set([...tree_mounts(source)].filter((mnt) => mnt.group === 0));
  make_tree_shared(source);
  const group = peerGroup(dest, dest.group);
  const todo: [PeerGroup, Mount][] = [[group, source]];
  for (const peer of [...group.members]) {
    if (peer !== dest && shows(peer, at)) add(copy(source), peer);
  }
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [from, original] = next;
    const done = new Set<number>();
    for (const slave of [...from.slaves]) {
      if (slave.group === 0 || fresh.has(slave)) {
        if (shows(slave, at)) add(enslave(copy(original)), slave);
        continue;
      }
      if (done.has(slave.group)) continue;
      done.add(slave.group);
      // A group that receives and passes on: its copies are slaves of the original and peers of each other.
      let first: Mount | null = null;
      const members = peerGroup(slave, slave.group);
      for (const member of [...members.members]) {
        if (!shows(member, at)) continue;
        if (first === null) {
          first = enslave(copy(original));
          make_tree_shared(first);
          add(first, member);
        } else add(copy(first), member);
      }
      todo.push([members, first ?? original]);
    }
  }
  for (const [tree, to] of made) attach(tree, to, at);
}

/** Turns the copies of a shared tree into its slaves. */
function enslave(root: Mount): Mount {
  for (const mnt of tree_mounts(root)) {
    const { group } = mnt;
    set_peer_group(mnt, 0);
    set_master(mnt, group);
  }
  return root;
}

/** Every mount that receives from one, the group's other members and all slaves below (propagation_next). */
export function* propagation_targets(mnt: Mount): Generator<Mount> {
  if (mnt.group === 0) return;
  const seen = new Set<number>([mnt.group]);
  const todo = [mnt.group];
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    const group = peerGroup(mnt, id);
    for (const member of [...group.members]) if (member !== mnt) yield member;
    for (const slave of [...group.slaves]) {
      if (slave.group === 0) yield slave;
      else if (!seen.has(slave.group)) {
        seen.add(slave.group);
        todo.push(slave.group);
      }
    }
  }
}

/** The mount that alone is on another, and covers it (find_topper). */
function find_topper(mnt: Mount): Mount | null {
  return mnt.children.size === 1 ? (mnt.children.get(mnt.root) ?? null) : null;
}

/** What keeps a mount from going, or null: open files in it or in one that would go along (propagate_mount_busy). */
export function propagate_mount_busy(mnt: Mount): Mount | null {
  if (mnt.children.size > 0 || mnt.count > 0) return mnt;
  for (const target of propagation_targets(mnt.parent!)) {
    const child = target.children.get(mnt.mountpoint!);
    if (child === undefined) continue;
    const stays = child.children.size > 0 && find_topper(child) === null;
    if (!stays && child.count > 0) return child;
  }
  return null;
}

/**
 * The mounts elsewhere that an umount of these takes along: what is mounted at the same place of every mount that
 * receives from theirs, unless something else is mounted in it (propagate_umount).
 */
export function propagate_umount(tree: readonly Mount[]): Mount[] {
  const going = new Set(tree);
  const more: Mount[] = [];
  const kept = new Set<Mount>();
  // Mounts at one place of a group's members all have the same counterparts.
  const seen = new Map<Dentry, Set<number>>();
  for (const mnt of tree.toReversed()) {
    if (mnt.parent === null || mnt.parent.group === 0) continue;
    let groups = seen.get(mnt.mountpoint!);
    if (groups === undefined) seen.set(mnt.mountpoint!, (groups = new Set()));
    if (groups.has(mnt.parent.group)) continue;
    groups.add(mnt.parent.group);
    for (const target of propagation_targets(mnt.parent)) {
      let child = target.children.get(mnt.mountpoint!) ?? null;
      // What had to stay because of this one may go with it.
      while (child !== null && !going.has(child)) {
        const { root } = child;
        if ([...child.children].some(([at, each]) => at !== root && !going.has(each))) {
          kept.add(child);
          break;
        }
        going.add(child);
        more.push(child);
        child = child.parent !== null && kept.has(child.parent) ? child.parent : null;
      }
    }
  }
  return more;
}

/** The nearest group above a slave's that has a member in the caller's tree (get_dominating_id). */
export function dominating_id(mnt: Mount, visible: ReadonlySet<Mount>): number {
  const all = groups(mnt.sb.kernel);
  let id = mnt.master;
  for (let depth = 0; id !== 0 && depth < 1024; depth++) {
    const group = all.get(id);
    if (group === undefined) return 0;
    const [any] = group.members;
    for (const member of group.members) if (visible.has(member)) return id;
    id = any?.master ?? 0;
  }
  return 0;
}
