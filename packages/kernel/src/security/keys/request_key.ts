import * as E from '@vitrine/uapi/errno.ts';
import * as K from '@vitrine/uapi/keyctl.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { type UmhOwner, call_usermodehelper } from '../../kernel/umh.ts';
import { KEY_IS_POSITIVE, KEY_IS_UNINSTANTIATED, KEY_NEED_WRITE, KEY_POS_ALL, KEY_USR_READ, KEY_USR_VIEW, type Key, type KeyType, key_alloc, key_get, key_permission, key_put, key_validate, set_payload } from './key.ts'; // prettier-ignore
import { add_link, key_invalidate, key_link } from './keyring.ts';
import { KEYRING, REQUEST_KEY_AUTH, process_keyrings, user_keyrings } from './process_keys.ts';

/** Keys that a helper makes when they are asked for (request-key(8), security/keys/request_key.c and request_key_auth.c). */

const HELPER = '/sbin/request-key';
const ENVIRONMENT = ['HOME=/', 'PATH=/sbin:/bin:/usr/sbin:/usr/bin'];
/** Seconds for which it is known that there is no such key. */
const key_negative_timeout = 60;

const AUTH_TYPE: KeyType = { name: REQUEST_KEY_AUTH, read: true, update: false };
const AUTH_PERM = 0x1b01_0000;
const NEW_KEY_PERM = 0x3901_0000;
const KEY_POS_READ = 0x0200_0000;
const KEY_POS_WRITE = 0x0400_0000;

/** A helper that makes a key, and who waits for it. */
export class KeyConstruction implements UmhOwner {
  readonly kernel: Kernel;
  readonly key: Key;
  readonly auth: Key;
  readonly wq: WaitQueue = new WaitQueue();
  /** The helper has ended, or could not be started. */
  done = false;
  error = 0;

  static {
    serializable('KeyConstruction', this);
  }

  constructor(kernel: Kernel, key: Key, auth: Key) {
    this.kernel = kernel;
    this.key = key_get(key);
    this.auth = key_get(auth);
  }

  exited(): void {
    const { key } = this;
    this.complete(key.constructing || key.revoked ? E.ENOKEY : 0);
  }

  /** A key that was not made is known not to be there; whoever could make it cannot any more (complete_request_key). */
  complete(error: number): void {
    const { kernel, key, auth } = this;
    this.done = true;
    this.error = error;
    if (error === 0) auth.revoked = true;
    else if (key.state === KEY_IS_UNINSTANTIATED)
      key_reject(kernel, key, key_negative_timeout, E.ENOKEY, null, auth);
    key_put(kernel, auth);
    key_put(kernel, key);
    this.wq.wake();
  }
}

function made(key: Key, state: number): void {
  key.state = state;
  key.constructing = false;
  key.construct_wq.wake();
}

function notMade(key: Key): void {
  if (key.state !== KEY_IS_UNINSTANTIATED) throw errno(E.EBUSY, '{} was made already', key);
}

/** Gives a key that was asked for what it holds (key_instantiate_and_link). */
export function key_instantiate(
  kernel: Kernel,
  key: Key,
  payload: Uint8Array,
  ring: Key | null,
  auth: Key,
): void {
  // prettier-ignore
  notMade(key);
  set_payload(kernel, key, payload);
  if (ring !== null) key_link(kernel, ring, key);
  made(key, KEY_IS_POSITIVE);
  key_invalidate(kernel, auth);
}

/** Nobody gets the key for so many seconds, but an error (key_reject_and_link). */
export function key_reject(
  kernel: Kernel,
  key: Key,
  timeout: number,
  error: number,
  ring: Key | null,
  auth: Key,
): void {
  notMade(key);
  key.expiry = kernel.clock.realtime().sec + timeout;
  if (ring !== null) key_link(kernel, ring, key);
  made(key, -error);
  key_invalidate(kernel, auth);
}

/** Where a key goes that is asked for without saying (construct_get_dest_keyring). */
function default_keyring(task: Task): Key {
  const jit = task.jit_keyring ?? K.KEY_REQKEY_DEFL_DEFAULT;
  const auth = task.request_key_auth;
  const to = auth && !auth.revoked ? auth.authority!.dest : null;
  // Who makes a key may put others where that one goes.
  if (to !== null && (jit === K.KEY_REQKEY_DEFL_DEFAULT || jit === K.KEY_REQKEY_DEFL_REQUESTOR_KEYRING)) return to; // prettier-ignore
  const ring = nearest(task, jit);
  key_permission(task, ring, true, KEY_NEED_WRITE);
  return ring;
}

function nearest(task: Task, jit: number): Key {
  if (jit === K.KEY_REQKEY_DEFL_USER_KEYRING) return user_keyrings(task).uid;
  const from = jit === K.KEY_REQKEY_DEFL_REQUESTOR_KEYRING ? 0 : jit;
  if (from <= K.KEY_REQKEY_DEFL_THREAD_KEYRING && task.thread_keyring) return task.thread_keyring;
  if (from <= K.KEY_REQKEY_DEFL_PROCESS_KEYRING && task.process_keyring) return task.process_keyring; // prettier-ignore
  if (from <= K.KEY_REQKEY_DEFL_SESSION_KEYRING && task.session_keyring) return task.session_keyring; // prettier-ignore
  return user_keyrings(task).session;
}

/** Makes a key that is empty yet and starts the helper that fills it (construct_key_and_link). */
export function construct_key_and_link(
  task: Task,
  type: KeyType,
  description: string,
  callout: Uint8Array,
  into: Key | null,
): KeyConstruction {
  if (type === KEYRING) throw errno(E.EPERM, 'keyrings are not made on demand');
  const { kernel, cred } = task;
  const ring = into ?? default_keyring(task);
  const perm = NEW_KEY_PERM | (type.read ? KEY_POS_READ : 0) | (type.update ? KEY_POS_WRITE : 0);
  const key = key_get(key_alloc(kernel, type, description, cred.fsuid, cred.fsgid, perm));
  try {
    key.state = KEY_IS_UNINSTANTIATED;
    key.constructing = true;
    add_link(kernel, ring, key);
    return call_sbin_request_key(task, key, callout, ring);
  } finally {
    key_put(kernel, key);
  }
}

/** The right to make a key, for who finds it in its session keyring (request_key_auth_new). */
function request_key_auth_new(task: Task, target: Key, callout: Uint8Array, dest: Key): Key {
  const { kernel, cred } = task;
  const auth = key_alloc(kernel, AUTH_TYPE, target.serial.toString(16), cred.fsuid, cred.fsgid, AUTH_PERM, false); // prettier-ignore
  auth.payload = callout;
  // Who makes a key for somebody and needs another one for it asks in that one's name.
  const other = task.request_key_auth;
  const from = other && !other.revoked ? other.authority! : null;
  const rings = from === null ? process_keyrings(task) : from.rings;
  auth.authority = { target: key_get(target), dest: key_get(dest), cred: from?.cred ?? cred, rings: rings.map(key_get), pid: from?.pid ?? task.pid }; // prettier-ignore
  return key_get(auth);
}

function call_sbin_request_key(
  task: Task,
  key: Key,
  callout: Uint8Array,
  dest: Key,
): KeyConstruction {
  const { kernel, cred } = task;
  const auth = request_key_auth_new(task, key, callout, dest);
  const construction = new KeyConstruction(kernel, key, auth);
  const session = key_get(key_alloc(kernel, KEYRING, `_req.${key.serial}`, cred.fsuid, cred.fsgid, KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ, false)); // prettier-ignore
  key_link(kernel, session, auth);
  const rings = [task.thread_keyring, task.process_keyring, task.session_keyring ?? user_keyrings(task).session]; // prettier-ignore
  const argv = [HELPER, 'create', key.serial, cred.fsuid, cred.fsgid, ...rings.map((ring) => ring?.serial ?? 0)]; // prettier-ignore
  const prepare = (helper: Task): void => {
    helper.session_keyring = key_get(session);
  };
  const error = call_usermodehelper(kernel, argv.map(String), prepare, construction, ENVIRONMENT);
  if (error !== 0) construction.complete(error);
  key_put(kernel, session);
  key_put(kernel, auth);
  return construction;
}

/** What the helper came to, once it has ended. @returns the key's number, or BLOCKED */
export function wait_for_helper(task: Task, construction: KeyConstruction): number {
  const { done, error, key } = construction;
  if (!done) {
    task.callState = construction;
    return task.waitKillable(construction.wq);
  }
  if (error === E.ENOKEY) throw errno(error, '{} ended and has not made {}', HELPER, key);
  if (error !== 0) throw errno(error, '{} could not be started to make {}', HELPER, key);
  if (key.state < 0) throw errno(-key.state, '{} refused to make {}', HELPER, key);
  key_validate(task.kernel, key);
  return key.serial;
}
