import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_IPC_OWNER, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { capable, in_egroup_p } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';

export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;
export const IPCMNI = 32768;
const IPC_MIN_CYCLE = 64;

/** Analogous to `struct kern_ipc_perm`: what queues, semaphores and segments have in common. */
export abstract class IpcPerm {
  id = -1;
  key: number;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  mode: number;
  seq = 0;
  removed = false;

  constructor(current: Current, key: number, mode: number) {
    const { cred } = current;
    this.key = key;
    this.uid = this.cuid = cred.euid;
    this.gid = this.cgid = cred.egid;
    this.mode = mode & 0o777;
  }

  abstract readonly kind: string;

  toString(): string {
    return `${this.kind} ${this.id} (key 0x${(this.key >>> 0).toString(16)})`;
  }
}

/** One kind's objects by id and key (analogous to `struct ipc_ids`). */
export class IpcIds {
  readonly byIndex: Map<number, IpcPerm> = new Map();
  private seq = 0;
  private lastIndex = -1;
  private nextIndex = 0;
  /** The id that the next object gets (sysctl kernel.msg_next_id and its kin); -1 for any. */
  next_id = -1;
  /** Most objects of the kind. */
  max: number;
  constructor(max: number) {
    this.max = max;
  }

  static {
    serializable('IpcIds', this);
  }

  /** The highest index in use, -1 when none. */
  get maxIndex(): number {
    return Math.max(-1, ...this.byIndex.keys());
  }

  add(object: IpcPerm): number {
    if (this.byIndex.size >= this.max)
      throw errno(
        ENOSPC,
        'there are {} objects already, the most of the kind {}',
        this.max,
        object.kind,
      );
    const wanted = this.next_id;
    this.next_id = -1;
    let index = wanted % IPCMNI;
    if (wanted >= 0) {
      while (this.byIndex.has(index)) index++;
      object.seq = Math.floor(wanted / IPCMNI);
    } else {
      index = this.cyclicIndex();
      // Ids are not given again soon: the sequence number moves on when the indices begin anew.
      if (index <= this.lastIndex) this.seq = (this.seq + 1) % 65535;
      this.lastIndex = index;
      object.seq = this.seq;
    }
    object.id = object.seq * IPCMNI + index;
    this.byIndex.set(index, object);
    return object.id;
  }

  /** The next free index after the last one given; few indices are in use at a time (ipc_idr_alloc). */
  private cyclicIndex(): number {
    const end = Math.min(Math.max(Math.floor((this.byIndex.size * 3) / 2), IPC_MIN_CYCLE), IPCMNI);
    let index = this.nextIndex;
    while (index < end && this.byIndex.has(index)) index++;
    if (index >= end) for (index = 0; this.byIndex.has(index);) index++;
    this.nextIndex = index + 1;
    return index;
  }

  /** Throws EINVAL for an id that never was or is no longer. */
  find(id: number, what: string): IpcPerm {
    const object = id < 0 ? undefined : this.byIndex.get(id % IPCMNI);
    if (object === undefined || object.id !== id)
      throw errno(EINVAL, 'there is no {} with id {}', what, id);
    return object;
  }

  remove(object: IpcPerm): void {
    object.removed = true;
    this.byIndex.delete(object.id % IPCMNI);
  }

  /** semget, msgget, shmget: finds by key, or makes (ipcget). */
  get(
    current: Current,
    key: number,
    flags: number,
    what: string,
    make: () => IpcPerm,
    check: (found: IpcPerm) => void,
  ): number {
    if (key !== 0) {
      for (const found of this.byIndex.values()) {
        if (found.key !== key) continue;
        if ((flags & (IPC_CREAT | IPC_EXCL)) === (IPC_CREAT | IPC_EXCL))
          throw errno(EEXIST, 'IPC_EXCL: {} exists', found);
        check(found);
        ipcperms(current, found, flags);
        return found.id;
      }
      if (!(flags & IPC_CREAT)) throw errno(ENOENT, 'there is no {} with key {}', what, key);
    }
    return this.add(make());
  }
}

/** Permission bits as of a file: read 4, alter 2 (ipcperms). */
export function ipcperms(current: Current, object: IpcPerm, flags: number): void {
  const { cred } = current;
  const wanted = ((flags >> 6) | (flags >> 3) | flags) & 7;
  let granted = object.mode;
  if (cred.euid === object.cuid || cred.euid === object.uid) granted >>= 6;
  else if (in_egroup_p(cred, object.cgid) || in_egroup_p(cred, object.gid)) granted >>= 3;
  if ((wanted & ~granted & 7) === 0 || capable(cred, CAP_IPC_OWNER)) return;
  throw errno(EACCES, '{} (mode {}, owner {}:{}) is not open to uid {} without CAP_IPC_OWNER',
    object, '0' + object.mode.toString(8), object.uid, object.gid, cred.euid); // prettier-ignore
}

/** IPC_RMID and IPC_SET are for the owner and the maker. */
export function ipc_owner(current: Current, object: IpcPerm): void {
  const { euid } = current.cred;
  if (euid === object.uid || euid === object.cuid || capable(current.cred, CAP_SYS_ADMIN)) return;
  throw errno(
    EPERM,
    'changing {} is for uid {}, its maker {} and CAP_SYS_ADMIN, not uid {}',
    object,
    object.uid,
    object.cuid,
    euid,
  );
}

/** struct ipc64_perm, 48 bytes. */
export function put_ipc_perm(view: DataView, object: IpcPerm): void {
  view.setInt32(0, object.key, true);
  view.setUint32(4, object.uid, true);
  view.setUint32(8, object.gid, true);
  view.setUint32(12, object.cuid, true);
  view.setUint32(16, object.cgid, true);
  view.setUint32(20, object.mode, true);
  view.setUint16(24, object.seq, true);
}

/** IPC_SET: owner, group and permission bits from the caller's structure. */
export function ipc_update_perm(current: Current, object: IpcPerm, at: number): void {
  const uid = current.mem.getU32(at + 4);
  const gid = current.mem.getU32(at + 8);
  if (uid === 0xffff_ffff || gid === 0xffff_ffff)
    throw errno(EINVAL, 'IPC_SET: -1 is no user or group');
  object.uid = uid;
  object.gid = gid;
  object.mode = (object.mode & ~0o777) | (current.mem.getU32(at + 20) & 0o777);
}

export const seconds = (current: Current): number => current.kernel.clock.realtime().sec;
