import * as E from '@vitrine/uapi/errno.ts';
import { type Cred, in_group_p } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';

/** Keys and keyrings (analogous to `struct key` and security/keys/key.c; keyrings(7)). */

/** Rights to a key, as eight bits each for its possessor, its user, its group and others. */
export const KEY_NEED_VIEW = 1;
export const KEY_NEED_READ = 2;
export const KEY_NEED_WRITE = 4;
export const KEY_NEED_SEARCH = 8;
export const KEY_NEED_LINK = 0x10;
export const KEY_NEED_SETATTR = 0x20;
const RIGHTS: Readonly<Record<number, string>> = { 1: 'view', 2: 'read', 4: 'write', 8: 'search', 16: 'link', 32: 'setattr' }; // prettier-ignore

export const KEY_POS_ALL = 0x3f00_0000;
export const KEY_POS_SETATTR = 0x2000_0000;
export const KEY_USR_VIEW = 0x0001_0000;
export const KEY_USR_READ = 0x0002_0000;
export const KEY_USR_LINK = 0x0010_0000;
export const KEY_USR_ALL = 0x003f_0000;

/** What a key of each type can do. */
export interface KeyType {
  readonly name: string;
  readonly read: boolean;
  readonly update: boolean;
}

export const KEY_TYPES: readonly KeyType[] = [
  { name: 'keyring', read: true, update: false },
  { name: 'user', read: true, update: true },
  { name: 'logon', read: false, update: true },
];

export const KEY_IS_UNINSTANTIATED = 0;
export const KEY_IS_POSITIVE = 1;

/** What a process that makes a key for another knows of that (analogous to `struct request_key_auth`). */
export interface RequestKeyAuth {
  readonly target: Key;
  /** Where the key goes that is being made. */
  readonly dest: Key | null;
  /** Who asked for it, and its keyrings. */
  readonly cred: Cred;
  readonly rings: readonly Key[];
  readonly pid: number;
}

declare module '../../fs/vfs.ts' {
  interface Vfs {
    keys?: KeyTable;
  }
}

export class Key {
  readonly serial: number;
  readonly type: KeyType;
  readonly description: string;
  uid: number;
  gid: number;
  perm: number;
  payload: Uint8Array = new Uint8Array(0);
  /** What a keyring holds, in order of linking. */
  readonly links: Key[] = [];
  /** CLOCK_REALTIME seconds after which it is of no use. */
  expiry: number = Infinity;
  revoked = false;
  /** Nobody finds it any more, whoever still holds it. */
  invalidated = false;
  /** A keyring that takes no more links (KEYCTL_RESTRICT_KEYRING). */
  restricted = false;
  /** KEY_IS_UNINSTANTIATED, KEY_IS_POSITIVE, or less than 0: the error that who asks for it gets. */
  state: number = KEY_IS_POSITIVE;
  /** A helper is making it; who needs it waits (KEY_FLAG_USER_CONSTRUCT). */
  constructing = false;
  readonly construct_wq: WaitQueue = new WaitQueue();
  /** A key that allows to make another one: what it is about. */
  authority: RequestKeyAuth | null = null;
  /** Keyrings and tasks that hold it; with the last one it goes. */
  usage = 0;
  /** Bytes that count for its owner's quota. */
  quota = 0;
  /** It is one of its owner's keys, for the quota. */
  readonly charged: boolean;

  static {
    serializable('Key', this);
  }

  constructor(
    serial: number,
    type: KeyType,
    description: string,
    uid: number,
    gid: number,
    perm: number,
    charged: boolean,
  ) {
    this.charged = charged;
    this.serial = serial;
    this.type = type;
    this.description = description;
    this.uid = uid;
    this.gid = gid;
    this.perm = perm;
  }

  get isKeyring(): boolean {
    return this.type.name === 'keyring';
  }

  toString(): string {
    return `key ${this.serial} (${this.type.name} ${this.description})`;
  }
}

/** Every key of the machine, and what users' keys take. */
export class KeyTable {
  readonly bySerial: Map<number, Key> = new Map();
  readonly quotas: Map<number, { keys: number; bytes: number }> = new Map();
  /** `_uid.N` and `_uid_ses.N`. */
  readonly userKeyrings: Map<number, { uid: Key; session: Key }> = new Map();
  /** Holds the persistent keyrings of users. */
  persistent: Key | null = null;
  /** kernel.keys.persistent_keyring_expiry, in seconds. */
  persistent_expiry: number = 3 * 24 * 3600;
  /** What each user's keys may take; root has more room (/proc/sys/kernel/keys). */
  maxkeys = 200;
  maxbytes = 20_000;
  root_maxkeys = 1_000_000;
  root_maxbytes = 25_000_000;
  /** Seconds that keys of no more use stay listed. */
  gc_delay = 300;

  static {
    serializable('KeyTable', this);
  }
}

export function key_table(kernel: Kernel): KeyTable {
  return (kernel.vfs.keys ??= new KeyTable());
}

export function quota_limits(table: KeyTable, uid: number): { keys: number; bytes: number } {
  return uid === 0
    ? { keys: table.root_maxkeys, bytes: table.root_maxbytes }
    : { keys: table.maxkeys, bytes: table.maxbytes };
}

export function key_quota(table: KeyTable, uid: number): { keys: number; bytes: number } {
  let quota = table.quotas.get(uid);
  if (quota === undefined) table.quotas.set(uid, (quota = { keys: 0, bytes: 0 }));
  return quota;
}

/** Counts keys and bytes for a user. Throws EDQUOT. */
export function charge_quota(table: KeyTable, uid: number, keys: number, bytes: number): void {
  const quota = key_quota(table, uid);
  const limit = quota_limits(table, uid);
  if ((keys > 0 && quota.keys + keys > limit.keys) || (bytes > 0 && quota.bytes + bytes > limit.bytes))
    throw errno(E.EDQUOT, 'user {} has {} keys of {} bytes; {} keys and {} bytes are allowed', uid, quota.keys, quota.bytes, limit.keys, limit.bytes); // prettier-ignore
  quota.keys += keys;
  quota.bytes += bytes;
}

/** Makes a key that nobody holds yet (key_alloc). */
export function key_alloc(
  kernel: Kernel,
  type: KeyType,
  description: string,
  uid: number,
  gid: number,
  perm: number,
  charged = true,
): Key {
  const table = key_table(kernel);
  const bytes = charged ? description.length + 1 : 0;
  if (charged) charge_quota(table, uid, 1, bytes);
  const random = new Uint8Array(4);
  let serial = 0;
  do {
    kernel.get_random_bytes(random);
    serial = new DataView(random.buffer).getUint32(0) & 0x7fff_ffff;
  } while (serial < 3 || table.bySerial.has(serial));
  const key = new Key(serial, type, description, uid, gid, perm, charged);
  key.quota = bytes;
  table.bySerial.set(serial, key);
  return key;
}

export function set_payload(kernel: Kernel, key: Key, payload: Uint8Array): void {
  key_payload_reserve(kernel, key, payload.length - key.payload.length);
  key.payload = payload;
}

/** What a key holds grows or shrinks by so many bytes. */
export function key_payload_reserve(kernel: Kernel, key: Key, delta: number): void {
  if (!key.charged) return;
  charge_quota(key_table(kernel), key.uid, 0, delta);
  key.quota += delta;
}

export function key_get(key: Key): Key {
  key.usage++;
  return key;
}

/** One holder less; a key that nobody holds is gone, and what it held with it. */
export function key_put(kernel: Kernel, key: Key): void {
  const todo = [key];
  const table = key_table(kernel);
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (--at.usage > 0) continue;
    table.bySerial.delete(at.serial);
    if (at.charged) charge_quota(table, at.uid, -1, -at.quota);
    todo.push(...at.links.splice(0));
    if (at.authority === null) continue;
    const { target, dest, rings } = at.authority;
    todo.push(target, ...rings);
    if (dest !== null) todo.push(dest);
  }
}

/** Throws ENOKEY, EKEYREVOKED or EKEYEXPIRED for a key that is of no use any more (key_validate). */
export function key_validate(kernel: Kernel, key: Key): void {
  if (key.invalidated)
    throw errno(E.ENOKEY, '{} was invalidated and is found by nobody any more', key);
  if (key.revoked) throw errno(E.EKEYREVOKED, '{} was revoked and is of no use any more', key);
  if (kernel.clock.realtime().sec >= key.expiry)
    throw errno(E.EKEYEXPIRED, '{} is of no use since second {} of the epoch', key, key.expiry);
}

/** Throws the error of a key that was refused when it was asked for. */
export function key_positive(key: Key): void {
  if (key.state < 0) throw errno(-key.state, '{} was asked for and refused', key);
}

/** Does the caller have a right to the key? (key_task_permission) */
export function key_permits(
  current: Pick<Current, 'cred'>,
  key: Key,
  possessed: boolean,
  need: number,
): boolean {
  const { cred } = current;
  let rights = key.perm;
  if (key.uid === cred.fsuid) rights >>>= 16;
  else if (key.gid !== -1 && (key.perm & 0x3f00) !== 0 && in_group_p(cred, key.gid)) rights >>>= 8;
  if (possessed) rights |= key.perm >>> 24;
  return (rights & need) === need;
}

export function key_permission(current: Current, key: Key, possessed: boolean, need: number): void {
  if (key_permits(current, key, possessed, need)) return;
  throw errno(E.EACCES, '{} (uid {}, rights {}) gives uid {} no right to {} it', key, key.uid, key.perm.toString(16), current.cred.fsuid, RIGHTS[need] ?? need); // prettier-ignore
}
