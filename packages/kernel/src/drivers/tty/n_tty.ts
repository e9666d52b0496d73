import { SIGINT, SIGQUIT, SIGTSTP } from '@vitrine/uapi/signal.ts';
import * as T from '@vitrine/uapi/termios.ts';
import { serializable } from '../../include/serial.ts';
import { kernelInfo, kill_pgrp } from '../../kernel/signal.ts';
import type { Termios } from './termios.ts';
import type { Tty } from './tty.ts';

const N_TTY_BUF_SIZE = 4096;
const MASK = N_TTY_BUF_SIZE - 1;
/** Stands for the end-of-file character in the line buffer. */
const DISABLED = 0;

const CR = 13;
const NL = 10;
const TAB = 9;
const BS = 8;

/** Letters of Latin-1 have another case, too (include/linux/ctype.h). */
const tolower = (c: number): number =>
  (c >= 65 && c <= 90) || (c >= 192 && c <= 222 && c !== 215) ? c + 32 : c;
const toupper = (c: number): number =>
  (c >= 97 && c <= 122) || (c >= 223 && c !== 247) ? c - 32 : c;

const isCntrl = (c: number): boolean => c < 32 || c === 127;
/** The kernel's characters are those of Latin-1 (lib/ctype.c). */
const isAlnum = (c: number): boolean =>
  (c >= 48 && c <= 57) || tolower(c) !== c || toupper(c) !== c;

/** Echo operations besides bytes: a line begins where the cursor is; goes back over a tab, to whose left n columns are. */
const ECHO_SET_CANON_COL = 0x100;
const ECHO_ERASE_FIRST_TAB = 0x200;
const ECHO_ERASE_TAB = 0x300;

/**
 * The line discipline N_TTY (drivers/tty/n_tty.c; termios(3) says what each flag does): edits and echoes what is typed,
 * turns control characters into signals, and processes output.
 */
export class NTty {
  readonly tty: Tty;
  /** Characters not read yet lie from `tail` to `head`; whole lines end at `canonHead`. The counters only grow. */
  private readonly buf: Uint8Array = new Uint8Array(N_TTY_BUF_SIZE);
  private readonly lineEnd: Uint8Array = new Uint8Array(N_TTY_BUF_SIZE);
  private head = 0;
  private tail = 0;
  private canonHead = 0;
  /** The next character is literal (VLNEXT). */
  private lnext = false;
  /** Inside a \…/ of ECHOPRT. */
  private erasing = false;
  /** Where the cursor is, and where the line being typed began: for tabs and their erasure. */
  private column = 0;
  private canonColumn = 0;
  /** Echo that waits: for the end of what is received at once, or while output is stopped; bytes, and ECHO_… */
  private echoes: number[] = [];

  constructor(tty: Tty) {
    this.tty = tty;
  }

  static {
    serializable('NTty', this);
  }

  private get t(): Termios {
    return this.tty.termios;
  }

  private l(flag: number): boolean {
    return (this.t.lflag & flag) !== 0;
  }

  private i(flag: number): boolean {
    return (this.t.iflag & flag) !== 0;
  }

  /** Is `c` the control character with this index? */
  private is(c: number, index: number): boolean {
    return c !== DISABLED && this.t.cc[index] === c;
  }

  private get icanon(): boolean {
    return this.l(T.ICANON);
  }

  // Reading.

  /** Bytes a read could return now. */
  get available(): number {
    return this.icanon && !this.l(T.EXTPROC) ? this.canonHead - this.tail : this.head - this.tail;
  }

  /** For FIONREAD: an end-of-file mark is not counted. */
  get readable(): number {
    if (!this.icanon || this.l(T.EXTPROC)) return this.head - this.tail;
    let n = this.canonHead - this.tail;
    for (let at = this.tail; at < this.canonHead; at++) {
      if (this.lineEnd[at & MASK] && this.buf[at & MASK] === DISABLED) n--;
    }
    return n;
  }

  /** For poll: in raw mode without a timer, VMIN characters. */
  get pollReady(): boolean {
    if (this.icanon && !this.l(T.EXTPROC)) return this.canonHead !== this.tail;
    const min = this.t.cc[T.VTIME] === 0 ? this.t.cc[T.VMIN]! : 0;
    return this.head - this.tail >= Math.max(1, min);
  }

  /** Takes up to `max` bytes: in canonical mode at most one line, without its end-of-file mark. */
  take(max: number): Uint8Array {
    const out: number[] = [];
    const canon = this.icanon && !this.l(T.EXTPROC);
    const end = canon ? this.canonHead : this.head;
    while (this.tail < end) {
      const at = this.tail & MASK;
      const last = canon && this.lineEnd[at] === 1;
      if (last && this.buf[at] === DISABLED) {
        this.lineEnd[at] = 0;
        this.tail++;
        break;
      }
      if (out.length >= max) break;
      out.push(this.buf[at]!);
      this.tail++;
      if (last) {
        this.lineEnd[at] = 0;
        break;
      }
    }
    if (this.tail > this.canonHead) this.canonHead = this.tail;
    this.tty.flush_to_ldisc();
    return Uint8Array.from(out);
  }

  /** TCIFLUSH: forgets what was not read. */
  flush(): void {
    this.head = this.tail = this.canonHead = 0;
    this.lineEnd.fill(0);
    this.lnext = this.erasing = false;
    this.tty.flip.clear();
    this.tty.far_wait.wake(4);
  }

  /** The mode was changed by tcsetattr: what is buffered becomes readable in the new mode. */
  setTermios(old: Termios): void {
    if (((old.lflag ^ this.t.lflag) & (T.ICANON | T.EXTPROC)) === 0) return;
    this.lineEnd.fill(0);
    if (!this.icanon || this.head === this.tail) this.canonHead = this.tail;
    else {
      this.lineEnd[(this.head - 1) & MASK] = 1;
      this.canonHead = this.head;
    }
    this.lnext = this.erasing = false;
    if (this.available > 0) this.tty.wakeReaders();
  }

  // Input.

  /** How many characters it takes. A full line without end takes more, and drops them: its end must get through. */
  receiveRoom(): number {
    let room = N_TTY_BUF_SIZE - (this.head - this.tail) - 1;
    if (this.i(T.PARMRK)) room = Math.floor(room / 3);
    if (room <= 0 && this.icanon && this.canonHead === this.tail) return 1;
    return room;
  }

  receive(bytes: Uint8Array): void {
    const before = this.available;
    for (const c of bytes) this.receiveChar(c);
    if (this.l(T.ECHO) || this.l(T.ECHONL)) this.processEchoes();
    if (this.available > before || (!this.icanon && this.pollReady)) this.tty.wakeReaders();
    this.tty.outputReady();
  }

  private put(c: number): void {
    this.buf[this.head & MASK] = c;
    this.head++;
  }

  private receiveChar(c: number): void {
    if (this.i(T.ISTRIP)) c &= 0x7f;
    if (this.i(T.IUCLC) && this.l(T.IEXTEN)) c = tolower(c);
    if (this.l(T.EXTPROC)) return this.put(c);
    const { tty } = this;
    if (tty.stopped && !tty.tco_stopped && this.i(T.IXON) && this.i(T.IXANY) && !this.isFlowChar(c))
      tty.start();
    if (this.lnext) {
      this.lnext = false;
      return this.normalChar(c);
    }
    if (this.i(T.IXON) && this.flowChar(c)) return;
    if (this.l(T.ISIG) && this.signalChar(c)) return;
    const typed = c;
    if (c === CR) {
      if (this.i(T.IGNCR)) return;
      if (this.i(T.ICRNL)) c = NL;
    } else if (c === NL && this.i(T.INLCR)) c = CR;
    if (this.icanon && this.canonChar(c)) return;
    this.normalChar(c, c !== typed);
  }

  private isFlowChar(c: number): boolean {
    return (
      this.is(c, T.VSTART) ||
      this.is(c, T.VSTOP) ||
      this.is(c, T.VINTR) ||
      this.is(c, T.VQUIT) ||
      this.is(c, T.VSUSP)
    );
  }

  private flowChar(c: number): boolean {
    if (this.is(c, T.VSTART)) {
      this.tty.start();
      this.processEchoes();
    } else if (this.is(c, T.VSTOP)) this.tty.stop();
    else return false;
    return true;
  }

  private signalChar(c: number): boolean {
    const sig = this.is(c, T.VINTR)
      ? SIGINT
      : this.is(c, T.VQUIT)
        ? SIGQUIT
        : this.is(c, T.VSUSP)
          ? SIGTSTP
          : 0;
    if (sig === 0) return false;
    this.isig(sig);
    if (this.i(T.IXON)) this.tty.start();
    if (this.l(T.ECHO)) this.echoChar(c);
    return true;
  }

  /** A signal for the foreground group; what was typed and not yet shown is dropped, unless NOFLSH. */
  private isig(sig: number): void {
    const { tty } = this;
    if (tty.foreground !== null) kill_pgrp(tty.foreground, kernelInfo(sig, `typed on ${tty.name}`));
    if (this.l(T.NOFLSH)) return;
    this.echoes = [];
    tty.flushOutput();
    this.flush();
    // The master hears of both (pty_flush_buffer, n_tty_packet_mode_flush).
    tty.packetStatus(T.TIOCPKT_FLUSHREAD | T.TIOCPKT_FLUSHWRITE, 0);
  }

  /** Characters with a meaning in canonical mode. @returns whether it was one */
  private canonChar(c: number): boolean {
    const ext = this.l(T.IEXTEN);
    if (this.is(c, T.VERASE) || this.is(c, T.VKILL) || (ext && this.is(c, T.VWERASE))) {
      this.eraser(c);
      return true;
    }
    if (ext && this.is(c, T.VLNEXT)) {
      this.lnext = true;
      if (this.l(T.ECHO)) {
        this.finishErasing();
        if (this.l(T.ECHOCTL)) {
          this.echoRaw(94);
          this.echoRaw(BS);
        }
      }
      return true;
    }
    if (ext && this.l(T.ECHO) && this.is(c, T.VREPRINT)) {
      this.finishErasing();
      this.echoChar(c);
      this.echoRaw(NL);
      for (let at = this.canonHead; at < this.head; at++) this.echoChar(this.buf[at & MASK]!);
      return true;
    }
    if (c === NL) {
      if (this.l(T.ECHO) || this.l(T.ECHONL)) this.echoRaw(NL);
      this.endLine(c);
      return true;
    }
    if (this.is(c, T.VEOF)) {
      this.endLine(DISABLED);
      return true;
    }
    if (this.is(c, T.VEOL) || (ext && this.is(c, T.VEOL2))) {
      if (this.l(T.ECHO)) {
        if (this.canonHead === this.head) this.echoRaw(ECHO_SET_CANON_COL);
        this.echoChar(c);
      }
      if (this.i(T.PARMRK) && c === 0xff) this.put(c);
      this.endLine(c);
      return true;
    }
    return false;
  }

  private endLine(c: number): void {
    if (this.head - this.tail >= N_TTY_BUF_SIZE) this.head--;
    this.lineEnd[this.head & MASK] = 1;
    this.put(c);
    this.canonHead = this.head;
  }

  /** @param mapped a carriage return that became a newline is shown as one; a newline itself is like any other character */
  private normalChar(c: number, mapped = false): void {
    if (this.head - this.tail >= N_TTY_BUF_SIZE - 1) {
      if (this.i(T.IMAXBEL)) this.echoRaw(7);
      return;
    }
    if (this.l(T.ECHO)) {
      this.finishErasing();
      if (c === NL && mapped) this.echoRaw(NL);
      else {
        if (this.canonHead === this.head) this.echoRaw(ECHO_SET_CANON_COL);
        this.echoChar(c);
      }
    }
    if (this.i(T.PARMRK) && c === 0xff) this.put(c);
    this.put(c);
  }

  // Erasing.

  private isContinuation(c: number): boolean {
    return this.i(T.IUTF8) && (c & 0xc0) === 0x80;
  }

  private eraser(c: number): void {
    if (this.head === this.canonHead) return;
    const kill = this.is(c, T.VKILL);
    const word = !kill && !this.is(c, T.VERASE);
    if (kill) {
      if (!this.l(T.ECHO)) {
        this.head = this.canonHead;
        return;
      }
      if (!this.l(T.ECHOK) || !this.l(T.ECHOKE) || !this.l(T.ECHOE)) {
        this.head = this.canonHead;
        this.finishErasing();
        this.echoChar(c);
        if (this.l(T.ECHOK)) this.echoRaw(NL);
        return;
      }
    }
    let seen = false;
    while (this.head > this.canonHead) {
      let at = this.head;
      let ch: number;
      do ch = this.buf[--at & MASK]!;
      while (this.isContinuation(ch) && at > this.canonHead);
      if (this.isContinuation(ch)) break;
      if (word) {
        if (isAlnum(ch) || ch === 95) seen = true;
        else if (seen) break;
      }
      const bytes = this.head - at;
      this.head = at;
      if (this.l(T.ECHO)) this.echoErase(c, ch, at, bytes, !kill && !word);
      if (!kill && !word) break;
    }
    if (this.head === this.canonHead && this.l(T.ECHO)) this.finishErasing();
  }

  /** Shows that the character `ch`, of `bytes` bytes at `at`, is gone. */
  private echoErase(key: number, ch: number, at: number, bytes: number, single: boolean): void {
    if (this.l(T.ECHOPRT)) {
      if (!this.erasing) {
        this.echoRaw(92);
        this.erasing = true;
      }
      this.echoChar(ch);
      for (let i = 1; i < bytes; i++) this.echoRaw(this.buf[(at + i) & MASK]!);
    } else if (single && !this.l(T.ECHOE)) this.echoChar(key);
    else if (ch === TAB) this.echoEraseTab();
    else {
      const shown = isCntrl(ch) ? (this.l(T.ECHOCTL) ? 2 : 0) : 1;
      for (let i = 0; i < shown; i++) {
        this.echoRaw(BS);
        this.echoRaw(32);
        this.echoRaw(BS);
      }
    }
  }

  /** Goes back over a tab: as far as it went, which the characters before it tell. */
  private echoEraseTab(): void {
    let columns = 0;
    let afterTab = false;
    for (let at = this.head - 1; at >= this.canonHead; at--) {
      const c = this.buf[at & MASK]!;
      if (c === TAB) {
        afterTab = true;
        break;
      }
      if (isCntrl(c)) columns += this.l(T.ECHOCTL) ? 2 : 0;
      else if (!this.isContinuation(c)) columns++;
    }
    this.echoRaw((afterTab ? ECHO_ERASE_TAB : ECHO_ERASE_FIRST_TAB) + (columns & 7));
  }

  private finishErasing(): void {
    if (!this.erasing) return;
    this.echoRaw(47);
    this.erasing = false;
  }

  // Output and echo.

  private echoChar(c: number): void {
    if (this.l(T.ECHOCTL) && isCntrl(c) && c !== TAB) {
      this.echoRaw(94);
      this.echoRaw(c ^ 0x40);
    } else this.echoRaw(c);
  }

  /** One echoed byte, or an ECHO_…. */
  private echoRaw(op: number): void {
    if (this.echoes.length < N_TTY_BUF_SIZE) this.echoes.push(op);
  }

  /** Shows what was echoed, unless output is stopped. It is dropped when nobody takes output for a long time. */
  processEchoes(): void {
    const { tty } = this;
    if (tty.stopped || this.echoes.length === 0) return;
    const waiting = this.echoes;
    this.echoes = [];
    for (const op of waiting) {
      if (op === ECHO_SET_CANON_COL) this.canonColumn = this.column;
      else if (tty.out.length < tty.out.limit + N_TTY_BUF_SIZE) this.showEcho(op);
    }
    tty.outputReady();
  }

  private showEcho(op: number): void {
    const { out } = this.tty;
    if (op < 0xff) this.outputChar(op);
    else if (op === 0xff) {
      // The mark of echo operations is not processed.
      out.push(op);
      this.column++;
    } else {
      // From the start of the line a tab is as wide as what stands before the line lets it be.
      const from = (op & 7) + (op < ECHO_ERASE_TAB ? this.canonColumn : 0);
      for (let n = 8 - (from & 7); n > 0; n--) {
        out.push(BS);
        if (this.column > 0) this.column--;
      }
    }
  }

  /** One character to the terminal, as OPOST and its fellows say (do_output_char). */
  outputChar(c: number): void {
    const { out } = this.tty;
    const oflag = this.t.oflag;
    if (!(oflag & T.OPOST)) return out.push(c);
    switch (c) {
      case NL:
        if (oflag & T.ONLRET) this.column = 0;
        if (oflag & T.ONLCR) {
          this.canonColumn = this.column = 0;
          out.push(CR);
        } else this.canonColumn = this.column;
        break;
      case CR:
        if (oflag & T.ONOCR && this.column === 0) return;
        if (oflag & T.OCRNL) {
          if (oflag & T.ONLRET) this.canonColumn = this.column = 0;
          return out.push(NL);
        }
        this.canonColumn = this.column = 0;
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        this.column += spaces;
        if ((oflag & T.TABDLY) !== T.XTABS) break;
        for (let i = 0; i < spaces; i++) out.push(32);
        return;
      }
      case BS:
        if (this.column > 0) this.column--;
        break;
      default:
        if (isCntrl(c)) break;
        if (oflag & T.OLCUC) c = toupper(c);
        if (!this.isContinuation(c)) this.column++;
    }
    out.push(c);
  }

  /** Writes as many bytes as there is room for. @returns how many */
  write(bytes: Uint8Array): number {
    const { tty } = this;
    if (tty.stopped) return 0;
    this.processEchoes();
    if (!(this.t.oflag & T.OPOST)) {
      const n = Math.min(bytes.length, tty.out.room);
      tty.out.pushAll(bytes.subarray(0, n));
      return n;
    }
    // Eight bytes of room: a tab may become eight spaces.
    let n = 0;
    while (n < bytes.length && tty.out.length + 8 <= tty.out.limit) this.outputChar(bytes[n++]!);
    return n;
  }
}
