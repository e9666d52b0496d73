import { EINVAL, ENOTDIR } from '@vitrine/uapi/errno.ts';
import * as F from '@vitrine/uapi/fcntl.ts';
import { IN_ACCESS, IN_ATTRIB, IN_MODIFY } from '@vitrine/uapi/inotify.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import { send_sigio } from '../fasync/fasync.ts';
import type { FilesStruct } from '../fdtable.ts';
import type { DnotifyHook, File } from '../file.ts';
import {
  type EventMarks,
  FS_CREATE,
  FS_DELETE,
  FS_EVENT_ON_CHILD,
  FS_ISDIR,
  FS_MOVED_FROM,
  FS_MOVED_TO,
  FS_RENAME,
  type FsnotifyEvent,
  type FsnotifyGroup,
  FsnotifyMark,
  attach_mark,
  detach_mark,
  find_mark,
  handle_inode_event,
} from '../fsnotify_backend.ts';
import { S_ISDIR } from '../inode.ts';

declare module '../vfs.ts' {
  interface Vfs {
    dnotify?: DnotifyGroup;
  }
}

const EPOLLMSG = 0x400;

/** One descriptor's wish (analogous to `struct dnotify_struct`). */
interface Dnotify {
  readonly file: File;
  readonly fd: number;
  readonly files: FilesStruct;
  mask: number;
  multishot: boolean;
}

class DnotifyMark extends FsnotifyMark {
  list: Dnotify[] = [];
  static {
    serializable('DnotifyMark', this);
  }
}

/** Directory notification by signal (fcntl(2), F_NOTIFY): what was there before inotify. */
class DnotifyGroup implements FsnotifyGroup, DnotifyHook {
  readonly priority = 0;

  static {
    serializable('DnotifyGroup', this);
  }

  handle_event(event: FsnotifyEvent, marks: EventMarks): void {
    handle_inode_event(event, marks, (mark, mask, _name, dir) => {
      // Not a directory: nobody asked.
      if (dir === null && !(mask & FS_ISDIR)) return;
      this.tell(mark as DnotifyMark, mask);
    });
  }

  private tell(mark: DnotifyMark, mask: number): void {
    for (const entry of [...mark.list]) {
      if (!(entry.mask & mask)) continue;
      send_sigio(entry.file, entry.fd, EPOLLMSG, 'F_NOTIFY');
      if (!entry.multishot) this.remove(mark, entry);
    }
  }

  private remove(mark: DnotifyMark, entry: Dnotify): void {
    mark.list = mark.list.filter((other) => other !== entry);
    if (mark.list.length === 0) detach_mark(mark);
    else recalc(mark);
  }

  /** A descriptor is closed: what was asked with it ends (dnotify_flush). */
  flush(file: File, files: FilesStruct): void {
    const mark = find_mark(file.inode, this) as DnotifyMark | null;
    const mine = mark?.list.find((entry) => entry.file === file && entry.files === files);
    if (mine !== undefined) this.remove(mark!, mine);
  }

  free_mark(mark: FsnotifyMark): void {
    (mark as DnotifyMark).list = [];
    detach_mark(mark);
  }
}

function recalc(mark: DnotifyMark): void {
  mark.mask = mark.list.reduce((mask, entry) => mask | entry.mask, 0);
}

/** F_NOTIFY's bits as events (convert_arg). */
function events(arg: number): number {
  let mask = FS_EVENT_ON_CHILD | FS_ISDIR;
  if (arg & F.DN_DELETE) mask |= FS_DELETE | FS_MOVED_FROM;
  if (arg & F.DN_MODIFY) mask |= IN_MODIFY;
  if (arg & F.DN_ACCESS) mask |= IN_ACCESS;
  if (arg & F.DN_ATTRIB) mask |= IN_ATTRIB;
  if (arg & F.DN_RENAME) mask |= FS_RENAME;
  if (arg & F.DN_CREATE) mask |= FS_CREATE | FS_MOVED_TO;
  return mask;
}

/** fcntl(F_NOTIFY). @returns whether the file needs an owner now */
export function fcntl_dirnotify(files: FilesStruct, file: File, fd: number, arg: number): boolean {
  const multishot = arg >= F.DN_MULTISHOT;
  if ((arg & 0x7fff_ffff) === 0) {
    file.dnotify?.flush(file, files);
    return false;
  }
  const { inode } = file;
  const { vfs } = inode.sb.kernel;
  if (!vfs.dir_notify_enable) throw errno(EINVAL, 'fs.dir-notify-enable is 0');
  if (!S_ISDIR(inode.mode)) throw errno(ENOTDIR, 'F_NOTIFY: {} is not a directory', file.path);
  const group = (vfs.dnotify ??= new DnotifyGroup());
  let mark = find_mark(inode, group) as DnotifyMark | null;
  if (mark === null) {
    mark = new DnotifyMark(group, inode, 0);
    attach_mark(mark);
  }
  const mask = events(arg);
  const mine = mark.list.find((entry) => entry.file === file && entry.files === files);
  if (mine === undefined) mark.list.unshift({ file, fd, files, mask, multishot });
  else {
    mine.mask |= mask;
    mine.multishot ||= multishot;
  }
  recalc(mark);
  file.dnotify = group;
  return true;
}
