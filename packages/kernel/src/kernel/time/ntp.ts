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

// Lengths of ticks and what changes them are nanoseconds with 32 bits behind the point.
const NTP_SCALE_SHIFT = 32n;
const HZ = 100n;
const NSEC_PER_SEC = 1_000_000_000n;
const SHIFT_PLL = 2n;
const SHIFT_FLL = 2n;
/** Seconds between two offsets from which on, if asked for, and always, the second sets the frequency (the FLL). */
const MINSEC = 256n;
const MAXSEC = 2048n;
/** adjtime(3) gains 500 µs a second. */
const MAX_TICKADJ = 500;
const MAX_TICKADJ_SCALED = (BigInt(MAX_TICKADJ * 1000) << NTP_SCALE_SHIFT) / HZ;
/** Makes a frequency of timex's one of ours. */
const PPM_SCALE = 1000n << (NTP_SCALE_SHIFT - 16n);
/** Above this a frequency, made one of ours, is no 64-bit number. */
const FREQUENCY_LIMIT = Number((1n << 63n) / PPM_SCALE);
const MAXFREQ_SCALED = 500_000n << NTP_SCALE_SHIFT;
/** By so many microseconds a second the clock may be more wrong. */
const MAXERROR_PER_SEC = 500;
const NOMINAL = NSEC_PER_SEC << NTP_SCALE_SHIFT;

/** BigInt division and this round to zero, as shift_right does. */
const shift_right = (x: bigint, by: bigint): bigint => x / (1n << by);
const clampBig = (n: bigint, bound: bigint): bigint =>
  n > bound ? bound : n < -bound ? -bound : n;

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
 * The clock's discipline (kernel/time/ntp.c): what adjtimex sets, and how fast the clock goes for it. The timekeeper asks
 * after every change, and at each second while there is an offset to make up for.
 */
export class Ntp {
  status: number = T.STA_UNSYNC;
  maxerror: number = NTP_PHASE_LIMIT;
  esterror: number = NTP_PHASE_LIMIT;
  constant = 2;
  tick = 10_000;
  tai = 0;
  private time_freq = 0n;
  /** What is left of the offset, a part for each tick of a second. */
  private time_offset = 0n;
  /** Second of the last offset (time_reftime), and that up to which maxerror was counted. */
  private reftime = 0;
  private aged = 0;
  private tick_length: bigint = NOMINAL / HZ;
  private tick_length_base: bigint = NOMINAL / HZ;
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
    if (modes & T.ADJ_FREQUENCY && Math.abs(tx.freq) > FREQUENCY_LIMIT)
      throw errno(EINVAL, 'adjtimex: a frequency of {} cannot be reckoned with', tx.freq);
  }

  /** Takes what is new. @param secs of the wall clock @returns the offset to tell (__do_adjtimex) */
  adjtimex(tx: Timex, secs = 0): number {
    const { modes } = tx;
    this.age(secs);
    if (modes & ADJ_ADJTIME) {
      const before = this.adjust;
      if (!(modes & ADJ_OFFSET_READONLY)) this.adjust = tx.offset;
      return before;
    }
    this.process_modes(tx, secs);
    const offset = Number(shift_right(this.time_offset * HZ, NTP_SCALE_SHIFT));
    return this.nano ? offset : Math.trunc(offset / 1e3);
  }

  get nano(): boolean {
    return (this.status & T.STA_NANO) !== 0;
  }

  /** As timex has it. */
  get freq(): number {
    const inverse = (1n << (19n + NTP_SCALE_SHIFT)) / PPM_SCALE + 1n;
    return Number(shift_right((this.time_freq >> 19n) * inverse, NTP_SCALE_SHIFT));
  }

  /** How fast the clock goes: seconds of its own in one of the host's. */
  get rate(): number {
    return Number(this.tick_length * HZ) / Number(NOMINAL);
  }

  /** The next second has another length. */
  get slewing(): boolean {
    return this.adjust !== 0 || this.chunk !== 0n || this.tick_length !== this.tick_length_base;
  }

  /** What of the offset goes into the next second (ntp_offset_chunk). */
  private get chunk(): bigint {
    return shift_right(this.time_offset, SHIFT_PLL + BigInt(this.constant));
  }

  /** Nobody said how wrong the clock is: it may be more so from second to second. */
  private age(secs: number): void {
    const passed = Math.max(0, secs - this.aged);
    this.aged = secs;
    this.maxerror += passed * MAXERROR_PER_SEC;
    if (this.maxerror <= NTP_PHASE_LIMIT) return;
    this.maxerror = NTP_PHASE_LIMIT;
    this.status |= T.STA_UNSYNC;
  }

  private process_modes(tx: Timex, secs: number): void {
    const { modes } = tx;
    if (modes & T.ADJ_STATUS) this.process_status(tx.status, secs);
    if (modes & T.ADJ_NANO) this.status |= T.STA_NANO;
    if (modes & T.ADJ_MICRO) this.status &= ~T.STA_NANO;
    if (modes & T.ADJ_FREQUENCY)
      this.time_freq = BigInt(clamp(tx.freq, -MAXFREQ, MAXFREQ)) * PPM_SCALE;
    if (modes & T.ADJ_MAXERROR) this.maxerror = clamp(tx.maxerror, 0, NTP_PHASE_LIMIT);
    if (modes & T.ADJ_ESTERROR) this.esterror = clamp(tx.esterror, 0, NTP_PHASE_LIMIT);
    if (modes & T.ADJ_TIMECONST)
      this.constant = clamp(clamp(tx.constant, 0, MAXTC) + (this.nano ? 0 : 4), 0, MAXTC);
    if (modes & T.ADJ_TAI && tx.constant >= 0 && tx.constant <= MAX_TAI_OFFSET) this.tai = tx.constant; // prettier-ignore
    if (modes & T.ADJ_OFFSET && this.status & T.STA_PLL) this.update_offset(tx.offset, secs);
    if (modes & T.ADJ_TICK) this.tick = tx.tick;
    if (modes & (T.ADJ_TICK | T.ADJ_FREQUENCY | T.ADJ_OFFSET)) this.update_frequency();
  }

  private process_status(status: number, secs: number): void {
    const had = this.status & T.STA_PLL;
    if (had && !(status & T.STA_PLL)) {
      this.status = T.STA_UNSYNC;
      this.leap = T.TIME_OK;
      this.next_leap_sec = NEVER;
    }
    if (!had && status & T.STA_PLL) this.reftime = secs;
    this.status = (this.status & T.STA_RONLY) | (status & ~T.STA_RONLY);
  }

  /** The loops: an offset is made up for bit by bit, and changes the frequency for good (ntp_update_offset). */
  private update_offset(asked: number, now: number): void {
    const nsec = this.nano ? asked : clamp(asked, -1e6, 1e6) * 1e3;
    const offset = BigInt(clamp(nsec, -MAXPHASE, MAXPHASE));
    let secs = this.status & T.STA_FREQHOLD ? 0n : BigInt(now - this.reftime);
    this.reftime = now;
    let freq = this.update_offset_fll(offset, secs);
    const constant = BigInt(this.constant);
    const longest = 1n << (SHIFT_PLL + 1n + constant);
    if (secs > longest) secs = longest;
    freq += (offset * secs) << (NTP_SCALE_SHIFT - 2n * (SHIFT_PLL + 2n + constant));
    this.time_freq = clampBig(freq + this.time_freq, MAXFREQ_SCALED);
    this.time_offset = (offset << NTP_SCALE_SHIFT) / HZ;
  }

  private update_offset_fll(offset: bigint, secs: bigint): bigint {
    this.status &= ~T.STA_MODE;
    if (secs < MINSEC) return 0n;
    if (!(this.status & T.STA_FLL) && secs <= MAXSEC) return 0n;
    this.status |= T.STA_MODE;
    return (offset << (NTP_SCALE_SHIFT - SHIFT_FLL)) / secs;
  }

  /** Takes effect at once, not with the next second (ntp_update_frequency). */
  private update_frequency(): void {
    const second = (BigInt(this.tick) * 1000n * 100n) << NTP_SCALE_SHIFT;
    const base = (second + this.time_freq) / HZ;
    this.tick_length += base - this.tick_length_base;
    this.tick_length_base = base;
  }

  /** How long the ticks of the second that begins are (the last part of second_overflow). */
  next_second(): void {
    const { chunk } = this;
    this.time_offset -= chunk;
    this.tick_length = this.tick_length_base + chunk;
    if (this.adjust > MAX_TICKADJ) {
      this.adjust -= MAX_TICKADJ;
      this.tick_length += MAX_TICKADJ_SCALED;
    } else if (this.adjust < -MAX_TICKADJ) {
      this.adjust += MAX_TICKADJ;
      this.tick_length -= MAX_TICKADJ_SCALED;
    } else {
      this.tick_length += ((BigInt(this.adjust) * 1000n) / HZ) << NTP_SCALE_SHIFT;
      this.adjust = 0;
    }
  }

  /** What adjtimex returns: TIME_ERROR while nobody vouches for the clock, else where it is with a leap second. */
  get state(): number {
    return this.status & (T.STA_UNSYNC | T.STA_CLOCKERR) ? T.TIME_ERROR : this.leap;
  }

  /** The clock was set: what was known of it counts no more (ntp_clear). */
  clear(): void {
    this.adjust = 0;
    this.time_offset = 0n;
    this.update_frequency();
    this.tick_length = this.tick_length_base;
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
