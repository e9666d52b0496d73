import { EFAULT, EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import { type IoVec, IovIter } from '../include/iov.ts';
import type { UserMemory } from '../include/uaccess.ts';
import { MAX_RW_COUNT } from './read_write.ts';

export const UIO_MAXIOV = 1024;
const TASK_SIZE = 2 ** 47 - 4096;

/** A user buffer must lie in user space (access_ok); whether it is mapped is seen when it is touched. */
export function access_ok(address: number, length: number): void {
  if (address < 0 || address + length > TASK_SIZE) {
    throw errno(
      EFAULT,
      'buffer {} of {} bytes is not in user space',
      '0x' + address.toString(16),
      length,
    );
  }
}

/** Whose memory it is. */
interface User {
  readonly mem: UserMemory;
}

export function userBuffer(current: User, address: number, length: number): IovIter {
  access_ok(address, length);
  const n = Math.min(length, MAX_RW_COUNT);
  return IovIter.user(current.mem, address, n);
}

/** An array of `struct iovec` (import_iovec). */
export function import_iovec(current: User, address: number, count: number): IovIter {
  return IovIter.vector(current.mem, iovec_from_user(current, address, count));
}

/** The pieces, each of which lies in user space, and all together within what one call moves. */
export function iovec_from_user(current: User, address: number, count: number): IoVec[] {
  if (count < 0 || count > UIO_MAXIOV) {
    throw errno(EINVAL, 'iovec count {} is not between 0 and UIO_MAXIOV ({})', count, UIO_MAXIOV);
  }
  const vecs: IoVec[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const base = current.mem.getU64(address + i * 16);
    let length = current.mem.getI64(address + i * 16 + 8);
    if (length < 0) throw errno(EINVAL, 'iovec {} has a negative length {}', i, length);
    access_ok(base, length);
    if (length > MAX_RW_COUNT - total) length = MAX_RW_COUNT - total;
    total += length;
    vecs.push({ base, length });
  }
  return vecs;
}
