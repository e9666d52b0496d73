import {
  EAGAIN,
  EBUSY,
  EFAULT,
  EINVAL,
  ENFILE,
  ENOMEM,
  ENXIO,
  EPERM,
  EPIPE,
} from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from '@vitrine/uapi/fcntl.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWRNORM,
} from '@vitrine/uapi/poll.ts';
import { PIPEFS_MAGIC } from '@vitrine/uapi/magic.ts';
import { SIGPIPE } from '@vitrine/uapi/signal.ts';
import { FIONREAD } from '@vitrine/uapi/termios.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import { type UserStruct, get_user } from '../include/user.ts';
import { WaitQueue } from '../include/wait.ts';
import { alloc_pseudo } from './anon_inodes.ts';
import type { Path } from './dcache.ts';
import { fput, hold_file } from './fdtable.ts';
import {
  FMODE_READ,
  FMODE_WRITE,
  type File,
  StreamFile,
  file_accessed,
  want_files,
} from './file.ts';
import { file_update_time } from './inode.ts';

/** Slots of a new pipe: 64 KiB. */
export const PIPE_DEF_BUFFERS = 16;
export const PIPE_BUF = 4096;
/** Slots of a pipe whose user has as many as fs.pipe-user-pages-soft. */
const PIPE_MIN_DEF_BUFFERS = 2;
/** Most slots that one allocation of the kernel can hold. */
const PIPE_MAX_SLOTS = 65536;

/** Analogous to `struct pipe_buffer`: bytes in one page frame. */
export interface PipeBuffer {
  pfn: number;
  offset: number;
  len: number;
  /** O_DIRECT: one write, one read. */
  packet: boolean;
  /** Later writes may append: it is no page of a file, and no other pipe has as much of it. */
  merge: boolean;
}

/** Analogous to `struct pipe_inode_info`: slots in a ring, each holding up to a page. */
export class Pipe {
  bufs: PipeBuffer[] = [];
  max_usage: number;
  /** Whose pipe it is: the slots count for him. */
  readonly user: UserStruct;
  readers = 0;
  writers = 0;
  /** How often it was opened for reading and writing: what opening a FIFO waits for. */
  r_counter = 0;
  w_counter = 0;
  /** Open files; the last one takes the pipe with it. */
  files = 0;
  readonly rd_wait: WaitQueue = new WaitQueue();
  readonly wr_wait: WaitQueue = new WaitQueue();
  /** Readers and writers with O_ASYNC: they learn of every write and read, wanted or not. */
  readonly fasync_readers: WaitQueue = new WaitQueue();
  readonly fasync_writers: WaitQueue = new WaitQueue();
  /** A free frame kept for the next write. */
  private spare = 0;

  constructor(user: UserStruct, slots: number) {
    this.user = user;
    this.max_usage = slots;
    user.pipe_pages += slots;
  }

  static {
    serializable('Pipe', this);
  }

  get empty(): boolean {
    return this.bufs.length === 0;
  }

  get full(): boolean {
    return this.bufs.length >= this.max_usage;
  }

  get bytes(): number {
    let n = 0;
    for (const buf of this.bufs) n += buf.len;
    return n;
  }

  takeFrame(kernel: Kernel): number {
    const pfn = this.spare === 0 ? kernel.frames.alloc(false) : this.spare;
    this.spare = 0;
    if (pfn === 0)
      throw errno(
        ENOMEM,
        'no free page frame for a pipe: {} of {} are free',
        kernel.frames.free,
        kernel.frames.total,
      );
    return pfn;
  }

  dropFrame(kernel: Kernel, buf: PipeBuffer): void {
    if (buf.merge && this.spare === 0 && kernel.frames.count(buf.pfn) === 1) this.spare = buf.pfn;
    else kernel.frames.put(buf.pfn);
  }

  /** The first slot is used up. */
  shift(kernel: Kernel): void {
    this.dropFrame(kernel, this.bufs.shift()!);
  }

  wakeReaders(): void {
    if (this.rd_wait.active) this.rd_wait.wake(EPOLLIN | EPOLLRDNORM);
  }

  wakeWriters(): void {
    if (this.wr_wait.active) this.wr_wait.wake(EPOLLOUT | EPOLLWRNORM);
  }

  /** A new number of slots. */
  resize(slots: number): void {
    this.user.pipe_pages += slots - this.max_usage;
    this.max_usage = slots;
  }

  free(kernel: Kernel): void {
    this.user.pipe_pages -= this.max_usage;
    for (const buf of this.bufs) kernel.frames.put(buf.pfn);
    if (this.spare !== 0) kernel.frames.put(this.spare);
    this.bufs = [];
    this.spare = 0;
  }

  /** Moves bytes out, as many as are there. @param packets of packets one, and what does not fit is lost */
  readBytes(kernel: Kernel, to: IovIter, packets: boolean): number {
    let done = 0;
    while (this.bufs.length > 0 && to.count > 0) {
      const buf = this.bufs[0]!;
      const want = Math.min(buf.len, to.count);
      let n: number;
      try {
        n = to.copyTo(kernel.ram.u8, buf.pfn * PAGE_SIZE + buf.offset, want);
        if (n < want) torn(n);
      } catch (error) {
        if (done > 0 && error instanceof Errno) return done;
        throw error;
      }
      done += n;
      buf.offset += n;
      buf.len -= n;
      if (packets && buf.packet) {
        this.shift(kernel);
        return done;
      }
      if (buf.len > 0) return done;
      this.shift(kernel);
    }
    return done;
  }

  /** Appends to the last slot, if all the bytes past whole pages fit there. @returns bytes taken */
  private mergeBytes(kernel: Kernel, from: IovIter): number {
    const rest = from.count % PAGE_SIZE;
    const last = this.bufs[this.bufs.length - 1];
    if (rest === 0 || last === undefined || !last.merge || last.packet) return 0;
    const end = last.offset + last.len;
    if (end + rest > PAGE_SIZE) return 0;
    const n = from.copyFrom(kernel.ram.u8, last.pfn * PAGE_SIZE + end, rest);
    if (n < rest) torn(n);
    last.len += n;
    return n;
  }

  /** Moves bytes in, as many as there is room for. @param merge at the start of a write(2) */
  writeBytes(kernel: Kernel, from: IovIter, packet: boolean, merge: boolean): number {
    let done = merge ? this.mergeBytes(kernel, from) : 0;
    while (from.count > 0 && !this.full) {
      let pfn = 0;
      try {
        pfn = this.takeFrame(kernel);
        const n = from.copyFrom(kernel.ram.u8, pfn * PAGE_SIZE, PAGE_SIZE);
        if (n < PAGE_SIZE && from.count > 0) torn(n);
        this.bufs.push({ pfn, offset: 0, len: n, packet, merge: true });
        done += n;
      } catch (error) {
        if (pfn !== 0) kernel.frames.put(pfn);
        if (done > 0 && error instanceof Errno) break;
        throw error;
      }
    }
    return done;
  }
}

/** A page is moved whole or not at all: a fault within it leaves what came before. */
function torn(n: number): never {
  throw errno(EFAULT, 'only {} bytes of the buffer of the next page are there', n);
}

/** What a write that filled the pipe has done so far. */
interface WriteState {
  readonly pipeDone: number;
}

/** One end of a pipe or FIFO, or both (O_RDWR). */
export class PipeFile extends StreamFile {
  readonly pipe: Pipe;
  /** Writers there had been when a FIFO was opened for reading without one: no hang-up until one came. */
  seenWriters = -1;

  constructor(current: Current, path: Path, flags: number, pipe: Pipe) {
    super(current, path, flags);
    this.pipe = pipe;
    pipe.files++;
  }

  static {
    serializable('PipeFile', this);
  }

  override get can_fasync(): boolean {
    return true;
  }

  /** Pipes without a name begin so; what is spliced to or from one may wait (pipe_clear_nowait). */
  may_nowait = false;
  override get nowait(): boolean {
    return this.may_nowait;
  }

  override read_iter(current: Current, to: IovIter): number {
    if (to.count === 0) return 0;
    const n = this.take(current, to, (this.flags & O_NONBLOCK) !== 0, true);
    if (n > 0) file_accessed(this);
    return n;
  }

  /** Reads, with packets as such or as bytes like all others (vmsplice_to_user). */
  take(current: Current, to: IovIter, nonblock: boolean, packets: boolean): number {
    const { pipe } = this;
    if (pipe.empty) {
      if (pipe.writers === 0) return 0;
      if (nonblock) throw errno(EAGAIN, '{} is empty and O_NONBLOCK is set', this.path);
      return current.wait(pipe.rd_wait);
    }
    const wasFull = pipe.full;
    const n = pipe.readBytes(current.kernel, to, packets);
    if (wasFull && !pipe.full) pipe.wakeWriters();
    pipe.fasync_writers.wake(EPOLLOUT);
    return n;
  }

  override write_iter(current: Current, from: IovIter): number {
    const { pipe } = this;
    const state = current.callState as WriteState | null;
    let done = state === null ? 0 : state.pipeDone;
    if (from.count === 0) return 0;
    if (pipe.readers === 0) {
      current.force_or_send_sig(SIGPIPE, `write to ${String(this.path)}, which nobody can read`);
      if (done > 0) return done;
      throw errno(EPIPE, 'nobody has {} open for reading', this.path);
    }
    if (done > 0) from.skip(done);
    const n = pipe.writeBytes(current.kernel, from, (this.flags & O_DIRECT) !== 0, state === null);
    if (n > 0) {
      done += n;
      file_update_time(this.inode);
      pipe.wakeReaders();
      pipe.fasync_readers.wake(EPOLLIN);
    }
    if (from.count === 0 || !pipe.full) return done;
    if (this.flags & O_NONBLOCK) {
      if (done > 0) return done;
      throw errno(EAGAIN, '{} is full ({} pages) and O_NONBLOCK is set', this.path, pipe.max_usage);
    }
    if (done > 0 && (current.signal_pending() || current.takes_part)) return done;
    current.callState = { pipeDone: done } satisfies WriteState;
    return current.wait(pipe.wr_wait);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const { pipe } = this;
    let mask = 0;
    if (this.mode & FMODE_READ) {
      collect?.push(pipe.rd_wait);
      if (!pipe.empty) mask |= EPOLLIN | EPOLLRDNORM;
      if (pipe.writers === 0 && this.seenWriters !== pipe.w_counter) mask |= EPOLLHUP;
    }
    if (this.mode & FMODE_WRITE) {
      collect?.push(pipe.wr_wait);
      if (!pipe.full) mask |= EPOLLOUT | EPOLLWRNORM;
      // Most programs want to know when nobody reads; select asks for writability.
      if (pipe.readers === 0) mask |= EPOLLERR;
    }
    return mask;
  }

  override fasync_queues(): WaitQueue[] {
    const { pipe, mode } = this;
    return [
      ...(mode & FMODE_READ ? [pipe.fasync_readers] : []),
      ...(mode & FMODE_WRITE ? [pipe.fasync_writers] : []),
    ];
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd !== FIONREAD) return super.ioctl(current, cmd, arg);
    current.mem.putU32(arg, this.pipe.bytes);
    return 0;
  }

  override release(kernel: Kernel): void {
    const { pipe } = this;
    if (this.mode & FMODE_READ) pipe.readers--;
    if (this.mode & FMODE_WRITE) pipe.writers--;
    if ((pipe.readers === 0) !== (pipe.writers === 0)) {
      pipe.rd_wait.wake_all();
      pipe.wr_wait.wake_all();
      pipe.fasync_readers.wake(EPOLLIN);
      pipe.fasync_writers.wake(EPOLLOUT);
    }
    if (--pipe.files === 0) {
      pipe.free(kernel);
      if (this.inode.pipe === pipe) this.inode.pipe = null;
    }
  }
}

/** Limits of one user's slots hold for who has neither CAP_SYS_RESOURCE nor CAP_SYS_ADMIN (pipe_is_unprivileged_user). */
function pipe_user_limit(current: Current, limit: number, pages: number): boolean {
  if (limit === 0 || pages <= limit) return false;
  return !capable(current.cred, CAP_SYS_RESOURCE) && !capable(current.cred, CAP_SYS_ADMIN);
}

function alloc_pipe_info(current: Current): Pipe {
  const { pipe_max_size, pipe_user_pages_soft, pipe_user_pages_hard } = current.kernel.vfs;
  const user = get_user(current.kernel, current.cred.uid);
  let slots = PIPE_DEF_BUFFERS;
  if (slots * PAGE_SIZE > pipe_max_size && !capable(current.cred, CAP_SYS_RESOURCE))
    slots = Math.floor(pipe_max_size / PAGE_SIZE);
  if (pipe_user_limit(current, pipe_user_pages_soft, user.pipe_pages + slots))
    slots = PIPE_MIN_DEF_BUFFERS;
  if (pipe_user_limit(current, pipe_user_pages_hard, user.pipe_pages + slots))
    throw errno(ENFILE, 'the pipes of user {} have {} pages, fs.pipe-user-pages-hard', user.uid, user.pipe_pages); // prettier-ignore
  return new Pipe(user, slots);
}

/** pipe(2): the read end and the write end, without descriptors. */
export function create_pipe_files(current: Current, flags: number): [PipeFile, PipeFile] {
  want_files(current, 2);
  const path = alloc_pseudo(current, 'pipefs', 'pipe', 0o10600);
  const pipe = alloc_pipe_info(current);
  path.dentry.inode.pipe = pipe;
  pipe.readers = pipe.writers = pipe.r_counter = pipe.w_counter = 1;
  const status = flags & (O_NONBLOCK | O_DIRECT);
  const read = new PipeFile(current, path, O_RDONLY | (status & O_NONBLOCK), pipe);
  const write = new PipeFile(current, path, O_WRONLY | status, pipe);
  read.may_nowait = write.may_nowait = true;
  return [read, write];
}

/** Opening a FIFO waits for the other side: the end that is open already, and that the call holds. */
class FifoState {
  readonly fifo: PipeFile;
  readonly counter: number;
  constructor(fifo: PipeFile, counter: number) {
    this.fifo = fifo;
    this.counter = counter;
  }
  static {
    serializable('FifoState', this);
  }
}

/** The FIFO whose open waits; null: the call is at its first attempt. */
export function fifo_waiting({ callState }: Current): File | null {
  return callState instanceof FifoState ? callState.fifo : null;
}

/** Opens a FIFO: waits for a reader or writer as fifo(7) says. Throws FifoWait. */
export function fifo_open(
  current: Current,
  path: Path,
  flags: number,
  rights: File['landlock'],
): File {
  const { callState } = current;
  const state = callState instanceof FifoState ? callState : null;
  if ((flags & O_ACCMODE) === O_ACCMODE)
    throw errno(EINVAL, 'FIFO {} is opened neither for reading nor for writing', path);
  const file = state?.fifo ?? openEnd(current, path, flags);
  file.landlock = rights;
  const { pipe } = file;
  const acc = flags & O_ACCMODE;
  // A pipe without a name, opened through /proc/PID/fd, waits for nobody.
  if (path.dentry.sb.magic === PIPEFS_MAGIC) return file;
  try {
    if (acc === O_RDONLY && waitsFor(state, pipe.writers, pipe.w_counter)) {
      if (!(flags & O_NONBLOCK)) throw new FifoWait(file, pipe.rd_wait, pipe.w_counter);
      file.seenWriters = pipe.w_counter;
    } else if (acc === O_WRONLY && waitsFor(state, pipe.readers, pipe.r_counter)) {
      if (flags & O_NONBLOCK)
        throw errno(ENXIO, 'O_NONBLOCK: nobody has FIFO {} open for reading', path);
      throw new FifoWait(file, pipe.wr_wait, pipe.r_counter);
    }
  } catch (error) {
    if (error instanceof Errno) fput(current, file);
    throw error;
  }
  return state === null ? file : file.get();
}

function waitsFor(state: FifoState | null, others: number, counter: number): boolean {
  return others === 0 && (state === null || state.counter === counter);
}

function openEnd(current: Current, path: Path, flags: number): PipeFile {
  const { inode } = path.dentry;
  const pipe = (inode.pipe ??= alloc_pipe_info(current));
  const file = new PipeFile(current, path, flags, pipe);
  if (file.mode & FMODE_READ) {
    pipe.r_counter++;
    if (pipe.readers++ === 0) pipe.wr_wait.wake();
  }
  if (file.mode & FMODE_WRITE) {
    pipe.w_counter++;
    if (pipe.writers++ === 0) pipe.rd_wait.wake();
  }
  return file;
}

/** Carries "park here" out of open, past code that expects a File. open(2) turns it into BLOCKED. */
export class FifoWait {
  readonly file: PipeFile;
  readonly queue: WaitQueue;
  readonly counter: number;
  constructor(file: PipeFile, queue: WaitQueue, counter: number) {
    this.file = file;
    this.queue = queue;
    this.counter = counter;
  }

  /** Parks the task; an interrupted open gives its end up again. */
  park(current: Current): number {
    if (fifo_waiting(current) === null) {
      current.callState = new FifoState(this.file, this.counter);
      hold_file(current, this.file);
    }
    return current.wait(this.queue);
  }
}

/** fcntl(F_SETPIPE_SZ): the size is rounded up to a power of two of pages. */
export function pipe_set_size(current: Current, pipe: Pipe, size: number): number {
  if (size > 2 ** 31) throw errno(EINVAL, 'pipe size {} is above 2 GiB', size);
  let pages = 1;
  while (pages * PAGE_SIZE < size) pages *= 2;
  const max = current.kernel.vfs.pipe_max_size;
  if (
    pages > pipe.max_usage &&
    pages * PAGE_SIZE > max &&
    !capable(current.cred, CAP_SYS_RESOURCE)
  ) {
    throw errno(
      EPERM,
      'pipe size {} is above fs.pipe-max-size ({}) and needs CAP_SYS_RESOURCE',
      pages * PAGE_SIZE,
      max,
    );
  }
  const { pipe_user_pages_soft, pipe_user_pages_hard } = current.kernel.vfs;
  const user = pipe.user.pipe_pages + pages - pipe.max_usage;
  if (
    pages > pipe.max_usage &&
    (pipe_user_limit(current, pipe_user_pages_soft, user) ||
      pipe_user_limit(current, pipe_user_pages_hard, user))
  )
    throw errno(EPERM, 'the pipes of user {} would have {} pages: fs.pipe-user-pages-soft or hard', pipe.user.uid, user); // prettier-ignore
  if (pages > PIPE_MAX_SLOTS) throw errno(ENOMEM, 'a pipe of {} pages is too large', pages);
  if (pages < pipe.bufs.length) {
    throw errno(EBUSY, 'the pipe holds {} pages: it cannot shrink to {}', pipe.bufs.length, pages);
  }
  const grown = pages > pipe.max_usage;
  pipe.resize(pages);
  if (grown) pipe.wakeWriters();
  return pages * PAGE_SIZE;
}

/** Splices wait whether they may or not. */
export function pipe_clear_nowait(file: File): void {
  if (file instanceof PipeFile) file.may_nowait = false;
}

/** The pipe behind a file, or null. */
export function get_pipe_info(file: File): Pipe | null {
  return file instanceof PipeFile ? file.pipe : null;
}
