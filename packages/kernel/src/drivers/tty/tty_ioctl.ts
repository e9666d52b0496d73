import { EINVAL, EIO, ENOTTY, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { SIGWINCH } from '@vitrine/uapi/signal.ts';
import * as T from '@vitrine/uapi/termios.ts';
import { capable } from '../../include/cred.ts';
import { errno } from '../../include/errno.ts';
import { sysctl_text } from '../../fs/proc/sysctl.ts';
import { kernelInfo, kill_pgrp } from '../../kernel/signal.ts';
import type { Task } from '../../kernel/task.ts';
import {
  tiocgpgrp,
  tiocgsid,
  tiocnotty,
  tiocsctty,
  tiocspgrp,
  tty_check_change,
} from './jobctrl.ts';
import {
  type Termios,
  type Winsize,
  get_termio,
  get_termios,
  no_termios,
  put_termio,
  put_termios,
  unset_locked_termios,
} from './termios.ts';
import type { Tty } from './tty.ts';

/** Which side of a pty asks, and how its file is open. */
export interface TtySide {
  readonly master: boolean;
  readonly readable: boolean;
}

/** Parity enable; not among the generated constants. */
const PARENB = 0x100;

export function set_termios(tty: Tty, next: Termios): void {
  const old = tty.termios;
  // A pty always has eight bits and no parity.
  if (tty.pty) next.cflag = (next.cflag & ~(T.CSIZE | PARENB)) | T.CS8 | T.CREAD;
  if (tty.termios_locked !== null) unset_locked_termios(next, old, tty.termios_locked);
  tty.termios = next;
  tty.ldisc.setTermios(old);
  if (old.iflag & T.IXON && !(next.iflag & T.IXON)) tty.start();
  const flow = (t: Termios): boolean =>
    (t.iflag & T.IXON) !== 0 && t.cc[T.VSTOP] === 19 && t.cc[T.VSTART] === 17;
  if (flow(old) !== flow(next)) {
    if (flow(next)) tty.packetStatus(T.TIOCPKT_DOSTOP, T.TIOCPKT_NOSTOP);
    else tty.packetStatus(T.TIOCPKT_NOSTOP, T.TIOCPKT_DOSTOP);
  }
  if (next.lflag & T.EXTPROC || old.lflag & T.EXTPROC) tty.packetStatus(T.TIOCPKT_IOCTL, 0);
}

/** TIOCSWINSZ: the foreground group learns of a change. */
export function tty_do_resize(tty: Tty, size: Winsize): void {
  if (!tty.resize(size) || tty.foreground === null) return;
  kill_pgrp(tty.foreground, kernelInfo(SIGWINCH, `${tty.name} is now ${size.col}x${size.row}`));
}

function winsize(task: Task, tty: Tty, cmd: number, arg: number): number {
  const { mem } = task;
  if (cmd === T.TIOCGWINSZ) {
    const w = tty.winsize;
    [w.row, w.col, w.xpixel, w.ypixel].forEach((v, i) => mem.putU16(arg + i * 2, v));
    return 0;
  }
  tty_do_resize(tty, {
    row: mem.getU16(arg),
    col: mem.getU16(arg + 2),
    xpixel: mem.getU16(arg + 4),
    ypixel: mem.getU16(arg + 6),
  });
  return 0;
}

function termiosIoctl(task: Task, tty: Tty, cmd: number, arg: number): number {
  switch (cmd) {
    case T.TCGETS:
      put_termios(task, arg, tty.termios, false);
      return 0;
    case TCGETS2:
      put_termios(task, arg, tty.termios, true);
      return 0;
    case T.TCGETA:
      put_termio(task, arg, tty.termios);
      return 0;
    case T.TIOCGLCKTRMIOS:
      put_termios(task, arg, tty.termios_locked ?? no_termios(), false);
      return 0;
    case T.TIOCSLCKTRMIOS:
      if (!capable(task.cred, CAP_SYS_ADMIN))
        throw errno(EPERM, 'locking terminal settings needs CAP_SYS_ADMIN (TIOCSLCKTRMIOS)');
      tty.termios_locked = get_termios(task, arg, false, tty.termios_locked ?? no_termios());
      return 0;
    default:
  }
  tty_check_change(task, tty);
  const two = cmd >= TCSETS2 && cmd <= TCSETSF2;
  const old = cmd >= T.TCSETA && cmd <= T.TCSETAF;
  const next = old ? get_termio(task, arg, tty.termios) : get_termios(task, arg, two, tty.termios);
  if (cmd === T.TCSETSF || cmd === T.TCSETAF || cmd === TCSETSF2) {
    tty.ldisc.flush();
    tty.packetStatus(T.TIOCPKT_FLUSHREAD, 0);
  }
  set_termios(tty, next);
  return 0;
}

const TCGETS2 = 0x802c542a;
const TCSETS2 = 0x402c542b;
const TCSETSF2 = 0x402c542d;
const TIOCGDEV = 0x80045432;
const TIOCGEXCL = 0x80045440;

/** TCXONC: stop and start output, or ask the other side to. */
function tcxonc(task: Task, tty: Tty, what: number): number {
  tty_check_change(task, tty);
  switch (what) {
    case T.TCOOFF:
      tty.tco_stopped = true;
      tty.stop();
      return 0;
    case T.TCOON:
      // What ^S stopped goes on with ^Q.
      if (!tty.tco_stopped) return 0;
      tty.tco_stopped = false;
      tty.start();
      return 0;
    case T.TCIOFF:
    case T.TCION: {
      const c = tty.termios.cc[what === T.TCIOFF ? T.VSTOP : T.VSTART]!;
      // It passes output that ^S stopped, and is lost where TCOOFF did.
      if (c !== 0 && !tty.tco_stopped) {
        tty.out.push(c);
        // Output ran for a moment (tty_send_xchar).
        if (tty.stopped) tty.packetStatus(T.TIOCPKT_STOP, T.TIOCPKT_START);
      }
      tty.outputReady();
      return 0;
    }
    default:
      throw errno(EINVAL, 'TCXONC: {} is none of TCOOFF, TCOON, TCIOFF, TCION', what);
  }
}

function tcflsh(task: Task, tty: Tty, side: TtySide, queue: number): number {
  if (queue < 0 || queue > 2)
    throw errno(EINVAL, 'TCFLSH: {} is none of TCIFLUSH, TCOFLUSH, TCIOFLUSH', queue);
  if (!side.master) tty_check_change(task, tty);
  const input: number = side.master ? T.TCOFLUSH : T.TCIFLUSH;
  if (queue === input || queue === T.TCIOFLUSH) {
    tty.ldisc.flush();
    tty.packetStatus(T.TIOCPKT_FLUSHREAD, 0);
  }
  if (queue !== input || queue === T.TCIOFLUSH) {
    tty.flushOutput();
    tty.packetStatus(T.TIOCPKT_FLUSHWRITE, 0);
  }
  return 0;
}

function tiocsti(task: Task, tty: Tty, arg: number): number {
  const legacy = sysctl_text(task.kernel, 'dev/tty/legacy_tiocsti') !== '0';
  if (!legacy && !capable(task.cred, CAP_SYS_ADMIN))
    throw errno(EIO, 'TIOCSTI needs CAP_SYS_ADMIN (dev.tty.legacy_tiocsti is 0)');
  if (task.signal.tty !== tty && !capable(task.cred, CAP_SYS_ADMIN)) {
    throw errno(
      EPERM,
      'TIOCSTI: {} is not the controlling terminal of process {}, which lacks CAP_SYS_ADMIN',
      tty,
      task.tgid,
    );
  }
  tty.input(Uint8Array.of(task.mem.getU8(arg)));
  return 0;
}

function tiocsetd(task: Task, tty: Tty, side: TtySide, arg: number): number {
  const disc = task.mem.getI32(arg);
  if (disc !== T.N_TTY && disc !== T.N_NULL)
    throw errno(EINVAL, 'TIOCSETD: there is no line discipline {}', disc);
  tty.set_ldisc(side.master, disc);
  return 0;
}

/** Bytes of struct serial_struct. */
const SERIAL_STRUCT_SIZE = 72;

/** Requests that the terminal itself answers, whatever its line discipline (tty_ioctl's own). */
const OF_THE_TERMINAL: ReadonlySet<number> = new Set([
  T.TIOCGPTPEER, T.TIOCGWINSZ, T.TIOCSWINSZ, T.TIOCSCTTY, T.TIOCNOTTY, T.TIOCGPGRP, T.TIOCSPGRP, T.TIOCGSID,
  T.TCSBRK, T.TCSBRKP, T.TIOCSBRK, T.TIOCCBRK, T.TIOCSTI, T.TIOCEXCL, T.TIOCNXCL, TIOCGEXCL, T.TIOCGETD, T.TIOCSETD,
  TIOCGDEV, T.TIOCVHANGUP, T.TIOCCONS, T.TIOCGSERIAL, T.TIOCSSERIAL,
]); // prettier-ignore

/** The rest are for the line discipline, and N_NULL answers none. */
function null_ioctl(tty: Tty, side: TtySide, cmd: number, arg: number): never {
  if (cmd === T.TCFLSH && (arg === T.TCIFLUSH || arg === T.TCIOFLUSH))
    (side.master ? tty.out : tty.flip).truncate(0);
  throw errno(EINVAL, 'the line discipline of {} is N_NULL: it has no ioctl 0x{}', tty, (cmd >>> 0).toString(16)); // prettier-ignore
}

/** Requests that mean the same on both sides of a pty and on a console (tty_ioctl, n_tty_ioctl_helper). */
export function tty_ioctl(task: Task, tty: Tty, side: TtySide, cmd: number, arg: number): number {
  const disc = side.master ? tty.master_disc : tty.disc;
  if (disc === T.N_NULL && !OF_THE_TERMINAL.has(cmd)) return null_ioctl(tty, side, cmd, arg);
  switch (cmd) {
    case T.TCGETS:
    case T.TCSETS:
    case T.TCSETSW:
    case T.TCSETSF:
    case T.TCGETA:
    case T.TCSETA:
    case T.TCSETAW:
    case T.TCSETAF:
    case T.TIOCGLCKTRMIOS:
    case T.TIOCSLCKTRMIOS:
    case TCGETS2:
    case TCSETS2:
    case 0x402c542c:
    case TCSETSF2:
      return termiosIoctl(task, tty, cmd, arg);
    case T.TIOCGSOFTCAR:
      task.mem.putU32(arg, (tty.termios.cflag & T.CLOCAL) !== 0 ? 1 : 0);
      return 0;
    case T.TIOCSSOFTCAR:
      set_termios(tty, { ...tty.termios, cflag: (tty.termios.cflag & ~T.CLOCAL) | (task.mem.getU32(arg) !== 0 ? T.CLOCAL : 0) }); // prettier-ignore
      return 0;
    case T.TIOCGPTPEER:
      throw errno(EIO, 'TIOCGPTPEER: {} is not the master of a pty', tty);
    case T.TIOCGWINSZ:
    case T.TIOCSWINSZ:
      return winsize(task, tty, cmd, arg);
    case T.TIOCSCTTY:
      return tiocsctty(task, tty, arg === 1, side.readable);
    case T.TIOCNOTTY:
      return tiocnotty(task, tty);
    case T.TIOCGPGRP:
      return tiocgpgrp(task, tty, side.master, arg);
    case T.TIOCSPGRP:
      return tiocspgrp(task, tty, arg);
    case T.TIOCGSID:
      return tiocgsid(task, tty, side.master, arg);
    case T.FIONREAD:
      task.mem.putU32(arg, side.master ? tty.out.length : tty.ldisc.readable);
      return 0;
    case T.TIOCOUTQ:
      // What is written to a pseudoterminal is on the other side at once.
      task.mem.putU32(arg, tty.pty ? 0 : side.master ? tty.flip.length : tty.out.length);
      return 0;
    case T.TCXONC:
      return tcxonc(task, tty, arg);
    case T.TCFLSH:
      return tcflsh(task, tty, side, arg);
    case T.TCSBRK:
    case T.TCSBRKP:
    case T.TIOCSBRK:
    case T.TIOCCBRK:
      if (!side.master) tty_check_change(task, tty);
      return 0;
    case T.TIOCSTI:
      return tiocsti(task, tty, arg);
    case T.TIOCEXCL:
      tty.exclusive = true;
      return 0;
    case T.TIOCNXCL:
      tty.exclusive = false;
      return 0;
    case TIOCGEXCL:
      task.mem.putU32(arg, tty.exclusive ? 1 : 0);
      return 0;
    case T.TIOCGETD:
      task.mem.putU32(arg, disc);
      return 0;
    case T.TIOCSETD:
      return tiocsetd(task, tty, side, arg);
    case TIOCGDEV:
      task.mem.putU32(arg, tty.devt);
      return 0;
    case T.TIOCVHANGUP:
      if (!capable(task.cred, CAP_SYS_ADMIN))
        throw errno(EPERM, 'TIOCVHANGUP needs CAP_SYS_ADMIN; uid {} has not', task.cred.euid);
      tty.hangup();
      return 0;
    case T.TIOCCONS:
      if (!capable(task.cred, CAP_SYS_ADMIN))
        throw errno(EPERM, 'TIOCCONS needs CAP_SYS_ADMIN; uid {} has not', task.cred.euid);
      return 0;
    case T.TIOCGSERIAL:
      throw errno(ENOTTY, 'TIOCGSERIAL: {} is no serial port', tty);
    case T.TIOCSSERIAL:
      task.mem.read(arg, SERIAL_STRUCT_SIZE);
      throw errno(ENOTTY, 'TIOCSSERIAL: {} is no serial port', tty);
    default:
      throw errno(ENOTTY, '{} has no ioctl {}', tty, '0x' + (cmd >>> 0).toString(16));
  }
}
