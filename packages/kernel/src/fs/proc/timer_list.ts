import { SqPoll } from '../io_uring/sqpoll.ts';
import { AsyncRequest } from '../aio/request.ts';
import { TimerfdFile } from '../timerfd.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { TimerOwner } from '../../include/time.ts';
import { DlEntity } from '../../kernel/sched/deadline.ts';
import { RealItimer } from '../../kernel/time/itimer.ts';
import { PosixTimer } from '../../kernel/time/posix_timers.ts';
import { proc_create } from './registry.ts';

/** /proc/timer_list (kernel/time/timer_list.c): every timer that runs. All are on CLOCK_MONOTONIC, and on processor 0. */

/** The functions that Linux's timers of the same kinds call. */
const FUNCTIONS: readonly (readonly [abstract new (...args: never[]) => TimerOwner, string])[] = [
  [TimerfdFile, 'timerfd_tmrproc'],
  [PosixTimer, 'posix_timer_fn'],
  [RealItimer, 'it_real_fn'],
  [DlEntity, 'dl_task_timer'],
  [AsyncRequest, 'io_timeout_fn'],
  [SqPoll, 'process_timeout'],
];

const nameOf = (owner: TimerOwner): string =>
  FUNCTIONS.find(([kind]) => owner instanceof kind)?.[1] ?? 'hrtimer_wakeup';

const pointer = (n: number): string => n.toString(16).padStart(16, '0');

function active(kernel: Kernel, now: number): string {
  return kernel.timers
    .list()
    .map(({ owner, expires, seq }, i) => {
      const left = Math.round(expires - now);
      const at = Math.round(expires);
      return ` #${i}: <${pointer(seq)}>, ${nameOf(owner)}, S:01\n # expires at ${at}-${at} nsecs [in ${left} to ${left} nsecs]\n`;
    })
    .join('');
}

/** Clocks in the order of their bases: monotonic, real time, boot time, TAI; then the same for timers in soft interrupts. */
const BASES = 8;

function cpu(kernel: Kernel, nr: number, now: number): string {
  const wall = kernel.clock.realtimeNs() - BigInt(Math.round(now));
  let text = `cpu: ${nr}\n`;
  for (let index = 0; index < BASES; index++) {
    const offset = index % 2 === 1 ? wall : 0n;
    text += ` clock ${index}:\n  .base:       ${pointer(nr * BASES + index + 1)}\n  .index:      ${index}\n  .resolution: 1 nsecs\n  .offset:     ${offset} nsecs\nactive timers:\n`;
    if (nr === 0 && index === 0) text += active(kernel, now);
  }
  const next = nr === 0 ? kernel.timers.next : Infinity;
  // KTIME_MAX: nothing is to come.
  const expires = next === Infinity ? '9223372036854775807' : String(Math.round(next));
  return `${text}  .expires_next   : ${expires} nsecs\n  .hres_active    : 1\n  .nr_events      : ${nr === 0 ? kernel.timers.events : 0}\n\n`;
}

proc_create('timer_list', {
  mode: 0o400,
  show({ kernel }) {
    const now = kernel.clock.now();
    const head = `Timer List Version: v0.10\nHRTIMER_MAX_CLOCK_BASES: ${BASES}\nnow at ${Math.round(now)} nsecs\n\n`;
    return head + kernel.sched.rqs.map((rq) => cpu(kernel, rq.cpu, now)).join('');
  },
});
