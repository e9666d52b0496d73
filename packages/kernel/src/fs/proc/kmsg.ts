import { EAGAIN, EIO, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYSLOG, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Path } from '../dcache.ts';
import { File } from '../file.ts';
import { proc_create } from './registry.ts';

/** /proc/kmsg (fs/proc/kmsg.c): the log as syslog(2) reads it; all readers share one position. */
class ProcKmsgFile extends File {
  static {
    serializable('ProcKmsgFile', this);
  }

  override get splice_read(): boolean {
    return false;
  }
  override get pollable(): boolean {
    return true;
  }

  override read_iter(current: Current, to: IovIter): number {
    const { log } = current.kernel;
    if (to.count === 0) return 0;
    if (log.unread() === 0) {
      if (!(this.flags & O_NONBLOCK)) return current.wait(log.wait);
      throw errno(EAGAIN, 'the kernel log has been read to its end and O_NONBLOCK is set');
    }
    const text = log.take(to.count);
    return to.copyTo(text, 0, text.length);
  }

  override write_iter(): number {
    throw errno(EIO, '{} cannot be written: /dev/kmsg can', this.path);
  }

  override poll(current: Current, collect: WaitQueue[] | null): number {
    const { log } = current.kernel;
    collect?.push(log.wait);
    return log.unread() > 0 ? EPOLLIN | EPOLLRDNORM : 0;
  }
}

proc_create('kmsg', {
  mode: 0o400,
  open(current: Current, path: Path, flags: number): File {
    if (!capable(current.cred, CAP_SYSLOG) && !capable(current.cred, CAP_SYS_ADMIN))
      throw errno(EPERM, 'reading {} needs CAP_SYSLOG; uid {} has not', path, current.cred.euid);
    return new ProcKmsgFile(current, path, flags);
  },
});
