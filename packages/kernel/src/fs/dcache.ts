import { serializable } from '../include/serial.ts';
import type { Inode } from './inode.ts';
import type { Mount } from './mount.ts';
import type { SuperBlock } from './super.ts';

/**
 * Analogous to `struct dentry`: one name in a directory. Names are byte strings (one char per byte). Where a file
 * system lives in memory alone (tmpfs), its dentries are the directories; names that are not there are not cached.
 */
export class Dentry {
  name: string;
  /** The root of a file system and a file without a name are their own parents. */
  parent: Dentry;
  inode: Inode;
  readonly sb: SuperBlock;
  children: Map<string, Dentry> | null = null;
  /** Children, newest first: the order of getdents on tmpfs. */
  first: Dentry | null = null;
  next: Dentry | null = null;
  prev: Dentry | null = null;
  /** Grows with each name entered in the parent: the directory position after which reading goes on. */
  offset = 0;
  lastOffset = 2;
  /** Mounts on this dentry, in all namespaces. */
  mounted = 0;
  /** Removed from its directory (d_unhashed). */
  unhashed = false;

  constructor(name: string, parent: Dentry | null, inode: Inode, sb: SuperBlock) {
    this.name = name;
    this.parent = parent ?? this;
    this.inode = inode;
    this.sb = sb;
  }

  static {
    serializable('Dentry', this);
  }

  get isRoot(): boolean {
    return this.parent === this;
  }

  /** The path inside its file system, for reasons. */
  toString(): string {
    if (this.isRoot) return this === this.sb.root ? '/' : this.name;
    return pathInside(this);
  }
}

function pathInside(dentry: Dentry): string {
  let text = '';
  for (let d = dentry; !d.isRoot; d = d.parent) text = '/' + d.name + text;
  return text;
}

/** Analogous to `struct path`. Immutable. */
export class Path {
  readonly mnt: Mount;
  readonly dentry: Dentry;
  constructor(mnt: Mount, dentry: Dentry) {
    this.mnt = mnt;
    this.dentry = dentry;
  }

  static {
    serializable('Path', this);
  }

  equals(other: Path): boolean {
    return this.dentry === other.dentry && this.mnt === other.mnt;
  }

  toString(): string {
    return d_path(this, null);
  }
}

/** Enters a name in the cache and in the order of its directory. */
export function d_add(dir: Dentry, name: string, inode: Inode): Dentry {
  const dentry = new Dentry(name, dir, inode, dir.sb);
  d_link(dir, dentry);
  return dentry;
}

/** @param offset the position of a name whose place it takes */
function d_link(dir: Dentry, dentry: Dentry, offset = ++dir.lastOffset): void {
  (dir.children ??= new Map()).set(dentry.name, dentry);
  dentry.parent = dir;
  dentry.unhashed = false;
  dentry.offset = offset;
  dentry.prev = null;
  dentry.next = dir.first;
  if (dir.first !== null) dir.first.prev = dentry;
  dir.first = dentry;
}

/** Takes a name out of the cache; the next lookup asks the file system. */
export function d_forget(dentry: Dentry): void {
  const dir = dentry.parent;
  // A dynamic file's dentry is in no cache.
  if (dir.children?.get(dentry.name) !== dentry) return;
  dir.children.delete(dentry.name);
  if (dentry.prev === null) dir.first = dentry.next;
  else dentry.prev.next = dentry.next;
  if (dentry.next !== null) dentry.next.prev = dentry.prev;
  dentry.next = null;
  dentry.prev = null;
}

/** Takes the name away; open files keep the dentry, and its path then ends in " (deleted)". */
export function d_drop(dentry: Dentry): void {
  if (dentry.unhashed || dentry.isRoot) return;
  d_forget(dentry);
  dentry.unhashed = true;
}

/** Renames. A name that is there already must have been dropped; its position is the new one's. */
export function d_move(dentry: Dentry, dir: Dentry, name: string, dropped?: Dentry | null): void {
  d_forget(dentry);
  dentry.name = name;
  dentry.parent = dir;
  if (!dentry.inode.dynamic) d_link(dir, dentry, dropped?.offset);
}

/** A place for a mount must be found again, though its inode's dentries, or those of directories above it, are not kept. */
export function d_pin(dentry: Dentry): void {
  for (let at = dentry; !at.isRoot && !at.unhashed; at = at.parent) {
    if (at.parent.children?.has(at.name)) return;
    d_link(at.parent, at);
    at.inode.pinned(at);
  }
}

/** Nothing is mounted there any more. */
export function d_unpin(dentry: Dentry): void {
  for (let at = dentry; !at.isRoot && at.inode.dynamic; at = at.parent) {
    if (at.mounted > 0 || (at.children?.size ?? 0) > 0) return;
    d_forget(at);
  }
}

/** RENAME_EXCHANGE. */
export function d_exchange(a: Dentry, b: Dentry): void {
  const dir = a.parent;
  const name = a.name;
  const toDir = b.parent;
  const toName = b.name;
  const { offset } = a;
  d_forget(a);
  d_forget(b);
  b.name = name;
  const toOffset = b.offset;
  d_link(dir, b, offset);
  a.name = toName;
  d_link(toDir, a, toOffset);
}

/** Is `dentry` the same as, or below, `ancestor` (in one file system)? */
export function is_subdir(dentry: Dentry, ancestor: Dentry): boolean {
  for (let d = dentry; ; d = d.parent) {
    if (d === ancestor) return true;
    if (d.isRoot) return false;
  }
}

/**
 * The absolute path of a file as seen from `root` (null: from the top of its mount tree). A file that lost its name
 * gets " (deleted)" unless `plain` says otherwise, one that cannot be reached from the root gets "(unreachable)" when `reach` asks for it (getcwd).
 */
export function d_path(path: Path, root: Path | null, reach = false, plain = false): string {
  let dentry = path.dentry;
  let mnt = path.mnt;
  // What has no place has a name for itself; where a namespace's file is mounted, it has one.
  if (dentry.sb.pseudo && (dentry !== mnt.root || mnt.parent === null)) return dentry.name;
  const suffix = dentry.unhashed && !plain ? ' (deleted)' : '';
  let text = '';
  for (;;) {
    if (root !== null && dentry === root.dentry && mnt === root.mnt) break;
    if (dentry === mnt.root || dentry.isRoot) {
      const up = mnt.parent;
      if (dentry === mnt.root && up !== null) {
        dentry = mnt.mountpoint!;
        mnt = up;
        continue;
      }
      if (reach && root !== null) return '(unreachable)' + (text === '' ? '/' : text) + suffix;
      break;
    }
    text = '/' + dentry.name + text;
    dentry = dentry.parent;
  }
  return (text === '' ? '/' : text) + suffix;
}
