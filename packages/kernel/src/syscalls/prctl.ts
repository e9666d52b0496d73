import * as P from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import * as PR from '@vitrine/uapi/prctl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import {
  CAP_EMPTY,
  cap_combine,
  cap_drop,
  cap_of,
  cap_raised,
  capable,
  describe_cred,
} from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { valid_signal } from '../kernel/signal.ts';
import { madvise_set_anon_name } from '../mm/madvise.ts';
import type { Task } from '../kernel/task.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import { set_syscall_user_dispatch } from '../kernel/user_dispatch.ts';
import { choice, hex, hex32 } from './kinds.ts';
import { prctl_get_auxv, prctl_set_mdwe, prctl_set_mm } from './prctl_mm.ts';
import { type SyscallRow, row, FULL } from './row.ts';
import { perf_event_task_enable } from './perf_event.ts';
import { prctl_set_seccomp } from './seccomp.ts';

const PR_SET_VMA = 0x53564d41;
// Newer than the headers that packages/uapi is made from.
const PR_SET_MDWE = 65;
const PR_GET_MDWE = 66;
const PR_GET_AUXV = 0x4155_5856;

function checkCap(cap: number): void {
  if (!(cap >= 0 && cap <= P.CAP_LAST_CAP))
    throw errno(E.EINVAL, 'prctl: there is no capability {}', cap);
}

/** Byte string of at most 15 bytes, as comm holds. */
function readComm(task: Task, address: number): string {
  const bytes = task.mem.read(address, 1);
  let text = '';
  for (let i = 0; i < 15 && bytes[0] !== 0; i++) {
    text += String.fromCharCode(bytes[0]!);
    task.mem.readInto(address + i + 1, bytes);
  }
  return text;
}

function ambient(task: Task, op: number, cap: number): number {
  const { cred } = task;
  if (op === PR.PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap !== 0) throw errno(E.EINVAL, 'prctl: PR_CAP_AMBIENT_CLEAR_ALL takes no capability');
    task.cred = cred.with({ ambient: CAP_EMPTY });
    return 0;
  }
  checkCap(cap);
  if (op === PR.PR_CAP_AMBIENT_IS_SET) return cap_raised(cred.ambient, cap) ? 1 : 0;
  if (op === PR.PR_CAP_AMBIENT_LOWER) {
    task.cred = cred.with({ ambient: cap_drop(cred.ambient, cap_of(cap)) });
    return 0;
  }
  if (op !== PR.PR_CAP_AMBIENT_RAISE)
    throw errno(E.EINVAL, 'prctl: PR_CAP_AMBIENT has no operation {}', op);
  const forbidden = (cred.securebits & (1 << P.SECURE_NO_CAP_AMBIENT_RAISE)) !== 0;
  if (forbidden || !cap_raised(cred.permitted, cap) || !cap_raised(cred.inheritable, cap)) throw errno(E.EPERM, 'prctl: an ambient capability must be permitted and inheritable, and the securebits must allow it (capability {})', cap); // prettier-ignore
  task.cred = cred.with({ ambient: cap_combine(cred.ambient, cap_of(cap)) });
  return 0;
}

function dropBounding(task: Task, cap: number): number {
  if (!capable(task.cred, P.CAP_SETPCAP)) throw errno(E.EPERM, 'prctl: PR_CAPBSET_DROP needs CAP_SETPCAP; the process has {}', describe_cred(task.cred)); // prettier-ignore
  checkCap(cap);
  task.cred = task.cred.with({ bset: cap_drop(task.cred.bset, cap_of(cap)) });
  return 0;
}

function setSecurebits(task: Task, bits: number): number {
  const old = task.cred.securebits;
  if (bits > 0xff)
    throw errno(E.EPERM, 'prctl: securebits 0x{} has unknown bits', bits.toString(16));
  const locks = (old & 0xaa) >> 1;
  if (((old ^ bits) & locks) !== 0 || (old & 0xaa & ~bits) !== 0)
    throw errno(E.EPERM, 'prctl: a securebit is locked (now 0x{})', old.toString(16));
  if (!capable(task.cred, P.CAP_SETPCAP))
    throw errno(E.EPERM, 'prctl: PR_SET_SECUREBITS needs CAP_SETPCAP');
  task.cred = task.cred.with({ securebits: bits });
  return 0;
}

/** prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME): the name shown in /proc/PID/maps. */
function setVma(task: Task, what: number, start: number, length: number, name: number): number {
  if (what !== 0) throw errno(E.EINVAL, 'prctl: PR_SET_VMA has no attribute {}', what);
  const text = name === 0 ? null : task.mem.readString(name, 79);
  if (name !== 0 && text === null)
    throw errno(E.EINVAL, 'prctl: the name of the mapping is longer than 79 bytes');
  if (text !== null && /[^\x20-\x7e]|[\\`$[\]]/.test(text))
    throw errno(E.EINVAL, 'prctl: the name {} of the mapping has characters that are not allowed', text); // prettier-ignore
  madvise_set_anon_name(task, start, length, text);
  return 0;
}

/** What to do with the task when memory of its is found broken; kept, for there is no such memory. */
function setMceKill(task: Task, what: number, policy: number): number {
  const clear = what === PR.PR_MCE_KILL_CLEAR;
  if (clear ? policy !== 0 : what !== PR.PR_MCE_KILL_SET)
    throw errno(E.EINVAL, 'prctl: PR_MCE_KILL has no operation {} with policy {}', what, policy);
  if (policy > PR.PR_MCE_KILL_DEFAULT) {
    // Linux takes the step to a policy of the task's own before it looks which one.
    if (task.mce_kill === PR.PR_MCE_KILL_DEFAULT) task.mce_kill = PR.PR_MCE_KILL_LATE;
    throw errno(E.EINVAL, 'prctl: PR_MCE_KILL_SET has no policy {}', policy);
  }
  task.mce_kill = clear ? PR.PR_MCE_KILL_DEFAULT : policy;
  return 0;
}

/** State of a speculation feature: guest instructions are executed one after another. */
function speculation(which: number): number {
  if (which > PR.PR_SPEC_L1D_FLUSH)
    throw errno(E.ENODEV, 'prctl: there is no speculation feature {}', which);
  // A feature that is off by itself: flushing L1D is something to be asked for, and cannot be.
  return which === PR.PR_SPEC_L1D_FLUSH ? PR.PR_SPEC_FORCE_DISABLE : PR.PR_SPEC_NOT_AFFECTED;
}

function sys_prctl(task: Task, option: number, a: number, b: number, c: number, d: number): number {
  const { signal, mem } = task;
  const zero = (...rest: number[]): void => {
    if (rest.some((value) => value !== 0))
      throw errno(E.EINVAL, 'prctl: unused arguments of option {} must be 0', option);
  };
  switch (option) {
    case PR.PR_SET_PDEATHSIG:
      if (!valid_signal(a)) throw errno(E.EINVAL, 'prctl: there is no signal {}', a);
      task.pdeath_signal = a;
      return 0;
    case PR.PR_GET_PDEATHSIG:
      mem.putU32(a, task.pdeath_signal);
      return 0;
    case PR.PR_GET_DUMPABLE:
      return task.mm?.dumpable ?? 0;
    case PR.PR_SET_DUMPABLE:
      if (a !== 0 && a !== 1)
        throw errno(E.EINVAL, 'prctl: PR_SET_DUMPABLE takes 0 or 1, not {}', a);
      task.mm!.dumpable = a;
      return 0;
    case PR.PR_SET_NAME:
      task.comm = readComm(task, a);
      return 0;
    case PR.PR_GET_NAME:
      mem.write(
        a,
        Uint8Array.from(task.comm.padEnd(16, '\0'), (ch) => ch.charCodeAt(0)),
      );
      return 0;
    case PR.PR_GET_KEEPCAPS:
      return (task.cred.securebits >> P.SECURE_KEEP_CAPS) & 1;
    case PR.PR_SET_KEEPCAPS: {
      if (a > 1) throw errno(E.EINVAL, 'prctl: PR_SET_KEEPCAPS takes 0 or 1, not {}', a);
      if ((task.cred.securebits & (1 << P.SECURE_KEEP_CAPS_LOCKED)) !== 0)
        throw errno(E.EPERM, 'prctl: SECBIT_KEEP_CAPS is locked');
      const bit = 1 << P.SECURE_KEEP_CAPS;
      task.cred = task.cred.with({ securebits: (task.cred.securebits & ~bit) | (a ? bit : 0) });
      return 0;
    }
    case PR.PR_GET_SECUREBITS:
      return task.cred.securebits;
    case PR.PR_SET_SECUREBITS:
      return setSecurebits(task, a);
    case PR.PR_CAPBSET_READ:
      checkCap(a);
      return cap_raised(task.cred.bset, a) ? 1 : 0;
    case PR.PR_CAPBSET_DROP:
      return dropBounding(task, a);
    case PR.PR_CAP_AMBIENT:
      zero(c, d);
      return ambient(task, a, b);
    case PR.PR_SET_NO_NEW_PRIVS:
      if (a !== 1) throw errno(E.EINVAL, 'prctl: PR_SET_NO_NEW_PRIVS takes 1, not {}', a);
      zero(b, c, d);
      task.no_new_privs = true;
      return 0;
    case PR.PR_GET_NO_NEW_PRIVS:
      zero(a, b, c, d);
      return task.no_new_privs ? 1 : 0;
    case PR.PR_SET_CHILD_SUBREAPER:
      signal.is_child_subreaper = a !== 0;
      return 0;
    case PR.PR_GET_CHILD_SUBREAPER:
      mem.putU32(a, signal.is_child_subreaper ? 1 : 0);
      return 0;
    case PR.PR_SET_TIMERSLACK:
      if (task.rt_or_dl) return 0;
      task.timer_slack = a === 0 ? task.default_timer_slack : a;
      return 0;
    case PR.PR_GET_TIMERSLACK:
      return task.timer_slack;
    case PR.PR_GET_TID_ADDRESS:
      mem.putU64(a, task.clear_child_tid);
      return 0;
    case PR.PR_SET_THP_DISABLE:
      zero(b, c, d);
      task.mm!.thp_disabled = a !== 0;
      return 0;
    case PR.PR_GET_THP_DISABLE:
      zero(a, b, c, d);
      return task.mm!.thp_disabled ? 1 : 0;
    case PR.PR_GET_SECCOMP:
      return task.seccomp_mode;
    case PR.PR_SET_SECCOMP:
      return prctl_set_seccomp(task, a, b);
    case PR.PR_GET_TSC:
      mem.putU32(a, task.notsc ? PR.PR_TSC_SIGSEGV : PR.PR_TSC_ENABLE);
      return 0;
    case PR.PR_SET_TSC:
      if (a !== PR.PR_TSC_ENABLE && a !== PR.PR_TSC_SIGSEGV)
        throw errno(E.EINVAL, 'prctl: PR_SET_TSC has no mode {}', a);
      task.notsc = task.kernel.cpu.tsd = a === PR.PR_TSC_SIGSEGV;
      return 0;
    case PR.PR_GET_TIMING:
      return PR.PR_TIMING_STATISTICAL;
    case PR.PR_SET_TIMING:
      if (a !== PR.PR_TIMING_STATISTICAL)
        throw errno(E.EINVAL, 'prctl: only PR_TIMING_STATISTICAL is supported');
      return 0;
    case PR.PR_MCE_KILL:
      zero(c, d);
      return setMceKill(task, a, b);
    case PR.PR_MCE_KILL_GET:
      zero(a, b, c, d);
      return task.mce_kill;
    case PR.PR_TASK_PERF_EVENTS_DISABLE:
    case PR.PR_TASK_PERF_EVENTS_ENABLE:
      return perf_event_task_enable(task, option === PR.PR_TASK_PERF_EVENTS_ENABLE);
    case PR.PR_SET_MM:
      return prctl_set_mm(task, a, b, c, d);
    case PR_GET_AUXV:
      zero(c, d);
      return prctl_get_auxv(task, a, b);
    case PR_SET_MDWE:
      zero(b, c, d);
      return prctl_set_mdwe(task.mm!, a);
    case PR_GET_MDWE:
      zero(a, b, c, d);
      return task.mm!.mdwe;
    case PR.PR_GET_SPECULATION_CTRL:
      zero(b, c, d);
      return speculation(a);
    case PR.PR_SET_SPECULATION_CTRL:
      zero(c, d);
      speculation(a);
      throw errno(E.ENXIO, 'prctl: this processor does not speculate, nothing is there to control');
    case PR.PR_SET_IO_FLUSHER:
    case PR.PR_GET_IO_FLUSHER:
      if (!capable(task.cred, P.CAP_SYS_RESOURCE))
        throw errno(
          E.EPERM,
          'prctl: PR_SET_IO_FLUSHER and PR_GET_IO_FLUSHER need CAP_SYS_RESOURCE',
        );
      zero(b, c, d);
      if (option === PR.PR_GET_IO_FLUSHER) {
        zero(a);
        return task.io_flusher ? 1 : 0;
      }
      if (a > 1) throw errno(E.EINVAL, 'prctl: PR_SET_IO_FLUSHER takes 0 or 1, not {}', a);
      task.io_flusher = a === 1;
      return 0;
    case PR.PR_SET_SYSCALL_USER_DISPATCH:
      return set_syscall_user_dispatch(task, a, b, c, d);
    case PR_SET_VMA:
      return setVma(task, a, b, c, d);
    default:
      throw errno(E.EINVAL, 'prctl: option {} is not known', option);
  }
}

function sys_arch_prctl(task: Task, option: number, address: number): number {
  const { cpu } = task.kernel;
  const check = (): void => {
    if (address >= TASK_SIZE)
      throw errno(E.EPERM, 'arch_prctl: base 0x{} lies outside user space', address.toString(16));
  };
  switch (option) {
    case PR.ARCH_SET_FS:
      check();
      cpu.fsBase = address;
      return 0;
    case PR.ARCH_SET_GS:
      check();
      cpu.gsBase = address;
      return 0;
    case PR.ARCH_GET_FS:
      task.mem.putU64(address, cpu.fsBase);
      return 0;
    case PR.ARCH_GET_GS:
      task.mem.putU64(address, cpu.gsBase);
      return 0;
    case PR.ARCH_GET_CPUID:
      return 1;
    case PR.ARCH_SET_CPUID:
      throw errno(E.ENODEV, 'arch_prctl: this processor cannot make CPUID fault');
    default:
      throw errno(E.EINVAL, 'arch_prctl: option 0x{} is not known', option.toString(16));
  }
}

function sys_personality(task: Task, persona: number): number {
  const old = task.personality >>> 0;
  if (persona !== 0xffff_ffff) task.personality = persona;
  return old;
}

function sys_set_tid_address(task: Task, address: number): number {
  task.clear_child_tid = address;
  return task.pid;
}

export const PRCTL: readonly SyscallRow[] = [
  row(NR.__NR_prctl, 'prctl', [choice('prctl'), hex, hex, hex, hex], FULL, sys_prctl),
  row(NR.__NR_arch_prctl, 'arch_prctl', [choice('arch_prctl'), hex], FULL, sys_arch_prctl),
  row(NR.__NR_personality, 'personality', [hex32], FULL, sys_personality),
  row(NR.__NR_set_tid_address, 'set_tid_address', [hex], FULL, sys_set_tid_address),
];
