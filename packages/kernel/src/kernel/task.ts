import { EPOLLIN } from '@vitrine/uapi/poll.ts';
import type { Cred } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, ERESTARTSYS, errno } from '../include/errno.ts';
import { TaskIo } from '../include/io_accounting.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { Timer, type TimerOwner } from '../include/time.ts';
import type { UserMemory } from '../include/uaccess.ts';
import type { Work } from '../include/work.ts';
import { WaitQueue, type Waiter } from '../include/wait.ts';
import type { File } from '../fs/file.ts';
import type { FilesStruct, HeldFile } from '../fs/fdtable.ts';
import type { FsnotifyGroup } from '../fs/fsnotify_backend.ts';
import type { FsStruct } from '../fs/fs_struct.ts';
import type { MemPolicy } from '../mm/mempolicy.ts';
import { NO_MEMORY, type Mm } from '../mm/mm.ts';
import type { PendingFault, Userfault } from '../mm/userfaultfd.ts';
import type { Pid, PidType } from './pid.ts';
import { send_sig } from './signal.ts';
import type { DlEntity } from './sched/deadline.ts';
import type { PerfEvent } from './perf_event.ts';
import type { SchedEntity } from './sched/entity.ts';
import type { SeccompFilter } from './seccomp.ts';
import type { SeccompKnotif } from './seccomp_notify.ts';
import type { SyscallUserDispatch } from './user_dispatch.ts';
import { type Sighand, SigPending, type SignalStruct } from './signal_struct.ts';

/** Task states, as /proc/PID/stat names them. */
export const TASK_RUNNING = 'R';
export const TASK_INTERRUPTIBLE = 'S';
export const TASK_UNINTERRUPTIBLE = 'D';
export const TASK_STOPPED = 'T';
export const TASK_TRACED = 't';
export const EXIT_ZOMBIE = 'Z';
export const EXIT_DEAD = 'X';
export type TaskState = 'R' | 'S' | 'D' | 'T' | 't' | 'Z' | 'X';

/** Above every real-time priority (MAX_DL_PRIO). */
export const DL_PRIORITY = 100;

/** A request to an io_uring (fs/io_uring/request.ts). */
export interface UringWork extends Work {
  /** It works on a ring: it must not keep that alive when the task ends. */
  readonly tracked: boolean;
  cancel(): void;
}

/** What the task does when the scheduler picks it. */
export const RESUME_USER = 0;
/** Run the system call in `syscall` again, from the top. */
export const RESUME_SYSCALL = 1;

/**
 * Analogous to `struct task_struct`: one thread. Threads of a process share `signal`, `sighand`, `mm`, `files`, `fs`
 * as clone(2) was told to.
 */
export class Task implements Current, Waiter, TimerOwner {
  readonly kernel: Kernel;
  thread_pid: Pid;
  pid: number;
  tgid: number;
  comm = '';
  state: TaskState = TASK_RUNNING;

  group_leader: Task;
  /** Who gets SIGCHLD and may wait; `real_parent` differs from it only under ptrace. */
  parent: Task | null = null;
  real_parent: Task | null = null;
  /** The thread of it that made this task, for __WNOTHREAD and PR_SET_PDEATHSIG. */
  parent_thread: Task | null = null;
  readonly children: Set<Task> = new Set();

  cred: Cred;
  fs!: FsStruct;
  files!: FilesStruct;
  /** Null for a kernel thread, and after exit_mm. */
  mm: Mm | null = null;
  signal: SignalStruct;
  sighand: Sighand;
  /** Signals sent to this thread alone. */
  readonly pending: SigPending = new SigPending();
  /** Blocked signals, bit n-1 for signal n. */
  blocked = 0n;
  /** The mask to go back to after a handler, while sigsuspend, ppoll, pselect or epoll_pwait waits. */
  saved_sigmask: bigint | null = null;
  /** What rt_sigtimedwait lets through while it waits; 0 at any other time. */
  real_blocked = 0n;
  /** TIF_SIGPENDING: look at the pending sets before going back to user mode. */
  sigpending = false;
  sas_ss_sp = 0;
  sas_ss_size = 0;
  sas_ss_flags = 0;

  /** The register context while the task is not on the CPU; shaped by Cpu.save. */
  readonly context: Uint8Array;
  /** The context is in the CPU's registers now. */
  resume: number = RESUME_USER;
  /** The system call being executed or to be executed again. */
  syscall = -1;
  callState: unknown = null;
  held_files: HeldFile[] | null = null;
  asked: Set<FsnotifyGroup> | null = null;
  /** For restart_syscall: the call that goes on, and until when. */
  restart_nr = -1;
  /** The code (ERESTART…) with which the last call was interrupted, until a handler or a restart settles it. */
  restart_code = 0;
  /** Of the last exception, for signal frames: vector, error code, address. */
  trap_nr = 0;
  error_code = 0;
  cr2 = 0;
  restart_deadline = 0;

  readonly se: SchedEntity;
  readonly ioac: TaskIo = new TaskIo();
  start_time = 0;
  utime = 0;
  stime = 0;
  min_flt = 0;
  maj_flt = 0;
  nvcsw = 0;
  nivcsw = 0;

  exit_signal = 0;
  /** wait(2) status once dead. */
  exit_code = 0;
  /** prctl(PR_SET_PDEATHSIG). */
  pdeath_signal = 0;
  /** Woken when a vfork child lets go of the address space. */
  vfork_done: WaitQueue | null = null;
  /** Woken when the process is dead: what it left to be undone. */
  exit_watch: WaitQueue | null = null;
  in_exec = false;
  /** do_exit runs or ran. */
  exiting = false;
  did_exec = false;
  no_new_privs = false;
  /** SECCOMP_MODE_…; the newest of its filters. */
  seccomp_mode = 0;
  seccomp_filter: SeccompFilter | null = null;
  /** The call waits for the answer of a filter's listener. */
  seccomp_knotif: SeccompKnotif | null = null;
  /** Performance events that count it. */
  perf_events: Set<PerfEvent> | null = null;
  /** It waits for a userfaultfd to bring a page. */
  userfault: Userfault | null = null;
  /** prctl(PR_SET_SYSCALL_USER_DISPATCH); null when off. */
  syscall_dispatch: SyscallUserDispatch | null = null;
  /** prctl(PR_SET_IO_FLUSHER), prctl(PR_MCE_KILL). */
  io_flusher = false;
  mce_kill = 2;
  /** setuid passed RLIMIT_NPROC: the next execve fails (PF_NPROC_EXCEEDED). */
  nproc_exceeded = false;
  /** SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO or SCHED_RR. */
  policy = 0;
  /** The virtual processor whose queue it is on, runs on or ran on last. */
  cpu = 0;
  /** Processors it may run on, bit n for number n (cpus_mask). */
  cpus_mask: number;
  /** 1 to 99 under SCHED_FIFO and SCHED_RR, else 0. */
  rt_priority = 0;
  /** SCHED_DEADLINE's times; null under every other policy. */
  dl: DlEntity | null = null;
  /** Real-time priority lent by who waits for a lock of the task's (priority inheritance). */
  rt_boost = 0;
  /** ioprio_set(2). */
  ioprio = 0;
  /** SCHED_RESET_ON_FORK. */
  sched_reset_on_fork = false;
  personality = 0;
  /** prctl(PR_SET_TSC): RDTSC is a SIGSEGV (TIF_NOTSC). */
  notsc = false;
  timer_slack = 50_000;
  /** What a timer_slack of 0 stands for: the parent's at fork. */
  default_timer_slack = 50_000;
  /** Who logged in, and in which session (audit); (uid_t)-1 for nobody. */
  loginuid = 0xffff_ffff;
  sessionid = 0xffff_ffff;
  kthread = false;

  /** set_mempolicy(2); null for the default. */
  mempolicy: MemPolicy | null = null;

  /** io_uring rings by number (IORING_REGISTER_RING_FDS). */
  registered_rings: (File | null)[] | null = null;
  /** Its io_uring requests that have not ended. */
  uring: Set<UringWork> | null = null;
  /** Of them, those that can go on. */
  uring_work: Set<UringWork> | null = null;

  clear_child_tid = 0;
  set_child_tid = 0;
  robust_list = 0;

  /** Queues the task is parked on, and what may end the wait. */
  private parked: WaitQueue[] = [];
  private readonly alarm: Timer = new Timer(this);

  static {
    serializable('Task', this);
  }

  constructor(
    kernel: Kernel,
    pid: Pid,
    cred: Cred,
    signal: SignalStruct,
    sighand: Sighand,
    se: SchedEntity,
    contextSize: number,
  ) {
    this.kernel = kernel;
    this.thread_pid = pid;
    this.pid = pid.nr;
    this.tgid = pid.nr;
    this.group_leader = this;
    this.cred = cred;
    this.signal = signal;
    this.sighand = sighand;
    this.se = se;
    this.cpus_mask = kernel.sched.cpu_mask;
    this.context = new Uint8Array(contextSize);
  }

  /** Analogous to rt_or_dl_task_policy: sleeps of such tasks have no slack. */
  get rt_or_dl(): boolean {
    return this.rt_priority > 0 || this.dl !== null;
  }

  /** The real-time priority that counts now; a deadline comes before all of them. */
  get rt_effective(): number {
    if (this.dl !== null) return DL_PRIORITY;
    return this.rt_boost > this.rt_priority ? this.rt_boost : this.rt_priority;
  }

  /** As the scheduler compares tasks: the lower, the more urgent (`p->prio`). */
  get prio(): number {
    if (this.dl !== null) return -1;
    return this.rt_effective > 0 ? 99 - this.rt_effective : 120 + this.se.nice;
  }

  get mem(): UserMemory {
    return this.mm === null ? NO_MEMORY : this.mm.mem;
  }

  get dead(): boolean {
    return this.state === EXIT_ZOMBIE || this.state === EXIT_DEAD;
  }

  /** The process (thread group) id that `type` names: PIDTYPE_PGID is the process group, PIDTYPE_SID the session. */
  pidOf(type: PidType): Pid {
    return type === 'pgid' ? this.signal.pgrp : type === 'sid' ? this.signal.session : type === 'tgid' ? this.group_leader.thread_pid : this.thread_pid; // prettier-ignore
  }

  rlimit(resource: number): number {
    return Number(this.signal.rlim[resource]!.cur);
  }

  rlimit_exact(resource: number): number | bigint {
    return this.signal.rlim[resource]!.cur;
  }

  rlimit_max(resource: number): number {
    return Number(this.signal.rlim[resource]!.max);
  }

  signal_pending(): boolean {
    return this.sigpending;
  }

  force_or_send_sig(sig: number, reason: string): void {
    send_sig(sig, this, reason);
  }

  wait(queue: WaitQueue, interrupted: number = ERESTARTSYS): number {
    return this.waitAny([queue], Infinity, interrupted);
  }

  waitAny(
    queues: readonly WaitQueue[],
    deadline: number,
    interrupted: number = ERESTARTSYS,
  ): number {
    if (this.sigpending) {
      throw errno(interrupted, 'process {} was interrupted by a signal while it waited', this.pid);
    }
    return this.park(queues, deadline, TASK_INTERRUPTIBLE);
  }

  waitKillable(queue: WaitQueue): number {
    if (this.fatal_signal_pending()) {
      throw errno(ERESTARTSYS, 'process {} was killed while it waited', this.pid);
    }
    return this.park([queue], Infinity, TASK_UNINTERRUPTIBLE);
  }

  /** Waits until a page may be there (handle_userfault). @param user a signal ends the wait, too */
  wait_userfault(pending: PendingFault, user: boolean): number {
    const fault = pending.ctx.enter(this, pending);
    const blocked = user ? this.wait(fault.wqh) : this.waitKillable(fault.wqh);
    this.userfault = fault;
    pending.ctx.fd_wqh.wake(EPOLLIN);
    return blocked;
  }

  fatal_signal_pending(): boolean {
    return this.sigpending && (this.pending.has(9) || this.signal.shared_pending.has(9));
  }

  private park(queues: readonly WaitQueue[], deadline: number, state: TaskState): number {
    for (const queue of queues) queue.add(this);
    this.parked = queues as WaitQueue[];
    if (deadline !== Infinity) this.kernel.timers.start(this.alarm, deadline);
    this.state = state;
    return BLOCKED;
  }

  /** Leaves every queue it is parked on (finish_wait). */
  unpark(): void {
    this.userfault = null;
    for (const queue of this.parked) queue.remove(this);
    if (this.parked.length > 0) this.parked = [];
    if (this.alarm.queued) this.kernel.timers.cancel(this.alarm);
  }

  /**
   * What it asked of rings ends with its program; with the task only what works on rings itself, the rest when the last
   * holder of its ring closes it (io_uring_task_cancel, io_uring_files_cancel). Its rings by number go.
   */
  io_uring_cancel(all: boolean): void {
    this.uring_work = null;
    for (const request of this.uring ?? []) if (all || request.tracked) request.cancel();
    this.uring = null;
    for (const file of this.registered_rings ?? []) file?.put(this.kernel);
    this.registered_rings = null;
  }

  /** Goes on with what its rings wait for, where that is there (task_work_run). */
  task_work_run(): void {
    const requests = this.uring_work!;
    this.uring_work = null;
    for (const request of requests) {
      this.kernel.work.cancel(request);
      request.run();
    }
  }

  woken(): void {
    this.kernel.sched.wake_up(this);
  }

  timerFired(): void {
    this.kernel.sched.wake_up(this);
  }
}
