import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { EAGAIN, EINVAL, EIO, ENOSPC, ENOTTY, EPERM } from '@vitrine/uapi/errno.ts';
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import {
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDNORM,
  EPOLLWRNORM,
} from '@vitrine/uapi/poll.ts';
import { SIGINT, SIGQUIT, SIGTSTP } from '@vitrine/uapi/signal.ts';
import * as T from '@vitrine/uapi/termios.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Path } from '../../fs/dcache.ts';
import { devtmpfs_create_node } from '../../fs/devtmpfs/devtmpfs.ts';
import {
  DevptsInode,
  type DevptsSuperBlock,
  devpts_kill_index,
  devpts_new_index,
  devpts_of,
  devpts_path,
  devpts_pty_kill,
  devpts_pty_new,
} from '../../fs/devpts/devpts.ts';
import { fd_install } from '../../fs/fdtable.ts';
import { type File, StreamFile } from '../../fs/file.ts';
import type { Inode } from '../../fs/inode.ts';
import { MKDEV } from '../../fs/kdev_t.ts';
import type { CharDriver } from '../../fs/vfs.ts';
import { kernelInfo, kill_pgrp } from '../../kernel/signal.ts';
import type { Task } from '../../kernel/task.ts';
import { Tty } from './tty.ts';
import { tty_ioctl } from './tty_ioctl.ts';
import {
  HUNG_UP_MASK,
  TTYAUX_MAJOR,
  WRITE_CHUNK,
  bad_chunk,
  hung_up_tty_ioctl,
  no_ldisc,
  tty_open,
  tty_update_time,
} from './tty_io.ts';

export const UNIX98_PTY_SLAVE_MAJOR = 136;

const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTLCK = 0x80045439;
const TIOCGPKT = 0x80045438;
const TIOCSIG = 0x40045436;

/** The master side of a pty: what /dev/ptmx opens. */
export class PtyMasterFile extends StreamFile {
  readonly tty: Tty;
  readonly pts: DevptsSuperBlock;
  /** TIOCVHANGUP was called on it: this end is dead, and the slave knows of nothing. */
  private hungUp = false;

  constructor(current: Current, path: Path, flags: number, tty: Tty, pts: DevptsSuperBlock) {
    super(current, path, flags);
    this.tty = tty;
    this.pts = pts;
  }

  static {
    serializable('PtyMasterFile', this);
  }

  override show_fdinfo(): string {
    return `tty-index:\t${this.tty.index}\n`;
  }

  override get can_fasync(): boolean {
    return true;
  }

  /** No slave is open, and one was. */
  private get slaveGone(): boolean {
    return this.tty.files.size === 0 && this.tty.generation === 0 && this.tty.opened;
  }

  override read_iter(current: Current, to: IovIter): number {
    const n = this.read(current, to);
    if (n > 0) tty_update_time(this.inode, 'atime');
    return n;
  }

  private read(current: Current, to: IovIter): number {
    const { tty } = this;
    if (this.hungUp) return 0;
    if (tty.master_disc === T.N_NULL) no_ldisc(tty);
    if (to.count === 0) return 0;
    if (tty.packet && tty.pktstatus !== 0) {
      const status = tty.pktstatus;
      tty.pktstatus = 0;
      return to.copyTo(Uint8Array.of(status), 0, 1);
    }
    if (tty.out.length === 0) {
      if (this.slaveGone) throw errno(EIO, 'nobody has the slave {} open', tty);
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, '{} has no output and O_NONBLOCK is set', tty);
      return current.wait(tty.far_wait);
    }
    let n = 0;
    if (tty.packet) {
      n = to.copyTo(Uint8Array.of(T.TIOCPKT_DATA), 0, 1);
      if (to.count === 0) return n;
    }
    const bytes = tty.takeOutput(Math.min(to.count, 65536));
    return n + to.copyTo(bytes, 0, bytes.length);
  }

  override write_iter(current: Current, from: IovIter): number {
    const { tty } = this;
    if (this.hungUp) throw errno(EIO, 'the master of {} was hung up', tty);
    if (tty.master_disc === T.N_NULL) no_ldisc(tty);
    let done = current.callState === null ? 0 : (current.callState as { ptyDone: number }).ptyDone;
    if (done > 0) from.skip(done);
    while (from.count > 0 && tty.flip.room > 0) {
      const chunk = new Uint8Array(Math.min(from.count, tty.flip.room, WRITE_CHUNK));
      let n: number;
      try {
        n = from.copyFrom(chunk, 0, chunk.length);
      } catch (error) {
        if (done === 0 || !(error instanceof Errno)) throw error;
        break;
      }
      if (n < chunk.length) {
        if (done === 0) bad_chunk(tty, n, chunk.length);
        break;
      }
      tty.input(chunk);
      done += n;
    }
    if (done > 0) tty_update_time(this.inode, 'mtime');
    if (from.count === 0) return done;
    if (this.flags & O_NONBLOCK || (done > 0 && current.signal_pending())) {
      if (done > 0) return done;
      throw errno(EAGAIN, '{} takes no more input now and O_NONBLOCK is set', tty);
    }
    current.callState = { ptyDone: done };
    return current.wait(tty.far_wait);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const { tty } = this;
    if (this.hungUp) return HUNG_UP_MASK;
    collect?.push(tty.far_wait);
    if (tty.master_disc === T.N_NULL) return 0;
    let mask = 0;
    if (tty.out.length > 0) mask |= EPOLLIN | EPOLLRDNORM;
    if (tty.packet && tty.pktstatus !== 0) mask |= EPOLLPRI | EPOLLIN | EPOLLRDNORM;
    if (this.slaveGone) mask |= EPOLLHUP;
    if (tty.flip.room > 256) mask |= EPOLLOUT | EPOLLWRNORM;
    return mask;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    const { tty } = this;
    const { mem } = current;
    if (this.hungUp) hung_up_tty_ioctl(tty, cmd);
    switch (cmd) {
      case T.TIOCVHANGUP:
        if (!capable(current.cred, CAP_SYS_ADMIN))
          throw errno(EPERM, 'TIOCVHANGUP needs CAP_SYS_ADMIN; uid {} has not', current.cred.euid);
        this.hungUp = true;
        // What this end has not read is lost.
        tty.takeOutput(tty.out.length);
        tty.far_wait.wake(HUNG_UP_MASK);
        return 0;
      case TIOCGPTN:
        mem.putU32(arg, tty.index);
        return 0;
      case TIOCSPTLCK:
        tty.locked = mem.getI32(arg) !== 0;
        return 0;
      case TIOCGPTLCK:
        mem.putU32(arg, tty.locked ? 1 : 0);
        return 0;
      case T.TIOCPKT:
        // What there is to tell is forgotten when it begins, not when it goes on (pty_set_pktmode).
        if (!tty.packet) tty.pktstatus = 0;
        tty.packet = mem.getI32(arg) !== 0;
        return 0;
      case TIOCGPKT:
        mem.putU32(arg, tty.packet ? 1 : 0);
        return 0;
      case TIOCSIG:
        return this.signal(arg);
      case T.TIOCGPTPEER: {
        const file = tty_open(
          current,
          devpts_path(this.path, this.pts, tty.index),
          arg | O_NOCTTY,
          tty,
          false,
        );
        file.flags = arg & ~(O_NOCTTY | O_CLOEXEC);
        return fd_install(current, file, (arg & O_CLOEXEC) !== 0);
      }
      case T.TIOCNOTTY:
        throw errno(ENOTTY, 'the master of {} is no controlling terminal', tty);
      default:
        return tty_ioctl(current as Task, tty, { master: true, readable: this.readable }, cmd, arg);
    }
  }

  /** TIOCSIG: as if the signal's key had been typed. */
  private signal(sig: number): number {
    const { tty } = this;
    if (![SIGINT, SIGQUIT, SIGTSTP].includes(sig))
      throw errno(EINVAL, 'TIOCSIG: {} is none of SIGINT, SIGQUIT, SIGTSTP', sig);
    if (tty.foreground !== null)
      kill_pgrp(tty.foreground, kernelInfo(sig, `sent through the master of ${tty.name}`));
    return 0;
  }

  override release(): void {
    pty_close_master(this.tty, this.pts);
  }
}

/** The master goes: the slave is hung up and its name disappears. */
export function pty_close_master(tty: Tty, pts: DevptsSuperBlock): void {
  tty.other_closed = true;
  tty.packet = false;
  devpts_pty_kill(pts, tty.index);
  tty.hangup();
  if (tty.files.size === 0) devpts_kill_index(pts, tty.index);
}

/** A new pty: its slave has a name in devpts at once, and is locked until the master unlocks it. */
export function pty_alloc(current: Current, pts: DevptsSuperBlock): Tty {
  const { kernel } = current;
  const index = devpts_new_index(pts);
  if (index < 0) throw errno(ENOSPC, 'devpts has no free pty (kernel.pty.max)');
  const tty = new Tty(kernel, `pts/${index}`, MKDEV(UNIX98_PTY_SLAVE_MAJOR, index), true, index);
  tty.locked = true;
  tty.pts = pts;
  devpts_pty_new(current, pts, index, tty.devt, tty);
  return tty;
}

export class PtmxDriver implements CharDriver {
  static {
    serializable('PtmxDriver', this);
  }
  open(current: Current, _inode: Inode, path: Path, flags: number): File {
    const pts = devpts_of(path);
    const tty = pty_alloc(current, pts);
    return new PtyMasterFile(current, path, flags, tty, pts);
  }
}

export class PtsDriver implements CharDriver {
  static {
    serializable('PtsDriver', this);
  }
  open(current: Current, inode: Inode, path: Path, flags: number): File {
    if (!(inode instanceof DevptsInode)) throw errno(EIO, '{} is not in a devpts', path);
    const tty = inode.priv as Tty | null;
    if (tty === null) throw errno(EIO, 'the master of {} is closed', path);
    return tty_open(current, path, flags, tty, false);
  }
}

export function pty_init(kernel: Kernel): void {
  kernel.vfs.register_chrdev(TTYAUX_MAJOR, 2, '/dev/ptmx', new PtmxDriver());
  kernel.vfs.register_chrdev(UNIX98_PTY_SLAVE_MAJOR, null, 'pts', new PtsDriver());
  devtmpfs_create_node(kernel, 'ptmx', 0o20666, MKDEV(TTYAUX_MAJOR, 2));
  devtmpfs_create_node(kernel, 'pts', 0o40755, 0);
}
