import { EFAULT, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import { DEFAULT_POLLMASK, File } from '../../fs/file.ts';
import { userBuffer } from '../../fs/iov.ts';
import { MINOR } from '../../fs/kdev_t.ts';

const RNDGETENTCNT = 0x80045200;
const RNDADDTOENTCNT = 0x40045201;
const RNDADDENTROPY = 0x40085203;
const RNDZAPENTCNT = 0x5204;
const RNDCLEARPOOL = 0x5206;
const RNDRESEEDCRNG = 0x5207;
const POOL_BITS = 256;

/** Fills the caller's buffer with random bytes, at most a page at a time. */
export function read_random(current: Current, to: IovIter): number {
  const chunk = new Uint8Array(Math.min(to.count, 4096));
  let done = 0;
  while (to.count > 0) {
    const part = chunk.subarray(0, Math.min(chunk.length, to.count));
    current.kernel.get_random_bytes(part);
    const n = to.copyTo(part, 0, part.length);
    done += n;
    if (n < part.length || (done >= 4096 && current.signal_pending())) break;
  }
  return done;
}

/** /dev/random and /dev/urandom: the generator is seeded at boot, so neither waits. */
export class RandomFile extends File {
  static {
    serializable('RandomFile', this);
  }

  override get nowait(): boolean {
    return true;
  }

  override get can_fasync(): boolean {
    return true;
  }

  override read_iter(current: Current, to: IovIter): number {
    return read_random(current, to);
  }

  override get transferChunk(): number {
    return 1 << 15;
  }

  /** Bytes written are welcome and change nothing: the host is the source. */
  override write_iter(_current: Current, from: IovIter): number {
    return from.skip(from.count);
  }

  override get moves(): boolean {
    return false;
  }

  override llseek(): number {
    return (this.pos = 0);
  }

  /** Only /dev/random can be waited for, which nobody ever needs to. */
  override get pollable(): boolean {
    return MINOR(this.inode.rdev) === 8;
  }
  /** A seeded generator is read; only one that is not is written to. */
  override poll(): number {
    return this.pollable ? EPOLLIN | EPOLLRDNORM : DEFAULT_POLLMASK;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    switch (cmd >>> 0) {
      case RNDGETENTCNT:
        current.mem.putU32(arg, POOL_BITS);
        return 0;
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDZAPENTCNT:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG: {
        if (!capable(current.cred, CAP_SYS_ADMIN))
          throw errno(EPERM, 'changing the random pool needs CAP_SYS_ADMIN');
        if (cmd !== RNDADDTOENTCNT && cmd !== RNDADDENTROPY) return 0;
        const count = current.mem.getI32(arg);
        if (count < 0) throw errno(EINVAL, '{} bits of entropy', count);
        if (cmd === RNDADDTOENTCNT) return 0;
        const length = current.mem.getI32(arg + 4);
        const from = userBuffer(current, arg + 8, length < 0 ? Number.MAX_SAFE_INTEGER : length);
        if (from.skip(length) !== length) throw errno(EFAULT, 'RNDADDENTROPY: {} bytes are not there', length); // prettier-ignore
        return 0;
      }
      default:
        throw errno(EINVAL, '{} has no ioctl {}', this.path, '0x' + (cmd >>> 0).toString(16));
    }
  }
}
