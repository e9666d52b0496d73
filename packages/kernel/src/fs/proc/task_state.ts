import { CAP_SYS_ADMIN, CAP_SYS_TIME } from '@vitrine/uapi/capability.ts';
import { EACCES, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID } from '@vitrine/uapi/signal.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { RESUME_SYSCALL, type Task } from '../../kernel/task.ts';
import { may_access } from './access.ts';
import { pid_create } from './registry.ts';

/** What a task does at this moment: wchan, syscall, stack, timers; and the files of parts that this kernel lacks. */

/**
 * The function of Linux that a task sleeps in, by system call number. A call that waits here has no stack of its own, so
 * it is the call that tells.
 */
const WCHAN: Readonly<Record<number, string>> = {
  0: 'wait_woken',
  1: 'wait_woken',
  7: 'do_sys_poll',
  16: 'wait_woken',
  19: 'wait_woken',
  20: 'wait_woken',
  23: 'do_select',
  34: 'do_sigsuspend',
  35: 'hrtimer_nanosleep',
  43: 'inet_csk_accept',
  45: 'wait_for_more_packets',
  47: 'wait_for_more_packets',
  61: 'do_wait',
  65: 'do_semtimedop',
  70: 'do_msgrcv',
  72: 'fcntl_setlk',
  73: 'locks_lock_inode_wait',
  128: 'do_sigtimedwait',
  130: 'sigsuspend',
  202: 'futex_wait_queue',
  220: 'do_semtimedop',
  230: 'hrtimer_nanosleep',
  232: 'ep_poll',
  247: 'do_wait',
  270: 'do_select',
  271: 'do_sys_poll',
  281: 'ep_poll',
  288: 'inet_csk_accept',
  441: 'ep_poll',
};

function wchan(task: Task): string {
  if (task.state === 'R' || task.resume !== RESUME_SYSCALL) return '0';
  return WCHAN[task.syscall] ?? 'schedule';
}

const hex = (n: bigint | number): string => `0x${n.toString(16)}`;

/** Number, arguments, stack pointer and instruction pointer of the call that a task sleeps in. */
function syscall(task: Task, current: Current): string {
  const own = task === current;
  if (task.state === 'R' && !own) return 'running\n';
  const { gpr, rip } = task.kernel.arch.get_regs(task);
  const [, , rdx, , rsp, , rsi, rdi, r8, r9, r10] = gpr;
  if (task.resume !== RESUME_SYSCALL && !own) return `-1 ${hex(rsp!)} ${hex(rip)}\n`;
  return `${task.syscall} ${[rdi, rsi, rdx, r10, r8, r9, rsp].map((n) => hex(n!)).join(' ')} ${hex(rip)}\n`;
}

const NOTIFY: Readonly<Record<number, string>> = {
  [SIGEV_SIGNAL]: 'signal',
  [SIGEV_NONE]: 'none',
  [SIGEV_THREAD_ID]: 'signal',
};

function timers(task: Task): string {
  let text = '';
  for (const timer of task.signal.posix_timers?.values() ?? []) {
    const { event } = timer;
    const thread = event.notify === SIGEV_THREAD_ID;
    text +=
      `ID: ${timer.id}\nsignal: ${event.signo}/${event.value.toString(16).padStart(16, '0')}\n` +
      `notify: ${NOTIFY[event.notify] ?? 'thread'}/${thread ? 'tid' : 'pid'}.${(event.thread ?? task.group_leader).pid}\nClockID: ${timer.clock}\n`;
  }
  return text;
}

/** There is no security module whose label a process could have. */
function noLabel(): never {
  throw errno(EINVAL, 'no security module gives processes labels');
}

pid_create('wchan', {
  mode: 0o444,
  show: (task, current) => (may_access(current, task) ? wchan(task) : '0'),
});
pid_create('syscall', { mode: 0o400, guarded: true, show: syscall });
// The kernel runs a call to its end or not at all: no task has a stack in it.
/** Empty: a call that waits has no stack. */
function stack(task: Task, { cred }: Current): string {
  if (!capable(cred, CAP_SYS_ADMIN))
    throw errno(EACCES, 'the stack of process {} is for who has CAP_SYS_ADMIN', task.pid);
  return '';
}
pid_create('stack', { mode: 0o400, guarded: true, show: stack });
pid_create('timers', { mode: 0o444, processOnly: true, show: timers });
pid_create('arch_status', { mode: 0o444, show: () => '' });
const OFFSETS = `monotonic           0         0\nboottime            0         0\n`;
/** The first time namespace has processes in it, so that its offsets stay (proc_timens_set_offset). */
function set_offsets(_task: Task, current: Current, text: string): never {
  for (const line of text.replace(/\n$/, '').split('\n', 2)) {
    const [, nsec] = /^\s*(?:monotonic|boottime|1|7)\s+[+-]?\d+\s+(\d+)/.exec(line) ?? [];
    if (nsec === undefined || Number(nsec) >= 1e9)
      throw errno(EINVAL, "timens_offsets: '{}' is no clock, seconds and nanoseconds", line);
  }
  if (!capable(current.cred, CAP_SYS_TIME))
    throw errno(EPERM, 'timens_offsets: to set clocks needs CAP_SYS_TIME');
  throw errno(EACCES, 'timens_offsets: the time namespace has processes in it already');
}

pid_create('timens_offsets', {
  mode: 0o644,
  processOnly: true,
  show: (task) => (task.exiting ? '' : OFFSETS),
  write: set_offsets,
});
for (const name of ['current', 'prev', 'exec', 'fscreate', 'keycreate', 'sockcreate'])
  pid_create(`attr/${name}`, {
    mode: name === 'prev' ? 0o444 : 0o666,
    show: noLabel,
    write: noLabel,
  });
