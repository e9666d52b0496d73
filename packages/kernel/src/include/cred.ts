import * as CAP from '@vitrine/uapi/capability.ts';
import { serializable } from './serial.ts';

/** A capability set: bits 0–31 and 32–63. Immutable. */
export interface CapSet {
  readonly lo: number;
  readonly hi: number;
}

export const CAP_EMPTY: CapSet = { lo: 0, hi: 0 };
/** Every capability that exists (CAP_CHOWN to CAP_LAST_CAP). */
export const CAP_FULL: CapSet = { lo: 0xffff_ffff, hi: 2 ** (CAP.CAP_LAST_CAP - 31) - 1 };

export function cap_raised(set: CapSet, cap: number): boolean {
  return cap < 32 ? ((set.lo >>> cap) & 1) !== 0 : ((set.hi >>> (cap - 32)) & 1) !== 0;
}

export function cap_intersect(a: CapSet, b: CapSet): CapSet {
  return { lo: (a.lo & b.lo) >>> 0, hi: (a.hi & b.hi) >>> 0 };
}

export function cap_combine(a: CapSet, b: CapSet): CapSet {
  return { lo: (a.lo | b.lo) >>> 0, hi: (a.hi | b.hi) >>> 0 };
}

export function cap_drop(a: CapSet, b: CapSet): CapSet {
  return { lo: (a.lo & ~b.lo) >>> 0, hi: (a.hi & ~b.hi) >>> 0 };
}

export function cap_of(cap: number): CapSet {
  return cap < 32 ? { lo: (1 << cap) >>> 0, hi: 0 } : { lo: 0, hi: (1 << (cap - 32)) >>> 0 };
}

export function cap_subset(a: CapSet, of: CapSet): boolean {
  return (a.lo & ~of.lo) === 0 && (a.hi & ~of.hi) === 0;
}

export function cap_equal(a: CapSet, b: CapSet): boolean {
  return a.lo === b.lo && a.hi === b.hi;
}

/** 16 hexadecimal digits, as /proc/PID/status prints a set. */
export function cap_hex(set: CapSet): string {
  return set.hi.toString(16).padStart(8, '0') + set.lo.toString(16).padStart(8, '0');
}

const NAMES = Object.entries(CAP).filter(([k]) => k.startsWith('CAP_') && k !== 'CAP_LAST_CAP') as [
  string,
  number,
][];

/** `CAP_CHOWN` for 0; the field's own spelling, for reasons. */
export function cap_name(cap: number): string {
  return NAMES.find(([, value]) => value === cap)?.[0] ?? `capability ${cap}`;
}

/** Analogous to `struct user_namespace`. */
export class UserNamespace {
  readonly inum: number;
  readonly parent: UserNamespace | null;
  readonly level: number;
  readonly owner: number;
  readonly group: number;
  constructor(inum: number, parent: UserNamespace | null, owner: number, group: number) {
    this.inum = inum;
    this.parent = parent;
    this.level = parent === null ? 0 : parent.level + 1;
    this.owner = owner;
    this.group = group;
  }
  static {
    serializable('UserNamespace', this);
  }
}

/** What a process has forbidden itself (security/landlock); layers above add what they ask it. */
export interface LandlockDomain {
  /** A task more, or less, has credentials with it; with the last one its rules go. */
  get(): void;
  put(): void;
  /** Kernel objects that go with each of those, in bytes. */
  readonly kmem: number;
  /** Does it forbid what `scope` (LANDLOCK_SCOPE_…) is of towards whoever has the other domain, or none? */
  is_scoped(other: LandlockDomain | null, scope: number): boolean;
  /** Is the other domain this one, or nested in it? */
  contains(other: LandlockDomain | null): boolean;
}

/** Analogous to `struct cred`: copied on change, shared otherwise, never written in place. */
export class Cred {
  uid = 0;
  gid = 0;
  suid = 0;
  sgid = 0;
  euid = 0;
  egid = 0;
  fsuid = 0;
  fsgid = 0;
  securebits = 0;
  inheritable: CapSet = CAP_EMPTY;
  permitted: CapSet = CAP_FULL;
  effective: CapSet = CAP_FULL;
  bset: CapSet = CAP_FULL;
  ambient: CapSet = CAP_EMPTY;
  /** Supplementary groups, sorted. */
  groups: readonly number[] = [];
  userNs: UserNamespace;
  landlock: LandlockDomain | null = null;
  constructor(userNs: UserNamespace) {
    this.userNs = userNs;
  }

  static {
    serializable('Cred', this);
  }

  /** A copy with some fields changed (prepare_creds and commit_creds in one). */
  with(changes: Partial<Omit<Cred, 'with'>>): Cred {
    return Object.assign(new Cred(this.userNs), this, changes);
  }
}

/** Is the capability effective, in the namespace `ns` (user_namespaces(7))? The reason's words are the caller's. */
export function ns_capable(cred: Cred, ns: UserNamespace, cap: number): boolean {
  for (let target: UserNamespace | null = ns; target !== null; target = target.parent) {
    if (target === cred.userNs) return cap_raised(cred.effective, cap);
    // The owner of a namespace has every capability in it when it is in the parent.
    if (target.parent === cred.userNs && target.owner === cred.euid) return true;
  }
  return false;
}

/** ns_capable in the namespace the caller is in. */
export function capable(cred: Cred, cap: number): boolean {
  return cap_raised(cred.effective, cap);
}

/** Is `gid` the file-system group or a supplementary group? */
export function in_group_p(cred: Cred, gid: number): boolean {
  return cred.fsgid === gid || cred.groups.includes(gid);
}

export function in_egroup_p(cred: Cred, gid: number): boolean {
  return cred.egid === gid || cred.groups.includes(gid);
}

/** The subject of a reason: who asked, with what rights. */
export function describe_cred(cred: Cred): string {
  return `uid ${cred.euid}, gid ${cred.egid}, effective capabilities ${cap_hex(cred.effective)}`;
}
