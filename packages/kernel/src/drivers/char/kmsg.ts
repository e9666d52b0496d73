import { EAGAIN, EINVAL, EPERM, EPIPE, ESPIPE } from '@vitrine/uapi/errno.ts';
import { CAP_SYSLOG } from '@vitrine/uapi/capability.ts';
import { O_NONBLOCK, SEEK_DATA, SEEK_END, SEEK_SET } from '@vitrine/uapi/fcntl.ts';
import { EPOLLERR, EPOLLIN, EPOLLPRI, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import type { Loff } from '../../include/loff.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import { byteString, bytesOf } from '../../fs/bytes.ts';
import type { Path } from '../../fs/dcache.ts';
import { File } from '../../fs/file.ts';
import { dmesg_restrict } from '../../fs/proc/sysctl.ts';
import type { LogRecord } from '../../kernel/printk.ts';

const LOG_USER = 1;
const LOG_LINE_MAX = 1024 - 32;

/** One record as /dev/kmsg gives it: `priority,sequence,microseconds,-;text`. */
function format(record: LogRecord): string {
  const prio = record.facility * 8 + record.level;
  const text = record.text.replace(
    /[^\x20-\x7e]|\\/g,
    (c) => '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0'),
  );
  return `${prio},${record.seq},${Math.floor(record.time / 1000)},-;${text}\n`;
}

/** /dev/kmsg (Documentation/ABI/testing/dev-kmsg): a record a read, and each write is a record. */
export class KmsgFile extends File {
  private seq: number;

  constructor(current: Current, path: Path, flags: number) {
    super(current, path, flags);
    this.seq = current.kernel.log.records[0]?.seq ?? current.kernel.log.next_seq;
  }

  static {
    serializable('KmsgFile', this);
  }

  override get splice_read(): boolean {
    return false;
  }
  override get splice_write(): boolean {
    return false;
  }
  override get pollable(): boolean {
    return true;
  }

  override read_iter(current: Current, to: IovIter): number {
    const { log } = current.kernel;
    const first = log.records[0]?.seq ?? log.next_seq;
    if (this.seq < first) {
      this.seq = first;
      throw errno(
        EPIPE,
        'records of the kernel log were overwritten before {} read them',
        this.path,
      );
    }
    const record = log.records[this.seq - first];
    if (record === undefined) {
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, 'the kernel log has no newer record and O_NONBLOCK is set');
      return current.wait(log.wait);
    }
    const bytes = bytesOf(format(record));
    if (bytes.length > to.count)
      throw errno(EINVAL, 'the record has {} bytes, the buffer {}', bytes.length, to.count);
    this.seq++;
    return to.copyTo(bytes, 0, bytes.length);
  }

  /** `<priority>text`: the kernel's own facility is not for programs. */
  override write_iter(current: Current, from: IovIter): number {
    if (from.count > LOG_LINE_MAX)
      throw errno(
        EINVAL,
        'a line of the kernel log has at most {} bytes, not {}',
        LOG_LINE_MAX,
        from.count,
      );
    const bytes = new Uint8Array(from.count);
    const n = from.copyFrom(bytes, 0, bytes.length);
    const text = byteString(bytes.subarray(0, n));
    const match = /^<(\d+)>/.exec(text);
    const prio = match === null ? LOG_USER * 8 + 4 : Number(match[1]);
    const { log, clock } = current.kernel;
    log.emit(
      prio & 7,
      prio >> 3 || LOG_USER,
      clock.now(),
      text.slice(match?.[0].length ?? 0).replace(/\n$/, ''),
    );
    return n;
  }

  override llseek(current: Current, offset: Loff, whence: number): Loff {
    const { log } = current.kernel;
    if (offset !== 0) throw errno(ESPIPE, '{} is sought by record, with offset 0', this.path);
    if (whence === SEEK_SET) this.seq = log.records[0]?.seq ?? log.next_seq;
    else if (whence === SEEK_DATA) this.seq = log.clear_seq;
    else if (whence === SEEK_END) this.seq = log.next_seq;
    else throw errno(EINVAL, '{}: whence {} is none of SEEK_SET, DATA, END', this.path, whence);
    return 0;
  }

  override poll(current: Current, collect: WaitQueue[] | null): number {
    const { log } = current.kernel;
    collect?.push(log.wait);
    if (this.seq >= log.next_seq) return 0;
    const lost = this.seq < (log.records[0]?.seq ?? 0);
    return EPOLLIN | EPOLLRDNORM | (lost ? EPOLLERR | EPOLLPRI : 0);
  }
}

/** Reading is for CAP_SYSLOG where kernel.dmesg_restrict is set. */
export function kmsg_open(current: Current, path: Path, flags: number): File {
  if (dmesg_restrict(current.kernel) && (flags & 3) !== 1 && !capable(current.cred, CAP_SYSLOG)) {
    throw errno(
      EPERM,
      'kernel.dmesg_restrict: reading {} needs CAP_SYSLOG; uid {} has not',
      path,
      current.cred.euid,
    );
  }
  return new KmsgFile(current, path, flags);
}
