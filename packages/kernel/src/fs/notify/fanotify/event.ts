import * as I from '@vitrine/uapi/inotify.ts';
import { serializable } from '../../../include/serial.ts';
import type { Path } from '../../dcache.ts';
import { type FileHandle, encode_fh } from '../../exportfs.ts';
import { FS_DIRENT_EVENTS, type FsnotifyEvent } from '../../fsnotify_backend.ts';
import type { Inode } from '../../inode.ts';

export const FAN_FID_BITS: number =
  I.FAN_REPORT_FID | I.FAN_REPORT_DIR_FID | I.FAN_REPORT_NAME | I.FAN_REPORT_TARGET_FID;
export const FAN_INFO_MODES: number = FAN_FID_BITS | I.FAN_REPORT_PIDFD;
export const FAN_PERM_EVENTS: number = I.FAN_OPEN_PERM | I.FAN_ACCESS_PERM | I.FAN_OPEN_EXEC_PERM;

/** A directory and a name in it, as file handles tell them. */
interface Place {
  readonly dir: FileHandle;
  readonly name: string;
}

/** What an event with file handles tells: where it happened, where that is now, and to what. */
export interface FidInfo {
  readonly fsid: bigint;
  readonly at: Place | null;
  readonly to: Place | null;
  readonly object: FileHandle | null;
}

export const QUEUED = 0;
export const REPORTED = 1;
export const ANSWERED = 2;

/** Analogous to `struct fanotify_event`. */
export class FanotifyEvent {
  mask: number;
  readonly pid: number;
  /** Kept open for the reader; null where handles are told, and for an overflow. */
  readonly path: Path | null;
  readonly fid: FidInfo | null;
  /** Of a permission event: the thread that waits, how far it has come, the reader's descriptor and the answer. */
  asker = 0;
  state: number = QUEUED;
  fd = -1;
  allowed = false;
  constructor(mask: number, pid: number, path: Path | null, fid: FidInfo | null) {
    this.mask = mask;
    this.pid = pid;
    this.path = path;
    this.fid = fid;
  }

  static {
    serializable('FanotifyEvent', this);
  }

  get perm(): boolean {
    return (this.mask & FAN_PERM_EVENTS) !== 0;
  }
}

/** The inode that stands for what happened: for names that come and go it is the directory (fanotify_fid_inode). */
function fid_inode(event: FsnotifyEvent, mode: number): Inode {
  const dirent = (event.mask & FS_DIRENT_EVENTS) !== 0 && !(mode & I.FAN_REPORT_TARGET_FID);
  return dirent ? event.dir! : event.inode;
}

function dfid_inode(event: FsnotifyEvent): Inode | null {
  if (event.mask & FS_DIRENT_EVENTS) return event.dir;
  return (event.inode.mode & 0o170000) === 0o40000 ? event.inode : event.dir;
}

function report_child_fid(mode: number, mask: number): boolean {
  if (mask & FS_DIRENT_EVENTS) return (mode & I.FAN_REPORT_TARGET_FID) !== 0;
  return (mode & I.FAN_REPORT_FID) !== 0 && !(mask & I.FAN_ONDIR);
}

/**
 * What a group with handles is told (fanotify_alloc_event).
 * @param old whether FAN_RENAME tells the old place; `now` whether it tells the new one
 */
export function fid_info(
  event: FsnotifyEvent,
  mask: number,
  mode: number,
  old: boolean,
  now: boolean,
): FidInfo {
  const { fsid } = event.inode.sb;
  const ondir = (mask & I.FAN_ONDIR) !== 0;
  let id = fid_inode(event, mode);
  const dirid = dfid_inode(event);
  if (!(mode & I.FAN_REPORT_DIR_FID) || dirid === null)
    return { fsid, at: null, to: null, object: encode_fh(id) };
  const child = report_child_fid(mode, mask) && id !== dirid ? id : null;
  id = dirid;
  const named = (mode & I.FAN_REPORT_NAME) !== 0;
  const name_event = named ? (mask & FS_DIRENT_EVENTS) !== 0 || !ondir : child !== null;
  const rename = (mask & I.FAN_RENAME) !== 0;
  const name = named && event.name !== '' ? event.name : '';
  const to = rename && now ? { dir: encode_fh(event.to!.dir), name: event.to!.name } : null;
  if (!name_event || (name === '' && to === null && child === null))
    return { fsid, at: null, to: null, object: encode_fh(id) };
  const at = rename && !old ? null : { dir: encode_fh(dirid), name };
  return { fsid, at, to, object: child === null ? null : encode_fh(child) };
}

const sameHandle = (a: FileHandle | null, b: FileHandle | null): boolean =>
  a === b || (a !== null && b !== null && a.type === b.type && a.bytes.every((byte, i) => byte === b.bytes[i])); // prettier-ignore
const samePlace = (a: Place | null, b: Place | null): boolean =>
  a === b || (a !== null && b !== null && a.name === b.name && sameHandle(a.dir, b.dir));

/** Whether two events are told as one (fanotify_should_merge). */
export function should_merge(old: FanotifyEvent, event: FanotifyEvent): boolean {
  if (old.pid !== event.pid || old.perm || event.perm) return false;
  const apart = I.FAN_ONDIR | I.FAN_RENAME | I.FAN_Q_OVERFLOW;
  if ((old.mask & apart) !== (event.mask & apart)) return false;
  const a = old.fid;
  const b = event.fid;
  if (a === null || b === null)
    return a === b && old.path !== null && event.path !== null && old.path.equals(event.path);
  return (
    a.fsid === b.fsid &&
    samePlace(a.at, b.at) &&
    samePlace(a.to, b.to) &&
    sameHandle(a.object, b.object)
  );
}

/** Bytes of one record of handles: header, file system, handle and name, to a multiple of 4. */
function recordLength(handle: FileHandle, name: string): number {
  const length = 20 + handle.bytes.length + (name === '' ? 0 : name.length + 1);
  return Math.ceil(length / 4) * 4;
}

function fidRecord(type: number, fsid: bigint, handle: FileHandle, name: string): Uint8Array {
  const bytes = new Uint8Array(recordLength(handle, name));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint16(2, bytes.length, true);
  view.setBigUint64(4, fsid, true);
  view.setUint32(12, handle.bytes.length, true);
  view.setUint32(16, handle.type, true);
  bytes.set(handle.bytes, 20);
  for (let i = 0; i < name.length; i++) bytes[20 + handle.bytes.length + i] = name.charCodeAt(i);
  return bytes;
}

/** The records after an event's header, in Linux's order (copy_info_records_to_user). */
export function info_records(event: FanotifyEvent, mode: number): Uint8Array[] {
  const records: Uint8Array[] = [];
  const { fid, mask } = event;
  if (fid === null) return records;
  const { fsid, at, to, object } = fid;
  const add = (type: number, handle: FileHandle, name: string): void => {
    records.push(fidRecord(type, fsid, handle, name));
  };
  if (at !== null) {
    const plain = at.name === '' ? I.FAN_EVENT_INFO_TYPE_DFID : I.FAN_EVENT_INFO_TYPE_DFID_NAME;
    add(mask & I.FAN_RENAME ? I.FAN_EVENT_INFO_TYPE_OLD_DFID_NAME : plain, at.dir, at.name);
  }
  if (to !== null) add(I.FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, to.dir, to.name);
  if (object === null) return records;
  const fids = mode & FAN_FID_BITS;
  if (fids === I.FAN_REPORT_FID || records.length > 0) add(I.FAN_EVENT_INFO_TYPE_FID, object, '');
  else if (fids & I.FAN_REPORT_NAME && mask & I.FAN_ONDIR)
    add(I.FAN_EVENT_INFO_TYPE_DFID_NAME, object, '.');
  else if (mask & (FS_DIRENT_EVENTS | I.FAN_ONDIR)) add(I.FAN_EVENT_INFO_TYPE_DFID, object, '');
  else add(I.FAN_EVENT_INFO_TYPE_FID, object, '');
  return records;
}
