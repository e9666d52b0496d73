import * as E from '@vitrine/uapi/errno.ts';
import * as LL from '@vitrine/uapi/landlock.ts';
import type { Dentry, Path } from '../../fs/dcache.ts';
import { type Inode, S_ISDIR } from '../../fs/inode.ts';
import { LANDLOCK_MASK_ACCESS_FS, type Refer, is_device, make_access } from '../../fs/security.ts';
import type { LandlockDomain } from '../../include/cred.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import { type LandlockRules, type LandlockRuleset, is_nouser, rule_key } from './ruleset.ts';
import { PathWalk } from './walk.ts';

/** Accesses that make sense for a file that is no directory. */
export const ACCESS_FILE: number =
  LL.LANDLOCK_ACCESS_FS_EXECUTE |
  LL.LANDLOCK_ACCESS_FS_WRITE_FILE |
  LL.LANDLOCK_ACCESS_FS_READ_FILE |
  LL.LANDLOCK_ACCESS_FS_TRUNCATE |
  LL.LANDLOCK_ACCESS_FS_IOCTL_DEV;

const { LANDLOCK_ACCESS_FS_REFER: REFER } = LL;
/** Rulesets that can be stacked. */
export const LANDLOCK_MAX_NUM_LAYERS = 16;

const NAMES = Object.entries(LL).filter(([name]) => name.startsWith('LANDLOCK_ACCESS_FS_'));
const namesOf = (access: number): string => NAMES.filter(([, bit]) => access & bit).map(([name]) => name.slice(19)).join(', '); // prettier-ignore

/** Accesses that are still denied, by layer. */
type Masks = number[];

const union = (masks: Masks): number => masks.reduce((all, mask) => all | mask, 0);

/**
 * What a process has forbidden itself and its descendants (security/landlock; landlock(7)): a stack of rulesets, each a layer.
 * An access is granted when each layer has rules for it on the way from the file up to the root. Immutable, as the
 * credentials that it is part of.
 */
export class Domain implements LandlockDomain {
  readonly parent: Domain | null;
  /** The oldest first; the last is this one's own. */
  private readonly layers: readonly Domain[];
  private readonly handled: number;
  private readonly scoped: number;
  private readonly rules: LandlockRules;
  /** Tasks and domains nested in it. */
  private users = 1;
  /** Does a layer restrict files at all? */
  private readonly fs: boolean;

  constructor(parent: Domain | null, ruleset: LandlockRuleset) {
    this.parent = parent;
    this.layers = [...(parent?.layers ?? []), this];
    this.handled = ruleset.fs | REFER;
    this.scoped = ruleset.scoped;
    this.rules = ruleset.rules.copy();
    parent?.get();
    this.fs = ruleset.fs !== 0 || (parent?.fs ?? false);
  }

  static {
    serializable('LandlockDomain', this);
  }

  get(): void {
    this.users++;
  }
  put(): void {
    if (--this.users > 0) return;
    this.rules.free();
    this.parent?.put();
  }

  get kmem(): number {
    return (this.rules.kmem + (this.parent?.kmem ?? 0)) / Math.max(1, this.users);
  }

  get depth(): number {
    return this.layers.length;
  }

  private denied(request: number): Masks {
    return this.layers.map((layer) => request & layer.handled);
  }

  /** Takes away what rules on the file allow. @returns nothing is left */
  private unmask(inode: Inode, masks: Masks): boolean {
    const key = rule_key(inode);
    if (key !== null)
      this.layers.forEach((layer, i) => {
        masks[i]! &= ~layer.rules.allowed(key);
      });
    return union(masks) === 0;
  }

  /** Goes up from the file until nothing is denied. @returns whether that came to be */
  private climb(path: Path, masks: Masks): boolean {
    if (union(masks) === 0 || is_nouser(path.dentry.sb)) return true;
    const walk = new PathWalk(path);
    do {
      if (this.unmask(walk.dentry.inode, masks)) return true;
    } while (walk.up());
    return walk.internal;
  }

  /** The layer, from 1, that denies one of the accesses. */
  private culprit(masks: Masks, access: number): number {
    return masks.findIndex((mask) => mask & access) + 1;
  }

  check_path(path: Path, access: number, what: string): void {
    if (!this.fs) return;
    const masks = this.denied(access);
    if (this.climb(path, masks)) return;
    throw errno(E.EACCES, 'Landlock: layer {} of the domain has no rule for {} above {}, needed to {} it', this.culprit(masks, access), namesOf(union(masks)), path, what); // prettier-ignore
  }

  check_open(path: Path, access: number): number {
    if (!this.fs) return LANDLOCK_MASK_ACCESS_FS;
    // What the open file may be used for later is found out, too.
    const later = is_device(path.dentry.inode) ? LL.LANDLOCK_ACCESS_FS_IOCTL_DEV : 0;
    const request = access | LL.LANDLOCK_ACCESS_FS_TRUNCATE | later;
    const masks = this.denied(request);
    const left = this.climb(path, masks) ? 0 : union(masks);
    if ((left & access) === 0) return request & ~left;
    throw errno(E.EACCES, 'Landlock: layer {} of the domain has no rule for {} above {}', this.culprit(masks, left & access), namesOf(left & access), path); // prettier-ignore
  }

  check_topology(what: string): void {
    if (this.fs)
      throw errno(E.EPERM, 'Landlock: {} would change which rules are above which files', what);
  }

  /** What making the old name under the new directory takes, and making or removing it where it was (current_check_refer_path). */
  check_refer(old: Dentry, dir: Path, target: Dentry | null, how: Refer): void {
    if (!this.fs) return;
    if (how.exchange && target === null)
      throw errno(E.ENOENT, 'there is no file to exchange {} with', old);
    let from = how.exchange ? dentryAccess(target!) : 0;
    let to = dentryAccess(old);
    if (how.removable) {
      from |= removal(old);
      to |= target === null ? 0 : removal(target);
    }
    if (how.whiteout) from |= LL.LANDLOCK_ACCESS_FS_MAKE_REG;
    if (old.parent === dir.dentry) {
      this.check_path(dir, from | to, 'move a file in');
      return;
    }
    this.reparent(old, dir, target, how, from | REFER, to | REFER);
  }

  private reparent(
    old: Dentry,
    dir: Path,
    target: Dentry | null,
    how: Refer,
    from: number,
    to: number,
  ): void {
    const { root } = dir.mnt;
    const masks1 = this.denied(LANDLOCK_MASK_ACCESS_FS);
    const masks2 = this.denied(LANDLOCK_MASK_ACCESS_FS);
    const allowed1 = this.collect(root, old === root ? old : old.parent, masks1);
    const allowed2 = this.collect(root, dir.dentry, masks2);
    if (allowed1 && allowed2) return;
    const exchanged = how.exchange ? target : null;
    if (this.both(dir, { masks: masks1, access: from, child: old }, { masks: masks2, access: to, child: exchanged })) return; // prettier-ignore
    const missing = ((union(masks1) & from) | (union(masks2) & to)) & ~REFER;
    if (missing !== 0)
      throw errno(E.EACCES, 'Landlock: the domain has no rules for {} above {} or {}', namesOf(missing), old, dir); // prettier-ignore
    throw errno(E.EXDEV, 'Landlock: {} would be allowed more in {}, or REFER is not allowed in one of both places', old, dir); // prettier-ignore
  }

  /** What is allowed between a directory and the root of its mount (collect_domain_accesses). */
  private collect(root: Dentry, dir: Dentry, masks: Masks): boolean {
    if (is_nouser(dir.sb)) return true;
    for (let at = dir; ; at = at.parent) {
      if (this.unmask(at.inode, masks)) return true;
      if (at === root || at.isRoot) return false;
    }
  }

  /** Both places allow what is done in them, and neither file is allowed more where it comes (is_access_to_paths_allowed). */
  private both(dir: Path, a: Side, b: Side): boolean {
    if (is_nouser(dir.mnt.sb)) return true;
    const childA = this.childMasks(a.child!);
    const childB = b.child === null ? null : this.childMasks(b.child);
    let comparing = true;
    const walk = PathWalk.fromMountRoot(dir.mnt);
    for (;;) {
      if (comparing && noMoreAccess(a, childA, b, childB)) {
        comparing = false;
        narrow(a);
        narrow(b);
        if (union(a.masks) === 0 && union(b.masks) === 0) return true;
      }
      const doneA = union(a.masks) === 0 || this.unmask(walk.dentry.inode, a.masks);
      const doneB = union(b.masks) === 0 || this.unmask(walk.dentry.inode, b.masks);
      if (doneA && doneB) return true;
      if (!walk.up()) return walk.internal;
    }
  }

  private childMasks(child: Dentry): Masks {
    const masks = this.denied(LANDLOCK_MASK_ACCESS_FS);
    this.unmask(child.inode, masks);
    return masks;
  }

  /** Is it the other's domain, or one that the other's is nested in (domain_scope_le)? */
  contains(other: LandlockDomain | null): boolean {
    for (let d = other as Domain | null; d !== null; d = d.parent) if (d === this) return true;
    return false;
  }

  /** A layer forbids what `scope` is of towards processes outside of it (domain_is_scoped). */
  is_scoped(other: LandlockDomain | null, scope: number): boolean {
    return this.layers.some((layer) => layer.scoped & scope && !layer.contains(other));
  }
}

/** One of the two places of a link or rename: what is denied there still, what it needs, the file that comes from it. */
interface Side {
  masks: Masks;
  readonly access: number;
  readonly child: Dentry | null;
}

/** From here on only what is needed counts (scope_to_request). */
function narrow(side: Side): void {
  side.masks.forEach((mask, i) => {
    side.masks[i] = mask & side.access;
  });
}

const dentryAccess = ({ inode }: Dentry): number => make_access(inode.mode, inode.rdev);
const removal = ({ inode }: Dentry): number =>
  S_ISDIR(inode.mode) ? LL.LANDLOCK_ACCESS_FS_REMOVE_DIR : LL.LANDLOCK_ACCESS_FS_REMOVE_FILE;

/** Where a file comes it is denied all that is denied where it was (no_more_access). */
function noMoreAccess(a: Side, childA: Masks, b: Side, childB: Masks | null): boolean {
  const relevant = (child: Dentry): number => (S_ISDIR(child.inode.mode) ? -1 : ACCESS_FILE);
  return a.masks.every((mask, i) => {
    if (mask & childA[i]! & ~b.masks[i]! & relevant(a.child!)) return false;
    return childB === null || (b.masks[i]! & childB[i]! & ~mask & relevant(b.child!)) === 0;
  });
}
