import * as E from '@vitrine/uapi/errno.ts';
import { CAP_SETUID, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import * as K from '@vitrine/uapi/keyctl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable, in_group_p } from '../include/cred.ts';
import { Errno, errno } from '../include/errno.ts';
import { bytesOf } from '../fs/bytes.ts';
import { import_iovec } from '../fs/iov.ts';
import {
  KEY_IS_POSITIVE,
  KEY_IS_UNINSTANTIATED,
  KEY_NEED_LINK,
  KEY_NEED_READ,
  KEY_NEED_SEARCH,
  KEY_NEED_SETATTR,
  KEY_NEED_VIEW,
  KEY_NEED_WRITE,
  KEY_TYPES,
  type Key,
  type KeyType,
  charge_quota,
  key_alloc,
  key_get,
  key_permission,
  key_permits,
  key_put,
  key_table,
  key_validate,
  set_payload,
} from '../security/keys/key.ts';
import {
  key_invalidate,
  key_link,
  key_unlink,
  keyring_clear,
  keyring_search,
  search_error,
} from '../security/keys/keyring.ts';
import { key_get_persistent } from '../security/keys/persistent.ts';
import { type KeyRef, KeyWait, change_reqkey_auth, install_session_keyring, join_session_keyring, key_get_instantiation_authority, lookup_user_key, search_process_keyrings, wait_for_key_construction } from '../security/keys/process_keys.ts'; // prettier-ignore
import { KeyConstruction, construct_key_and_link, key_instantiate, key_reject, wait_for_helper } from '../security/keys/request_key.ts'; // prettier-ignore
import type { Task } from '../kernel/task.ts';
import { inBuf, int, long, size, str } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** add_key(2), request_key(2), keyctl(2). */

/** What a group of nobody is shown as. */
const OVERFLOWGID = 65534;
const MAX_PAYLOAD = 1024 * 1024 - 1;
const MAX_USER_PAYLOAD = 32767;
const MAX_DESCRIPTION = 4096;
const KEY_DEFAULT_PERM = 0x3f01_0000;
/** Rights that a possessor has only to what can be read or updated. */
const KEY_POS_READ = 0x0200_0000;
const KEY_PERM_MASK = 0x3f3f_3f3f;

function typeName(task: Task, address: number): string {
  const name = task.mem.readString(address, 31);
  if (name === null || name === '') throw errno(E.EINVAL, 'a key type has 1 to 31 bytes');
  if (name.startsWith('.'))
    throw errno(E.EPERM, "key types that begin with a dot are the kernel's own: {}", name);
  return name;
}

function keyType(name: string, unknown: number = E.ENOKEY): KeyType {
  const type = KEY_TYPES.find((known) => known.name === name);
  if (type === undefined) throw errno(unknown, 'there is no key type {}; there are {}', name, KEY_TYPES.map((t) => t.name).join(', ')); // prettier-ignore
  return type;
}

function description(task: Task, address: number): string {
  const text = task.mem.readString(address, MAX_DESCRIPTION - 1);
  if (text === null)
    throw errno(E.EINVAL, 'a key description has at most {} bytes', MAX_DESCRIPTION - 1);
  return text;
}

function checkPayload(type: KeyType, payload: Uint8Array): void {
  if (type.name === 'keyring') {
    if (payload.length !== 0) throw errno(E.EINVAL, 'a keyring is made without a payload');
    return;
  }
  if (payload.length === 0 || payload.length > MAX_USER_PAYLOAD) throw errno(E.EINVAL, 'a {} key holds 1 to {} bytes, not {}', type.name, MAX_USER_PAYLOAD, payload.length); // prettier-ignore
}

function sys_add_key(
  task: Task,
  typeAt: number,
  descAt: number,
  data: number,
  length: number,
  ring: number,
): number {
  if (length > MAX_PAYLOAD)
    throw errno(E.EINVAL, 'a payload has at most {} bytes, not {}', MAX_PAYLOAD, length);
  const name = typeName(task, typeAt);
  const text = descAt === 0 ? '' : description(task, descAt);
  if (text.startsWith('.') && name === 'keyring') throw errno(E.EPERM, 'keyrings that begin with a dot are the kernel\'s own: {}', text); // prettier-ignore
  const payload = length === 0 ? new Uint8Array(0) : task.mem.read(data, length);
  const { key: keyring } = lookup_user_key(task, ring, true, KEY_NEED_WRITE);
  const type = keyType(name, E.ENODEV);
  if (!keyring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', keyring);
  if (text === '') throw errno(E.EINVAL, 'a key needs a description');
  checkPayload(type, payload);
  if (keyring.restricted) throw errno(E.EPERM, '{} takes no more links (KEYCTL_RESTRICT_KEYRING)', keyring); // prettier-ignore
  const old = type.update ? keyring.links.find((key) => !key.revoked && key.type === type && key.description === text) : undefined; // prettier-ignore
  if (old !== undefined) {
    if (!key_permits(task, old, true, KEY_NEED_WRITE))
      throw errno(E.EACCES, '{} may not be written', old);
    update(task, old, payload);
    return old.serial;
  }
  if (type.name === 'logon' && text.indexOf(':') < 1) throw errno(E.EINVAL, 'the description of a logon key begins with its service: {}', text); // prettier-ignore
  const { cred, kernel } = task;
  const perm = type.read ? KEY_DEFAULT_PERM : KEY_DEFAULT_PERM & ~KEY_POS_READ;
  const key = key_get(key_alloc(kernel, type, text, cred.fsuid, cred.fsgid, perm));
  try {
    set_payload(kernel, key, payload);
    key_link(kernel, keyring, key);
    return key.serial;
  } finally {
    key_put(kernel, key);
  }
}

function update(task: Task, key: Key, payload: Uint8Array): void {
  if (!key.type.update) throw errno(E.EOPNOTSUPP, '{} cannot be updated', key);
  checkPayload(key.type, payload);
  set_payload(task.kernel, key, payload);
  key.expiry = Infinity;
  // A key that was refused is there now.
  if (key.state < 0) key.state = KEY_IS_POSITIVE;
}

function sys_request_key(
  task: Task,
  typeAt: number,
  descAt: number,
  callout: number,
  dest: number,
): number {
  if (task.callState instanceof KeyConstruction) return wait_for_helper(task, task.callState);
  const name = typeName(task, typeAt);
  const text = description(task, descAt);
  const info = callout === 0 ? null : description(task, callout);
  const into = dest === 0 ? null : lookup_user_key(task, dest, true, KEY_NEED_WRITE).key;
  const type = keyType(name);
  const found = search_process_keyrings(task, { type: type.name, description: text, skipExpired: true }); // prettier-ignore
  if (found === null && info === null) throw errno(E.ENOKEY, 'no keyring of process {} holds a {} key {}', task.pid, type.name, text); // prettier-ignore
  if (found === null)
    return wait_for_helper(task, construct_key_and_link(task, type, text, bytesOf(info!), into));
  if (into !== null) {
    key_permission(task, found, true, KEY_NEED_LINK);
    key_link(task.kernel, into, found);
  }
  wait_for_key_construction(found);
  key_validate(task.kernel, found);
  return found.serial;
}

/** Key and right to make it, if the process has assumed that one for this key. */
function assumed(task: Task, id: number): { auth: Key; target: Key; dest: Key | null } {
  const auth = task.request_key_auth;
  if (auth?.authority?.target.serial !== id)
    throw errno(E.EPERM, 'process {} has no authority to make key {}', task.pid, id);
  return { auth: auth!, target: auth!.authority!.target, dest: auth!.authority!.dest };
}

/** Where else a key goes that was made; the specials stand for where it was asked for (get_instantiation_keyring). */
function instantiation_keyring(task: Task, id: number, dest: Key | null): Key | null {
  if (id === 0) return null;
  if (id > 0) return lookup_user_key(task, id, true, KEY_NEED_WRITE).key;
  if (id === K.KEY_SPEC_REQKEY_AUTH_KEY) throw errno(E.EINVAL, 'the authority is no keyring');
  if (id >= K.KEY_SPEC_REQUESTOR_KEYRING) return dest;
  throw errno(E.ENOKEY, 'key number {} stands for no keyring', id);
}

function instantiate(task: Task, id: number, payload: () => Uint8Array, ring: number): number {
  const { auth, target, dest } = assumed(task, id);
  const bytes = payload();
  const into = instantiation_keyring(task, ring, dest);
  checkPayload(target.type, bytes);
  key_instantiate(task.kernel, target, bytes, into, auth);
  change_reqkey_auth(task, null);
  return 0;
}

function reject(task: Task, id: number, timeout: number, error: number, ring: number): number {
  if (error <= 0 || error >= 4095 || (error >= 512 && error <= 516))
    throw errno(E.EINVAL, 'KEYCTL_REJECT: {} is no error that a program is told', error);
  const { auth, target, dest } = assumed(task, id);
  const into = instantiation_keyring(task, ring, dest);
  key_reject(task.kernel, target, timeout, error, into, auth);
  change_reqkey_auth(task, null);
  return 0;
}

/** The bytes of struct iovec. */
function iovBytes(task: Task, iov: number, count: number): Uint8Array {
  const from = import_iovec(task, iov, iov === 0 ? 0 : count);
  if (from.count > MAX_PAYLOAD) throw errno(E.EINVAL, 'a key has at most {} bytes, not {}', MAX_PAYLOAD, from.count); // prettier-ignore
  const bytes = new Uint8Array(from.count);
  if (from.copyFrom(bytes, 0, bytes.length) < bytes.length)
    throw errno(E.EFAULT, 'not all {} bytes of the key can be read', bytes.length);
  return bytes;
}

function assumeAuthority(task: Task, id: number): number {
  if (id < 0) throw errno(E.EINVAL, 'KEYCTL_ASSUME_AUTHORITY: {} is no key', id);
  const auth = id === 0 ? null : key_get_instantiation_authority(task, id);
  change_reqkey_auth(task, auth);
  return auth?.serial ?? 0;
}

/** A key that is not made yet is its maker's, too. */
function keyOrAuthority(task: Task, id: number, create: boolean, need: number): Key {
  try {
    return lookup_user_key(task, id, create, need, 'partial').key;
  } catch (error) {
    if (!(error instanceof Errno) || error.code !== E.EACCES) throw error;
    if (key_table(task.kernel).bySerial.get(id)?.state !== KEY_IS_UNINSTANTIATED) throw error;
    key_get_instantiation_authority(task, id);
    return lookup_user_key(task, id, false, 0, 'partial').key;
  }
}

/** Every key's label is empty. Who may not see the key hears that it may not make it. */
function getSecurity(task: Task, id: number): void {
  try {
    lookup_user_key(task, id, false, KEY_NEED_VIEW, 'partial');
  } catch (error) {
    if (!(error instanceof Errno) || error.code !== E.EACCES) throw error;
    key_get_instantiation_authority(task, id);
  }
}

function describe(task: Task, id: number, buffer: number, length: number): number {
  const key = keyOrAuthority(task, id, false, KEY_NEED_VIEW);
  const text = `${key.type.name};${key.uid};${key.gid === -1 ? OVERFLOWGID : key.gid};${key.perm.toString(16).padStart(8, '0')};${key.description}\0`;
  if (buffer !== 0 && length >= text.length)
    task.mem.write(
      buffer,
      Uint8Array.from(text, (c) => c.charCodeAt(0)),
    );
  return text.length;
}

/** The key to read: whatever keeps it from being found is ENOKEY, as in keyctl_read_key. */
function readable(task: Task, id: number): KeyRef {
  try {
    return lookup_user_key(task, id, false, 0, 'unlink');
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    throw errno(E.ENOKEY, 'there is no key {} to read', id);
  }
}

function read(task: Task, id: number, buffer: number, length: number): number {
  const { key, possessed } = readable(task, id);
  wait_for_key_construction(key);
  // What is possessed and may be searched may be read, too.
  if (!key_permits(task, key, possessed, KEY_NEED_READ) && !(possessed && key_permits(task, key, true, KEY_NEED_SEARCH))) throw errno(E.EACCES, '{} may not be read', key); // prettier-ignore
  key_validate(task.kernel, key);
  if (!key.type.read) throw errno(E.EOPNOTSUPP, 'keys of type {} are not read', key.type.name);
  const bytes = key.isKeyring ? new Uint8Array(Uint32Array.from(key.links, (link) => link.serial).buffer) : key.payload; // prettier-ignore
  if (key.isKeyring && buffer !== 0 && length % 4 !== 0)
    throw errno(E.EINVAL, 'KEYCTL_READ: {} bytes hold no whole number of key ids', length);
  if (buffer !== 0 && length >= bytes.length) task.mem.write(buffer, bytes);
  return bytes.length;
}

function chown(task: Task, id: number, uid: number, gid: number): number {
  if (uid === -1 && gid === -1) return 0;
  const { key } = lookup_user_key(task, id, true, KEY_NEED_SETATTR, 'partial');
  const { cred, kernel } = task;
  if (!capable(cred, CAP_SYS_ADMIN)) {
    if (uid !== -1 && key.uid !== uid)
      throw errno(E.EACCES, 'giving {} to user {} needs CAP_SYS_ADMIN', key, uid);
    if (gid !== -1 && gid !== key.gid && !in_group_p(cred, gid)) throw errno(E.EACCES, 'uid {} is not in group {}', cred.fsuid, gid); // prettier-ignore
  }
  if (uid !== -1 && uid !== key.uid) {
    const table = key_table(kernel);
    if (key.charged) {
      charge_quota(table, uid, 1, key.quota);
      charge_quota(table, key.uid, -1, -key.quota);
    }
    key.uid = uid;
  }
  if (gid !== -1) key.gid = gid;
  return 0;
}

function setperm(task: Task, id: number, perm: number): number {
  if ((perm & ~KEY_PERM_MASK) !== 0)
    throw errno(E.EINVAL, 'rights {} are not known', perm.toString(16));
  const { key } = lookup_user_key(task, id, true, KEY_NEED_SETATTR, 'partial');
  if (key.uid !== task.cred.fsuid && !capable(task.cred, CAP_SYS_ADMIN)) throw errno(E.EACCES, '{} belongs to user {}', key, key.uid); // prettier-ignore
  key.perm = perm;
  return 0;
}

function revoke(task: Task, id: number): number {
  const { key, possessed } = lookup_user_key(task, id, false, 0);
  if (!key_permits(task, key, possessed, KEY_NEED_WRITE) && !key_permits(task, key, possessed, KEY_NEED_SETATTR)) throw errno(E.EACCES, '{} may neither be written nor changed', key); // prettier-ignore
  key.revoked = true;
  if (key.isKeyring) keyring_clear(task.kernel, key);
  return 0;
}

function invalidate(task: Task, id: number): number {
  const { key } = lookup_user_key(task, id, false, KEY_NEED_SEARCH);
  key_invalidate(task.kernel, key);
  return 0;
}

function search(task: Task, ringId: number, typeAt: number, descAt: number, dest: number): number {
  const name = typeName(task, typeAt);
  const text = description(task, descAt);
  const { key: ring, possessed } = lookup_user_key(task, ringId, false, KEY_NEED_SEARCH);
  const into = dest === 0 ? null : lookup_user_key(task, dest, true, KEY_NEED_WRITE).key;
  const type = keyType(name);
  if (!ring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', ring);
  const wanted = { type: type.name, description: text };
  const { key: found, refused } = keyring_search(task, ring, wanted, possessed);
  if (refused !== null && found === null) search_error(task, refused, possessed);
  if (found === null) throw errno(E.ENOKEY, '{} holds no {} key {}', ring, type.name, text);
  if (into !== null) {
    if (!key_permits(task, found, possessed, KEY_NEED_LINK))
      throw errno(E.EACCES, '{} may not be linked', found);
    key_link(task.kernel, into, found);
  }
  return found.serial;
}

function link(task: Task, id: number, ringId: number): number {
  const { key: ring } = lookup_user_key(task, ringId, true, KEY_NEED_WRITE);
  const { key } = lookup_user_key(task, id, true, KEY_NEED_LINK);
  key_link(task.kernel, ring, key);
  return 0;
}

function unlink(task: Task, id: number, ringId: number): number {
  const { key: ring } = lookup_user_key(task, ringId, false, KEY_NEED_WRITE);
  const { key } = lookup_user_key(task, id, false, 0, 'unlink');
  key_unlink(task.kernel, ring, key);
  return 0;
}

function move(task: Task, id: number, fromId: number, toId: number, flags: number): number {
  if ((flags & ~K.KEYCTL_MOVE_EXCL) !== 0)
    throw errno(E.EINVAL, 'KEYCTL_MOVE: flags {} are not known', flags);
  const { key } = lookup_user_key(task, id, true, KEY_NEED_LINK);
  const { key: from } = lookup_user_key(task, fromId, false, KEY_NEED_WRITE);
  const { key: to } = lookup_user_key(task, toId, true, KEY_NEED_WRITE);
  if (from === to) return 0;
  if (!from.isKeyring || !to.isKeyring)
    throw errno(E.ENOTDIR, '{} is no keyring', from.isKeyring ? to : from);
  if (!from.links.includes(key)) throw errno(E.ENOENT, '{} does not hold {}', from, key);
  const taken = to.links.some(
    (other) => other.type === key.type && other.description === key.description,
  );
  if (taken && (flags & K.KEYCTL_MOVE_EXCL) !== 0)
    throw errno(E.EEXIST, '{} holds such a key already', to);
  key_link(task.kernel, to, key);
  key_unlink(task.kernel, from, key);
  return 0;
}

function setTimeout_(task: Task, id: number, seconds: number): number {
  const key = keyOrAuthority(task, id, true, KEY_NEED_SETATTR);
  key.expiry = seconds === 0 ? Infinity : task.kernel.clock.realtime().sec + seconds;
  return 0;
}

/** The parent's session becomes the caller's, when both are the same user's programs (keyctl_session_to_parent). */
function sessionToParent(task: Task): number {
  const parent = task.group_leader.real_parent;
  const ring = lookup_user_key(task, K.KEY_SPEC_SESSION_KEYRING, false, KEY_NEED_LINK).key;
  const { cred } = task;
  const own = (id: 'uid' | 'gid'): boolean =>
    [parent?.cred[id], parent?.cred[`e${id}`], parent?.cred[`s${id}`]].every(
      (n) => n === cred[`e${id}`],
    );
  if (parent === null || parent.pid <= 1 || parent.signal.threads.size !== 1 || parent.mm === null || !own('uid') || !own('gid')) throw errno(E.EPERM, 'the parent of process {} is not a single-threaded program of the same user', task.pid); // prettier-ignore
  install_session_keyring(parent, ring);
  return 0;
}

function restrict(task: Task, id: number, typeAt: number, restrictionAt: number): number {
  const { key } = lookup_user_key(task, id, false, KEY_NEED_SETATTR);
  if ((typeAt === 0) !== (restrictionAt === 0))
    throw errno(E.EINVAL, 'KEYCTL_RESTRICT_KEYRING: a type and a restriction go together');
  const type = typeAt === 0 ? null : typeName(task, typeAt);
  if (!key.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', key);
  if (type !== null) throw errno(E.ENOENT, 'keys of type {} restrict no keyring', keyType(type).name); // prettier-ignore
  if (key.restricted) throw errno(E.EEXIST, '{} is restricted already', key);
  key.restricted = true;
  return 0;
}

/** Bits of what is there, byte by byte. */
const CAPABILITIES = Uint8Array.of(
  K.KEYCTL_CAPS0_CAPABILITIES | K.KEYCTL_CAPS0_PERSISTENT_KEYRINGS | K.KEYCTL_CAPS0_INVALIDATE | K.KEYCTL_CAPS0_RESTRICT_KEYRING | K.KEYCTL_CAPS0_MOVE, // prettier-ignore
  0,
);

function capabilities(task: Task, buffer: number, length: number): number {
  const bytes = new Uint8Array(Math.min(length, 4096));
  bytes.set(CAPABILITIES.subarray(0, length));
  if (length > 0) task.mem.write(buffer, bytes);
  return CAPABILITIES.length;
}

function setReqkey(task: Task, value: number): number {
  const old = task.jit_keyring ?? K.KEY_REQKEY_DEFL_DEFAULT;
  if (value === K.KEY_REQKEY_DEFL_NO_CHANGE) return old;
  if (value < 0 || value > K.KEY_REQKEY_DEFL_REQUESTOR_KEYRING || value === K.KEY_REQKEY_DEFL_GROUP_KEYRING) throw errno(E.EINVAL, 'keyctl: {} is no default keyring', value); // prettier-ignore
  if (value === K.KEY_REQKEY_DEFL_THREAD_KEYRING || value === K.KEY_REQKEY_DEFL_PROCESS_KEYRING)
    lookup_user_key(task, -value, true, 0, 'unlink');
  task.jit_keyring = value;
  return old;
}

/** The persistent keyring of a user, -1 for the caller's own, into a keyring. */
function getPersistent(task: Task, who: number, destination: number): number {
  const { cred } = task;
  const uid = who === -1 ? cred.uid : who >>> 0;
  if (uid !== cred.uid && uid !== cred.euid && !capable(cred, CAP_SETUID))
    throw errno(E.EPERM, 'the persistent keyring of user {} is for that user and CAP_SETUID', uid);
  const ring = lookup_user_key(task, destination, true, KEY_NEED_WRITE).key;
  if (!ring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', ring);
  return key_get_persistent(task, uid, ring).serial;
}

/** A register that holds a length has no sign. */
const unsigned = (n: number): number => (n < 0 ? n + 2 ** 64 : n);

function sys_keyctl(task: Task, op: number, a: number, b: number, c: number, d: number): number {
  const id = a | 0;
  const length = unsigned(c);
  switch (op) {
    case K.KEYCTL_GET_KEYRING_ID:
      return lookup_user_key(task, id, b !== 0, KEY_NEED_SEARCH).key.serial;
    case K.KEYCTL_JOIN_SESSION_KEYRING: {
      const name = a === 0 ? null : description(task, a);
      if (name?.startsWith('.')) throw errno(E.EPERM, 'keyrings that begin with a dot are the kernel\'s own: {}', name); // prettier-ignore
      return join_session_keyring(task, name)?.serial ?? 0;
    }
    case K.KEYCTL_UPDATE: {
      if (length > 4096)
        throw errno(E.EINVAL, 'KEYCTL_UPDATE takes at most 4096 bytes, not {}', length);
      const payload = length === 0 ? new Uint8Array(0) : task.mem.read(b, length);
      update(task, lookup_user_key(task, id, false, KEY_NEED_WRITE).key, payload);
      return 0;
    }
    case K.KEYCTL_REVOKE:
      return revoke(task, id);
    case K.KEYCTL_CHOWN:
      return chown(task, id, b | 0, c | 0);
    case K.KEYCTL_SETPERM:
      return setperm(task, id, b | 0);
    case K.KEYCTL_DESCRIBE:
      return describe(task, id, b, length);
    case K.KEYCTL_CLEAR:
      keyring_clear(task.kernel, lookup_user_key(task, id, true, KEY_NEED_WRITE).key);
      return 0;
    case K.KEYCTL_LINK:
      return link(task, id, b | 0);
    case K.KEYCTL_UNLINK:
      return unlink(task, id, b | 0);
    case K.KEYCTL_SEARCH:
      return search(task, id, b, c, d | 0);
    case K.KEYCTL_READ:
      return read(task, id, b, length);
    case K.KEYCTL_SET_REQKEY_KEYRING:
      return setReqkey(task, id);
    case K.KEYCTL_SET_TIMEOUT:
      return setTimeout_(task, id, b >>> 0);
    case K.KEYCTL_ASSUME_AUTHORITY:
      return assumeAuthority(task, id);
    case K.KEYCTL_GET_SECURITY:
      getSecurity(task, id);
      if (b !== 0 && length > 0) task.mem.putU8(b, 0);
      return 1;
    case K.KEYCTL_SESSION_TO_PARENT:
      return sessionToParent(task);
    case K.KEYCTL_INSTANTIATE: {
      const bytes = b === 0 ? 0 : length;
      if (bytes > MAX_PAYLOAD)
        throw errno(E.EINVAL, 'a key has at most {} bytes, not {}', MAX_PAYLOAD, bytes);
      return instantiate(task, id, () => (bytes === 0 ? new Uint8Array(0) : task.mem.read(b, bytes)), d | 0); // prettier-ignore
    }
    case K.KEYCTL_INSTANTIATE_IOV:
      return instantiate(task, id, () => iovBytes(task, b, c >>> 0), d | 0);
    case K.KEYCTL_NEGATE:
      return reject(task, id, b >>> 0, E.ENOKEY, c | 0);
    case K.KEYCTL_REJECT:
      return reject(task, id, b >>> 0, c >>> 0, d | 0);
    case K.KEYCTL_INVALIDATE:
      return invalidate(task, id);
    case K.KEYCTL_GET_PERSISTENT:
      return getPersistent(task, id, b | 0);
    case K.KEYCTL_RESTRICT_KEYRING:
      return restrict(task, id, b, c);
    case K.KEYCTL_MOVE:
      return move(task, id, b | 0, c | 0, d | 0);
    case K.KEYCTL_CAPABILITIES:
      return capabilities(task, a, unsigned(b));
    default:
      throw errno(E.EOPNOTSUPP, 'keyctl: operation {} is not part of this kernel', op);
  }
}

/** The call waits for a key that a helper is making, and runs again. */
function waiting<T extends readonly unknown[]>(
  call: (task: Task, ...args: T) => number,
): (task: Task, ...args: T) => number {
  // prettier-ignore
  return (task, ...args) => {
    try {
      return call(task, ...args);
    } catch (error) {
      if (error instanceof KeyWait) return task.wait(error.key.construct_wq);
      throw error;
    }
  };
}

export const KEYCTL: readonly SyscallRow[] = [
  row(NR.__NR_add_key, 'add_key', [str, str, inBuf(3), size, int], FULL, waiting(sys_add_key)),
  row(NR.__NR_request_key, 'request_key', [str, str, str, int], FULL, waiting(sys_request_key)),
  row(NR.__NR_keyctl, 'keyctl', [int, long, long, long, long], partial('no key-agreement and public-key operations'), waiting(sys_keyctl)), // prettier-ignore
];
