import { EAGAIN, EBUSY, EFAULT, EIO, ENOTTY, ENXIO, EOPNOTSUPP } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { O_NOCTTY, O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWRNORM,
} from '@vitrine/uapi/poll.ts';
import { SIGTTIN } from '@vitrine/uapi/signal.ts';
import * as T from '@vitrine/uapi/termios.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Path } from '../../fs/dcache.ts';
import { devpts_kill_index } from '../../fs/devpts/devpts.ts';
import { devtmpfs_create_node } from '../../fs/devtmpfs/devtmpfs.ts';
import { type File, StreamFile } from '../../fs/file.ts';
import type { Inode } from '../../fs/inode.ts';
import { MAJOR, MINOR, MKDEV } from '../../fs/kdev_t.ts';
import type { CharDriver } from '../../fs/vfs.ts';
import type { Task } from '../../kernel/task.ts';
import { tty_check_change, tty_open_proc_set_tty } from './jobctrl.ts';
import { Tty } from './tty.ts';
import { tty_ioctl } from './tty_ioctl.ts';

declare module '../../fs/vfs.ts' {
  interface Vfs {
    ttys: TtyTable;
  }
}

export const TTYAUX_MAJOR = 5;
export const HVC_MAJOR = 229;

/** The machine's terminals. */
export class TtyTable {
  /** Ptys of all devpts instances (kernel.pty.nr), and the number they stay below (kernel.pty.max). */
  pty_count = 0;
  pty_limit = 4096;
  pty_reserve = 1024;
  /** Terminals that the host holds: /dev/hvc0 and so on. */
  readonly consoles: Tty[] = [];
  static {
    serializable('TtyTable', this);
  }
}

/** How a read that waits in raw mode stands: what was there last time, and when the timer ends. */
interface ReadState {
  readonly available: number;
  readonly deadline: number;
}

/** So much is copied at a time, and what cannot be read whole is not written at all (iterate_tty_write). */
export const WRITE_CHUNK = 2048;

export function bad_chunk(tty: Tty, n: number, length: number): never {
  throw errno(EFAULT, 'of {} bytes for {} only {} can be read', length, tty, n);
}

/** Reading or writing under N_NULL. */
export function no_ldisc(tty: Tty): never {
  throw errno(EOPNOTSUPP, 'the line discipline of {} is N_NULL: it reads and writes nothing', tty);
}

/** Somebody typed or wrote; when it was is told to eight seconds, for it could give away what was typed. */
export function tty_update_time(inode: Inode, which: 'atime' | 'mtime'): void {
  const { sec } = inode.sb.kernel.clock.realtime();
  if (Math.floor(sec / 8) !== Math.floor(inode[which].sec / 8)) inode[which] = { sec, nsec: 0 };
}

/** An open terminal: the slave side of a pty, or a console. */
export class TtyFile extends StreamFile {
  readonly tty: Tty;
  readonly generation: number;
  /** /dev/console survives hang-ups. */
  readonly console: boolean;

  constructor(current: Current, path: Path, flags: number, tty: Tty, console: boolean) {
    super(current, path, flags);
    this.tty = tty;
    this.console = console;
    this.generation = tty.generation;
    tty.files.add(this);
  }

  static {
    serializable('TtyFile', this);
  }

  override get can_fasync(): boolean {
    return true;
  }

  get hungUp(): boolean {
    return !this.console && this.generation !== this.tty.generation;
  }

  override read_iter(current: Current, to: IovIter): number {
    const n = this.read(current, to);
    if (n > 0) for (const { inode } of this.tty.files) tty_update_time(inode, 'atime');
    return n;
  }

  private read(current: Current, to: IovIter): number {
    const { tty } = this;
    if (this.hungUp) return 0;
    if (tty.disc === T.N_NULL) no_ldisc(tty);
    if (to.count === 0) return 0;
    tty_check_change(current as Task, tty, SIGTTIN);
    const { ldisc } = tty;
    if (tty.termios.lflag & T.ICANON) {
      if (ldisc.available > 0) return this.give(to);
      if (tty.other_closed) throw errno(EIO, 'the master of {} is closed', tty);
      return this.waitInput(current, Infinity);
    }
    return this.readRaw(current, to);
  }

  /** MIN and TIME, as termios(3) lays down their four cases. */
  private readRaw(current: Current, to: IovIter): number {
    const { tty } = this;
    const { ldisc, termios } = tty;
    const time = termios.cc[T.VTIME]! * 1e8;
    const min = termios.cc[T.VMIN]!;
    const n = ldisc.available;
    if (n >= Math.min(Math.max(min, 1), to.count)) return this.give(to);
    if (tty.other_closed && n === 0) throw errno(EIO, 'the master of {} is closed', tty);
    if (min === 0 && time === 0) return 0;
    if (this.flags & O_NONBLOCK) {
      if (n > 0) return this.give(to);
      throw errno(EAGAIN, 'nothing was typed on {} and O_NONBLOCK is set', tty);
    }
    if (time === 0) return this.waitInput(current, Infinity);
    const now = current.kernel.clock.now();
    const state = current.callState as ReadState | null;
    let deadline = state === null ? now + time : state.deadline;
    if (min > 0) {
      // The timer runs between characters: the first one starts it, each one restarts it.
      if (n === 0) deadline = Infinity;
      else if (state === null || state.available !== n) deadline = now + time;
    }
    if (now >= deadline) return n > 0 ? this.give(to) : 0;
    current.callState = { available: n, deadline } satisfies ReadState;
    return this.waitInput(current, deadline);
  }

  private waitInput(current: Current, deadline: number): number {
    const { tty } = this;
    if (this.flags & O_NONBLOCK)
      throw errno(EAGAIN, 'nothing was typed on {} and O_NONBLOCK is set', tty);
    if (current.signal_pending() && tty.ldisc.available > 0 && !(tty.termios.lflag & T.ICANON))
      return 0;
    return current.waitAny([tty.read_wait], deadline);
  }

  private give(to: IovIter): number {
    const bytes = this.tty.ldisc.take(to.count);
    return bytes.length === 0 ? 0 : to.copyTo(bytes, 0, bytes.length);
  }

  override write_iter(current: Current, from: IovIter): number {
    const { tty } = this;
    if (this.hungUp) throw errno(EIO, '{} was hung up', tty);
    if (tty.disc === T.N_NULL) no_ldisc(tty);
    if (tty.termios.lflag & T.TOSTOP) tty_check_change(current as Task, tty);
    if (tty.other_closed) throw errno(EIO, 'the master of {} is closed', tty);
    let done = current.callState === null ? 0 : (current.callState as { ttyDone: number }).ttyDone;
    if (done > 0) from.skip(done);
    const chunk = new Uint8Array(Math.min(from.count, WRITE_CHUNK));
    while (from.count > 0 && tty.writeRoom >= 8) {
      const room = Math.min(chunk.length, Math.max(1, Math.floor(tty.writeRoom / 8)), from.count);
      let n: number;
      try {
        n = from.copyFrom(chunk, 0, room);
      } catch (error) {
        if (done === 0 || !(error instanceof Errno)) throw error;
        break;
      }
      if (n < room) {
        if (done === 0) bad_chunk(tty, n, room);
        break;
      }
      tty.ldisc.write(chunk.subarray(0, n));
      done += n;
    }
    if (done > 0) for (const { inode } of tty.files) tty_update_time(inode, 'mtime');
    tty.outputReady();
    if (from.count === 0 || tty.writeRoom >= 8) return done;
    if (this.flags & O_NONBLOCK || (done > 0 && current.signal_pending())) {
      if (done > 0) return done;
      throw errno(EAGAIN, '{} takes no more output now and O_NONBLOCK is set', tty);
    }
    current.callState = { ttyDone: done };
    return current.wait(tty.write_wait);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const { tty } = this;
    if (this.hungUp) return HUNG_UP_MASK;
    collect?.push(tty.read_wait, tty.write_wait);
    if (tty.disc === T.N_NULL) return 0;
    let mask = 0;
    if (tty.ldisc.pollReady) mask |= EPOLLIN | EPOLLRDNORM;
    if (tty.other_closed) mask |= EPOLLHUP | EPOLLIN | EPOLLRDNORM;
    if (tty.writeRoom >= 256) mask |= EPOLLOUT | EPOLLWRNORM;
    return mask;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (this.hungUp) hung_up_tty_ioctl(this.tty, cmd);
    return tty_ioctl(
      current as Task,
      this.tty,
      { master: false, readable: this.readable },
      cmd,
      arg,
    );
  }

  override release(): void {
    const { tty } = this;
    tty.files.delete(this);
    if (tty.files.size > 0) return;
    if (tty.pty) {
      // The master sees a hang-up when the last slave is closed.
      tty.far_wait.wake(EPOLLIN | EPOLLHUP);
      if (tty.other_closed) devpts_kill_index(tty.pts!, tty.index);
      return;
    }
    tty.exclusive = false;
  }
}

/** All that poll(2) can tell. */
export const HUNG_UP_MASK: number = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM; // prettier-ignore

export function hung_up_tty_ioctl(tty: Tty, cmd: number): never {
  throw errno(cmd === T.TIOCSPGRP ? ENOTTY : EIO, '{} was hung up', tty);
}

/** Opens a terminal that exists (tty_open). */
export function tty_open(
  current: Current,
  path: Path,
  flags: number,
  tty: Tty,
  console: boolean,
): File {
  if (tty.other_closed) throw errno(EIO, 'the master of {} is closed', tty);
  if (tty.locked) throw errno(EIO, '{} is locked: its master has not called unlockpt', tty);
  if (tty.exclusive && tty.files.size > 0 && !capable(current.cred, CAP_SYS_ADMIN)) {
    throw errno(EBUSY, '{} is open for exclusive use (TIOCEXCL)', tty);
  }
  const file = new TtyFile(current, path, flags, tty, console);
  tty.opened = true;
  if (!(flags & O_NOCTTY) && !console && file.readable) tty_open_proc_set_tty(current as Task, tty);
  return file;
}

/** /dev/tty, /dev/console, /dev/ptmx (major 5). */
export class TtyAuxDriver implements CharDriver {
  static {
    serializable('TtyAuxDriver', this);
  }
  open(current: Current, inode: Inode, path: Path, flags: number): File {
    if (MINOR(inode.rdev) === 0) {
      const tty = (current as Task).signal.tty as Tty | null;
      if (tty === null) throw errno(ENXIO, 'process {} has no controlling terminal', current.tgid);
      return tty_open(current, path, flags | O_NOCTTY, tty, false);
    }
    const console = current.kernel.vfs.ttys.consoles[0];
    if (console === undefined) throw errno(EIO, 'the machine has no console');
    return tty_open(current, path, flags, console, true);
  }
}

/** /dev/hvcN: terminals that the host holds. */
export class HvcDriver implements CharDriver {
  static {
    serializable('HvcDriver', this);
  }
  open(current: Current, inode: Inode, path: Path, flags: number): File {
    const tty = current.kernel.vfs.ttys.consoles[MINOR(inode.rdev)];
    if (tty === undefined || MAJOR(inode.rdev) !== HVC_MAJOR)
      throw errno(ENXIO, '{} has no terminal behind it', path);
    return tty_open(current, path, flags, tty, false);
  }
}

/** One more terminal for the host: `input()`, `takeOutput()` and `host` are its far end. The first is the console. */
export function hvc_alloc(kernel: Kernel): Tty {
  const index = kernel.vfs.ttys.consoles.length;
  const tty = new Tty(kernel, `hvc${index}`, MKDEV(HVC_MAJOR, index), false, index);
  kernel.vfs.ttys.consoles.push(tty);
  devtmpfs_create_node(kernel, tty.name, 0o20600, tty.devt);
  return tty;
}

export function tty_init(kernel: Kernel): void {
  kernel.vfs.ttys = new TtyTable();
  const aux = new TtyAuxDriver();
  kernel.vfs.register_chrdev(TTYAUX_MAJOR, 0, '/dev/tty', aux);
  kernel.vfs.register_chrdev(TTYAUX_MAJOR, 1, '/dev/console', aux);
  kernel.vfs.register_chrdev(HVC_MAJOR, null, 'hvc', new HvcDriver());
  devtmpfs_create_node(kernel, 'tty', 0o20666, MKDEV(TTYAUX_MAJOR, 0));
  devtmpfs_create_node(kernel, 'console', 0o20600, MKDEV(TTYAUX_MAJOR, 1));
}
