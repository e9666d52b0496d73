import { EAGAIN, EINVAL } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import { dequeue_signal } from '../../kernel/signal.ts';
import { type SigInfoLayout, siginfo_bytes, siginfo_layout } from '../../kernel/siginfo.ts';
import type { SigInfo } from '../../kernel/signal_struct.ts';
import type { Task } from '../../kernel/task.ts';
import { AsyncRequest } from '../aio/request.ts';
import { anon_inode_path } from '../anon_inodes.ts';
import { NoopSeekFile } from '../file.ts';

const RECORD = 128;

/** The record's fields by layout: where in siginfo_t, where in struct signalfd_siginfo, how many bytes (signalfd_copyinfo). */
const FIELDS: Readonly<Record<SigInfoLayout, readonly (readonly [number, number, number])[]>> = {
  kill: [[16, 12, 4], [20, 16, 4]],
  timer: [[16, 24, 4], [20, 32, 4], [24, 44, 4], [24, 48, 8]],
  poll: [[16, 28, 4], [24, 20, 4]],
  fault: [[16, 72, 8]],
  mceerr: [[16, 72, 8], [24, 80, 2]],
  chld: [[16, 12, 4], [20, 16, 4], [24, 40, 4], [32, 56, 8], [40, 64, 8]],
  rt: [[16, 12, 4], [20, 16, 4], [24, 44, 4], [24, 48, 8]],
  sys: [[16, 88, 8], [24, 84, 4], [28, 96, 4]],
}; // prettier-ignore

/** struct signalfd_siginfo, 128 bytes. */
function encode(info: SigInfo): Uint8Array {
  const from = siginfo_bytes(info);
  const bytes = new Uint8Array(RECORD);
  bytes.set(from.subarray(0, 12));
  for (const [source, at, length] of FIELDS[siginfo_layout(info.signo, info.code)])
    bytes.set(from.subarray(source, source + length), at);
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

  override get nowait(): boolean {
    return true;
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
