import { EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import * as T from '@vitrine/uapi/termios.ts';
import { SIGCONT, SIGHUP } from '@vitrine/uapi/signal.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { DevptsSuperBlock } from '../../fs/devpts/devpts.ts';
import type { File } from '../../fs/file.ts';
import type { Pid } from '../../kernel/pid.ts';
import { kernelInfo, kill_pgrp, send_sig } from '../../kernel/signal.ts';
import type { ControllingTty } from '../../kernel/signal_struct.ts';
import type { Task } from '../../kernel/task.ts';
import { ByteQueue } from './byte_queue.ts';
import { NTty } from './n_tty.ts';
import { type Termios, type Winsize, tty_std_termios } from './termios.ts';

/** Bytes on their way out, and bytes that came in and wait for the line discipline. */
const TTY_BUFFER_LIMIT = 65536;

/** Who looks at the far end from outside the machine; not state. */
export interface TtyHost {
  /** There is output to take. */
  outputReady(): void;
}

/**
 * Analogous to `struct tty_struct`: a terminal. Its far end, the master of a pty or a host's console, puts bytes in
 * with {@link Tty.input} and takes them from `out`.
 */
export class Tty implements ControllingTty {
  readonly kernel: Kernel;
  /** `pts/0`, `hvc0`. */
  readonly name: string;
  readonly devt: number;
  readonly pty: boolean;
  /** Number of the pty in /dev/pts. */
  readonly index: number;
  termios: Termios;
  /** Bits and characters that nobody may change, where not 0 (TIOCSLCKTRMIOS). */
  termios_locked: Termios | null = null;
  winsize: Winsize = { row: 0, col: 0, xpixel: 0, ypixel: 0 };
  foreground: Pid | null = null;
  session: Pid | null = null;
  readonly ldisc: NTty;

  readonly out: ByteQueue = new ByteQueue(TTY_BUFFER_LIMIT);
  /** Bytes of `out` that the far end has, though it has not read them: nothing takes them back. */
  private delivered = 0;
  readonly flip: ByteQueue = new ByteQueue(TTY_BUFFER_LIMIT);
  readonly read_wait: WaitQueue = new WaitQueue();
  readonly write_wait: WaitQueue = new WaitQueue();
  /** The far end's: output came, or input has room. */
  readonly far_wait: WaitQueue = new WaitQueue();

  /** Output stopped by ^S or TCOOFF. */
  stopped = false;
  /** Stopped by TCOOFF: only TCOON starts it. */
  tco_stopped = false;
  /** Open files. */
  readonly files: Set<File> = new Set();
  exclusive = false;
  /** Files opened before the last hang-up are dead. */
  generation = 0;
  /** Pty: the master is closed; console: never. */
  other_closed = false;
  /** Pty: the instance that its number belongs to. */
  pts: DevptsSuperBlock | null = null;
  /** Pty: the slave was open once; a master whose slave is closed again reads EIO. */
  opened = false;
  /** Pty: unlockpt has not been called. */
  locked = false;
  /** TIOCPKT on the master, and what it has to tell. */
  packet = false;
  pktstatus = 0;

  /** Line disciplines of this side and of a pty's master: N_TTY or N_NULL. */
  disc: number = T.N_TTY;
  master_disc: number = T.N_TTY;

  host: TtyHost | null = null;
  static readonly transient: readonly string[] = ['host'];

  constructor(kernel: Kernel, name: string, devt: number, pty: boolean, index: number) {
    this.kernel = kernel;
    this.name = name;
    this.devt = devt;
    this.pty = pty;
    this.index = index;
    this.termios = tty_std_termios(pty);
    this.ldisc = new NTty(this);
  }

  static {
    serializable('Tty', this);
  }

  /** In reasons. */
  toString(): string {
    return `/dev/${this.name}`;
  }

  // The far end.

  /** Bytes typed, or written to the master. @returns how many were taken */
  input(bytes: Uint8Array): number {
    const n = Math.min(bytes.length, this.flip.room);
    this.flip.pushAll(n === bytes.length ? bytes : bytes.subarray(0, n));
    this.flush_to_ldisc();
    return n;
  }

  /** Feeds the line discipline as much as it has room for. */
  flush_to_ldisc(): void {
    // N_NULL takes nothing: it waits for another discipline.
    if (this.disc === T.N_NULL) return;
    const before = this.flip.length;
    while (this.flip.length > 0) {
      const room = this.ldisc.receiveRoom();
      if (room <= 0) break;
      this.ldisc.receive(this.flip.take(room));
    }
    if (this.flip.length < before && this.far_wait.active)
      this.far_wait.wake(EPOLLOUT | EPOLLWRNORM);
  }

  /** Another line discipline for one side: what the old one has read is lost (tty_set_ldisc). */
  set_ldisc(master: boolean, disc: number): void {
    if (master) {
      if (disc !== T.N_TTY && this.master_disc === T.N_TTY) this.takeOutput(this.delivered);
      this.master_disc = disc;
      if (this.out.length > 0) this.far_wait.wake(EPOLLIN | EPOLLRDNORM);
      return;
    }
    if (disc !== this.disc) this.ldisc.flush();
    this.disc = disc;
    this.flush_to_ldisc();
  }

  /** What was written and has not reached the far end's own buffer of 4096 bytes is dropped (flush_buffer). */
  flushOutput(): void {
    this.out.truncate(this.delivered);
    this.wakeWriters();
  }

  /** Takes output for the far end; writers go on when there is room again. */
  takeOutput(max: number): Uint8Array {
    const bytes = this.out.take(max);
    this.delivered = Math.min(4096, this.out.length);
    if (bytes.length > 0) this.wakeWriters();
    return bytes;
  }

  /** Room for a writer: none while output is stopped. */
  get writeRoom(): number {
    return this.stopped ? 0 : this.out.room;
  }

  /** Output was put in `out`: tells who takes it. */
  outputReady(): void {
    if (this.out.length === 0) return;
    this.delivered = Math.min(4096, this.out.length);
    if (this.far_wait.active) this.far_wait.wake(EPOLLIN | EPOLLRDNORM);
    this.host?.outputReady();
  }

  wakeReaders(): void {
    if (this.read_wait.active) this.read_wait.wake(EPOLLIN | EPOLLRDNORM);
  }

  wakeWriters(): void {
    if (this.write_wait.active) this.write_wait.wake(EPOLLOUT | EPOLLWRNORM);
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.packetStatus(4, 8); // TIOCPKT_STOP for TIOCPKT_START
  }

  start(): void {
    if (!this.stopped || this.tco_stopped) return;
    this.stopped = false;
    this.packetStatus(8, 4);
    this.ldisc.processEchoes();
    this.wakeWriters();
  }

  /** Packet mode: the master is told of a change of state, before any data. */
  packetStatus(set: number, clear: number): void {
    if (!this.packet) return;
    this.pktstatus = (this.pktstatus & ~clear) | set;
    this.far_wait.wake(EPOLLIN | EPOLLRDNORM | 2);
  }

  resize(size: Winsize): boolean {
    const w = this.winsize;
    if (
      w.row === size.row &&
      w.col === size.col &&
      w.xpixel === size.xpixel &&
      w.ypixel === size.ypixel
    )
      return false;
    this.winsize = size;
    return true;
  }

  /** Nobody is at the other end any more, or the kernel takes the terminal away (__tty_hangup). */
  hangup(): void {
    this.generation++;
    this.exclusive = false;
    const { session, foreground } = this;
    if (session !== null) {
      for (const task of [...session.tasks.sid]) {
        if (task.signal.tty === this) task.signal.tty = null;
        if (!task.signal.leader) continue;
        send_sig(SIGHUP, task, `terminal ${this.name} was hung up`);
        send_sig(SIGCONT, task, `terminal ${this.name} was hung up`);
      }
    }
    if (foreground !== null)
      kill_pgrp(foreground, kernelInfo(SIGHUP, `terminal ${this.name} was hung up`));
    this.session = null;
    this.foreground = null;
    this.stopped = this.tco_stopped = false;
    this.ldisc.flush();
    this.read_wait.wake(EPOLLIN | EPOLLHUP);
    this.write_wait.wake(EPOLLOUT | EPOLLHUP);
  }

  /** The session leader exits (disassociate_ctty). */
  disassociate(_leader: Task): void {
    const { session } = this;
    if (!this.pty) this.hangup();
    else if (this.foreground !== null)
      kill_pgrp(this.foreground, kernelInfo(SIGHUP, 'the session leader exited'));
    this.release(session);
  }

  /** The session has no terminal any more. */
  release(session: Pid | null): void {
    this.session = null;
    this.foreground = null;
    if (session === null) return;
    for (const task of session.tasks.sid) if (task.signal.tty === this) task.signal.tty = null;
  }
}
