import * as P from '@vitrine/uapi/capability.ts';
import type { File } from '../fs/file.ts';
import {
  CAP_EMPTY,
  CAP_FULL,
  type CapSet,
  type Cred,
  cap_combine,
  cap_drop,
  cap_equal,
  cap_intersect,
  cap_subset,
} from '../include/cred.ts';
import type { Current } from '../include/current.ts';

/** File capabilities, from the extended attribute security.capability (capabilities(7), "File capabilities"). */
interface FileCaps {
  readonly permitted: CapSet;
  readonly inheritable: CapSet;
  readonly effective: boolean;
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
  };
}

/** Whether the bytes may become a file's capabilities: revision 2 or 3 (cap_convert_nscap). */
export function valid_vfs_caps(bytes: Uint8Array): boolean {
  return bytes.length >= 20 && parse_vfs_caps(bytes) !== null;
}

/** The capabilities a file carries, or null. */
function file_caps(current: Current, file: File): FileCaps | null {
  try {
    return parse_vfs_caps(file.inode.getxattr(current, 'security.capability'));
  } catch {
    return null; // it has none, or its file system has no attributes
  }
}

/**
 * Capabilities over execve (analogous to cap_bprm_creds_from_file; the rule is in capabilities(7), "Transformation of
 * capabilities during execve").
 * @param cred the new credentials, with the set-id bits already in euid and egid
 */
export function bprm_caps(
  current: Current & { readonly no_new_privs: boolean },
  cred: Cred,
  file: File,
  ignoreFileCaps: boolean,
): { cred: Cred; secureexec: boolean } {
  const old = current.cred;
  const caps = ignoreFileCaps ? null : file_caps(current, file);
  const noroot = (cred.securebits & 1) !== 0;
  let fP: CapSet = caps?.permitted ?? CAP_EMPTY;
  let fI: CapSet = caps?.inheritable ?? CAP_EMPTY;
  let effective = caps?.effective ?? false;
  if (
    !noroot &&
    (cred.uid === 0 || cred.euid === 0) &&
    !(caps !== null && cred.uid !== 0 && cred.euid === 0)
  ) {
    fP = CAP_FULL;
    fI = CAP_FULL;
    if (cred.euid === 0) effective = true;
  }
  let permitted = cap_combine(cap_intersect(old.inheritable, fI), cap_intersect(fP, old.bset));
  let euid = cred.euid;
  let egid = cred.egid;
  const setid = euid !== old.uid || egid !== old.gid;
  if (current.no_new_privs && !cap_subset(permitted, old.permitted))
    permitted = cap_intersect(permitted, old.permitted);
  if (current.no_new_privs) {
    euid = old.euid;
    egid = old.egid;
  }
  const ambient =
    caps !== null || (setid && (euid !== old.euid || egid !== old.egid)) ? CAP_EMPTY : old.ambient;
  permitted = cap_combine(permitted, ambient);
  const next = cred.with({
    euid,
    egid,
    permitted,
    ambient,
    effective: effective ? permitted : ambient,
    securebits: cred.securebits & ~(1 << P.SECURE_KEEP_CAPS),
  });
  const secureexec = euid !== old.uid || egid !== old.gid || (old.uid !== 0 && (effective || !cap_equal(cap_drop(permitted, ambient), CAP_EMPTY))); // prettier-ignore
  return { cred: next, secureexec };
}
