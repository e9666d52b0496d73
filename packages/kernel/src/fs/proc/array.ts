import { cap_hex } from '../../include/cred.ts';
import type { Task } from '../../kernel/task.ts';
import { task_cputime } from '../../kernel/sched/fair.ts';
import { thread_group_cputime } from '../../kernel/time/itimer.ts';
import { cpu_list, cpu_mask_hex } from '../../kernel/sched/cpumask.ts';
import { get_user } from '../../include/user.ts';
import { pid_create } from './registry.ts';

/** The texts of stat, status and statm (analogous to fs/proc/array.c). */

const STATES: Readonly<Record<string, string>> = {
  R: 'R (running)',
  S: 'S (sleeping)',
  D: 'D (disk sleep)',
  T: 'T (stopped)',
  t: 't (tracing stop)',
  Z: 'Z (zombie)',
  X: 'X (dead)',
};

const NSEC_PER_TICK = 1e7;
const ticks = (ns: number): number => Math.floor(ns / NSEC_PER_TICK);
const sigset = (set: bigint): string => set.toString(16).padStart(16, '0');

/** Signals that are ignored, and those that are caught. */
function handlers(task: Task): { ignored: bigint; caught: bigint } {
  let ignored = 0n;
  let caught = 0n;
  task.sighand.action.forEach((action, sig) => {
    if (sig === 0 || action.handler === 0) return;
    if (action.handler === 1) ignored |= 1n << BigInt(sig - 1);
    else caught |= 1n << BigInt(sig - 1);
  });
  return { ignored, caught };
}

/** A name in status: newlines and backslashes are escaped. */
const escaped = (comm: string): string =>
  comm.replace(/[\n\\]/g, (c) => (c === '\n' ? '\\n' : '\\\\'));

const ppid = (task: Task): number => task.real_parent?.tgid ?? 0;

function status(task: Task): string {
  const { cred, mm, signal } = task;
  const { ignored, caught } = handlers(task);
  const kb = (name: string, pages: number): string =>
    `${name}:\t${String(pages * 4).padStart(8)} kB\n`;
  let text =
    `Name:\t${escaped(task.comm)}\n` +
    (task.exiting ? '' : `Umask:\t${task.fs.umask.toString(8).padStart(4, '0')}\n`) +
    `State:\t${STATES[task.state]}\nTgid:\t${task.tgid}\nNgid:\t0\nPid:\t${task.pid}\nPPid:\t${ppid(task)}\nTracerPid:\t0\n` +
    `Uid:\t${cred.uid}\t${cred.euid}\t${cred.suid}\t${cred.fsuid}\nGid:\t${cred.gid}\t${cred.egid}\t${cred.sgid}\t${cred.fsgid}\n` +
    `FDSize:\t${task.exiting ? 0 : task.files.max_fds}\nGroups:\t${cred.groups.join(' ')} \n` +
    `NStgid:\t${task.tgid}\nNSpid:\t${task.pid}\nNSpgid:\t${signal.pgrp.nr}\nNSsid:\t${signal.session.nr}\nKthread:\t${task.kthread ? 1 : 0}\n`;
  if (mm !== null) {
    text +=
      kb('VmPeak', mm.hiwater_vm) + kb('VmSize', mm.total_vm) + kb('VmLck', mm.locked_vm) + kb('VmPin', 0) +
      kb('VmHWM', Math.max(mm.hiwater_rss, mm.rss)) + kb('VmRSS', mm.rss) + kb('RssAnon', mm.rss_anon) +
      kb('RssFile', mm.rss_file) + kb('RssShmem', mm.rss_shmem) + kb('VmData', mm.data_vm) + kb('VmStk', mm.stack_vm) +
      kb('VmExe', Math.ceil((mm.end_code - mm.start_code) / 4096)) +
      kb('VmLib', Math.max(0, mm.exec_vm - Math.ceil((mm.end_code - mm.start_code) / 4096))) +
      kb('VmPTE', mm.tables.tables) + kb('VmSwap', 0) + kb('HugetlbPages', 0) +
      'CoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n'; // prettier-ignore
  }
  text +=
    `Threads:\t${signal.threads.size}\nSigQ:\t${get_user(task.kernel, task.cred.uid).sigpending}/${finite(task.rlimit(11))}\n` +
    `SigPnd:\t${sigset(task.pending.signal)}\nShdPnd:\t${sigset(signal.shared_pending.signal)}\n` +
    `SigBlk:\t${sigset(task.blocked)}\nSigIgn:\t${sigset(ignored)}\nSigCgt:\t${sigset(caught)}\n` +
    `CapInh:\t${cap_hex(cred.inheritable)}\nCapPrm:\t${cap_hex(cred.permitted)}\nCapEff:\t${cap_hex(cred.effective)}\n` +
    `CapBnd:\t${cap_hex(cred.bset)}\nCapAmb:\t${cap_hex(cred.ambient)}\nNoNewPrivs:\t${task.no_new_privs ? 1 : 0}\n` +
    `Seccomp:\t${task.seccomp_mode}\nSeccomp_filters:\t${task.seccomp_filter?.count ?? 0}\n` +
    'Speculation_Store_Bypass:\tnot vulnerable\nSpeculationIndirectBranch:\talways disabled\n' +
    `Cpus_allowed:\t${cpu_mask_hex(task.kernel, task.cpus_mask)}\nCpus_allowed_list:\t${cpu_list(task.cpus_mask)}\n` +
    'Mems_allowed:\t00000000,00000001\nMems_allowed_list:\t0\n' +
    `voluntary_ctxt_switches:\t${task.nvcsw}\nnonvoluntary_ctxt_switches:\t${task.nivcsw}\n`;
  return text;
}

const finite = (n: number): number | string => (n === Infinity ? '18446744073709551615' : n);

/** PF_KTHREAD, PF_FORKNOEXEC, PF_EXITING. */
function flagsOf(task: Task): number {
  return (
    (task.kthread ? 0x200000 : 0) | (task.did_exec ? 0 : 0x40) | (task.exiting ? 4 : 0) | 0x400000
  );
}

function stat(task: Task, whole: boolean): string {
  const { mm, signal } = task;
  const { ignored, caught } = handlers(task);
  const low = (set: bigint): string => String(set & 0x7fff_ffffn);
  let { min_flt, maj_flt } = task;
  const { utime, stime } = whole
    ? thread_group_cputime(task)
    : task.dead
      ? task
      : task_cputime(task);
  if (whole) {
    min_flt = signal.used.minflt;
    maj_flt = signal.used.majflt;
    for (const thread of signal.threads) {
      min_flt += thread.min_flt;
      maj_flt += thread.maj_flt;
    }
  }
  const nice = task.se.nice;
  const rsslim = task.rlimit(5);
  const fields: (number | string)[] = [
    task.pid, `(${task.comm})`, task.state, ppid(task), signal.pgrp.nr, signal.session.nr,
    signal.tty?.devt ?? 0, signal.tty?.foreground?.nr ?? -1, flagsOf(task),
    min_flt, signal.children.minflt, maj_flt, signal.children.majflt,
    ticks(utime), ticks(stime), ticks(signal.children.utime), ticks(signal.children.stime),
    task.prio - 100, nice, signal.threads.size, 0, ticks(task.start_time),
    mm === null ? 0 : mm.total_vm * 4096, mm === null ? 0 : mm.rss, finite(rsslim),
    mm?.start_code ?? 0, mm?.end_code ?? 0, mm?.start_stack ?? 0, 0, 0,
    low(task.pending.signal), low(task.blocked), low(ignored), low(caught), 0, 0, 0,
    whole ? task.exit_signal : -1, task.cpu, task.rt_priority, task.policy, 0, 0, 0,
    mm?.start_data ?? 0, mm?.end_data ?? 0, mm?.start_brk ?? 0,
    mm?.arg_start ?? 0, mm?.arg_end ?? 0, mm?.env_start ?? 0, mm?.env_end ?? 0,
    task.dead ? task.exit_code : 0,
  ]; // prettier-ignore
  return fields.join(' ') + '\n';
}

function statm(task: Task): string {
  const { mm } = task;
  if (mm === null) return '0 0 0 0 0 0 0\n';
  const text = Math.ceil((mm.end_code - mm.start_code) / 4096);
  return `${mm.total_vm} ${mm.rss} ${mm.rss_file + mm.rss_shmem} ${text} 0 ${mm.data_vm + mm.stack_vm} 0\n`;
}

pid_create('status', { mode: 0o444, show: status });
pid_create('stat', { mode: 0o444, show: (task, _current, thread) => stat(task, !thread) });
pid_create('statm', { mode: 0o444, show: statm });
