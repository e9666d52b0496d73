import * as E from '@vitrine/uapi/errno.ts';
import { KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING, KEY_SPEC_GROUP_KEYRING, KEY_SPEC_REQKEY_AUTH_KEY, KEY_SPEC_REQUESTOR_KEYRING } from '@vitrine/uapi/keyctl.ts'; // prettier-ignore
import { Errno, errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import {
  KEY_IS_UNINSTANTIATED,
  KEY_NEED_SEARCH,
  KEY_POS_ALL,
  KEY_POS_SETATTR,
  KEY_TYPES,
  KEY_USR_ALL,
  KEY_USR_LINK,
  KEY_USR_READ,
  KEY_USR_VIEW,
  type Key,
  type KeyType,
  type RequestKeyAuth,
  key_alloc,
  key_get,
  key_permission,
  key_permits,
  key_positive,
  key_put,
  key_table,
  key_validate,
} from './key.ts';
import { type Found, type Search, type Searcher, key_link, keyring_holds, keyring_search, search_error } from './keyring.ts'; // prettier-ignore

/** The keyrings of threads, processes, sessions and users (analogous to security/keys/process_keys.c). */

declare module '../../kernel/task.ts' {
  interface Task {
    thread_keyring?: Key | null;
    /** Shared with the threads that are made after it. */
    process_keyring?: Key | null;
    /** Inherited by fork and exec. */
    session_keyring?: Key | null;
    /** The key that allows it to make a key for another process (KEYCTL_ASSUME_AUTHORITY). */
    request_key_auth?: Key | null;
    /** KEYCTL_SET_REQKEY_KEYRING. */
    jit_keyring?: number;
  }
}

export const KEYRING: KeyType = KEY_TYPES[0]!;

function makeRing(task: Task, name: string, perm: number): Key {
  const { cred, kernel } = task;
  return key_get(key_alloc(kernel, KEYRING, name, cred.uid, cred.gid, perm));
}

/** `_uid.N` and `_uid_ses.N` of the caller's user, made when first asked for (look_up_user_keyrings). */
export function user_keyrings(task: Task): { uid: Key; session: Key } {
  const { kernel } = task;
  const { uid } = task.cred;
  const { userKeyrings } = key_table(kernel);
  const made = userKeyrings.get(uid);
  const own = user_keyring(task, made?.uid, `_uid.${uid}`);
  const session = user_keyring(task, made?.session, `_uid_ses.${uid}`);
  if (session !== made?.session) key_link(kernel, session, own);
  const rings = { uid: own, session };
  userKeyrings.set(uid, rings);
  return rings;
}

/** One of them: that which there is, unless somebody has invalidated it. Throws if it is of no use any more. */
function user_keyring(task: Task, ring: Key | undefined, name: string): Key {
  const { kernel, cred } = task;
  if (ring !== undefined && !ring.invalidated) {
    key_validate(kernel, ring);
    key_permission(task, ring, true, KEY_NEED_SEARCH);
    return ring;
  }
  if (ring !== undefined) key_put(kernel, ring);
  const perm = (KEY_POS_ALL & ~KEY_POS_SETATTR) | KEY_USR_ALL;
  return key_get(key_alloc(kernel, KEYRING, name, cred.uid, -1, perm));
}

/** Gives the task a session keyring, and drops its reference to the old one. */
export function install_session_keyring(task: Task, ring: Key): void {
  const old = task.session_keyring ?? null;
  task.session_keyring = key_get(ring);
  if (old !== null) key_put(task.kernel, old);
}

/** KEYCTL_JOIN_SESSION_KEYRING: a new anonymous one, or the named one; null if that is the task's already. */
export function join_session_keyring(task: Task, name: string | null): Key | null {
  const { kernel } = task;
  let ring: Key | undefined;
  if (name === '') throw errno(E.EINVAL, 'a session keyring that is joined by name has one');
  if (name === null) ring = makeRing(task, '_ses', KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ);
  else {
    ring = [...key_table(kernel).bySerial.values()].find(
      (key) => key.isKeyring && key.description === name && !key.revoked && key_permits(task, key, false, KEY_NEED_SEARCH), // prettier-ignore
    );
    if (ring === undefined)
      ring = makeRing(task, name, KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ | KEY_USR_LINK); // prettier-ignore
    else if (ring === task.session_keyring) return null;
    else key_get(ring);
  }
  install_session_keyring(task, ring);
  key_put(kernel, ring);
  return ring;
}

/** The keyrings that are searched for a process, nearest first. Its user's are not made for that (get_user_session_keyring_rcu). */
export function process_keyrings(task: Task): Key[] {
  const session = task.session_keyring ?? key_table(task.kernel).userKeyrings.get(task.cred.uid)?.session; // prettier-ignore
  return [task.thread_keyring, task.process_keyring, session].filter((ring) => !!ring) as Key[];
}

/** What a search in some keyrings comes to: that one has it not counts more than that it is of no use, less than that it was refused. */
function search_rings(who: Searcher, rings: readonly Key[], search: Search): Found {
  let refused: Key | null = null;
  let negative: Key | null = null;
  let missing = false;
  for (const ring of rings) {
    const found = keyring_search(who, ring, search);
    if (found.key !== null) return found;
    if (found.refused === null) missing = true;
    else if (found.refused.state === -E.ENOKEY) negative = found.refused;
    else refused = found.refused;
  }
  return { key: null, refused: negative ?? (missing ? null : refused) };
}

/** Whom the process makes a key for, while it may. */
function requester(task: Task): RequestKeyAuth | null {
  const auth = task.request_key_auth;
  return auth && !auth.revoked ? auth.authority : null;
}

/** Finds a key in the process's keyrings, then in those of who asked it to make a key (search_process_keyrings_rcu). */
export function search_process_keyrings(task: Task, search: Search): Key | null {
  let { key, refused } = search_rings(task, process_keyrings(task), search);
  const other = requester(task);
  if (key === null && other !== null && search.type !== REQUEST_KEY_AUTH) {
    const found = search_rings({ cred: other.cred, kernel: task.kernel }, other.rings, search);
    key = found.key;
    if (refused?.state !== -E.ENOKEY && (found.refused?.state === -E.ENOKEY || (refused !== null && !key_permits(task, refused, true, KEY_NEED_SEARCH)))) refused = found.refused; // prettier-ignore
  }
  return key ?? (refused === null ? null : search_error(task, refused));
}

/** Keys of this type allow to make another one. */
export const REQUEST_KEY_AUTH = '.request_key_auth';

function special(task: Task, id: number, create: boolean): Key {
  switch (id) {
    case KEY_SPEC_THREAD_KEYRING:
      if (!task.thread_keyring && create) task.thread_keyring = makeRing(task, '_tid', KEY_POS_ALL | KEY_USR_VIEW); // prettier-ignore
      if (task.thread_keyring) return task.thread_keyring;
      break;
    case KEY_SPEC_PROCESS_KEYRING:
      if (!task.process_keyring && create) task.process_keyring = makeRing(task, '_pid', KEY_POS_ALL | KEY_USR_VIEW); // prettier-ignore
      if (task.process_keyring) return task.process_keyring;
      break;
    case KEY_SPEC_SESSION_KEYRING:
      if (!task.session_keyring) {
        if (create) return join_session_keyring(task, null)!;
        install_session_keyring(task, user_keyrings(task).session);
      }
      return task.session_keyring!;
    case KEY_SPEC_USER_KEYRING:
    case KEY_SPEC_USER_SESSION_KEYRING:
      try {
        const { uid, session } = user_keyrings(task);
        return id === KEY_SPEC_USER_KEYRING ? uid : session;
      } catch (error) {
        // Whatever is wrong with one of the two.
        if (!(error instanceof Errno) || error.code === E.EDQUOT) throw error;
        throw errno(E.ENOKEY, 'the keyrings of user {} are of no use any more', task.cred.uid);
      }
    case KEY_SPEC_REQKEY_AUTH_KEY:
      if (task.request_key_auth) return task.request_key_auth;
      throw errno(E.ENOKEY, 'process {} makes no key for another', task.pid);
    case KEY_SPEC_REQUESTOR_KEYRING: {
      const auth = task.request_key_auth;
      if (auth?.revoked) throw errno(E.EKEYREVOKED, 'process {} has made the key', task.pid);
      if (!auth?.authority?.dest) throw errno(E.ENOKEY, 'process {} makes no key for another that would go to a keyring', task.pid); // prettier-ignore
      return auth.authority.dest;
    }
    case KEY_SPEC_GROUP_KEYRING:
      throw errno(E.EINVAL, 'there are no group keyrings');
    default:
      throw errno(id < 1 ? E.EINVAL : E.ENOKEY, 'key number {} stands for no keyring', id);
  }
  throw errno(E.ENOKEY, 'the thread has no keyring {} and it is not to be made', id);
}

/** A key and whether the caller possesses it: reaches it from its own keyrings. */
export interface KeyRef {
  readonly key: Key;
  readonly possessed: boolean;
}

/** A key is being made by a helper: the call runs again when it is there. */
export class KeyWait {
  readonly key: Key;
  constructor(key: Key) {
    this.key = key;
  }
}

/** Throws KeyWait, or the error with which the key was refused (wait_for_key_construction). */
export function wait_for_key_construction(key: Key): void {
  if (key.constructing) throw new KeyWait(key);
  key_positive(key);
}

/** What a key must be to be named: there; not revoked or expired, if not yet made; anything, only to take it out of a keyring. */
export type Lookup = 'whole' | 'partial' | 'unlink';

/**
 * The key that a program names by number, or one of its own keyrings by a negative one (lookup_user_key).
 * @param need the right it takes, 0 for none
 */
export function lookup_user_key(
  task: Task,
  id: number,
  create: boolean,
  need: number,
  lookup: Lookup = 'whole',
): KeyRef {
  let ref: KeyRef;
  if (id < 1) ref = { key: special(task, id, create), possessed: true };
  else {
    const key = key_table(task.kernel).bySerial.get(id);
    if (key === undefined) throw errno(E.ENOKEY, 'there is no key {}', id);
    ref = { key, possessed: reaches(task, key) };
  }
  if (lookup === 'whole') wait_for_key_construction(ref.key);
  if (lookup !== 'unlink') key_validate(task.kernel, ref.key);
  if (lookup === 'whole' && ref.key.state === KEY_IS_UNINSTANTIATED)
    throw errno(E.EIO, '{} was never made', ref.key);
  if (need !== 0) key_permission(task, ref.key, ref.possessed, need);
  return ref;
}

function reaches(task: Task, key: Key): boolean {
  if (process_keyrings(task).some((ring) => keyring_holds(task, ring, key))) return true;
  const other = requester(task);
  if (other === null) return false;
  const who = { cred: other.cred, kernel: task.kernel };
  return other.rings.some((ring) => keyring_holds(who, ring, key));
}

/** The right to make a key, if the process has it in its keyrings (key_get_instantiation_authority). */
export function key_get_instantiation_authority(task: Task, id: number): Key {
  const description = id.toString(16);
  const auth = search_process_keyrings(task, { type: REQUEST_KEY_AUTH, description });
  if (auth === null) throw errno(E.ENOKEY, 'nobody asked process {} to make key {}', task.pid, id);
  return auth;
}

/** Uses the right to make a key, or no such right any more (keyctl_change_reqkey_auth). */
export function change_reqkey_auth(task: Task, auth: Key | null): void {
  if (auth !== null) key_get(auth);
  drop(task.kernel, task.request_key_auth);
  task.request_key_auth = auth;
}

/** fork: the child is in the same session. A thread starts without a keyring of its own, with the process's if there is one. */
export function copy_keys(parent: Task, child: Task, thread: boolean): void {
  if (thread && parent.process_keyring) child.process_keyring = key_get(parent.process_keyring);
  if (parent.session_keyring) child.session_keyring = key_get(parent.session_keyring);
  if (parent.request_key_auth) child.request_key_auth = key_get(parent.request_key_auth);
  if (parent.jit_keyring !== undefined) child.jit_keyring = parent.jit_keyring;
}

/** exec: the keyrings of the thread and of the process are for the old program alone. */
export function exec_keys(task: Task): void {
  drop(task.kernel, task.thread_keyring);
  drop(task.kernel, task.process_keyring);
  task.thread_keyring = task.process_keyring = null;
}

export function exit_keys(task: Task): void {
  exec_keys(task);
  drop(task.kernel, task.session_keyring);
  drop(task.kernel, task.request_key_auth);
  task.session_keyring = task.request_key_auth = null;
}

function drop(kernel: Kernel, key: Key | null | undefined): void {
  if (key) key_put(kernel, key);
}
