import { EAGAIN, EINVAL } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import { dequeue_signal } from '../../kernel/signal.ts';
import type { SigInfo } from '../../kernel/signal_struct.ts';
import type { Task } from '../../kernel/task.ts';
import { AsyncRequest } from '../aio/request.ts';
import { anon_inode_path } from '../anon_inodes.ts';
import { NoopSeekFile } from '../file.ts';

const RECORD = 128;

/** struct signalfd_siginfo, 128 bytes. */
function encode(info: SigInfo): Uint8Array {
  const bytes = new Uint8Array(RECORD);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, info.signo, true);
  view.setInt32(4, info.errno, true);
  view.setInt32(8, info.code, true);
  view.setUint32(12, info.pid ?? 0, true);
  view.setUint32(16, info.uid ?? 0, true);
  view.setInt32(20, info.fd ?? 0, true);
  view.setUint32(24, info.timerid ?? 0, true);
  view.setUint32(28, info.band ?? 0, true);
  view.setUint32(32, info.overrun ?? 0, true);
  view.setInt32(40, info.status ?? 0, true);
  const value = info.value ?? 0n;
  view.setInt32(44, Number(BigInt.asIntN(32, value)), true);
  view.setBigUint64(48, BigInt.asUintN(64, value), true);
  view.setBigUint64(56, BigInt(info.utime ?? 0), true);
  view.setBigUint64(64, BigInt(info.stime ?? 0), true);
  view.setBigUint64(72, BigInt(info.addr ?? 0), true);
  return bytes;
}

/** Whose signals are meant: an asynchronous request asks for the task that made it. */
const taskOf = (current: Current): Task =>
  current instanceof AsyncRequest ? current.task : (current as Task);

/** signalfd(2): reads take the reader's own pending signals. */
export class SignalfdFile extends NoopSeekFile {
  mask: bigint;

  constructor(current: Current, mask: bigint, flags: number) {
    super(current, anon_inode_path(current.kernel, '[signalfd]'), O_RDWR | (flags & O_NONBLOCK));
    this.mask = mask;
  }

  static {
    serializable('SignalfdFile', this);
  }

  private pending(task: Task): boolean {
    return ((task.pending.signal | task.signal.shared_pending.signal) & this.mask) !== 0n;
  }

  override read_iter(current: Current, to: IovIter): number {
    const task = taskOf(current);
    if (to.count < RECORD)
      throw errno(EINVAL, 'a signalfd read takes {} bytes, the buffer has {}', RECORD, to.count);
    let done = 0;
    while (to.count >= RECORD) {
      const info = dequeue_signal(task, this.mask);
      if (info === null) break;
      done += to.copyTo(encode(info), 0, RECORD);
    }
    if (done > 0) return done;
    if (this.flags & O_NONBLOCK)
      throw errno(EAGAIN, 'none of the signals is pending and O_NONBLOCK is set');
    return current.wait(task.sighand.signalfd_wqh);
  }

  override poll(current: Current, collect: WaitQueue[] | null): number {
    const task = taskOf(current);
    collect?.push(task.sighand.signalfd_wqh);
    return this.pending(task) ? EPOLLIN : 0;
  }

  override show_fdinfo(): string {
    return `sigmask:\t${this.mask.toString(16).padStart(16, '0')}\n`;
  }
}
