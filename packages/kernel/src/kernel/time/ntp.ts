import { EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import * as T from '@vitrine/uapi/time.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';

const ADJ_ADJTIME = 0x8000;
const ADJ_OFFSET_READONLY = 0x2000;
/** 500 parts per million, as timex has it: 16 bits behind the point. */
const MAXFREQ = 500 << 16;
const NTP_PHASE_LIMIT = 16_000_000;
const MAXTC = 10;
const MAX_TAI_OFFSET = 100_000;
const SECS_PER_DAY = 86_400;
const NEVER = Number.MAX_SAFE_INTEGER;
/** Largest offset that the loop takes, in nanoseconds. */
const MAXPHASE = 500_000_000;

/** struct timex's members, without those for a pulse per second. */
export interface Timex {
  readonly modes: number;
  readonly offset: number;
  readonly freq: number;
  readonly maxerror: number;
  readonly esterror: number;
  readonly status: number;
  readonly constant: number;
  readonly sec: number;
  readonly usec: number;
  readonly tick: number;
}

const clamp = (n: number, low: number, high: number): number => Math.min(Math.max(n, low), high);

/**
 * What adjtimex keeps of the clock's discipline (kernel/time/ntp.c). The host keeps the time: frequency, tick and offset are
 * told as they were set, and do not change how fast the clock goes.
 */
export class Ntp {
  status: number = T.STA_UNSYNC;
  maxerror: number = NTP_PHASE_LIMIT;
  esterror: number = NTP_PHASE_LIMIT;
  constant = 2;
  freq = 0;
  tick = 10_000;
  tai = 0;
  /** In nanoseconds. */
  offset = 0;
  /** What adjtime has still to correct, in microseconds. */
  adjust = 0;
  /** TIME_OK, or where the clock is with a leap second (time_state). */
  private leap: number = T.TIME_OK;
  /** The second of CLOCK_REALTIME at which one is inserted or left out. */
  private next_leap_sec: number = NEVER;

  static {
    serializable('Ntp', this);
  }

  /** timekeeping_validate_timex */
  validate(tx: Timex, privileged: boolean): void {
    const { modes } = tx;
    const refuse = (): never => {
      throw errno(EPERM, 'adjtimex: changing the clock (modes 0x{}) needs CAP_SYS_TIME', modes.toString(16)); // prettier-ignore
    };
    if (modes & ADJ_ADJTIME) {
      if (!(modes & T.ADJ_OFFSET_SINGLESHOT & ~ADJ_ADJTIME))
        throw errno(EINVAL, 'adjtimex: modes 0x{} are not possible', modes.toString(16));
      if (!(modes & ADJ_OFFSET_READONLY) && !privileged) refuse();
    } else {
      if (modes !== 0 && !privileged) refuse();
      if (modes & T.ADJ_TICK && (tx.tick < 9000 || tx.tick > 11000))
        throw errno(EINVAL, 'adjtimex: a tick of {} µs is more than a tenth off', tx.tick);
    }
    if (modes & T.ADJ_SETOFFSET) {
      if (!privileged) refuse();
      if (tx.usec < 0 || tx.usec >= (modes & T.ADJ_NANO ? 1e9 : 1e6))
        throw errno(EINVAL, 'adjtimex: {} is no part of a second', tx.usec);
    }
  }

  /** Takes what is new. @returns the offset to tell (do_adjtimex) */
  adjtimex(tx: Timex): number {
    const { modes } = tx;
    if (modes & ADJ_ADJTIME) {
      const before = this.adjust;
      if (!(modes & ADJ_OFFSET_READONLY)) this.adjust = tx.offset;
      return before;
    }
    this.process_modes(tx);
    return this.nano ? this.offset : Math.trunc(this.offset / 1e3);
  }

  get nano(): boolean {
    return (this.status & T.STA_NANO) !== 0;
  }

  private process_modes(tx: Timex): void {
    const { modes } = tx;
    if (modes & T.ADJ_STATUS) {
      if (this.status & T.STA_PLL && !(tx.status & T.STA_PLL)) {
        this.status = T.STA_UNSYNC;
        this.leap = T.TIME_OK;
        this.next_leap_sec = NEVER;
      }
      this.status = (this.status & T.STA_RONLY) | (tx.status & ~T.STA_RONLY);
    }
    if (modes & T.ADJ_NANO) this.status |= T.STA_NANO;
    if (modes & T.ADJ_MICRO) this.status &= ~T.STA_NANO;
    if (modes & T.ADJ_FREQUENCY) this.freq = clamp(tx.freq, -MAXFREQ, MAXFREQ);
    if (modes & T.ADJ_MAXERROR) this.maxerror = clamp(tx.maxerror, 0, NTP_PHASE_LIMIT);
    if (modes & T.ADJ_ESTERROR) this.esterror = clamp(tx.esterror, 0, NTP_PHASE_LIMIT);
    if (modes & T.ADJ_TIMECONST)
      this.constant = clamp(clamp(tx.constant, 0, MAXTC) + (this.nano ? 0 : 4), 0, MAXTC);
    if (modes & T.ADJ_TAI && tx.constant >= 0 && tx.constant <= MAX_TAI_OFFSET) this.tai = tx.constant; // prettier-ignore
    if (modes & T.ADJ_OFFSET && this.status & T.STA_PLL)
      this.offset = clamp(this.nano ? tx.offset : tx.offset * 1e3, -MAXPHASE, MAXPHASE);
    if (modes & T.ADJ_TICK) this.tick = tx.tick;
  }

  /** What adjtimex returns: TIME_ERROR while nobody vouches for the clock, else where it is with a leap second. */
  get state(): number {
    return this.status & (T.STA_UNSYNC | T.STA_CLOCKERR) ? T.TIME_ERROR : this.leap;
  }

  /** The clock was set: what was known of it counts no more (ntp_clear). */
  clear(): void {
    this.adjust = 0;
    this.offset = 0;
    this.status |= T.STA_UNSYNC;
    this.maxerror = NTP_PHASE_LIMIT;
    this.esterror = NTP_PHASE_LIMIT;
    this.next_leap_sec = NEVER;
  }

  /** A leap second is asked for or not over yet: seconds must be counted. */
  get leaping(): boolean {
    return this.leap !== T.TIME_OK || (this.status & (T.STA_INS | T.STA_DEL)) !== 0;
  }

  /**
   * The wall clock came to a new second (second_overflow).
   * @returns by how many seconds it has to jump: -1 for a second that is inserted, 1 for one that is left out
   */
  second_overflow(secs: number): number {
    const asked = this.leap === T.TIME_DEL ? T.STA_DEL : T.STA_INS;
    switch (this.leap) {
      case T.TIME_OK:
        if (this.status & T.STA_INS) {
          this.leap = T.TIME_INS;
          this.next_leap_sec = secs + SECS_PER_DAY - (secs % SECS_PER_DAY);
        } else if (this.status & T.STA_DEL) {
          this.leap = T.TIME_DEL;
          this.next_leap_sec = secs + SECS_PER_DAY - ((secs + 1) % SECS_PER_DAY);
        }
        return 0;
      case T.TIME_INS:
      case T.TIME_DEL: {
        if (this.status & asked && secs < this.next_leap_sec) return 0;
        const jump = this.leap === T.TIME_INS ? -1 : 1;
        const due = (this.status & asked) !== 0 && secs === this.next_leap_sec;
        this.leap = !due ? T.TIME_OK : jump < 0 ? T.TIME_OOP : T.TIME_WAIT;
        if (!due || jump > 0) this.next_leap_sec = NEVER;
        return due ? jump : 0;
      }
      case T.TIME_OOP:
        this.leap = T.TIME_WAIT;
        this.next_leap_sec = NEVER;
        return 0;
      default:
        if (!(this.status & (T.STA_INS | T.STA_DEL))) this.leap = T.TIME_OK;
        return 0;
    }
  }
}
