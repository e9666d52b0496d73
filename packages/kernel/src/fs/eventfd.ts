import { EAGAIN, EFAULT, EINVAL } from '@vitrine/uapi/errno.ts';
import { EFD_SEMAPHORE } from '@vitrine/uapi/eventfd.ts';
import { O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLERR, EPOLLIN, EPOLLOUT } from '@vitrine/uapi/poll.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import { anon_inode_path } from './anon_inodes.ts';
import { NoopSeekFile } from './file.ts';

const MAX = 0xffff_ffff_ffff_ffffn;

/** eventfd(2): a 64-bit counter. */
export class EventfdFile extends NoopSeekFile {
  counter = 0n;
  private readonly semaphore: boolean;
  private readonly wqh: WaitQueue = new WaitQueue();

  constructor(current: Current, initial: number, flags: number) {
    super(current, anon_inode_path(current.kernel, '[eventfd]'), O_RDWR | (flags & O_NONBLOCK));
    this.counter = BigInt(initial);
    this.semaphore = (flags & EFD_SEMAPHORE) !== 0;
  }

  static {
    serializable('EventfdFile', this);
  }

  override get nowait(): boolean {
    return true;
  }

  override get splice_write(): boolean {
    return false;
  }

  override read_iter(current: Current, to: IovIter): number {
    if (to.count < 8)
      throw errno(EINVAL, 'an eventfd read takes 8 bytes, the buffer has {}', to.count);
    if (this.counter === 0n) {
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, 'the eventfd counter is 0 and O_NONBLOCK is set');
      return current.wait(this.wqh);
    }
    const value = this.semaphore ? 1n : this.counter;
    this.counter -= value;
    this.wqh.wake(EPOLLOUT);
    return to.copyTo(new Uint8Array(BigUint64Array.of(value).buffer), 0, 8);
  }

  override write_iter(current: Current, from: IovIter): number {
    if (from.count !== 8) throw errno(EINVAL, 'an eventfd write gives 8 bytes, not {}', from.count);
    const bytes = new Uint8Array(8);
    if (from.copyFrom(bytes, 0, 8) < 8) throw errno(EFAULT, 'the 8 bytes end in unmapped memory');
    const value = new DataView(bytes.buffer).getBigUint64(0, true);
    if (value === MAX) throw errno(EINVAL, 'an eventfd cannot be raised by 2^64-1');
    if (MAX - this.counter <= value) {
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, 'the eventfd counter would exceed 2^64-2 and O_NONBLOCK is set');
      return current.wait(this.wqh);
    }
    this.signal(value);
    return 8;
  }

  /** Raises the counter from inside the kernel (eventfd_signal). */
  signal(value: bigint): void {
    this.counter = this.counter + value > MAX ? MAX : this.counter + value;
    this.wqh.wake(EPOLLIN);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.wqh);
    let mask = 0;
    if (this.counter > 0n) mask |= EPOLLIN;
    if (this.counter === MAX) mask |= EPOLLERR;
    if (this.counter < MAX - 1n) mask |= EPOLLOUT;
    return mask;
  }

  override show_fdinfo(): string {
    return `eventfd-count: ${this.counter.toString(16).padStart(16)}\neventfd-id: 0\neventfd-semaphore: ${this.semaphore ? 1 : 0}\n`;
  }
}
