import * as E from '@vitrine/uapi/errno.ts';
import * as S from '@vitrine/uapi/signal.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { RSP } from '@vitrine/x86/cpu.ts';
import { restore_frame, sas_ss_flags, set_altstack } from '../arch/x86/signal.ts';
import { RESTORED } from '../arch/x86/result.ts';
import { ERESTARTNOHAND, Errno, errno } from '../include/errno.ts';
import type { Pid } from '../kernel/pid.ts';
import {
  KERNEL_SIGINFO_SIZE,
  known_siginfo_layout,
  siginfo_bytes,
  siginfo_from_bytes,
  SIGINFO_SIZE,
} from '../kernel/siginfo.ts';
import {
  check_kill_permission,
  dequeue_signal,
  do_sigaction,
  for_each_process,
  send_signal,
  set_current_blocked,
  sig_action,
  sigmask,
  SIG_KERNEL_ONLY,
  userInfo,
  valid_signal,
} from '../kernel/signal.ts';
import type { SigInfo } from '../kernel/signal_struct.ts';
import type { Task } from '../kernel/task.ts';
import { timespecNs } from './timespec.ts';
import {
  choice,
  inOutStruct,
  inStruct,
  int,
  outStruct,
  pid,
  sig as sigArg,
  size,
} from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

function checkSize(call: string, length: number): void {
  if (length !== 8) throw errno(E.EINVAL, '{}: a signal set has 8 bytes, not {}', call, length);
}

function checkSignal(call: string, sig: number): void {
  if (!valid_signal(sig)) throw errno(E.EINVAL, '{}: there is no signal {}', call, sig);
}

function sys_rt_sigaction(
  task: Task,
  sig: number,
  act: number,
  old: number,
  length: number,
): number {
  checkSize('rt_sigaction', length);
  if (act !== 0) task.mem.read(act, 32);
  if (!valid_signal(sig) || sig === 0)
    throw errno(E.EINVAL, 'rt_sigaction: there is no signal {}', sig);
  const { mem } = task;
  const before = sig_action(task, sig);
  if (act !== 0) {
    if ((SIG_KERNEL_ONLY & sigmask(sig)) !== 0n)
      throw errno(E.EINVAL, 'rt_sigaction: SIGKILL and SIGSTOP cannot be handled or ignored');
    const action = {
      handler: mem.getU64(act),
      flags: mem.getU32(act + 8),
      restorer: mem.getU64(act + 16),
      mask: mem.getBig(act + 24),
    };
    do_sigaction(task, sig, { ...action, flags: action.flags & KNOWN_FLAGS });
  }
  if (old !== 0) {
    mem.putU64(old, before.handler);
    mem.putU64(old + 8, before.flags >>> 0);
    mem.putU64(old + 16, before.restorer);
    mem.putBig(old + 24, before.mask);
  }
  return 0;
}

/** UAPI_SA_FLAGS: others are cleared, which is how programs probe for support (SA_UNSUPPORTED). */
const KNOWN_FLAGS = S.SA_NOCLDSTOP | S.SA_NOCLDWAIT | S.SA_SIGINFO | S.SA_ONSTACK | S.SA_RESTART | S.SA_NODEFER | S.SA_RESETHAND | 0x800 | S.SA_RESTORER; // prettier-ignore

function sys_rt_sigprocmask(
  task: Task,
  how: number,
  set: number,
  old: number,
  length: number,
): number {
  checkSize('rt_sigprocmask', length);
  const before = task.blocked;
  if (set !== 0) {
    const bits = task.mem.getBig(set);
    if (how === S.SIG_BLOCK) set_current_blocked(task, before | bits);
    else if (how === S.SIG_UNBLOCK) set_current_blocked(task, before & ~bits);
    else if (how === S.SIG_SETMASK) set_current_blocked(task, bits);
    else
      throw errno(
        E.EINVAL,
        'rt_sigprocmask: {} is none of SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK',
        how,
      );
  }
  if (old !== 0) task.mem.putBig(old, before);
  return 0;
}

function sys_rt_sigpending(task: Task, set: number, length: number): number {
  if (length > 8) throw errno(E.EINVAL, 'rt_sigpending: a signal set has 8 bytes, not {}', length);
  const pending = (task.pending.signal | task.signal.shared_pending.signal) & task.blocked;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, pending, true);
  task.mem.write(set, bytes.subarray(0, length));
  return 0;
}

function sys_rt_sigsuspend(task: Task, set: number, length: number): number {
  checkSize('rt_sigsuspend', length);
  if (task.callState === null) {
    const mask = task.mem.getBig(set);
    task.saved_sigmask = task.blocked;
    set_current_blocked(task, mask);
    task.callState = { suspended: true };
  }
  return task.waitAny([], Infinity, ERESTARTNOHAND);
}

function sys_pause(task: Task): number {
  return task.waitAny([], Infinity, ERESTARTNOHAND);
}

interface SigWait {
  readonly deadline: number;
}

/** Back to the set that held before rt_sigtimedwait let signals through. */
function restore_real_blocked(task: Task): void {
  const { real_blocked } = task;
  task.real_blocked = 0n;
  set_current_blocked(task, real_blocked);
}

function sys_rt_sigtimedwait(
  task: Task,
  set: number,
  info: number,
  timeout: number,
  length: number,
): number {
  checkSize('rt_sigtimedwait', length);
  const these = task.mem.getBig(set) & ~SIG_KERNEL_ONLY;
  const state = task.callState as SigWait | null;
  const now = task.kernel.clock.now();
  const deadline =
    state?.deadline ??
    (timeout === 0 ? Infinity : now + timespecNs(task, timeout, 'rt_sigtimedwait'));
  const found = dequeue_signal(task, these);
  if (found !== null || now >= deadline) {
    if (state !== null) restore_real_blocked(task);
    if (found === null) throw errno(E.EAGAIN, 'rt_sigtimedwait: none of the signals came in time');
    if (info !== 0) task.mem.write(info, siginfo_bytes(found));
    return found.signo;
  }
  if (state === null) {
    // While it waits the signals of the set are let through, so that they wake the task; it takes them itself.
    task.callState = { deadline } satisfies SigWait;
    task.real_blocked = task.blocked;
    set_current_blocked(task, task.blocked & ~these);
  } else if (task.signal_pending()) {
    restore_real_blocked(task);
    throw errno(E.EINTR, 'rt_sigtimedwait: another signal interrupted the wait');
  }
  return task.waitAny([], deadline, E.EINTR);
}

function find(task: Task, nr: number): Task | null {
  return task.kernel.pids.find(nr)?.task ?? null;
}

function checkedSend(task: Task, target: Task, info: SigInfo, shared: boolean): void {
  check_kill_permission(task, info.signo, target);
  if (info.signo !== 0) send_signal(target, info, shared);
}

/** kill(2) with a process group or -1: succeeds when one signal was sent. */
function killMany(task: Task, targets: readonly Task[], info: SigInfo, what: string): number {
  let done = false;
  let refused: unknown = null;
  for (const target of targets) {
    try {
      checkedSend(task, target, info, true);
      done = true;
    } catch (error) {
      refused = error;
    }
  }
  if (done) return 0;
  if (refused !== null) throw refused;
  throw errno(E.ESRCH, 'kill: there is no process in {}', what);
}

/** kill(2) with -1: whom the caller may not signal is passed over, without a word. */
function killAll(task: Task, info: SigInfo): number {
  const others = [...for_each_process(task.kernel)].filter(
    (t) => t.tgid > 1 && t.group_leader !== task.group_leader && !t.kthread,
  );
  if (others.length === 0)
    throw errno(E.ESRCH, 'kill: there is no process but init and the caller');
  let failed: Errno | null = null;
  for (const target of others) {
    try {
      checkedSend(task, target, info, true);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      if (error.code !== E.EPERM) failed = error;
    }
  }
  if (failed !== null) throw failed;
  return 0;
}

function sys_kill(task: Task, who: number, sig: number): number {
  const info = userInfo(task, sig);
  if (who > 0) {
    const target = find(task, who);
    if (target === null) throw errno(E.ESRCH, 'kill: there is no process {}', who);
    checkSignal('kill', sig);
    checkedSend(task, target.group_leader, info, true);
    return 0;
  }
  checkSignal('kill', sig);
  if (who === -(2 ** 31)) throw errno(E.ESRCH, 'kill: there is no process group {}', 2 ** 31);
  if (who === -1) return killAll(task, info);
  const pgrp: Pid | null = who === 0 ? task.signal.pgrp : task.kernel.pids.find(-who);
  return killMany(
    task,
    pgrp === null ? [] : [...pgrp.tasks.pgid],
    info,
    `process group ${who === 0 ? task.signal.pgrp.nr : -who}`,
  );
}

function sys_tgkill(task: Task, tgid: number, tid: number, sig: number): number {
  if (tgid <= 0 || tid <= 0) throw errno(E.EINVAL, 'tgkill: {} and {} must be positive', tgid, tid);
  return sendSpecific(task, tgid, tid, sig, 'tgkill');
}

function sys_tkill(task: Task, tid: number, sig: number): number {
  if (tid <= 0) throw errno(E.EINVAL, 'tkill: {} must be positive', tid);
  return sendSpecific(task, 0, tid, sig, 'tkill');
}

function sendSpecific(task: Task, tgid: number, tid: number, sig: number, call: string): number {
  const target = find(task, tid);
  if (target === null || (tgid > 0 && target.tgid !== tgid)) throw errno(E.ESRCH, '{}: there is no thread {}{}', call, tid, tgid > 0 ? ` in process ${tgid}` : ''); // prettier-ignore
  checkSignal(call, sig);
  checkedSend(task, target, userInfo(task, sig, S.SI_TKILL), false);
  return 0;
}

function readInfo(task: Task, address: number, sig: number, target: number, call: string): SigInfo {
  const bytes = task.mem.read(address, SIGINFO_SIZE);
  const info = siginfo_from_bytes(bytes, sig);
  if (!known_siginfo_layout(sig, info.code) && bytes.subarray(KERNEL_SIGINFO_SIZE).some((b) => b !== 0)) throw errno(E.E2BIG, '{}: si_code {} is not known and fills more than {} bytes', call, info.code, KERNEL_SIGINFO_SIZE); // prettier-ignore
  if ((info.code >= 0 || info.code === S.SI_TKILL) && target !== task.pid) throw errno(E.EPERM, '{}: si_code {} would pretend to come from the kernel or kill', call, info.code); // prettier-ignore
  return info;
}

function sys_rt_sigqueueinfo(task: Task, who: number, sig: number, address: number): number {
  const info = readInfo(task, address, sig, who, 'rt_sigqueueinfo');
  const target = find(task, who);
  if (target === null) throw errno(E.ESRCH, 'rt_sigqueueinfo: there is no process {}', who);
  checkSignal('rt_sigqueueinfo', sig);
  checkedSend(task, target.group_leader, info, true);
  return 0;
}

function sys_rt_tgsigqueueinfo(
  task: Task,
  tgid: number,
  tid: number,
  sig: number,
  address: number,
): number {
  task.mem.read(address, SIGINFO_SIZE);
  if (tgid <= 0 || tid <= 0)
    throw errno(E.EINVAL, 'rt_tgsigqueueinfo: {} and {} must be positive', tgid, tid);
  const info = readInfo(task, address, sig, tid, 'rt_tgsigqueueinfo');
  const target = find(task, tid);
  if (target === null || target.tgid !== tgid)
    throw errno(E.ESRCH, 'rt_tgsigqueueinfo: there is no thread {} in process {}', tid, tgid);
  checkSignal('rt_tgsigqueueinfo', sig);
  checkedSend(task, target, info, false);
  return 0;
}

function sys_sigaltstack(task: Task, set: number, old: number): number {
  const sp = Number(task.kernel.cpu.gpr[RSP]);
  const { mem } = task;
  const before = {
    sp: task.sas_ss_sp,
    flags: sas_ss_flags(task, sp) | (task.sas_ss_flags & S.SS_AUTODISARM),
    size: task.sas_ss_size,
  };
  if (set !== 0) {
    const flags = mem.getI32(set + 8);
    set_altstack(task, sp, mem.getU64(set), flags, mem.getU64(set + 16));
  }
  if (old !== 0) {
    mem.putU64(old, before.sp);
    mem.putU32(old + 8, before.flags);
    mem.putU32(old + 12, 0);
    mem.putU64(old + 16, before.size);
  }
  return 0;
}

function sys_rt_sigreturn(task: Task): number {
  restore_frame(task, task.kernel.cpu);
  return RESTORED;
}

export const SIGNAL: readonly SyscallRow[] = [
  row(
    NR.__NR_rt_sigaction,
    'rt_sigaction',
    [sigArg, inStruct('sigaction'), outStruct('sigaction'), size],
    FULL,
    sys_rt_sigaction,
  ),
  row(NR.__NR_rt_sigprocmask, 'rt_sigprocmask', [choice('sigprocmask'), inStruct('sigset'), outStruct('sigset'), size], FULL, sys_rt_sigprocmask), // prettier-ignore
  row(NR.__NR_rt_sigreturn, 'rt_sigreturn', [], FULL, sys_rt_sigreturn),
  row(NR.__NR_rt_sigpending, 'rt_sigpending', [outStruct('sigset'), size], FULL, sys_rt_sigpending),
  row(NR.__NR_rt_sigtimedwait, 'rt_sigtimedwait', [inStruct('sigset'), outStruct('siginfo'), inStruct('timespec'), size], FULL, sys_rt_sigtimedwait), // prettier-ignore
  row(
    NR.__NR_rt_sigqueueinfo,
    'rt_sigqueueinfo',
    [pid, sigArg, inStruct('siginfo')],
    FULL,
    sys_rt_sigqueueinfo,
  ),
  row(
    NR.__NR_rt_tgsigqueueinfo,
    'rt_tgsigqueueinfo',
    [pid, pid, sigArg, inStruct('siginfo')],
    FULL,
    sys_rt_tgsigqueueinfo,
  ),
  row(NR.__NR_rt_sigsuspend, 'rt_sigsuspend', [inStruct('sigset'), size], FULL, sys_rt_sigsuspend),
  row(
    NR.__NR_sigaltstack,
    'sigaltstack',
    [inOutStruct('stack'), outStruct('stack')],
    FULL,
    sys_sigaltstack,
  ),
  row(NR.__NR_pause, 'pause', [], FULL, sys_pause),
  row(NR.__NR_kill, 'kill', [pid, sigArg], FULL, sys_kill),
  row(NR.__NR_tkill, 'tkill', [int, sigArg], FULL, sys_tkill),
  row(NR.__NR_tgkill, 'tgkill', [pid, int, sigArg], FULL, sys_tgkill),
];
