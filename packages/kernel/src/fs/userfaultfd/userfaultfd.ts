import * as E from '@vitrine/uapi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import { CAP_SYS_PTRACE } from '@vitrine/uapi/capability.ts';
import { EPOLLERR, EPOLLIN } from '@vitrine/uapi/poll.ts';
import * as U from '@vitrine/uapi/userfaultfd.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { UFFD_MSG, UserfaultWait, UserfaultfdCtx } from '../../mm/userfaultfd.ts';
import * as F from '../../mm/userfaultfd_fill.ts';
import { VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from '../../mm/vma.ts';
import { anon_inode_path } from '../anon_inodes.ts';
import { fd_install } from '../fdtable.ts';
import { NoopSeekFile } from '../file.ts';

const DONTWAKE = 1;
const COPY_WP = 2;
const WRITEPROTECT_WP = 1;
const WRITEPROTECT_DONTWAKE = 2;
const MOVE_DONTWAKE = 1;
const MOVE_ALLOW_SRC_HOLES = 2;
const CONTINUE_WP = 2;

/** REGISTER, UNREGISTER, API; WAKE, COPY, ZEROPAGE, MOVE, WRITEPROTECT, CONTINUE, POISON: bits by ioctl number. */
const API_IOCTLS = (1n << 0n) | (1n << 1n) | (1n << 0x3fn);
const RANGE_IOCTLS = 0x1fcn;
const MODES: readonly (readonly [mode: number, flag: number])[] = [
  [U.UFFDIO_REGISTER_MODE_MISSING, VM_UFFD_MISSING],
  [U.UFFDIO_REGISTER_MODE_WP, VM_UFFD_WP],
  [U.UFFDIO_REGISTER_MODE_MINOR, VM_UFFD_MINOR],
];

/** The descriptor of userfaultfd(2): faults and events are read from it, pages given with ioctl(2). */
export class UserfaultfdFile extends NoopSeekFile {
  readonly ctx: UserfaultfdCtx;
  constructor(current: Current, ctx: UserfaultfdCtx, flags: number) {
    super(current, anon_inode_path(current.kernel, '[userfaultfd]'), O_RDONLY | (flags & O_NONBLOCK)); // prettier-ignore
    this.ctx = ctx;
  }
  static {
    serializable('UserfaultfdFile', this);
  }

  override get nowait(): boolean {
    return true;
  }

  override release(): void {
    F.userfaultfd_release(this.ctx);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const { ctx } = this;
    collect?.push(ctx.fd_wqh);
    if (ctx.features === null || !(this.flags & O_NONBLOCK)) return EPOLLERR;
    return ctx.waiting().some((fault) => !fault.taken) || ctx.events.length > 0 ? EPOLLIN : 0;
  }

  override read_iter(current: Current, to: IovIter): number {
    if (this.ctx.features === null)
      throw errno(E.EINVAL, 'the userfaultfd has not been told which API is used (UFFDIO_API)');
    if (to.count < UFFD_MSG)
      throw errno(E.EINVAL, 'a message of a userfaultfd has {} bytes, the buffer {}', UFFD_MSG, to.count); // prettier-ignore
    let done = 0;
    while (to.count >= UFFD_MSG) {
      const msg = this.next(current);
      if (msg === null) break;
      if (to.copyTo(msg, 0, UFFD_MSG) < UFFD_MSG)
        throw errno(E.EFAULT, 'the buffer for a message ends in unmapped memory');
      done += UFFD_MSG;
    }
    if (done > 0) return done;
    if (this.flags & O_NONBLOCK)
      throw errno(E.EAGAIN, 'nobody waits for a page and O_NONBLOCK is set');
    return current.wait(this.ctx.fd_wqh);
  }

  /** Faults come before events. */
  private next(current: Current): Uint8Array | null {
    const fault = this.ctx.waiting().find((each) => !each.taken);
    if (fault !== undefined) {
      fault.taken = true;
      return fault.msg;
    }
    const event = this.ctx.events[0];
    if (event === undefined) return null;
    if (event.fork !== null) {
      const file = new UserfaultfdFile(current, event.fork, event.fork.flags);
      const fd = fd_install(current, file, (event.fork.flags & O_CLOEXEC) !== 0);
      new DataView(event.msg.buffer).setUint32(8, fd, true);
    }
    this.ctx.events.shift();
    event.complete();
    return event.msg;
  }

  override show_fdinfo(): string {
    const faults = this.ctx.waiting();
    const pending = faults.filter((fault) => !fault.taken).length;
    return `pending:\t${pending}\ntotal:\t${faults.length}\nAPI:\t${U.UFFD_API.toString(16)}:${(this.ctx.features ?? 0).toString(16)}:${(API_IOCTLS | RANGE_IOCTLS).toString(16)}\n`;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    const request = cmd >>> 0;
    if (request === U.UFFDIO_API) return this.api(current, arg);
    if (this.ctx.features === null)
      throw errno(E.EINVAL, 'the userfaultfd has not been told which API is used (UFFDIO_API)');
    switch (request) {
      case U.UFFDIO_REGISTER:
        return this.register(current, arg);
      case U.UFFDIO_UNREGISTER: {
        const [start, length] = this.range(current, arg);
        F.userfaultfd_unregister(this.ctx, start, start + length);
        return 0;
      }
      case U.UFFDIO_WAKE:
        this.ctx.wake(...this.range(current, arg));
        return 0;
      case U.UFFDIO_WRITEPROTECT:
        return this.writeprotect(current, arg);
      case U.UFFDIO_COPY:
        return this.copy(current, arg);
      case U.UFFDIO_ZEROPAGE:
        return this.fill(current, arg, DONTWAKE, 24, (start, length) => F.mfill_zeropage(this.ctx, start, length)); // prettier-ignore
      case U.UFFDIO_CONTINUE:
        return this.fill(current, arg, DONTWAKE | CONTINUE_WP, 24, (start, length, mode) =>
          F.mfill_continue(this.ctx, start, length, (mode & CONTINUE_WP) !== 0),
        );
      case U.UFFDIO_POISON:
        return this.fill(current, arg, DONTWAKE, 24, (start, length) => F.mfill_poison(this.ctx, start, length)); // prettier-ignore
      case U.UFFDIO_MOVE:
        return this.move(current, arg);
      default:
        throw errno(E.EINVAL, 'a userfaultfd has no ioctl 0x{}', request.toString(16));
    }
  }

  private api(current: Current, arg: number): number {
    const { mem } = current;
    const bytes = mem.read(arg, 24);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const features = view.getBigUint64(8, true);
    const refuse = (code: number, template: string, ...args: unknown[]): never => {
      mem.clear(arg, 24);
      throw errno(code, template, ...args);
    };
    if (view.getBigUint64(0, true) !== BigInt(U.UFFD_API))
      refuse(E.EINVAL, 'UFFDIO_API: the API is 0x{}, not 0x{}', U.UFFD_API.toString(16), view.getBigUint64(0, true).toString(16)); // prettier-ignore
    if (features & BigInt(U.UFFD_FEATURE_EVENT_FORK) && !capable(current.cred, CAP_SYS_PTRACE))
      refuse(E.EPERM, 'UFFDIO_API: UFFD_FEATURE_EVENT_FORK needs CAP_SYS_PTRACE');
    if (features & ~BigInt(U.UFFD_API_FEATURES))
      refuse(E.EINVAL, 'UFFDIO_API: features 0x{} are unknown', features.toString(16));
    mem.putU64(arg, U.UFFD_API);
    mem.putU64(arg + 8, U.UFFD_API_FEATURES);
    mem.putBig(arg + 16, API_IOCTLS);
    if (this.ctx.features !== null) refuse(E.EINVAL, 'UFFDIO_API: it was called before');
    const asked = Number(features);
    this.ctx.features = asked | (asked & U.UFFD_FEATURE_WP_ASYNC ? U.UFFD_FEATURE_WP_UNPOPULATED : 0); // prettier-ignore
    return 0;
  }

  /** struct uffdio_range, checked (validate_range). */
  private range(current: Current, at: number): [start: number, length: number] {
    const start = current.mem.getU64(at);
    const length = current.mem.getU64(at + 8);
    this.valid(start, length, true);
    return [start, length];
  }

  private valid(start: number, length: number, aligned: boolean): void {
    const size = this.ctx.mm.task_size;
    if ((aligned && start % PAGE_SIZE !== 0) || length % PAGE_SIZE !== 0 || length === 0 || start >= size || length > size - start) // prettier-ignore
      throw errno(E.EINVAL, 'userfaultfd: 0x{}+{} is no range of whole pages of user space', start.toString(16), length); // prettier-ignore
  }

  /** Throws ESRCH when the process is gone. */
  private alive(): void {
    if (this.ctx.mm.users === 0)
      throw errno(E.ESRCH, 'the process whose memory the userfaultfd serves has ended');
  }

  private register(current: Current, arg: number): number {
    const mode = current.mem.getBig(arg + 16);
    if (mode === 0n || mode > 7n) throw errno(E.EINVAL, 'UFFDIO_REGISTER: mode {} is empty or has unknown bits', mode); // prettier-ignore
    const [start, length] = this.range(current, arg);
    if (this.ctx.mm.users === 0)
      throw errno(E.ENOMEM, 'the process whose memory the userfaultfd serves has ended');
    let flags = 0;
    for (const [bit, flag] of MODES) if (Number(mode) & bit) flags |= flag;
    F.userfaultfd_register(this.ctx, start, start + length, flags);
    let ioctls = RANGE_IOCTLS;
    if (!(flags & VM_UFFD_WP)) ioctls &= ~(1n << 6n);
    if (!(flags & VM_UFFD_MINOR)) ioctls &= ~(1n << 7n);
    current.mem.putBig(arg + 24, ioctls);
    return 0;
  }

  private writeprotect(current: Current, arg: number): number {
    this.unchanging();
    const mode = current.mem.getBig(arg + 16);
    const [start, length] = this.range(current, arg);
    if (mode >= 3n) throw errno(E.EINVAL, 'UFFDIO_WRITEPROTECT: mode {} has unknown bits, or protects and does not wake', mode); // prettier-ignore
    this.alive();
    const on = (Number(mode) & WRITEPROTECT_WP) !== 0;
    F.mwriteprotect_range(this.ctx, start, length, on);
    if (!on && !(Number(mode) & WRITEPROTECT_DONTWAKE)) this.ctx.wake(start, length);
    return 0;
  }

  /** Events that nobody has read yet tell of changes that the caller does not know of. */
  private unchanging(): void {
    if (this.ctx.events.length > 0)
      throw errno(E.EAGAIN, 'the memory of the userfaultfd has changed: {} events are unread', this.ctx.events.length); // prettier-ignore
  }

  /** Does the work, and tells in the structure how far it came. */
  private counted(current: Current, field: number, length: number, work: () => number): number {
    let done: number;
    try {
      this.unchanging();
      done = work();
    } catch (error) {
      if (
        error instanceof Errno &&
        !(error instanceof UserfaultWait) &&
        !(error instanceof Refused)
      )
        current.mem.putU64(field, -error.code);
      throw error;
    }
    current.mem.putU64(field, done);
    return done === length ? 0 : done;
  }

  /** Wakes who waits for what was filled. Throws EAGAIN for a part. */
  private finish(start: number, length: number, done: number, wake: boolean): number {
    if (wake) this.ctx.wake(start, done === 0 ? length : done);
    if (done === 0) return 0;
    throw errno(E.EAGAIN, 'userfaultfd: {} of {} bytes were done', done, length);
  }

  private copy(current: Current, arg: number): number {
    const { mem } = current;
    const length = mem.getU64(arg + 16);
    const dst = mem.getU64(arg);
    const mode = mem.getBig(arg + 24);
    const done = this.counted(current, arg + 32, length, () => {
      this.checked(() => this.valid(mem.getU64(arg + 8), length, false));
      this.checked(() => this.valid(dst, length, true));
      if (mode > 3n) throw new Refused(E.EINVAL, 'UFFDIO_COPY: mode {} has unknown bits', [mode]);
      this.checked(() => this.alive());
      return F.mfill_copy(this.ctx, mem, dst, mem.getU64(arg + 8), length, (Number(mode) & COPY_WP) !== 0); // prettier-ignore
    });
    return this.finish(dst, length, done, !(Number(mode) & DONTWAKE));
  }

  /** What is wrong with the request is not told in it. */
  private checked(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof Errno) throw new Refused(error.code, error.template, error.args);
      throw error;
    }
  }

  /** struct uffdio_zeropage and its like: range, mode, result. */
  private fill(
    current: Current,
    arg: number,
    modes: number,
    field: number,
    work: (start: number, length: number, mode: number) => number,
  ): number {
    const { mem } = current;
    const start = mem.getU64(arg);
    const length = mem.getU64(arg + 8);
    const mode = mem.getBig(arg + 16);
    const done = this.counted(current, arg + field, length, () => {
      this.checked(() => this.valid(start, length, true));
      if (mode & ~BigInt(modes)) throw new Refused(E.EINVAL, 'userfaultfd: mode {} has unknown bits', [mode]); // prettier-ignore
      this.checked(() => this.alive());
      return work(start, length, Number(mode));
    });
    return this.finish(start, length, done, !(Number(mode) & DONTWAKE));
  }

  private move(current: Current, arg: number): number {
    const { mem } = current;
    const [dst, src, length] = [0, 8, 16].map((at) => mem.getU64(arg + at)) as [number, number, number]; // prettier-ignore
    const mode = mem.getBig(arg + 24);
    const done = this.counted(current, arg + 32, length, () => {
      if ((current as Task).mm !== this.ctx.mm) throw new Refused(E.EINVAL, 'UFFDIO_MOVE: the memory is another process\'s', []); // prettier-ignore
      this.checked(() => this.valid(dst, length, true));
      this.checked(() => this.valid(src, length, true));
      if (mode > 3n) throw new Refused(E.EINVAL, 'UFFDIO_MOVE: mode {} has unknown bits', [mode]);
      return F.move_pages(this.ctx, dst, src, length, (Number(mode) & MOVE_ALLOW_SRC_HOLES) !== 0);
    });
    return this.finish(dst, length, done, !(Number(mode) & MOVE_DONTWAKE));
  }
}

/** An error that is not written into the request's structure. */
class Refused extends Errno {}

/** A descriptor for the caller's memory (new_userfaultfd). @param flags O_CLOEXEC, O_NONBLOCK, UFFD_USER_MODE_ONLY */
export function new_userfaultfd(task: Task, flags: number): number {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | U.UFFD_USER_MODE_ONLY))
    throw errno(E.EINVAL, 'userfaultfd: flags {} are unknown', flags);
  const ctx = new UserfaultfdCtx(task.mm!, flags);
  return fd_install(task, new UserfaultfdFile(task, ctx, flags), (flags & O_CLOEXEC) !== 0);
}
