import * as C from '@vitrine/uapi/sched.ts';
import {
  CAP_CHECKPOINT_RESTORE,
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
} from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import { RLIMIT_NPROC } from '@vitrine/uapi/resource.ts';
import { SS_DISABLE } from '@vitrine/uapi/signal.ts';
import { copy_files } from '../fs/fdtable.ts';
import { type FsStruct, copy_fs, put_fs } from '../fs/fs_struct.ts';
import { copy_mnt_ns } from '../fs/namespace.ts';
import { copy_keys } from '../security/keys/process_keys.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { dup_mm } from '../mm/dup.ts';
import { OVERCOMMIT_NEVER, vm_enough_memory } from '../mm/overcommit.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import { VM_ACCOUNT } from '../mm/vma.ts';
import type { Mm } from '../mm/mm.ts';
import { perf_event_init_task } from './perf_event.ts';
import { get_seccomp_filter } from './seccomp.ts';
import { rseq_fork } from './rseq.ts';
import { get_user } from '../include/user.ts';
import { Sighand, SignalStruct } from './signal_struct.ts';
import { SchedEntity } from './sched/entity.ts';
import { Task } from './task.ts';

declare module '../include/kernel.ts' {
  interface Kernel {
    nr_threads: number;
    max_threads: number;
    /** Processes and threads that the owner of the machine allows; the kernel's own do not count. */
    process_limit: number;
    /** Processes made since boot, for /proc/stat. */
    total_forks: number;
  }
}

/** What clone3(2) is told (struct clone_args); clone, fork and vfork fill it in. */
export interface CloneArgs {
  readonly flags: number;
  readonly exit_signal: number;
  /** New stack pointer, or null for the caller's. */
  readonly stack: number | null;
  readonly tls: number;
  readonly parent_tid: number;
  readonly child_tid: number;
  readonly pidfd: number;
  readonly set_tid?: readonly number[];
  /** CLONE_CLEAR_SIGHAND, which is beyond the low 32 bits of the flags. */
  readonly clear_sighand?: boolean;
}

/** Mount namespaces are the only ones of which there are many. */
const MISSING_NAMESPACES =
  C.CLONE_NEWUTS |
  C.CLONE_NEWIPC |
  C.CLONE_NEWUSER |
  C.CLONE_NEWPID |
  C.CLONE_NEWNET |
  C.CLONE_NEWCGROUP |
  C.CLONE_NEWTIME;

function check(current: Task, flags: number, args: CloneArgs): void {
  const both = (a: number, b: number): boolean => (flags & a) !== 0 && (flags & b) !== 0;
  if (both(C.CLONE_NEWNS, C.CLONE_FS))
    throw errno(E.EINVAL, 'clone: CLONE_NEWNS and CLONE_FS exclude each other');
  if (both(C.CLONE_NEWUSER, C.CLONE_FS))
    throw errno(E.EINVAL, 'clone: CLONE_NEWUSER and CLONE_FS exclude each other');
  if ((flags & C.CLONE_THREAD) !== 0 && (flags & C.CLONE_SIGHAND) === 0)
    throw errno(E.EINVAL, 'clone: CLONE_THREAD needs CLONE_SIGHAND');
  if ((flags & C.CLONE_SIGHAND) !== 0 && (flags & C.CLONE_VM) === 0)
    throw errno(E.EINVAL, 'clone: CLONE_SIGHAND needs CLONE_VM');
  if (args.clear_sighand && (flags & C.CLONE_SIGHAND) !== 0)
    throw errno(E.EINVAL, 'clone: CLONE_CLEAR_SIGHAND and CLONE_SIGHAND exclude each other');
  if ((flags & C.CLONE_PARENT) !== 0 && current.signal.unkillable)
    throw errno(E.EINVAL, 'clone: init may not use CLONE_PARENT');
  if ((flags & C.CLONE_THREAD) !== 0 && (flags & (C.CLONE_NEWUSER | C.CLONE_NEWPID)) !== 0)
    throw errno(E.EINVAL, 'clone: a thread cannot have its own pid or user namespace');
  const missing = flags & MISSING_NAMESPACES;
  const wanted = missing | (flags & C.CLONE_NEWNS);
  if (wanted !== 0 && !capable(current.cred, CAP_SYS_ADMIN) && (flags & C.CLONE_NEWUSER) === 0) throw errno(E.EPERM, 'clone: new namespaces (flags 0x{}) need CAP_SYS_ADMIN', wanted.toString(16)); // prettier-ignore
  if (missing !== 0) throw errno(E.EINVAL, 'clone: this kernel is built without the namespaces that flags 0x{} ask for', (missing >>> 0).toString(16)); // prettier-ignore
}

/** Is there room for one more? Throws EAGAIN. */
function checkLimits(current: Task): void {
  const { kernel, cred } = current;
  const user = get_user(kernel, cred.uid);
  const limit = current.rlimit(RLIMIT_NPROC);
  if (user.processes >= limit && cred.uid !== 0 && !capable(cred, CAP_SYS_RESOURCE) && !capable(cred, CAP_SYS_ADMIN)) throw errno(E.EAGAIN, 'user {} has {} processes and threads, RLIMIT_NPROC allows {}', cred.uid, user.processes, limit); // prettier-ignore
  if (kernel.nr_threads - (kernel.init?.kthread ? 1 : 0) >= kernel.process_limit) throw errno(E.EAGAIN, "the machine's limit is {} processes and threads", kernel.process_limit); // prettier-ignore
  if (kernel.nr_threads >= kernel.max_threads) throw errno(E.EAGAIN, 'the machine has {} threads, kernel.threads-max allows {}', kernel.nr_threads, kernel.max_threads); // prettier-ignore
}

/** The number that clone3's set_tid asks for, 0 for any (alloc_pid). */
function wantedPid(current: Task, set_tid: readonly number[]): number {
  const [wanted] = set_tid;
  if (wanted === undefined) return 0;
  const { pids } = current.kernel;
  if (set_tid.length > 1)
    throw errno(E.EINVAL, 'clone3: {} numbers for one pid namespace', set_tid.length);
  if (wanted < 1 || wanted >= pids.pid_max)
    throw errno(E.EINVAL, 'clone3: {} is no possible process id', wanted);
  if (!capable(current.cred, CAP_SYS_ADMIN) && !capable(current.cred, CAP_CHECKPOINT_RESTORE)) throw errno(E.EPERM, 'clone3: set_tid needs CAP_CHECKPOINT_RESTORE'); // prettier-ignore
  if (pids.find(wanted) !== null) throw errno(E.EEXIST, 'clone3: process id {} is in use', wanted);
  return wanted;
}

/** Pages that a copy of the address space promises once more; they only matter when all promises must be kept. */
function vm_accounted(mm: Mm): number {
  if (mm.kernel.sysctl.overcommit_memory !== OVERCOMMIT_NEVER) return 0;
  let pages = 0;
  for (const vma of mm.vmas.list) if ((vma.flags & VM_ACCOUNT) !== 0) pages += vma.pages;
  return pages;
}

/**
 * Makes a new task (analogous to copy_process). It is not yet on the run queue. Each step before the last may throw;
 * what was made so far is given back.
 */
export function copy_process(current: Task, args: CloneArgs): Task {
  const { flags } = args;
  const { kernel } = current;
  check(current, flags, args);
  checkLimits(current);
  if ((flags & C.CLONE_SETTLS) !== 0 && args.tls >= TASK_SIZE)
    throw errno(E.EPERM, 'clone: thread area 0x{} lies outside user space', args.tls.toString(16));
  const thread = (flags & C.CLONE_THREAD) !== 0;
  const wanted = wantedPid(current, args.set_tid ?? []);
  // What cannot take the descriptor's number is told before there is a child; the child does not see the number.
  if ((flags & C.CLONE_PIDFD) !== 0) current.mem.putU32(args.pidfd, current.mem.getU32(args.pidfd));
  const pid = kernel.pids.alloc(wanted);
  if (pid === null)
    throw errno(E.EAGAIN, 'all {} process ids are in use (kernel.pid_max)', kernel.pids.pid_max);

  if (current.dl !== null && !current.sched_reset_on_fork) {
    kernel.pids.pids.delete(pid.nr);
    throw errno(E.EAGAIN, 'fork: a SCHED_DEADLINE task has no share to give (SCHED_FLAG_RESET_ON_FORK)'); // prettier-ignore
  }
  let mm = current.mm;
  let fs: FsStruct | null = null;
  try {
    fs = copyFs(current, flags);
    if (mm !== null) {
      if ((flags & C.CLONE_VM) !== 0) mm.users++;
      else {
        vm_enough_memory(current, vm_accounted(mm), mm);
        mm = dup_mm(mm);
      }
    }
  } catch (error) {
    if (fs !== null) put_fs(fs);
    kernel.pids.pids.delete(pid.nr);
    throw error;
  }

  const signal = thread
    ? current.signal
    : new SignalStruct(current.signal.pgrp, current.signal.session, [...current.signal.rlim]);
  if (!thread) signal.autogroup = current.signal.autogroup ?? null;
  const sighand = copySighand(current, flags, args.clear_sighand === true);
  const child = new Task(
    kernel,
    pid,
    current.cred,
    signal,
    sighand,
    new SchedEntity(),
    kernel.arch.contextSize,
  );
  child.se.task = child;
  child.se.set_nice(current.se.nice);
  child.se.vruntime = current.se.vruntime;
  child.mm = mm;
  rseq_fork(current, child, (flags & C.CLONE_VM) !== 0);
  child.comm = current.comm;
  child.blocked = current.blocked;
  child.personality = current.personality;
  child.notsc = current.notsc;
  child.no_new_privs = current.no_new_privs;
  child.seccomp_mode = current.seccomp_mode;
  child.seccomp_filter = current.seccomp_filter;
  get_seccomp_filter(child);
  child.cred.landlock?.get();
  child.timer_slack = child.default_timer_slack = current.timer_slack;
  child.io_flusher = current.io_flusher;
  child.mce_kill = current.mce_kill;
  child.loginuid = current.loginuid;
  child.sessionid = current.sessionid;
  if (!current.sched_reset_on_fork) {
    child.policy = current.policy;
    child.rt_priority = current.rt_priority;
    child.sched_reset_on_fork = false;
    child.se.set_nice(child.se.nice);
  } else if (child.se.nice < 0) child.se.set_nice(0);
  child.se.avg.init(kernel.sched.rq_clock, child.se.weight, current.se.avg);
  child.ioprio = current.ioprio;
  child.cpu = current.cpu;
  child.cpus_mask = current.cpus_mask;
  child.start_time = kernel.clock.now();
  if ((flags & (C.CLONE_VM | C.CLONE_VFORK)) !== C.CLONE_VM) {
    child.sas_ss_sp = current.sas_ss_sp;
    child.sas_ss_size = current.sas_ss_size;
    child.sas_ss_flags = current.sas_ss_flags;
  } else child.sas_ss_flags = SS_DISABLE;
  child.exit_signal = thread
    ? -1
    : (flags & C.CLONE_PARENT) !== 0
      ? current.group_leader.exit_signal
      : args.exit_signal;
  child.set_child_tid = (flags & C.CLONE_CHILD_SETTID) !== 0 ? args.child_tid : 0;
  child.clear_child_tid = (flags & C.CLONE_CHILD_CLEARTID) !== 0 ? args.child_tid : 0;

  child.files = (flags & C.CLONE_FILES) !== 0 ? current.files : copy_files(current);
  if ((flags & C.CLONE_FILES) !== 0) current.files.count++;
  child.fs = fs;
  child.mempolicy = current.mempolicy;
  copy_keys(current, child, (flags & C.CLONE_THREAD) !== 0);
  kernel.arch.copy_thread(child, args.stack, (flags & C.CLONE_SETTLS) !== 0 ? args.tls : null);
  attach(current, child, flags);
  if (current.perf_events !== null) perf_event_init_task(current, child);
  return child;
}

/** Root and directory of the child: shared, its own, or its own in its own mount namespace. */
function copyFs(current: Task, flags: number): FsStruct {
  if ((flags & C.CLONE_FS) !== 0) {
    current.fs.users++;
    return current.fs;
  }
  const fs = copy_fs(current);
  try {
    if ((flags & C.CLONE_NEWNS) !== 0) copy_mnt_ns(current.kernel, fs);
  } catch (error) {
    put_fs(fs);
    throw error;
  }
  return fs;
}

function copySighand(current: Task, flags: number, clear: boolean): Sighand {
  if ((flags & C.CLONE_SIGHAND) !== 0) {
    current.sighand.count++;
    return current.sighand;
  }
  const sighand = new Sighand();
  const fresh = sighand.action[0]!;
  sighand.action = [...current.sighand.action];
  if (clear)
    sighand.action = sighand.action.map((a) =>
      a.handler === 1 ? { ...fresh, handler: 1 } : fresh,
    );
  return sighand;
}

/** Enters the new task into families, groups and tables: from here on it exists. */
function attach(current: Task, child: Task, flags: number): void {
  const { kernel, signal } = child;
  const { pids } = kernel;
  pids.attach(child.thread_pid, 'pid', child);
  signal.threads.add(child);
  if ((flags & C.CLONE_THREAD) !== 0) {
    child.group_leader = current.group_leader;
    child.tgid = current.tgid;
    child.parent = child.real_parent = current.group_leader.real_parent;
  } else {
    const parent =
      (flags & C.CLONE_PARENT) !== 0 ? current.group_leader.real_parent : current.group_leader;
    child.parent = child.real_parent = parent;
    child.parent_thread =
      (flags & C.CLONE_PARENT) !== 0 ? current.group_leader.parent_thread : current;
    parent?.children.add(child);
    signal.tty = current.signal.tty;
    signal.oom_score_adj = current.signal.oom_score_adj;
    signal.oom_score_adj_min = current.signal.oom_score_adj_min;
    signal.has_child_subreaper =
      current.signal.has_child_subreaper || current.signal.is_child_subreaper;
    pids.attach(child.thread_pid, 'tgid', child);
    pids.attach(signal.pgrp, 'pgid', child);
    pids.attach(signal.session, 'sid', child);
  }
  get_user(kernel, child.cred.uid).processes++;
  kernel.nr_threads++;
  kernel.total_forks++;
  if (kernel.trace.sched_process_fork.enabled)
    kernel.trace.sched_process_fork.emit({ parent: current.pid, child: child.pid });
}

/** Threads the machine may have: an eighth of memory for their stacks, as fork_init reckons. */
export function defaultMaxThreads(kernel: Kernel): number {
  return Math.max(20, Math.min(32768 * 4, Math.floor(kernel.frames.total / (8 * 4))));
}
