import { FUTEX_WAIT_BITSET } from '@vitrine/uapi/futex.ts';
import { CAP_SYS_TIME } from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import {
  SIGALRM,
  SIGEV_NONE,
  SIGEV_SIGNAL,
  SIGEV_THREAD,
  SIGEV_THREAD_ID,
} from '@vitrine/uapi/signal.ts';
import { RLIMIT_SIGPENDING } from '@vitrine/uapi/resource.ts';
import * as T from '@vitrine/uapi/time.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable, describe_cred } from '../include/cred.ts';
import { ERESTARTNOHAND, ERESTART_RESTARTBLOCK, errno } from '../include/errno.ts';
import { valid_signal } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import { type CpuItimer, RealItimer, thread_group_cputime } from '../kernel/time/itimer.ts';
import { type WallSleep, clock_was_set } from '../kernel/time/clock_was_set.ts';
import {
  type CpuClock,
  CpuSleeper,
  cpu_clock,
  cpu_clock_sample,
} from '../kernel/time/posix_cpu_timers.ts';
import { PosixTimer, type SigEvent, TICK_NSEC } from '../kernel/time/posix_timers.ts';
import { ktime_add } from '../include/ktime.ts';
import { get_user, sigqueue_room } from '../include/user.ts';
import { futex_wait } from '../kernel/futex.ts';
import { choice, flags, inOutStruct, inStruct, int, outStruct, ptr, uint } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';
import { sys_poll } from './select.ts';
import { putTimespec, putTimeval, timespecNs, timespecWide, timevalNs } from './timespec.ts';

const JIFFIES_PER_SEC = 100;
/** Clocks that settimeofday moves. */
const WALL_CLOCKS: readonly number[] = [T.CLOCK_REALTIME, T.CLOCK_REALTIME_ALARM, T.CLOCK_TAI];
/** Alarm clocks need hardware that wakes the machine, which there is not. */
const ALARM_CLOCKS: readonly number[] = [T.CLOCK_REALTIME_ALARM, T.CLOCK_BOOTTIME_ALARM];
/** Clocks that are read only: no timers, no sleep. */
const SLEEPLESS: readonly number[] = [T.CLOCK_MONOTONIC_RAW, T.CLOCK_REALTIME_COARSE, T.CLOCK_MONOTONIC_COARSE, ...ALARM_CLOCKS]; // prettier-ignore
const TFD_TIMER_ABSTIME = 1;
const CPUCLOCK_SCHED = 2;
const SIGEVENT_SIZE = 64;

/** Nanoseconds of a clock as bigint: wall clocks pass 2^53. */
function clockNs(task: Task, clock: number, call: string): bigint {
  const { clock: time } = task.kernel;
  switch (clock) {
    case T.CLOCK_REALTIME:
    case T.CLOCK_REALTIME_COARSE:
      return time.realtimeNs();
    case T.CLOCK_TAI:
      return time.realtimeNs() + BigInt(task.kernel.time.ntp.tai) * 1_000_000_000n;
    case T.CLOCK_MONOTONIC:
    case T.CLOCK_MONOTONIC_COARSE:
    case T.CLOCK_BOOTTIME:
      return BigInt(time.now());
    case T.CLOCK_MONOTONIC_RAW:
      return BigInt(time.raw());
    case T.CLOCK_REALTIME_ALARM:
    case T.CLOCK_BOOTTIME_ALARM:
      throw errno(
        E.EINVAL,
        '{}: clock {} needs a real-time clock that wakes the machine',
        call,
        clock,
      );
    default: {
      const cpu = cpu_clock(task, clock, call);
      if (cpu === null) throw errno(E.EINVAL, '{}: there is no clock {}', call, clock);
      return BigInt(cpu_clock_sample(cpu));
    }
  }
}

function sys_clock_gettime(task: Task, clock: number, address: number): number {
  const ns = clockNs(task, clock, 'clock_gettime');
  task.mem.putU64(address, Number(ns / 1_000_000_000n));
  task.mem.putU64(address + 8, Number(ns % 1_000_000_000n));
  return 0;
}

function sys_clock_settime(task: Task, clock: number, address: number): number {
  if (clock !== T.CLOCK_REALTIME) {
    if (clock < 0) task.mem.read(address, 16);
    clockNs(task, clock, 'clock_settime');
    if (clock < 0) throw errno(E.EPERM, 'clock_settime: nobody sets the time that a process used');
    throw errno(E.EINVAL, 'clock_settime: clock {} cannot be set', clock);
  }
  timespecNs(task, address, 'clock_settime');
  const sec = BigInt(task.mem.getI64(address));
  const nsec = BigInt(task.mem.getI64(address + 8));
  setTime(task, sec * 1_000_000_000n + nsec, 'clock_settime');
  return 0;
}

function checkSetTime(task: Task, call: string): void {
  if (capable(task.cred, CAP_SYS_TIME)) return;
  throw errno(E.EPERM, '{} needs CAP_SYS_TIME; the process has {}', call, describe_cred(task.cred));
}

/** Seconds that leave the machine 30 years to run before nanoseconds pass 63 bits (TIME_SETTOD_SEC_MAX). */
const SETTOD_MAX = 9_223_372_036_000_000_000n - 30n * 365n * 86_400_000_000_000n;

function setTime(task: Task, ns: bigint, call: string): void {
  checkSetTime(task, call);
  // The wall clock is never behind the monotonic one.
  if (ns < BigInt(task.kernel.clock.now()) || ns >= SETTOD_MAX)
    throw errno(E.EINVAL, '{}: {} ns is before the machine started or too late', call, ns);
  const { time } = task.kernel;
  time.set_realtime(ns);
  time.ntp.clear();
  time.adjusted();
  time.leap.arm();
  clock_was_set(task.kernel);
}

function sys_clock_getres(task: Task, clock: number, address: number): number {
  clockNs(task, clock, 'clock_getres');
  const coarse = clock === T.CLOCK_REALTIME_COARSE || clock === T.CLOCK_MONOTONIC_COARSE;
  // Clocks of processes other than the scheduler's own (CPUCLOCK_PROF, CPUCLOCK_VIRT) tick, too.
  const ticks = coarse || (clock < 0 && (clock & 3) !== CPUCLOCK_SCHED);
  if (address !== 0) putTimespec(task, address, ticks ? 1e9 / JIFFIES_PER_SEC : 1);
  return 0;
}

/** Sleeps until a point of CLOCK_MONOTONIC. @param remain where an interrupted relative sleep writes what is left */
function sleepUntil(task: Task, deadline: number, remain: number | null): number {
  const now = task.kernel.clock.now();
  if (now >= deadline) return 0;
  if (task.signal_pending() && remain !== null) {
    if (remain !== 0 && deadline !== Infinity)
      putTimespec(task, remain, Math.max(0, deadline - now));
    task.restart_deadline = deadline;
  }
  return task.waitAny([], deadline, remain === null ? ERESTARTNOHAND : ERESTART_RESTARTBLOCK);
}

function sys_nanosleep(task: Task, request: number, remain: number): number {
  task.callState ??= { deadline: task.kernel.clock.now() + timespecNs(task, request, 'nanosleep') };
  return sleepUntil(task, (task.callState as { deadline: number }).deadline, remain);
}

/** A clock that is a descriptor of a device (CLOCKFD), none of which there is. */
const is_clockfd = (clock: number): boolean => clock < 0 && (clock & 7) === 3;

function sys_clock_nanosleep(
  task: Task,
  clock: number,
  cflags: number,
  request: number,
  remain: number,
): number {
  if (clock === T.CLOCK_THREAD_CPUTIME_ID)
    throw errno(E.EOPNOTSUPP, 'clock_nanosleep: a thread cannot sleep on its own processor time');
  if (is_clockfd(clock)) throw errno(E.EOPNOTSUPP, 'clock_nanosleep: nobody can sleep on clock {} of a device', clock); // prettier-ignore
  // Whoever has a way to sleep reads until when before it says that it cannot.
  if (clock < 0 || ALARM_CLOCKS.includes(clock)) timespecNs(task, request, 'clock_nanosleep');
  if (SLEEPLESS.includes(clock)) throw errno(E.EOPNOTSUPP, 'clock_nanosleep: nobody can sleep on clock {}', clock); // prettier-ignore
  const now = clockNs(task, clock, 'clock_nanosleep');
  const absolute = (cflags & T.TIMER_ABSTIME) !== 0;
  const cpu = cpu_clock(task, clock, 'clock_nanosleep');
  if (cpu !== null) return cpuSleep(task, cpu, absolute, request, remain);
  if (task.callState === null) {
    const time = timespecNs(task, request, 'clock_nanosleep');
    const wall =
      absolute && WALL_CLOCKS.includes(clock) ? { wall: timespecWide(task, request) } : {};
    const span = absolute ? Number(timespecWide(task, request) - now) : time;
    task.callState = { deadline: task.kernel.clock.now() + Math.max(0, span), ...wall };
  }
  return sleepUntil(task, (task.callState as WallSleep).deadline, absolute ? null : remain);
}

/** Sleeps until a process has used so much processor time (posix_cpu_nsleep). */
function cpuSleep(
  task: Task,
  clock: CpuClock,
  absolute: boolean,
  request: number,
  remain: number,
): number {
  if (clock.thread && clock.target === task)
    throw errno(E.EINVAL, 'clock_nanosleep: a thread cannot sleep on its own processor time');
  if (task.callState === null) {
    const time = timespecNs(task, request, 'clock_nanosleep');
    task.callState = new CpuSleeper(clock, absolute ? time : cpu_clock_sample(clock) + time);
  }
  const { timer, queue } = task.callState as CpuSleeper;
  const left = timer.expires - cpu_clock_sample(clock);
  if (left <= 0 || !timer.armed) {
    timer.cancel();
    return 0;
  }
  if (task.signal_pending()) {
    timer.cancel();
    if (!absolute && remain !== 0) putTimespec(task, remain, left);
    throw errno(E.EINTR, 'clock_nanosleep: a signal interrupted the sleep on processor time');
  }
  return task.wait(queue);
}

/** restart_syscall(2): a sleep or futex wait that a stop interrupted goes on until its first deadline. */
function sys_restart_syscall(task: Task): number {
  const deadline = task.restart_deadline;
  const { gpr } = task.kernel.cpu;
  switch (task.restart_nr) {
    case NR.__NR_nanosleep:
      return sleepUntil(task, deadline, Number(gpr[6]));
    case NR.__NR_clock_nanosleep:
      return sleepUntil(task, deadline, Number(gpr[10]));
    case NR.__NR_futex:
      return futex_wait(
        task,
        Number(gpr[7]),
        Number(gpr[6]! & 0x80n) === 0,
        Number(gpr[2]! & 0xffff_ffffn),
        deadline,
        Number(gpr[6]! & 0x7fn) === FUTEX_WAIT_BITSET
          ? Number(gpr[9]! & 0xffff_ffffn)
          : 0xffff_ffff, // prettier-ignore
        true,
      );
    case NR.__NR_poll:
      task.callState = { deadline };
      return sys_poll(task, Number(gpr[7]), Number(gpr[6]), 0);
    default:
      throw errno(E.EINTR, 'restart_syscall: no call of process {} was interrupted', task.pid);
  }
}

function sys_gettimeofday(task: Task, tv: number, tz: number): number {
  const { sec, nsec } = task.kernel.clock.realtime();
  if (tv !== 0) {
    task.mem.putU64(tv, sec);
    task.mem.putU64(tv + 8, Math.floor(nsec / 1e3));
  }
  if (tz !== 0) {
    task.mem.putU32(tz, task.kernel.time.tz_minuteswest);
    task.mem.putU32(tz + 4, task.kernel.time.tz_dsttime);
  }
  return 0;
}

function sys_settimeofday(task: Task, tv: number, tz: number): number {
  const { mem } = task;
  if (tv !== 0) timevalNs(task, tv, 'settimeofday');
  const minuteswest = tz === 0 ? 0 : mem.getI32(tz);
  const dsttime = tz === 0 ? 0 : mem.getI32(tz + 4);
  checkSetTime(task, 'settimeofday');
  if (tz !== 0) setTimezone(task, minuteswest, dsttime, tv === 0);
  if (tv !== 0)
    setTime(task, mem.getBig(tv) * 1_000_000_000n + mem.getBig(tv + 8) * 1000n, 'settimeofday');
  return 0;
}

/** The first time zone, told alone, says that the clock showed local time until now (timekeeping_warp_clock). */
function setTimezone(task: Task, minuteswest: number, dsttime: number, alone: boolean): void {
  if (Math.abs(minuteswest) > 15 * 60)
    throw errno(E.EINVAL, 'settimeofday: {} minutes west of Greenwich', minuteswest);
  const { time, clock } = task.kernel;
  const first = !time.tz_set;
  time.tz_set = true;
  time.tz_minuteswest = minuteswest;
  time.tz_dsttime = dsttime;
  if (first && alone && minuteswest !== 0)
    setTime(task, clock.realtimeNs() + BigInt(minuteswest) * 60_000_000_000n, 'settimeofday');
}

function sys_time(task: Task, address: number): number {
  const { sec } = task.kernel.clock.realtime();
  if (address !== 0) task.mem.putU64(address, sec);
  return sec;
}

function sys_times(task: Task, address: number): number {
  const ticks = (ns: number): number => Math.floor((ns * JIFFIES_PER_SEC) / 1e9);
  if (address !== 0) {
    const self = thread_group_cputime(task);
    const { children } = task.signal;
    [self.utime, self.stime, children.utime, children.stime].forEach((ns, i) =>
      task.mem.putU64(address + i * 8, ticks(ns)),
    );
  }
  return ticks(task.kernel.clock.now()) + 300 * JIFFIES_PER_SEC;
}

// --- interval timers -----------------------------------------------------------------------------------------------

interface ItimerValue {
  value: number;
  interval: number;
}

function getItimer(task: Task, which: number): ItimerValue {
  const { signal } = task;
  if (which === T.ITIMER_REAL) {
    const { real } = signal;
    if (real === undefined) return { value: 0, interval: 0 };
    return {
      value: real.timer.queued ? Math.max(1000, real.timer.expires - task.kernel.clock.now()) : 0,
      interval: real.interval,
    };
  }
  const used = thread_group_cputime(task);
  const now = which === T.ITIMER_VIRTUAL ? used.utime : used.utime + used.stime;
  const timer = which === T.ITIMER_VIRTUAL ? signal.virt : signal.prof;
  if (timer === undefined || timer.expires === 0)
    return { value: 0, interval: timer?.interval ?? 0 };
  const value = timer.expires > now ? timer.expires - now : TICK_NSEC;
  return { value, interval: timer.interval };
}

function setItimer(task: Task, which: number, to: ItimerValue): void {
  const { signal, kernel } = task;
  if (which === T.ITIMER_REAL) {
    signal.real ??= new RealItimer(task.group_leader);
    const { timer } = signal.real;
    signal.real.interval = to.value > 0 ? to.interval : 0;
    if (timer.queued) kernel.timers.cancel(timer);
    if (to.value > 0) kernel.timers.start(timer, ktime_add(kernel.clock.now(), to.value));
    return;
  }
  const used = thread_group_cputime(task);
  const now = which === T.ITIMER_VIRTUAL ? used.utime : used.utime + used.stime;
  // It may come a tick late, never early (set_cpu_itimer).
  const expires = to.value === 0 ? 0 : now + to.value + TICK_NSEC;
  const timer: CpuItimer = { expires, interval: to.interval };
  if (which === T.ITIMER_VIRTUAL) signal.virt = timer;
  else signal.prof = timer;
}

function checkItimer(which: number): void {
  if (which !== T.ITIMER_REAL && which !== T.ITIMER_VIRTUAL && which !== T.ITIMER_PROF) throw errno(E.EINVAL, 'itimer {} is none of ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF', which); // prettier-ignore
}

function putItimer(task: Task, address: number, timer: ItimerValue): void {
  putTimeval(task, address, timer.interval);
  putTimeval(task, address + 16, timer.value);
}

function sys_getitimer(task: Task, which: number, address: number): number {
  checkItimer(which);
  putItimer(task, address, getItimer(task, which));
  return 0;
}

function sys_setitimer(task: Task, which: number, next: number, old: number): number {
  if (next !== 0) task.mem.read(next, 32);
  checkItimer(which);
  const to =
    next === 0
      ? { value: 0, interval: 0 }
      : {
          interval: timevalNs(task, next, 'setitimer'),
          value: timevalNs(task, next + 16, 'setitimer'),
        };
  const before = getItimer(task, which);
  setItimer(task, which, to);
  if (old !== 0) putItimer(task, old, before);
  return 0;
}

function sys_alarm(task: Task, seconds: number): number {
  const before = getItimer(task, T.ITIMER_REAL);
  setItimer(task, T.ITIMER_REAL, { value: seconds * 1e9, interval: 0 });
  return before.value === 0 ? 0 : Math.max(1, Math.round(before.value / 1e9));
}

// --- POSIX timers --------------------------------------------------------------------------------------------------

function readSigEvent(task: Task, address: number, id: number): SigEvent {
  if (address === 0)
    return { notify: SIGEV_SIGNAL, signo: SIGALRM, value: BigInt(id), thread: null };
  const { mem } = task;
  const value = mem.getBig(address);
  const signo = mem.getI32(address + 8);
  const notify = mem.getI32(address + 12);
  if (notify === SIGEV_NONE) return { notify, signo, value, thread: null };
  if (!valid_signal(signo) || signo === 0)
    throw errno(E.EINVAL, 'timer_create: there is no signal {}', signo);
  if (notify === SIGEV_THREAD_ID) {
    const thread = task.kernel.pids.find(mem.getI32(address + 16))?.task ?? null;
    if (thread === null || thread.tgid !== task.tgid)
      throw errno(E.EINVAL, 'timer_create: SIGEV_THREAD_ID names no thread of the process');
    return { notify, signo, value, thread };
  }
  // SIGEV_THREAD is the C library's: to the kernel it is a signal.
  if (notify !== SIGEV_SIGNAL && notify !== SIGEV_THREAD) throw errno(E.EINVAL, 'timer_create: notification {} is none of SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID', notify); // prettier-ignore
  return { notify, signo, value, thread: null };
}

function sys_timer_create(task: Task, clock: number, event: number, address: number): number {
  if (event !== 0) task.mem.read(event, SIGEVENT_SIZE);
  const alarm = ALARM_CLOCKS.includes(clock);
  if (SLEEPLESS.includes(clock) && !alarm) throw errno(E.EOPNOTSUPP, 'timer_create: clock {} has no timers', clock); // prettier-ignore
  if (is_clockfd(clock)) throw errno(E.EOPNOTSUPP, 'timer_create: clock {} of a device has no timers', clock); // prettier-ignore
  if (clock >= 0 && !alarm) clockNs(task, clock, 'timer_create');
  const { signal } = task;
  const timers = (signal.posix_timers ??= new Map());
  const { uid } = task.cred;
  const limit = task.rlimit(RLIMIT_SIGPENDING);
  if (!sigqueue_room(task.kernel, uid, limit)) throw errno(E.EAGAIN, 'timer_create: user {} has {} signals queued or reserved, RLIMIT_SIGPENDING allows {}', uid, get_user(task.kernel, uid).sigpending, limit); // prettier-ignore
  const id = signal.next_timer_id ?? 0;
  const sigevent = readSigEvent(task, event, id);
  task.mem.putU32(address, id);
  if (alarm) throw errno(E.EOPNOTSUPP, 'timer_create: clock {} needs a real-time clock that wakes the machine', clock); // prettier-ignore
  if (clock < 0) clockNs(task, clock, 'timer_create');
  const timer = new PosixTimer(
    id,
    clock,
    sigevent,
    task.group_leader,
    cpu_clock(task, clock, 'timer_create'),
  );
  signal.next_timer_id = id + 1;
  timers.set(id, timer);
  return 0;
}

function posixTimer(task: Task, id: number, call: string): PosixTimer {
  const timer = task.signal.posix_timers?.get(id);
  if (timer === undefined)
    throw errno(E.EINVAL, '{}: process {} has no timer {}', call, task.tgid, id);
  return timer;
}

interface Itimerspec {
  readonly interval: number;
  readonly value: number;
}

function itimerspec(timer: PosixTimer): Itimerspec {
  const left = timer.remaining();
  const value = timer.event.notify === SIGEV_NONE && left === 1 ? 0 : left;
  return { interval: timer.interval, value };
}

function putItimerspec(task: Task, address: number, { interval, value }: Itimerspec): void {
  putTimespec(task, address, interval);
  putTimespec(task, address + 16, value);
}

function sys_timer_gettime(task: Task, id: number, address: number): number {
  putItimerspec(task, address, itimerspec(posixTimer(task, id, 'timer_gettime')));
  return 0;
}

function sys_timer_settime(
  task: Task,
  id: number,
  tflags: number,
  next: number,
  old: number,
): number {
  if (next === 0) throw errno(E.EINVAL, 'timer_settime: there is no new setting');
  const interval = timespecNs(task, next, 'timer_settime');
  const value = timespecNs(task, next + 16, 'timer_settime');
  const timer = posixTimer(task, id, 'timer_settime');
  const absolute = (tflags & TFD_TIMER_ABSTIME) !== 0;
  const span = absolute ? Number(timespecWide(task, next + 16) - timerClock(task, timer)) : value;
  const before = old === 0 ? null : itimerspec(timer);
  timer.cancel();
  timer.interval = value === 0 ? 0 : interval;
  timer.overrun = timer.last_overrun = 0;
  const wall = absolute && WALL_CLOCKS.includes(timer.clock) ? timespecWide(task, next + 16) : null;
  if (value !== 0) timer.arm(span, wall);
  if (before !== null) putItimerspec(task, old, before);
  return 0;
}

/** What the timer's clock shows; one of processor time keeps to the process that made it. */
function timerClock(task: Task, timer: PosixTimer): bigint {
  return timer.cpu === null
    ? clockNs(task, timer.clock, 'timer_settime')
    : BigInt(cpu_clock_sample(timer.cpu.clock));
}

function sys_timer_getoverrun(task: Task, id: number): number {
  return posixTimer(task, id, 'timer_getoverrun').last_overrun;
}

function sys_timer_delete(task: Task, id: number): number {
  const timer = posixTimer(task, id, 'timer_delete');
  timer.delete();
  task.signal.posix_timers!.delete(id);
  return 0;
}

// --- adjusting the clock -------------------------------------------------------------------------------------------

/** struct timex, 208 bytes. */
const TIMEX_SIZE = 208;

function sys_adjtimex(task: Task, address: number): number {
  const bytes = task.mem.read(address, TIMEX_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, TIMEX_SIZE);
  const long = (at: number): number => Number(view.getBigInt64(at, true));
  const tx = {
    modes: view.getUint32(0, true), offset: long(8), freq: long(16), maxerror: long(24), esterror: long(32),
    status: view.getInt32(40, true), constant: long(48), sec: long(72), usec: long(80), tick: long(88),
  }; // prettier-ignore
  const { time, clock } = task.kernel;
  const { ntp } = time;
  ntp.validate(tx, capable(task.cred, CAP_SYS_TIME));
  if (tx.modes & T.ADJ_SETOFFSET) {
    const nsec = BigInt(tx.usec) * (tx.modes & T.ADJ_NANO ? 1n : 1000n);
    const to = clock.realtimeNs() + BigInt(tx.sec) * 1_000_000_000n + nsec;
    if (to < 0n) throw errno(E.EINVAL, 'adjtimex: the time would be before 1970');
    setTime(task, to, 'adjtimex');
  }
  const { sec, nsec } = clock.realtime();
  const offset = ntp.adjtimex(tx, sec);
  if (tx.modes !== 0) time.adjusted();
  time.leap.arm();
  const put = (at: number, value: number): void => view.setBigInt64(at, BigInt(value), true);
  bytes.fill(0, 92);
  put(8, offset);
  put(16, ntp.freq);
  put(24, ntp.maxerror);
  put(32, ntp.esterror);
  view.setInt32(40, ntp.status, true);
  put(48, ntp.constant);
  put(56, 1); // precision
  put(64, 32_768_000); // tolerance
  put(72, sec);
  put(80, ntp.nano ? nsec : Math.floor(nsec / 1e3));
  put(88, ntp.tick);
  view.setInt32(160, ntp.tai, true);
  task.mem.write(address, bytes);
  return ntp.state;
}

function sys_clock_adjtime(task: Task, clock: number, address: number): number {
  task.mem.read(address, TIMEX_SIZE);
  if (clock !== T.CLOCK_REALTIME) {
    if (is_clockfd(clock) || (clock >= 0 && !ALARM_CLOCKS.includes(clock))) clockNs(task, clock, 'clock_adjtime'); // prettier-ignore
    throw errno(E.EOPNOTSUPP, 'clock_adjtime: clock {} cannot be adjusted', clock);
  }
  return sys_adjtimex(task, address);
}

export const TIME: readonly SyscallRow[] = [
  row(
    NR.__NR_clock_gettime,
    'clock_gettime',
    [choice('clockid'), outStruct('timespec')],
    FULL,
    sys_clock_gettime,
  ),
  row(
    NR.__NR_clock_settime,
    'clock_settime',
    [choice('clockid'), inStruct('timespec')],
    FULL,
    sys_clock_settime,
  ),
  row(
    NR.__NR_clock_getres,
    'clock_getres',
    [choice('clockid'), outStruct('timespec')],
    FULL,
    sys_clock_getres,
  ),
  row(NR.__NR_clock_nanosleep, 'clock_nanosleep', [choice('clockid'), flags('timer'), inStruct('timespec'), outStruct('timespec')], FULL, sys_clock_nanosleep), // prettier-ignore
  row(
    NR.__NR_nanosleep,
    'nanosleep',
    [inStruct('timespec'), outStruct('timespec')],
    FULL,
    sys_nanosleep,
  ),
  row(NR.__NR_restart_syscall, 'restart_syscall', [], FULL, sys_restart_syscall),
  row(NR.__NR_gettimeofday, 'gettimeofday', [outStruct('timeval'), ptr], FULL, sys_gettimeofday),
  row(NR.__NR_settimeofday, 'settimeofday', [inStruct('timeval'), ptr], FULL, sys_settimeofday),
  row(NR.__NR_time, 'time', [outStruct('long')], FULL, sys_time),
  row(NR.__NR_times, 'times', [outStruct('tms')], FULL, sys_times),
  row(
    NR.__NR_getitimer,
    'getitimer',
    [choice('itimer'), outStruct('itimerval')],
    FULL,
    sys_getitimer,
  ),
  row(
    NR.__NR_setitimer,
    'setitimer',
    [choice('itimer'), inStruct('itimerval'), outStruct('itimerval')],
    FULL,
    sys_setitimer,
  ),
  row(NR.__NR_alarm, 'alarm', [uint], FULL, sys_alarm),
  row(NR.__NR_timer_create, 'timer_create', [choice('clockid'), inStruct('sigevent'), outStruct('int')], FULL, sys_timer_create), // prettier-ignore
  row(NR.__NR_timer_settime, 'timer_settime', [int, flags('timer'), inStruct('itimerspec'), outStruct('itimerspec')], FULL, sys_timer_settime), // prettier-ignore
  row(
    NR.__NR_timer_gettime,
    'timer_gettime',
    [int, outStruct('itimerspec')],
    FULL,
    sys_timer_gettime,
  ),
  row(NR.__NR_timer_getoverrun, 'timer_getoverrun', [int], FULL, sys_timer_getoverrun),
  row(NR.__NR_timer_delete, 'timer_delete', [int], FULL, sys_timer_delete),
  row(NR.__NR_adjtimex, 'adjtimex', [inOutStruct('timex')], FULL, sys_adjtimex),
  row(NR.__NR_clock_adjtime, 'clock_adjtime', [choice('clockid'), inOutStruct('timex')], FULL, sys_clock_adjtime), // prettier-ignore
];
