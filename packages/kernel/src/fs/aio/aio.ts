import * as E from '@vitrine/uapi/errno.ts';
import { MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE } from '@vitrine/uapi/mman.ts';
import { EPOLLERR, EPOLLHUP } from '@vitrine/uapi/poll.ts';
import { errno } from '../../include/errno.ts';
import { type IoVec, IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import type { Mm, MmOwned } from '../../mm/mm.ts';
import { do_mmap, do_munmap } from '../../mm/mmap.ts';
import { TASK_SIZE } from '../../mm/pgtable.ts';
import { VM_DONTEXPAND, VM_EXEC, VM_MAYEXEC } from '../../mm/vma.ts';
import { EventfdFile } from '../eventfd.ts';
import { fget } from '../fdtable.ts';
import { FMODE_READ, FMODE_WRITE, File, wantMode } from '../file.ts';
import { S_ISDIR } from '../inode.ts';
import { iovec_from_user } from '../iov.ts';
import { check_rw_flags, rw_append, vfs_read, vfs_write, with_rw_flags } from '../read_write.ts';
import { AsyncRequest } from './request.ts';
import { AioRing } from './ring.ts';

/** Asynchronous input and output (analogous to fs/aio.c; io_setup(2)). */

const IOCB_CMD_PREAD = 0;
const IOCB_CMD_PWRITE = 1;
const IOCB_CMD_FSYNC = 2;
const IOCB_CMD_FDSYNC = 3;
const IOCB_CMD_POLL = 5;
const IOCB_CMD_NOOP = 6;
const IOCB_CMD_PREADV = 7;
const IOCB_CMD_PWRITEV = 8;
const IOCB_FLAG_RESFD = 1;
/** What the kernel leaves in aio_key. */
const KIOCB_KEY = 0;

declare module '../../mm/mm.ts' {
  interface Mm {
    aio?: Map<number, KioCtx>;
    /** Places that contexts have; none below the number is free. */
    aio_places?: { readonly used: Set<number>; lowest: number };
  }
}

/** Analogous to `struct kioctx`. Its number is the address of its ring. */
export class KioCtx implements MmOwned {
  readonly mm: Mm;
  /** Events asked for, which count against fs.aio-max-nr. */
  readonly max: number;
  readonly ring: AioRing;
  /** Its place among those of the process, the lowest that was free. */
  readonly index: number;
  readonly active: Set<AioRequest> = new Set();
  readonly wait: WaitQueue = new WaitQueue();
  dead = false;

  static {
    serializable('KioCtx', this);
  }

  constructor(mm: Mm, max: number, ring: AioRing, index: number) {
    this.index = index;
    this.mm = mm;
    this.max = max;
    this.ring = ring;
  }

  get id(): number {
    return this.ring.address;
  }

  mm_exit(): void {
    kill_ioctx(this.mm, this, false);
  }

  /** The context goes where its ring goes (aio_ring_mremap). */
  mm_moved(from: number, to: number): void {
    if (from !== this.id) return;
    this.mm.aio?.delete(from);
    this.ring.address = to;
    this.mm.aio?.set(to, this);
  }

  /** Operations under way and results not fetched. */
  get used(): number {
    return this.active.size + this.ring.length;
  }

  /** Most of these: what fits, in the portions in which processors take it (get_reqs_available). */
  get capacity(): number {
    const room = this.ring.nr - 1;
    const portion = Math.max(1, Math.floor(room / (this.mm.kernel.sched.rqs.length * 4)));
    return room - (room % portion);
  }
}

export function aio_setup(task: Task, max: number): KioCtx {
  const { vfs } = task.kernel;
  if (max * 2 > 0x1000_0000 / 32)
    throw errno(E.EINVAL, 'io_setup: {} events are more than a context holds', max);
  if (vfs.aio_nr + max > vfs.aio_max_nr) throw errno(E.EAGAIN, 'io_setup: {} events are set up and {} wanted, fs.aio-max-nr is {}', vfs.aio_nr, max, vfs.aio_max_nr); // prettier-ignore
  const ring = new AioRing(task.mem, AioRing.bytesFor(max, task.kernel.sched.rqs.length));
  const id = do_mmap(
    task,
    0,
    ring.size,
    PROT_READ | PROT_WRITE,
    MAP_SHARED | MAP_ANONYMOUS,
    null,
    0,
  );
  const mm = task.mm!;
  mm.to_populate = []; // not even with mlockall(MCL_FUTURE)
  const vma = mm.vmas.at(id);
  if (vma !== null && vma.start === id) vma.name = '/[aio] (deleted)';
  // Never code, whatever READ_IMPLIES_EXEC says: the ring's file system is mounted noexec.
  if (vma !== null) vma.flags = (vma.flags & ~(VM_EXEC | VM_MAYEXEC)) | VM_DONTEXPAND;
  const contexts = (mm.aio ??= new Map());
  const places = (mm.aio_places ??= { used: new Set(), lowest: 0 });
  let index = places.lowest;
  while (places.used.has(index)) index++;
  places.used.add(index);
  places.lowest = index + 1;
  ring.place(id, index);
  const ctx = new KioCtx(mm, max, ring, index);
  contexts.set(id, ctx);
  mm.owned.add(ctx);
  vfs.aio_nr += max;
  return ctx;
}

export function aio_lookup(task: Task, id: number): KioCtx {
  const ctx = task.mm?.aio?.get(id);
  if (ctx === undefined || ctx.dead || !ctx.ring.answers)
    throw errno(E.EINVAL, 'there is no aio context 0x{}', id.toString(16));
  return ctx;
}

/** Ends a context: what is under way is given up. */
export function kill_ioctx(mm: Mm, ctx: KioCtx, unmap: boolean): void {
  ctx.dead = true;
  mm.aio?.delete(ctx.id);
  mm.owned.delete(ctx);
  const places = mm.aio_places!;
  places.used.delete(ctx.index);
  places.lowest = Math.min(places.lowest, ctx.index);
  mm.kernel.vfs.aio_nr -= ctx.max;
  for (const request of [...ctx.active]) request.abandon();
  ctx.active.clear();
  ctx.wait.wake();
  if (unmap) do_munmap(mm, ctx.id, ctx.ring.size);
}

/** One struct iocb. */
export class AioRequest extends AsyncRequest {
  readonly ctx: KioCtx;
  readonly data: bigint;
  /** Its address, by which it is told and cancelled. */
  readonly obj: number;
  private readonly opcode: number;
  private readonly buf: number;
  private readonly nbytes: number;
  private readonly offset: number;
  private readonly rwf: number;
  private resfd: EventfdFile | null = null;
  /** What the file told a poll. */
  private told = 0;
  /** The pieces of a vectored request: the caller's array is read when it is submitted. */
  private vecs: readonly IoVec[] = [];

  static {
    serializable('AioRequest', this);
  }

  /** Reads the structure and checks it (io_submit_one, __io_submit_one). */
  constructor(task: Task, ctx: KioCtx, at: number) {
    super(task);
    const { mem } = task;
    this.ctx = ctx;
    this.obj = at;
    this.data = mem.getBig(at);
    this.opcode = mem.getU16(at + 16);
    this.rwf = mem.getU32(at + 12);
    const fd = mem.getI32(at + 20);
    this.buf = mem.getU64(at + 24);
    this.nbytes = mem.getU64(at + 32);
    this.offset = mem.getI64(at + 40);
    const flags = mem.getU32(at + 56);
    if (mem.getBig(at + 48) !== 0n) throw errno(E.EINVAL, 'io_submit: a reserved member is not 0');
    if (this.nbytes > Number.MAX_SAFE_INTEGER)
      throw errno(E.EINVAL, 'io_submit: {} bytes are too many', this.nbytes);
    const file = fget(task, fd);
    if ((flags & IOCB_FLAG_RESFD) !== 0) {
      const event = fget(task, mem.getI32(at + 60));
      if (!(event instanceof EventfdFile))
        throw errno(E.EINVAL, 'io_submit: {} is no eventfd', event.path);
      this.resfd = event.get();
    }
    mem.putU32(at + 8, KIOCB_KEY);
    this.file = file.get();
    try {
      this.check();
    } catch (error) {
      this.resfd?.put(this.kernel);
      this.resfd = null;
      this.abandon();
      throw error;
    }
  }

  private check(): void {
    const file = this.file!;
    switch (this.opcode) {
      case IOCB_CMD_PREAD:
      case IOCB_CMD_PREADV:
        check_rw_flags(file, this.rwf);
        wantMode(file, FMODE_READ);
        if (!file.can_read || !file.has_read_iter || S_ISDIR(file.inode.mode))
          throw errno(E.EINVAL, 'io_submit: {} has no read_iter', file.path);
        return this.checkSpan();
      case IOCB_CMD_PWRITE:
      case IOCB_CMD_PWRITEV:
        check_rw_flags(file, this.rwf);
        wantMode(file, FMODE_WRITE);
        if (!file.can_write || !file.splice_write) throw errno(E.EINVAL, 'io_submit: {} has no write_iter', file.path); // prettier-ignore
        return this.checkSpan();
      case IOCB_CMD_FSYNC:
      case IOCB_CMD_FDSYNC:
        if (this.buf !== 0 || this.offset !== 0 || this.nbytes !== 0 || this.rwf !== 0) throw errno(E.EINVAL, 'io_submit: fsync takes neither buffer nor offset'); // prettier-ignore
        if (file.fsync === File.prototype.fsync) throw errno(E.EINVAL, 'io_submit: {} has nothing to synchronise', file.path); // prettier-ignore
        return;
      case IOCB_CMD_POLL:
        if (this.buf > 0xffff || this.offset !== 0 || this.nbytes !== 0 || this.rwf !== 0) throw errno(E.EINVAL, 'io_submit: poll takes a mask of 16 bits'); // prettier-ignore
        return;
      default:
        throw errno(E.EINVAL, 'io_submit: there is no operation {}', this.opcode === IOCB_CMD_NOOP ? 'NOOP' : this.opcode); // prettier-ignore
    }
  }

  /** What is seen of the buffer and the place without touching either (aio_setup_rw, rw_verify_area). */
  private checkSpan(): void {
    const { buf, nbytes, offset } = this;
    const vector = this.opcode === IOCB_CMD_PREADV || this.opcode === IOCB_CMD_PWRITEV;
    if (vector) this.vecs = iovec_from_user(this, buf, nbytes);
    else if (buf + nbytes > TASK_SIZE)
      throw errno(E.EFAULT, 'io_submit: {} bytes at 0x{} are not in user space', nbytes, buf.toString(16)); // prettier-ignore
    const count = vector ? this.vecs.reduce((n, { length }) => n + length, 0) : nbytes;
    if (offset < 0 || offset + count >= 2 ** 63)
      throw errno(E.EINVAL, 'io_submit: file position {} is negative or too far', offset);
  }

  protected override execute(): number {
    const file = this.file!;
    const pos = file.seekable ? this.offset : null;
    switch (this.opcode) {
      case IOCB_CMD_PREAD:
      case IOCB_CMD_PREADV:
        return with_rw_flags(file, this.rwf, () => vfs_read(this, file, this.iter(), pos));
      case IOCB_CMD_PWRITE:
      case IOCB_CMD_PWRITEV:
        return with_rw_flags(file, this.rwf, () => vfs_write(this, file, this.iter(), pos, rw_append(this.rwf))); // prettier-ignore
      case IOCB_CMD_POLL: {
        if (this.told !== 0) return this.told;
        const queues: WaitQueue[] = [];
        const events = file.poll(this, queues) & (this.buf | EPOLLERR | EPOLLHUP);
        return events !== 0 ? events : this.waitAny(queues, Infinity);
      }
      default:
        return file.fsync(this, this.opcode === IOCB_CMD_FDSYNC);
    }
  }

  /** A poll that waited ends with all that its file told, as aio_poll_wake does. */
  override woken(_queue: WaitQueue, events = 0): void {
    if (this.opcode !== IOCB_CMD_POLL || events === 0) return super.woken();
    if ((events & (this.buf | EPOLLERR | EPOLLHUP)) === 0) return;
    this.told = events;
    super.woken();
  }

  /** A poll, which alone can be stopped, ends then with what its file told: nothing (aio_poll_complete_work). */
  override cancel(): void {
    this.cancelled = true;
    this.finish(0);
  }

  private iter(): IovIter {
    if (this.opcode === IOCB_CMD_PREAD || this.opcode === IOCB_CMD_PWRITE) return IovIter.user(this.mem, this.buf, this.nbytes); // prettier-ignore
    return IovIter.vector(this.mem, this.vecs);
  }

  protected override complete(res: number): void {
    const { ctx } = this;
    ctx.active.delete(this);
    if (!ctx.dead) {
      ctx.ring.push({ data: this.data, obj: this.obj, res });
      ctx.wait.wake();
    }
    this.resfd?.signal(1n);
    this.resfd?.put(this.kernel);
    this.resfd = null;
  }
}
