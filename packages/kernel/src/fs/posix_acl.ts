import { CAP_FSETID } from '@vitrine/uapi/capability.ts';
import { EACCES, EINVAL, ENODATA, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import { S_ISGID, S_IXGRP } from '@vitrine/uapi/stat.ts';
import { capable, in_group_p } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { inode_owner_or_capable } from './attr.ts';
import { type Inode, S_APPEND, S_IMMUTABLE, S_ISDIR, S_ISLNK } from './inode.ts';

/** Access control lists in the sense of POSIX.1e (acl(5)): who beyond owner, group and others may do what. */

export const ACL_USER_OBJ = 1;
export const ACL_USER = 2;
export const ACL_GROUP_OBJ = 4;
export const ACL_GROUP = 8;
export const ACL_MASK = 0x10;
export const ACL_OTHER = 0x20;
const ACL_UNDEFINED_ID = 0xffff_ffff;
const VERSION = 2;

export interface AclEntry {
  readonly tag: number;
  readonly perm: number;
  readonly id: number;
}

/** In the order that the kernel demands: owner, users, group, groups, mask, others. Never changed in place. */
export type PosixAcl = readonly AclEntry[];

/** An inode's lists. */
export interface Acls {
  readonly access: PosixAcl | null;
  /** What files made in this directory begin with. */
  readonly default: PosixAcl | null;
}

/** The kind of list that the attribute's name says, or null for another attribute. */
export function acl_type(name: string): keyof Acls | null {
  if (name === 'system.posix_acl_access') return 'access';
  return name === 'system.posix_acl_default' ? 'default' : null;
}

/** Do the lists' bits allow all of `want`? The caller is not the owner. */
export function posix_acl_permission(
  current: Current,
  inode: Inode,
  acl: PosixAcl,
  want: number,
): boolean {
  const { cred } = current;
  const mask = acl.find(({ tag }) => tag === ACL_MASK)?.perm ?? 7;
  let inGroup = false;
  for (const { tag, perm, id } of acl) {
    if (tag === ACL_USER && id === cred.fsuid) return (perm & mask & want) === want;
    if (tag === ACL_GROUP_OBJ || tag === ACL_GROUP) {
      if (!in_group_p(cred, tag === ACL_GROUP ? id : inode.gid)) continue;
      inGroup = true;
      if ((perm & want) === want) return (perm & mask & want) === want;
    }
    if (tag === ACL_OTHER) return !inGroup && (perm & want) === want;
  }
  return false;
}

/** The mode bits that say the same; `exact` is false where the list says more than they can. */
export function posix_acl_equiv_mode(acl: PosixAcl): { mode: number; exact: boolean } {
  let mode = 0;
  let mask = -1;
  for (const { tag, perm } of acl) {
    if (tag === ACL_USER_OBJ) mode |= perm << 6;
    else if (tag === ACL_GROUP_OBJ) mode |= perm << 3;
    else if (tag === ACL_OTHER) mode |= perm;
    else if (tag === ACL_MASK) mask = perm;
  }
  if (mask >= 0) mode = (mode & ~0o70) | (mask << 3);
  return { mode, exact: acl.every(({ tag }) => tag & (ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER)) };
}

/** Which entry stands for the group's bits of the mode. */
function groupTag(acl: PosixAcl): number {
  return acl.some(({ tag }) => tag === ACL_MASK) ? ACL_MASK : ACL_GROUP_OBJ;
}

/** Bits of the mode that an entry stands for, as a shift; -1 for an entry that stands for none. */
function shiftOf(tag: number, group: number): number {
  if (tag === ACL_USER_OBJ) return 6;
  if (tag === group) return 3;
  return tag === ACL_OTHER ? 0 : -1;
}

/** The list after chmod (posix_acl_chmod). */
export function posix_acl_chmod(acl: PosixAcl, mode: number): PosixAcl {
  const group = groupTag(acl);
  return acl.map((entry) => {
    const shift = shiftOf(entry.tag, group);
    return shift < 0 ? entry : { ...entry, perm: (mode >> shift) & 7 };
  });
}

/**
 * Lists and mode of a file made in a directory with a default list: no more than the program asked for, and the umask does
 * not count (posix_acl_create).
 */
export function posix_acl_create(dir: Acls, inode: Inode): void {
  const from = dir.default!;
  const group = groupTag(from);
  let { mode } = inode;
  const acl = from.map((entry) => {
    const shift = shiftOf(entry.tag, group);
    if (shift < 0) return entry;
    const perm = entry.perm & (mode >> shift);
    mode = (mode & ~(7 << shift)) | (perm << shift);
    return { ...entry, perm };
  });
  inode.mode = mode;
  const access = posix_acl_equiv_mode(acl).exact ? null : acl;
  const inherited = S_ISDIR(mode) ? from : null;
  if (access !== null || inherited !== null) inode.acls = { access, default: inherited };
}

/** The permission bits that a new file of this directory begins with: less the umask, unless a default list rules. */
export function mode_strip_umask(current: Current, dir: Inode, mode: number): number {
  const bits = mode_strip_sgid(current, dir, mode);
  return dir.acls?.default ? bits : bits & ~current.fs.umask;
}

/** A program that runs with the group of a set-group-id directory is made only by its members (mode_strip_sgid). */
function mode_strip_sgid(current: Current, dir: Inode, mode: number): number {
  const program = S_ISGID | S_IXGRP;
  if ((mode & program) !== program || !(dir.mode & S_ISGID)) return mode;
  const may = in_group_p(current.cred, dir.gid) || capable(current.cred, CAP_FSETID);
  return may ? mode : mode & ~S_ISGID;
}

/** As the attribute has it. */
export function posix_acl_to_xattr(acl: PosixAcl): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * acl.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  acl.forEach(({ tag, perm, id }, i) => {
    view.setUint16(4 + 8 * i, tag, true);
    view.setUint16(6 + 8 * i, perm, true);
    view.setUint32(8 + 8 * i, id, true);
  });
  return bytes;
}

const NAMES: Readonly<Record<number, string>> = {
  [ACL_USER_OBJ]: 'u',
  [ACL_USER]: 'U',
  [ACL_GROUP_OBJ]: 'g',
  [ACL_GROUP]: 'G',
  [ACL_MASK]: 'm',
  [ACL_OTHER]: 'o',
};

/** @returns null for a list without entries, which is none */
export function posix_acl_from_xattr(bytes: Uint8Array): PosixAcl | null {
  if (bytes.length === 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = bytes.length < 4 ? VERSION : view.getUint32(0, true);
  if (version !== VERSION)
    throw errno(EOPNOTSUPP, 'access control lists have version {}, not {}', VERSION, version);
  if (bytes.length < 4 || (bytes.length - 4) % 8 !== 0)
    throw errno(EINVAL, 'an access control list has 4 + 8n bytes, not {}', bytes.length);
  const acl: AclEntry[] = [];
  for (let at = 4; at < bytes.length; at += 8) {
    const tag = view.getUint16(at, true);
    const named = tag === ACL_USER || tag === ACL_GROUP;
    const id = named ? view.getUint32(at + 4, true) : ACL_UNDEFINED_ID;
    if (NAMES[tag] === undefined) throw errno(EINVAL, 'an access control entry has tag {}', tag);
    if (named && id === ACL_UNDEFINED_ID)
      throw errno(EINVAL, 'a named access control entry has no id');
    acl.push({ tag, perm: view.getUint16(at + 2, true), id });
  }
  return acl.length === 0 ? null : acl;
}

function posix_acl_valid(acl: PosixAcl): void {
  const order = acl.map(({ tag }) => NAMES[tag] ?? '?').join('');
  // A mask is needed as soon as there are named users or groups.
  if (!/^u(?:go|gmo|U+gG*mo|gG+mo)$/.test(order))
    throw errno(
      EINVAL,
      'the access control list {} lacks an entry, or has them in disorder',
      order,
    );
  for (const { perm } of acl)
    if (perm & ~7) throw errno(EINVAL, 'an access control entry has bits {}', perm);
}

/** getxattr of system.posix_acl_… */
export function vfs_get_acl(inode: Inode, type: keyof Acls): Uint8Array {
  if (S_ISLNK(inode.mode))
    throw errno(EOPNOTSUPP, 'symbolic links have no access control lists ({})', inode);
  const acl = inode.acls?.[type] ?? null;
  if (acl === null) throw errno(ENODATA, '{} has no {} list', inode, type);
  return posix_acl_to_xattr(acl);
}

/**
 * What is asked before a list is set: a list that can be read, a file that may have one, its owner.
 * @returns the list; null takes it away; undefined: there is nothing to do
 */
export function may_set_acl(
  current: Current,
  inode: Inode,
  type: keyof Acls,
  value: Uint8Array | null,
): PosixAcl | null | undefined {
  const acl = value === null ? null : posix_acl_from_xattr(value);
  if (S_ISLNK(inode.mode))
    throw errno(EOPNOTSUPP, 'symbolic links have no access control lists ({})', inode);
  if (inode.flags & (S_IMMUTABLE | S_APPEND))
    throw errno(EPERM, '{} is immutable or append-only', inode);
  if (type === 'default' && !S_ISDIR(inode.mode)) {
    if (acl === null) return undefined;
    throw errno(EACCES, '{} is no directory: only directories have default lists', inode);
  }
  if (!inode_owner_or_capable(current, inode))
    throw errno(EPERM, 'access control lists of {} are for its owner or CAP_FOWNER', inode);
  return acl;
}

/** setxattr and removexattr of system.posix_acl_… on a file system that has them. */
export function vfs_set_acl(
  current: Current,
  inode: Inode,
  type: keyof Acls,
  value: Uint8Array | null,
): void {
  let acl = may_set_acl(current, inode, type, value);
  if (acl === undefined) return;
  if (acl !== null) posix_acl_valid(acl);
  if (type === 'access' && acl !== null) {
    const { mode, exact } = posix_acl_equiv_mode(acl);
    inode.mode = (inode.mode & ~0o777) | mode;
    if (exact) acl = null;
    if (!in_group_p(current.cred, inode.gid) && !capable(current.cred, CAP_FSETID))
      inode.mode &= ~0o2000;
  }
  const { access = null, default: inherited = null } = inode.acls ?? {};
  const acls = type === 'access' ? { access: acl, default: inherited } : { access, default: acl };
  inode.acls = acls.access === null && acls.default === null ? null : acls;
}

/** Names that listxattr gives. */
export function posix_acl_names(inode: Inode): readonly string[] {
  return (['access', 'default'] as const)
    .filter((type) => inode.acls?.[type])
    .map((type) => `system.posix_acl_${type}`);
}
