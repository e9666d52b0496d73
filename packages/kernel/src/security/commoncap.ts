import * as P from '@vitrine/uapi/capability.ts';
import { EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import type { File } from '../fs/file.ts';
import {
  CAP_EMPTY,
  type CapSet,
  type Cred,
  cap_combine,
  cap_drop,
  cap_equal,
  cap_intersect,
  cap_subset,
  capable,
} from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';

/** File capabilities, from the extended attribute security.capability (capabilities(7), "File capabilities"). */
interface FileCaps {
  readonly permitted: CapSet;
  readonly inheritable: CapSet;
  readonly effective: boolean;
  /** Whom its user namespace has for root. */
  readonly rootid: number;
}

const VFS_CAP_REVISION_MASK = 0xff00_0000;
const VFS_CAP_FLAGS_EFFECTIVE = 1;

/** Decodes revisions 1 to 3; null when the attribute is malformed. */
export function parse_vfs_caps(bytes: Uint8Array): FileCaps | null {
  if (bytes.length < 12) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, true);
  const revision = (magic & VFS_CAP_REVISION_MASK) >>> 24;
  const sizes: Record<number, number> = { 1: 12, 2: 20, 3: 24 };
  if (sizes[revision] !== bytes.length) return null;
  const word = (at: number): number => (at < bytes.length ? view.getUint32(at, true) : 0);
  return {
    permitted: { lo: word(4), hi: revision === 1 ? 0 : word(12) },
    inheritable: { lo: word(8), hi: revision === 1 ? 0 : word(16) },
    effective: (magic & VFS_CAP_FLAGS_EFFECTIVE) !== 0,
    rootid: revision === 3 ? word(20) : 0,
  };
}

/** Whether the bytes may become a file's capabilities: revision 2 or 3 (cap_convert_nscap). */
export function valid_vfs_caps(bytes: Uint8Array): boolean {
  return bytes.length >= 20 && parse_vfs_caps(bytes) !== null;
}

/** As a reader sees them: what belongs to its own root is of revision 2 (cap_inode_getsecurity). */
export function own_vfs_caps(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 24 || view.getUint32(20, true) !== 0) return bytes;
  const out = bytes.slice(0, 20);
  out[3] = 2; // the revision is the topmost byte
  return out;
}

/** The capabilities a file carries, or null. Throws EINVAL for an attribute that nobody understands. */
function file_caps(current: Current, file: File): FileCaps | null {
  let bytes: Uint8Array;
  try {
    bytes = file.inode.getxattr(current, 'security.capability');
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return null; // it has none, or its file system has no attributes
  }
  const caps = parse_vfs_caps(bytes);
  if (caps === null) throw errno(EINVAL, 'the capabilities of {} are malformed', file.path);
  // What another user namespace's root gave is not for this one (rootid_owns_currentns).
  return caps.rootid === 0 ? caps : null;
}

interface FileGrant {
  readonly permitted: CapSet;
  readonly effective: boolean;
  readonly has_fcap: boolean;
}

/** What the file gives the program (get_file_caps). */
function get_file_caps(current: Current, file: File, may_suid: boolean): FileGrant {
  const caps = may_suid ? file_caps(current, file) : null;
  if (caps === null) return { permitted: CAP_EMPTY, effective: false, has_fcap: false };
  const { bset, inheritable } = current.cred;
  const permitted = cap_combine(
    cap_intersect(bset, caps.permitted),
    cap_intersect(inheritable, caps.inheritable),
  );
  if (caps.effective && !cap_subset(caps.permitted, permitted))
    throw errno(EPERM, 'execve: {} needs capabilities that are not in the bounding set', file.path);
  return { permitted, effective: caps.effective, has_fcap: true };
}

/** Root's programs get all, unless SECBIT_NOROOT is set (handle_privileged_root). */
function handle_privileged_root(old: Cred, cred: Cred, grant: FileGrant): FileGrant {
  const noroot = (cred.securebits & (1 << P.SECURE_NOROOT)) !== 0;
  // A set-user-id root file with capabilities gives a user just those.
  const mixed = grant.has_fcap && cred.uid !== 0 && cred.euid === 0;
  if (noroot || mixed || (cred.uid !== 0 && cred.euid !== 0)) return grant;
  const permitted = cap_combine(old.bset, old.inheritable);
  return { ...grant, permitted, effective: grant.effective || cred.euid === 0 };
}

/**
 * Capabilities over execve (analogous to cap_bprm_creds_from_file; the rule is in capabilities(7), "Transformation of
 * capabilities during execve").
 * @param cred the new credentials, with the set-id bits already in euid and egid
 * @param may_suid the mount lets files raise privileges
 * @param unsafe no_new_privs, or another process shares what the program could be led by
 */
export function bprm_caps(
  current: Current & { readonly no_new_privs: boolean },
  cred: Cred,
  file: File,
  may_suid: boolean,
  unsafe: boolean,
): { cred: Cred; secureexec: boolean } {
  const old = current.cred;
  const { permitted: granted, effective, has_fcap } = handle_privileged_root(old, cred, get_file_caps(current, file, may_suid)); // prettier-ignore
  let permitted = granted;
  let { euid, egid } = cred;
  const is_setid = euid !== old.uid || egid !== old.gid;
  if (unsafe && (is_setid || !cap_subset(permitted, old.permitted))) {
    if (current.no_new_privs || !capable(cred, P.CAP_SETUID)) {
      euid = cred.uid;
      egid = cred.gid;
    }
    permitted = cap_intersect(permitted, old.permitted);
  }
  const ambient = has_fcap || is_setid ? CAP_EMPTY : old.ambient;
  permitted = cap_combine(permitted, ambient);
  const next = cred.with({
    euid,
    egid,
    permitted,
    ambient,
    effective: effective ? permitted : ambient,
    securebits: cred.securebits & ~(1 << P.SECURE_KEEP_CAPS),
  });
  const grew = !cap_equal(cap_drop(permitted, ambient), CAP_EMPTY);
  return { cred: next, secureexec: is_setid || (cred.uid !== 0 && (effective || grew)) };
}
