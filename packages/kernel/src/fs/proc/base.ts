import { EACCES, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_AUDIT_CONTROL, CAP_SYS_NICE, CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { strstrip, untilNul } from '../../include/string.ts';
import { TaskIo } from '../../include/io_accounting.ts';
import { kstrtoint, kstrtouint } from '../../include/kstrtox.ts';
import { oom_badness } from '../../mm/oom_kill.ts';
import { SCHED_BATCH, SCHED_NORMAL } from '@vitrine/uapi/sched.ts';
import { SLICE } from '../../kernel/sched/fair.ts';
import type { Task } from '../../kernel/task.ts';
import type { Mm } from '../../mm/mm.ts';
import { byteString } from '../bytes.ts';
import { pid_create } from './registry.ts';
import { readRange } from './task_mmu.ts';

/** The small files of /proc/PID (analogous to fs/proc/base.c). */

function cmdline(task: Task): string {
  const { mm } = task;
  if (mm === null || mm.env_end === 0) return '';
  const args = readRange(mm, mm.arg_start, mm.arg_end);
  // A program that wrote over its arguments (setproctitle) may have gone on into the environment.
  if (args === '' || args.endsWith('\0')) return args;
  const all = args + readRange(mm, mm.env_start, mm.env_end);
  const nul = all.indexOf('\0');
  return nul < 0 ? all : all.slice(0, Math.max(nul, 0));
}

function environ(mm: Mm | null): string {
  return mm === null || mm.users === 0 ? '' : readRange(mm, mm.env_start, mm.env_end);
}

/** Name, unit, resource number, as the table is printed. */
const LIMITS: readonly (readonly [string, string])[] = [
  ['Max cpu time', 'seconds'],
  ['Max file size', 'bytes'],
  ['Max data size', 'bytes'],
  ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'],
  ['Max resident set', 'bytes'],
  ['Max processes', 'processes'],
  ['Max open files', 'files'],
  ['Max locked memory', 'bytes'],
  ['Max address space', 'bytes'],
  ['Max file locks', 'locks'],
  ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'],
  ['Max nice priority', ''],
  ['Max realtime priority', ''],
  ['Max realtime timeout', 'us'],
];

function limits(task: Task): string {
  const value = (n: number | bigint): string =>
    (n === Infinity ? 'unlimited' : String(n)).padEnd(20);
  let text = `${'Limit'.padEnd(25)} ${'Soft Limit'.padEnd(20)} ${'Hard Limit'.padEnd(20)} ${'Units'.padEnd(10)}\n`;
  LIMITS.forEach(([name, unit], i) => {
    const { cur, max } = task.signal.rlim[i]!;
    text += `${name.padEnd(25)} ${value(cur)} ${value(max)} ${unit === '' ? '' : unit.padEnd(10)}\n`;
  });
  return text;
}

function writeComm(task: Task, current: Current, text: string): void {
  if (task.signal !== (current as Task).signal) {
    throw errno(EINVAL, 'only process {} itself may change its comm', task.tgid);
  }
  task.comm = untilNul(text).slice(0, 15);
}

function oomScore(task: Task): number {
  const { total } = task.kernel.frames;
  const points = oom_badness(task, total);
  return points === null ? 0 : Math.max(0, Math.floor(((1000 + (points * 1000) / total) * 2) / 3));
}

/** Of the text of a number only so much is looked at (PROC_NUMBUF less its NUL). */
const NUMBER_MAX = 12;

function stripped(text: string, what: string): number {
  return kstrtoint(strstrip(text.slice(0, NUMBER_MAX)), 0, what);
}

/** The process and those that have its memory, unless it only borrows it (vfork): they can only die together. */
function sharers(task: Task): Task[] {
  const { mm, kernel } = task;
  if (mm === null || mm.users === 1 || task.vfork_done !== null) return [task];
  const others = [...kernel.pids.pids.values()].map((pid) => pid.task);
  return [task, ...others.filter((other) => other !== null && other.mm === mm && other.tgid !== 1)] as Task[]; // prettier-ignore
}

/** @param min what it may become without rights (__set_oom_adj) */
function setOomScoreAdj(task: Task, current: Current, value: number, min: number): void {
  const privileged = capable(current.cred, CAP_SYS_RESOURCE);
  if (value < min && !privileged)
    throw errno(EACCES, 'an oom_score_adj of {}, less than {}, needs CAP_SYS_RESOURCE', value, min);
  for (const { signal } of sharers(task)) {
    signal.oom_score_adj = value;
    if (privileged) signal.oom_score_adj_min = value;
  }
}

function writeOomScoreAdj(task: Task, current: Current, text: string): number {
  const value = stripped(text, 'oom_score_adj');
  if (value < -1000 || value > 1000)
    throw errno(EINVAL, 'oom_score_adj {} is not between -1000 and 1000', value);
  setOomScoreAdj(task, current, value, task.signal.oom_score_adj_min);
  return Math.min(text.length, NUMBER_MAX);
}

const OOM_DISABLE = -17;
const OOM_ADJUST_MAX = 15;

/** The file of old, with its own scale. */
function writeOomAdj(task: Task, current: Current, text: string): number {
  const value = stripped(text, 'oom_adj');
  if (value < OOM_DISABLE || value > OOM_ADJUST_MAX)
    throw errno(EINVAL, 'oom_adj {} is not between -17 and 15', value);
  const score = value === OOM_ADJUST_MAX ? 1000 : Math.trunc((value * 1000) / -OOM_DISABLE);
  setOomScoreAdj(task, current, score, task.signal.oom_score_adj);
  return Math.min(text.length, NUMBER_MAX);
}

function oomAdj({ signal: { oom_score_adj } }: Task): number {
  if (oom_score_adj === 1000) return OOM_ADJUST_MAX;
  return Math.min(OOM_ADJUST_MAX, Math.trunc((oom_score_adj * -OOM_DISABLE) / 1000));
}

/** (uid_t)-1: nobody logged in. */
const UNSET_ID = 0xffff_ffff;

function slackAccess(task: Task, current: Current): void {
  if (task.signal === (current as Task).signal || capable(current.cred, CAP_SYS_NICE)) return;
  throw errno(EPERM, 'the timer slack of process {} needs CAP_SYS_NICE', task.tgid);
}

const hex8 = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
const IDENTITY = `${'0'.padStart(10)} ${'0'.padStart(10)} ${'4294967295'.padStart(10)}\n`;

function idMap(): never {
  throw errno(EPERM, 'the maps of the initial user namespace are fixed');
}

/** Whether setgroups(2) is allowed in the user namespace: in the initial one it is, for good (proc_setgroups_write). */
function setgroups(_task: Task, _current: Current, text: string): void {
  const word = /^(allow|deny)\s*$/.exec(untilNul(text))?.[1];
  if (word === undefined || text.length >= 8)
    throw errno(EINVAL, 'setgroups takes "allow" or "deny"');
  if (word === 'deny') throw errno(EPERM, 'the groups of the initial user namespace are mapped');
}

function io(task: Task, thread: boolean): string {
  const sum = new TaskIo();
  if (thread) sum.add(task.ioac);
  else {
    sum.add(task.signal.ioac);
    for (const each of task.signal.threads) sum.add(each.ioac);
  }
  return `rchar: ${sum.rchar}\nwchar: ${sum.wchar}\nsyscr: ${sum.syscr}\nsyscw: ${sum.syscw}\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n`;
}

const AVERAGES = ['load_sum', 'runnable_sum', 'util_sum', 'load_avg', 'runnable_avg', 'util_avg', 'last_update_time', 'util_est'] as const; // prettier-ignore

function sched(task: Task): string {
  const { se, kernel } = task;
  if (kernel.sched.current === task) se.avg.update(kernel.clock.now(), se.weight, true, true);
  const line = (name: string, value: string): string =>
    `${name.padEnd(45)}:${value.padStart(21)}\n`;
  const ms = (ns: number): string => (ns / 1e6).toFixed(6);
  return (
    `${task.comm} (${task.pid}, #threads: ${task.signal.threads.size})\n${'-'.repeat(67)}\n` +
    line('se.exec_start', ms(se.exec_start)) +
    line('se.vruntime', ms(se.vruntime)) +
    line('se.sum_exec_runtime', ms(se.sum_exec_runtime)) +
    line('se.nr_migrations', String(se.nr_migrations)) +
    line('nr_switches', String(task.nvcsw + task.nivcsw)) +
    line('nr_voluntary_switches', String(task.nvcsw)) +
    line('nr_involuntary_switches', String(task.nivcsw)) +
    line('se.load.weight', String(se.weight * 1024)) +
    AVERAGES.map((name) => line(`se.avg.${name}`, String(se.avg[name]))).join('') +
    line('policy', String(task.policy)) +
    line('prio', String(task.prio)) +
    (task.dl !== null
      ? line('dl.runtime', String(task.dl.runtime)) + line('dl.deadline', String(task.dl.deadline))
      : task.policy === SCHED_NORMAL || task.policy === SCHED_BATCH
        ? line('se.slice', String(SLICE))
        : '') +
    line('clock-delta', '0')
  );
}

function children(task: Task): string {
  return [...task.children].map((child) => `${child.tgid} `).join('');
}

pid_create('cmdline', { mode: 0o444, seek: 'generic', show: cmdline });
pid_create('environ', {
  mode: 0o400,
  seek: 'generic',
  guarded: true,
  outlives: true,
  show: (_task, _current, _thread, mm) => environ(mm),
});
pid_create('auxv', {
  mode: 0o400,
  seek: 'generic',
  guarded: true,
  outlives: true,
  show: (_task, _current, _thread, mm) => (mm === null ? '' : byteString(mm.auxv)),
});
pid_create('comm', { mode: 0o644, show: (task) => `${task.comm}\n`, write: writeComm });
pid_create('limits', { mode: 0o444, show: limits });
pid_create('cgroup', { mode: 0o444, show: () => '0::/\n' });
pid_create('cpuset', { mode: 0o444, show: () => '/\n' });
pid_create('oom_score', { mode: 0o444, show: (task) => `${oomScore(task)}\n` });
pid_create('oom_score_adj', {
  mode: 0o644,
  seek: 'default',
  show: (task) => `${task.signal.oom_score_adj}\n`,
  write: writeOomScoreAdj,
});
pid_create('oom_adj', {
  mode: 0o644,
  seek: 'default',
  show: (task) => `${oomAdj(task)}\n`,
  write: writeOomAdj,
});
pid_create('loginuid', {
  mode: 0o644,
  seek: 'generic',
  show: (task) => String(task.loginuid),
  write: (task, current, text) => {
    if (task !== current) throw errno(EPERM, 'a process sets its own login uid only');
    if (task.loginuid !== UNSET_ID && !capable(current.cred, CAP_AUDIT_CONTROL))
      throw errno(EPERM, 'the login uid is {}; changing it needs CAP_AUDIT_CONTROL', task.loginuid);
    task.loginuid = kstrtouint(text, 10, 'loginuid');
    const { kernel } = task;
    task.sessionid = task.loginuid === UNSET_ID ? UNSET_ID : ++kernel.sysctl.last_session;
  },
});
pid_create('sessionid', { mode: 0o444, seek: 'generic', show: (task) => String(task.sessionid) });
// They are the user namespace's, which the open file holds.
const USERNS = { mode: 0o644, processOnly: true, outlives: true } as const;
pid_create('uid_map', { ...USERNS, show: () => IDENTITY, write: idMap });
pid_create('gid_map', { ...USERNS, show: () => IDENTITY, write: idMap });
pid_create('projid_map', { ...USERNS, show: () => IDENTITY, write: idMap });
pid_create('setgroups', { ...USERNS, show: () => 'allow\n', write: setgroups });
pid_create('timerslack_ns', {
  mode: 0o666,
  processOnly: true,
  show: (task, current) => {
    slackAccess(task, current);
    return `${task.timer_slack}\n`;
  },
  write: (task, current, text) => {
    slackAccess(task, current);
    const value = kstrtouint(text, 10, 'timerslack_ns', 2 ** 64);
    if (task.rt_or_dl) return;
    task.timer_slack = value === 0 ? task.default_timer_slack : value;
  },
});
pid_create('personality', {
  mode: 0o400,
  guarded: true,
  show: (task) => `${hex8(task.personality)}\n`,
});
pid_create('coredump_filter', {
  mode: 0o644,
  seek: 'generic',
  processOnly: true,
  show: (task) => (task.mm === null ? '' : `${hex8(task.mm.coredump_filter)}\n`),
  write: (task, _current, text) => {
    const value = kstrtouint(text, 0, 'coredump_filter');
    if (task.mm !== null) task.mm.coredump_filter = value & 0x1ff;
  },
});
pid_create('io', {
  mode: 0o400,
  guarded: true,
  show: (task, _current, thread) => io(task, thread),
});
// Whatever is written sets the statistics back, of which none are kept (proc_sched_set_task).
pid_create('sched', { mode: 0o644, show: sched, write: () => {} });
pid_create('schedstat', {
  mode: 0o444,
  show: (task) =>
    `${Math.floor(task.se.sum_exec_runtime)} ${Math.floor(task.se.run_delay)} ${task.se.pcount}\n`,
});
pid_create('children', { mode: 0o444, threadOnly: true, show: children });
