import * as E from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import * as SC from '@vitrine/uapi/seccomp.ts';
import { EPOLLHUP } from '@vitrine/uapi/poll.ts';
import { SIGKILL, SIGSYS, SIG_DFL } from '@vitrine/uapi/signal.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { RAX, RDI, RDX, RSI, R8, R9, R10 } from '@vitrine/x86/cpu.ts';
import { capable } from '../include/cred.ts';
import { type Errno, errno } from '../include/errno.ts';
import { KMEM_INSN } from '../include/kmem.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import { SOCK_FILTER_SIZE, type SockFilter, bpf_check_classic, bpf_length, bpf_run, sock_filters } from './cbpf.ts'; // prettier-ignore
import { do_exit } from './exit.ts';
import { type SeccompKnotif, type SeccompNotification, seccomp_notify } from './seccomp_notify.ts';
import { force_sig_info } from './signal.ts';
import type { Task } from './task.ts';

/** System calls that a process has forbidden itself (analogous to kernel/seccomp.c; seccomp(2)). */

/** sizeof(struct seccomp_data): number, architecture, instruction pointer, six arguments. */
const DATA_SIZE = 64;
/** Instructions of all filters that a call passes, each filter counting for four more. */
const MAX_INSNS_PER_PATH = 32768;
const SYS_SECCOMP = 1;

/** Actions that can be told of in the log, the gravest first. */
export const SECCOMP_LOG_ACTIONS: readonly string[] = ['kill_process', 'kill_thread', 'trap', 'errno', 'user_notif', 'trace', 'log']; // prettier-ignore

declare module '../include/kernel.ts' {
  interface Kernel {
    /** kernel.seccomp.actions_logged, once it was written. */
    seccomp_actions_logged?: readonly string[];
  }
}

export function seccomp_actions_logged(kernel: Kernel): readonly string[] {
  return kernel.seccomp_actions_logged ?? SECCOMP_LOG_ACTIONS;
}

/** A filter and those installed before it, which all are asked. */
export class SeccompFilter {
  readonly program: readonly SockFilter[];
  readonly prev: SeccompFilter | null;
  /** SECCOMP_FILTER_FLAG_LOG: actions other than ALLOW are told of. */
  readonly log: boolean;
  /** How many there are, this one included (seccomp.filter_count). */
  readonly count: number;
  /** SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: once its listener has read of a call, only death interrupts the wait. */
  wait_killable_recv = false;
  /** Tasks whose newest filter it is, and filters in use that follow it. */
  users = 1;
  /** Who answers SECCOMP_RET_USER_NOTIF; null without a listener. */
  notif: SeccompNotification | null = null;
  /** Woken for its listener. */
  readonly wqh: WaitQueue = new WaitQueue();
  constructor(program: readonly SockFilter[], prev: SeccompFilter | null, log: boolean) {
    this.program = program;
    this.prev = prev;
    this.log = log;
    this.count = (prev?.count ?? 0) + 1;
  }
  static {
    serializable('SeccompFilter', this);
  }
}

/** Reads the program of a `struct sock_fprog`, for who may have one. Throws EFAULT, EINVAL, EACCES. */
export function seccomp_read_program(task: Task, fprog: number): SockFilter[] {
  const { mem } = task;
  const length = mem.getU16(fprog);
  const at = mem.getU64(fprog + 8);
  if (length === 0 || length > SC.BPF_MAXINSNS)
    throw errno(E.EINVAL, 'a filter has 1 to {} instructions, not {}', SC.BPF_MAXINSNS, length);
  if (!task.no_new_privs && !capable(task.cred, CAP_SYS_ADMIN))
    throw errno(E.EACCES, 'seccomp: a filter needs no_new_privs or CAP_SYS_ADMIN');
  if (at === 0) throw errno(E.EINVAL, 'seccomp: there is no program at 0');
  return sock_filters(mem.read(at, length * SOCK_FILTER_SIZE));
}

/** Puts a filter before the task's others (seccomp_attach_filter). Throws EINVAL, ENOMEM. */
export function seccomp_attach_filter(task: Task, filter: SeccompFilter): void {
  const { program } = filter;
  let total = bpf_length(program);
  for (let f = task.seccomp_filter; f !== null; f = f.prev) total += bpf_length(f.program) + 4;
  if (total > MAX_INSNS_PER_PATH)
    throw errno(E.ENOMEM, 'the filters of process {} have {} instructions, {} are allowed', task.tgid, total, MAX_INSNS_PER_PATH); // prettier-ignore
  const { kmem } = task.kernel;
  kmem.need(program.length * KMEM_INSN, 'another filter');
  kmem.charge(program.length * KMEM_INSN);
  task.seccomp_filter = filter;
  task.seccomp_mode = SC.SECCOMP_MODE_FILTER;
}

/** A filter that is not in force yet (seccomp_prepare_filter). Throws EINVAL for a bad program. */
export function seccomp_prepare_filter(
  task: Task,
  program: SockFilter[],
  log: boolean,
): SeccompFilter {
  bpf_check_classic(program, DATA_SIZE);
  return new SeccompFilter(program, task.seccomp_filter, log);
}

/** A chain of filters has one listener. Throws EBUSY. */
export function seccomp_one_listener(task: Task): void {
  for (let f = task.seccomp_filter; f !== null; f = f.prev)
    if (f.notif !== null) throw errno(E.EBUSY, 'seccomp: process {} has a filter with a listener', task.tgid); // prettier-ignore
}

/** A task more, or less, has the filter as its newest: the last one hangs its listener up (seccomp_filter_release). */
export function get_seccomp_filter(task: Task): void {
  if (task.seccomp_filter !== null) task.seccomp_filter.users++;
}
export function seccomp_filter_release(task: Task): void {
  task.seccomp_knotif?.forget();
  for (let f = task.seccomp_filter; f !== null && --f.users === 0; f = f.prev) {
    task.kernel.kmem.charge(-KMEM_INSN * f.program.length);
    f.wqh.wake(EPOLLHUP);
  }
}

function isAncestor(of: SeccompFilter | null, filter: SeccompFilter | null): boolean {
  if (filter === null) return true;
  for (let f = of; f !== null; f = f.prev) if (f === filter) return true;
  return false;
}

/** A thread whose filters the caller's do not begin with, so that it cannot be given them; null when there is none. */
export function seccomp_cannot_sync(task: Task): Task | null {
  for (const thread of task.signal.threads) {
    if (thread === task || thread.exiting) continue;
    if (thread.seccomp_mode === SC.SECCOMP_MODE_DISABLED) continue;
    const filtered = thread.seccomp_mode === SC.SECCOMP_MODE_FILTER;
    if (!filtered || !isAncestor(task.seccomp_filter, thread.seccomp_filter)) return thread;
  }
  return null;
}

/** Gives the caller's filters to every thread (seccomp_sync_threads). */
export function seccomp_sync_threads(task: Task): void {
  for (const thread of task.signal.threads) {
    if (thread === task || thread.exiting) continue;
    get_seccomp_filter(task);
    seccomp_filter_release(thread);
    thread.seccomp_filter = task.seccomp_filter;
    thread.seccomp_mode = SC.SECCOMP_MODE_FILTER;
    if (task.no_new_privs) thread.no_new_privs = true;
  }
}

const ARGS: readonly number[] = [RDI, RSI, RDX, R10, R8, R9];

/** struct seccomp_data of the call that is about to be made. */
function seccompData(task: Task): Uint32Array {
  const { cpu } = task.kernel;
  const data = new Uint32Array(DATA_SIZE / 4);
  data[0] = task.syscall;
  data[1] = SC.AUDIT_ARCH_X86_64;
  data[2] = cpu.rip;
  data[3] = Math.floor(cpu.rip / 2 ** 32);
  ARGS.forEach((reg, i) => {
    data[4 + 2 * i] = cpu.gpr32[reg * 2]!;
    data[5 + 2 * i] = cpu.gpr32[reg * 2 + 1]!;
  });
  return data;
}

/** The verdict of all filters: the least action counts, of equal ones that of the newest filter (seccomp_run_filters). */
function runFilters(task: Task, data: Uint32Array): { ret: number; match: SeccompFilter | null } {
  let ret = SC.SECCOMP_RET_ALLOW;
  let match: SeccompFilter | null = null;
  for (let f = task.seccomp_filter; f !== null; f = f.prev) {
    const verdict = bpf_run(f.program, data);
    if ((verdict & SC.SECCOMP_RET_ACTION_FULL) >= (ret & SC.SECCOMP_RET_ACTION_FULL)) continue;
    ret = verdict;
    match = f;
  }
  return { ret, match };
}

const STRICT_CALLS: readonly number[] = [NR.__NR_read, NR.__NR_write, NR.__NR_exit, NR.__NR_rt_sigreturn]; // prettier-ignore

/** What a listener has the call return. */
export interface Answer {
  readonly ret: bigint;
  readonly reason: string;
}

/**
 * What becomes of a call: null lets it go on, `skip` leaves the registers as they are, `wait` waits for a listener, else
 * its result and why.
 */
export type Verdict = null | 'skip' | 'wait' | Errno | Answer;

/** The wait for a listener's answer (seccomp_do_user_notification); the first call is the one that it is told of. */
function userNotification(task: Task, knotif: SeccompKnotif): Verdict {
  if (knotif.state !== 'replied') {
    task.seccomp_knotif = knotif;
    try {
      if (knotif.state === 'sent' && knotif.filter.wait_killable_recv)
        task.waitKillable(knotif.ready); // prettier-ignore
      else task.wait(knotif.ready);
    } catch (error) {
      knotif.forget();
      throw error;
    }
    return 'wait';
  }
  knotif.forget();
  if (knotif.flags & SC.SECCOMP_USER_NOTIF_FLAG_CONTINUE) return null;
  const ret = knotif.error === 0 ? knotif.val : BigInt(knotif.error);
  return { ret, reason: `the listener of a seccomp filter answers system call ${task.syscall} of process ${task.tgid} with ${ret}` }; // prettier-ignore
}

/** Asks before a system call (__secure_computing). */
export function secure_computing(task: Task): Verdict {
  if (task.seccomp_knotif !== null) return userNotification(task, task.seccomp_knotif);
  if (task.seccomp_mode === SC.SECCOMP_MODE_STRICT) {
    if (STRICT_CALLS.includes(task.syscall)) return null;
    told(task, 'kill_thread');
    do_exit(task, SIGKILL);
    return 'skip';
  }
  const asked = seccompData(task);
  const { ret, match } = runFilters(task, asked);
  const log = match !== null && match.log;
  const data = ret & SC.SECCOMP_RET_DATA;
  switch ((ret & SC.SECCOMP_RET_ACTION_FULL) >>> 0) {
    case SC.SECCOMP_RET_ALLOW:
      return null;
    case SC.SECCOMP_RET_LOG:
      told(task, 'log');
      return null;
    case SC.SECCOMP_RET_ERRNO:
      if (log) told(task, 'errno');
      return errno(Math.min(data, 4095), 'a seccomp filter answers system call {} of process {} with {}', task.syscall, task.tgid, data); // prettier-ignore
    case SC.SECCOMP_RET_TRAP:
      if (log) told(task, 'trap');
      sigsys(task, data);
      return 'skip';
    // Nobody traces: the call is as if it were not there.
    case SC.SECCOMP_RET_TRACE:
      if (log) told(task, 'trace');
      return errno(E.ENOSYS, 'a seccomp filter leaves system call {} to a tracer, and there is none', task.syscall); // prettier-ignore
    case SC.SECCOMP_RET_USER_NOTIF: {
      if (log) told(task, 'user_notif');
      const knotif = seccomp_notify(task, match!, asked);
      if (knotif !== null) return userNotification(task, knotif);
      return errno(E.ENOSYS, 'a seccomp filter leaves system call {} to a listener, and there is none', task.syscall); // prettier-ignore
    }
    case SC.SECCOMP_RET_KILL_THREAD:
      told(task, 'kill_thread');
      return kill(task, data, false);
    default:
      told(task, 'kill_process');
      return kill(task, data, true);
  }
}

/** In the log, as the audit system without a daemon writes it. */
function told(task: Task, action: string): void {
  const { kernel, comm, pid, syscall, cred } = task;
  if (!seccomp_actions_logged(kernel).includes(action)) return;
  const ip = kernel.cpu.rip.toString(16);
  kernel.printk(5, `audit: type=1326 auid=4294967295 uid=${cred.uid} gid=${cred.gid} ses=4294967295 pid=${pid} comm="${comm}" sig=${action.startsWith('kill') ? 31 : 0} arch=c000003e syscall=${syscall} compat=0 ip=0x${ip} action=${action}`); // prettier-ignore
}

function sigsys(task: Task, data: number): void {
  force_sig_info(task, {
    signo: SIGSYS,
    code: SYS_SECCOMP,
    errno: data,
    addr: task.kernel.cpu.rip,
    syscall: task.syscall,
    arch: SC.AUDIT_ARCH_X86_64,
    reason: `its seccomp filter does not allow system call ${task.syscall}`,
  });
}

/** The last thread, or the whole process, leaves a core dump; another thread just ends. */
function kill(task: Task, data: number, process: boolean): Verdict {
  if (!process && task.signal.threads.size > 1) {
    do_exit(task, SIGSYS);
    return 'skip';
  }
  task.sighand.action[SIGSYS] = { ...task.sighand.action[SIGSYS]!, handler: SIG_DFL };
  task.kernel.cpu.gpr32[RAX * 2] = task.syscall;
  sigsys(task, data);
  return 'skip';
}
