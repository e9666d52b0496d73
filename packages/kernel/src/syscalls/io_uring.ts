import * as E from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import { fd_install, fget, hold_fd } from '../fs/fdtable.ts';
import { UringFile } from '../fs/io_uring/ring.ts';
import { SqPoll } from '../fs/io_uring/sqpoll.ts';
import * as U from '../fs/io_uring/uapi.ts';
import type { Task } from '../kernel/task.ts';
import { fd, ptr, ringfd, size, uint } from './kinds.ts';
import { type SyscallRow, partial, row } from './row.ts';
import { user_sigmask } from './select.ts';
import {
  check_operation,
  io_uring_register,
  registered_ring,
  ring_numbers,
} from './io_uring_register.ts';
import './io_uring_ops.ts';
import './io_uring_multishot.ts';
import './io_uring_wait.ts';

/** io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */

const IORING_MAX_ENTRIES = 32768;
const SETUP_FLAGS =
  U.IORING_SETUP_CQSIZE | U.IORING_SETUP_CLAMP | U.IORING_SETUP_ATTACH_WQ | U.IORING_SETUP_R_DISABLED | U.IORING_SETUP_SUBMIT_ALL |
  U.IORING_SETUP_COOP_TASKRUN | U.IORING_SETUP_TASKRUN_FLAG | U.IORING_SETUP_SQE128 | U.IORING_SETUP_CQE32 |
  U.IORING_SETUP_SINGLE_ISSUER | U.IORING_SETUP_DEFER_TASKRUN | U.IORING_SETUP_SQPOLL | U.IORING_SETUP_SQ_AFF | U.IORING_SETUP_IOPOLL |
  U.IORING_SETUP_NO_MMAP | U.IORING_SETUP_REGISTERED_FD_ONLY | U.IORING_SETUP_NO_SQARRAY; // prettier-ignore
const FEATURES =
  U.IORING_FEAT_SINGLE_MMAP | U.IORING_FEAT_NODROP | U.IORING_FEAT_SUBMIT_STABLE | U.IORING_FEAT_RW_CUR_POS |
  U.IORING_FEAT_CUR_PERSONALITY | U.IORING_FEAT_FAST_POLL | U.IORING_FEAT_POLL_32BITS | U.IORING_FEAT_EXT_ARG |
  U.IORING_FEAT_NATIVE_WORKERS | U.IORING_FEAT_CQE_SKIP | U.IORING_FEAT_SQPOLL_NONFIXED | U.IORING_FEAT_RSRC_TAGS | U.IORING_FEAT_LINKED_FILE |
  U.IORING_FEAT_REG_REG_RING | U.IORING_FEAT_RECVSEND_BUNDLE | U.IORING_FEAT_MIN_TIMEOUT; // prettier-ignore

const roundUp = (n: number): number => 2 ** Math.ceil(Math.log2(n));

function sys_io_uring_setup(task: Task, wanted: number, params: number): number {
  const { mem } = task;
  const flags = mem.getU32(params + 8);
  if (mem.read(params + 28, 12).some((b) => b !== 0))
    throw errno(E.EINVAL, 'io_uring_setup: a reserved member is not 0');
  if ((flags & ~SETUP_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring_setup: flags 0x{} are not known or not there', flags.toString(16)); // prettier-ignore
  const clamp = (flags & U.IORING_SETUP_CLAMP) !== 0;
  let entries = wanted;
  if (entries === 0) throw errno(E.EINVAL, 'io_uring_setup: a ring has at least one entry');
  if (entries > IORING_MAX_ENTRIES) {
    if (!clamp)
      throw errno(
        E.EINVAL,
        'io_uring_setup: {} entries are more than {}',
        entries,
        IORING_MAX_ENTRIES,
      );
    entries = IORING_MAX_ENTRIES;
  }
  const own = (flags & U.IORING_SETUP_NO_MMAP) !== 0;
  if (flags & U.IORING_SETUP_REGISTERED_FD_ONLY && !own)
    throw errno(E.EINVAL, 'io_uring_setup: a ring without a descriptor cannot be mapped');
  const sq = roundUp(entries);
  let cq = sq * 2;
  if ((flags & U.IORING_SETUP_CQSIZE) !== 0) {
    cq = mem.getU32(params + 4);
    if (cq === 0 || (cq > IORING_MAX_ENTRIES * 2 && !clamp)) throw errno(E.EINVAL, 'io_uring_setup: {} completions are not possible', cq); // prettier-ignore
    cq = roundUp(Math.min(cq, IORING_MAX_ENTRIES * 2));
    if (cq < sq)
      throw errno(E.EINVAL, 'io_uring_setup: {} completions are fewer than {} submissions', cq, sq);
  }
  checkSetup(flags);
  const poller = sqPoll(task, flags, mem.getU32(params + 12), mem.getI32(params + 24));
  const at = own ? { rings: userAddress(task, params + CQ_OFF), sqes: userAddress(task, params + SQ_OFF) } : null; // prettier-ignore
  const ring = new UringFile(task, sq, cq, flags, at);
  ring_numbers(task);
  if (poller !== null) {
    ring.sqpoll = poller;
    ring.sqIdle = mem.getU32(params + 16) * 1e6 || 1e9;
    poller.attach(ring);
  }
  if (flags & U.IORING_SETUP_SINGLE_ISSUER && !ring.disabled) ring.submitter = task;
  const { sq: sqOff, cq: cqOff } = ring.offsets();
  mem.putU32(params, sq);
  mem.putU32(params + 4, cq);
  mem.putU32(params + 20, FEATURES);
  const address = own ? [] : [0, 0];
  [...sqOff, ...address].forEach((value, i) => mem.putU32(params + SQ_OFF + i * 4, value));
  [...cqOff, ...address].forEach((value, i) => mem.putU32(params + CQ_OFF + i * 4, value));
  if (flags & U.IORING_SETUP_REGISTERED_FD_ONLY) return io_ringfd_register(task, ring);
  return fd_install(task, ring, true);
}

// struct io_sqring_offsets and struct io_cqring_offsets in struct io_uring_params; each ends with an address.
const SQ_OFF = 40;
const CQ_OFF = 80;
const USER_ADDR = 32;
const userAddress = (task: Task, offsets: number): number => task.mem.getU64(offsets + USER_ADDR);

/** The new ring has a number in place of a descriptor. */
function io_ringfd_register(task: Task, ring: UringFile): number {
  const rings = ring_numbers(task);
  const free = rings.indexOf(null);
  if (free < 0) {
    ring.put(task.kernel);
    throw errno(E.EBUSY, 'io_uring_setup: all {} numbers of rings are in use', rings.length);
  }
  rings[free] = ring;
  return free;
}

function checkSetup(flags: number): void {
  const taskrun = U.IORING_SETUP_COOP_TASKRUN | U.IORING_SETUP_TASKRUN_FLAG | U.IORING_SETUP_DEFER_TASKRUN; // prettier-ignore
  if (flags & U.IORING_SETUP_SQPOLL && flags & taskrun)
    throw errno(E.EINVAL, 'io_uring_setup: with SQPOLL the program is not interrupted anyway');
  const either = U.IORING_SETUP_COOP_TASKRUN | U.IORING_SETUP_DEFER_TASKRUN;
  if (flags & U.IORING_SETUP_TASKRUN_FLAG && !(flags & either))
    throw errno(E.EINVAL, 'io_uring_setup: TASKRUN_FLAG needs COOP_TASKRUN or DEFER_TASKRUN');
  if (flags & U.IORING_SETUP_DEFER_TASKRUN && !(flags & U.IORING_SETUP_SINGLE_ISSUER))
    throw errno(E.EINVAL, 'io_uring_setup: DEFER_TASKRUN needs SINGLE_ISSUER');
}

/** Who polls the new ring: nobody, a poller of its own, or that of the ring `wq` (io_sq_offload_create). */
function sqPoll(task: Task, flags: number, cpu: number, wq: number): SqPoll | null {
  const attach = (flags & U.IORING_SETUP_ATTACH_WQ) !== 0;
  const other = attach ? task.files.fd[wq] : null;
  if (attach && !other) throw errno(E.ENXIO, 'io_uring_setup: ATTACH_WQ: fd {} is not open', wq);
  if (other && !(other instanceof UringFile))
    throw errno(E.EINVAL, 'io_uring_setup: ATTACH_WQ: {} is no io_uring', other.path);
  if (!(flags & U.IORING_SETUP_SQPOLL)) {
    if (flags & U.IORING_SETUP_SQ_AFF)
      throw errno(E.EINVAL, 'io_uring_setup: SQ_AFF without SQPOLL');
    return null;
  }
  const shared = other instanceof UringFile ? other.sqpoll : null;
  if (other && shared === null)
    throw errno(E.EINVAL, 'io_uring_setup: ATTACH_WQ: {} has no poller', other.path);
  if (shared?.dead) throw errno(E.ENXIO, 'io_uring_setup: the poller is gone with its process');
  if (shared !== null && shared.task.tgid === task.tgid) return shared;
  if (flags & U.IORING_SETUP_SQ_AFF && cpu >= task.kernel.sched.rqs.length)
    throw errno(E.EINVAL, 'io_uring_setup: there is no processor {}', cpu);
  return new SqPoll(task);
}

function ringOf(task: Task, descriptor: number): UringFile {
  const file = fget(task, descriptor);
  if (!(file instanceof UringFile))
    throw errno(E.EOPNOTSUPP, 'fd {} ({}) is no io_uring', descriptor, file.path);
  return file;
}

interface EnterState {
  submitted: number;
  deadline: number;
  /** From then on one completion is enough. */
  patience: number;
  /** Timeouts that had ended when the wait began. */
  timeouts: number;
}

const ENTER_FLAGS = U.IORING_ENTER_GETEVENTS | U.IORING_ENTER_SQ_WAKEUP | U.IORING_ENTER_SQ_WAIT | U.IORING_ENTER_EXT_ARG | U.IORING_ENTER_REGISTERED_RING | U.IORING_ENTER_ABS_TIMER; // prettier-ignore

function sys_io_uring_enter(
  task: Task,
  descriptor: number,
  count: number,
  min: number,
  flags: number,
  arg: number,
  length: number,
): number {
  if ((flags & ~ENTER_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring_enter: flags 0x{} are not known', flags.toString(16)); // prettier-ignore
  const ring = flags & U.IORING_ENTER_REGISTERED_RING ? registered_ring(task, descriptor) : ringOf(task, descriptor); // prettier-ignore
  if (!(flags & U.IORING_ENTER_REGISTERED_RING)) hold_fd(task, descriptor);
  if (ring.disabled) throw errno(E.EBADFD, 'io_uring_enter: the ring is not enabled yet');
  if (ring.sqpoll !== null) {
    if (ring.sqpoll.dead) throw errno(E.EOWNERDEAD, 'io_uring_enter: the poller is gone with its process'); // prettier-ignore
    if (flags & U.IORING_ENTER_SQ_WAKEUP && task.callState === null) ring.sqpoll.wake();
    if (flags & U.IORING_ENTER_SQ_WAIT && ring.submitted >= ring.sqEntries) return task.wait(ring.sqWait); // prettier-ignore
  }
  if (task.callState === null) {
    const others = ring.submitter !== null && ring.submitter !== task;
    if (others && (count > 0 || ring.setup & U.IORING_SETUP_DEFER_TASKRUN)) throw errno(E.EEXIST, 'io_uring_enter: IORING_SETUP_SINGLE_ISSUER: the ring is of task {}', ring.submitter!.pid); // prettier-ignore
    const submitted = ring.sqpoll !== null || count === 0 ? count : ring.submit(task, count);
    const limits = enterArgument(task, flags, arg, length);
    task.callState = { submitted, ...limits, timeouts: ring.timeouts } satisfies EnterState;
  }
  const { submitted, deadline, patience, timeouts } = task.callState as EnterState;
  if ((flags & U.IORING_ENTER_GETEVENTS) === 0 || (count > 0 && submitted < count))
    return submitted;
  if (ring.submitter === null || ring.submitter === task) ring.run_local_work();
  ring.flush_overflow();
  const now = task.kernel.clock.now();
  const patient = now < patience;
  const wanted = Math.min(min, ring.cqEntries, patient ? Infinity : 1);
  if (ring.ready >= wanted || ring.timeouts !== timeouts) return submitted;
  // Who is to be patient waits so long in any case, and without a timeout no longer.
  const end = patience < Infinity && (patient || deadline === Infinity) ? patience : deadline;
  if (now >= end) {
    if (submitted > 0 || ring.ready > 0) return submitted;
    throw errno(E.ETIME, 'io_uring_enter: {} completions did not come in time', wanted);
  }
  if (task.signal_pending() && (submitted > 0 || ring.ready > 0)) return submitted;
  return task.waitAny([ring.wait], end, E.EINTR);
}

/** Until when a wait lasts, and until when it is for all completions that it asks for. */
type Limits = Pick<EnterState, 'deadline' | 'patience'>;
const NO_LIMITS: Limits = { deadline: Infinity, patience: Infinity };

/** The signal mask and the timeouts of a wait (struct io_uring_getevents_arg: sigmask, its size, min_wait_usec, ts). */
function enterArgument(task: Task, flags: number, arg: number, length: number): Limits {
  if ((flags & U.IORING_ENTER_GETEVENTS) === 0) return NO_LIMITS;
  if ((flags & U.IORING_ENTER_EXT_ARG) === 0) {
    if (arg !== 0) user_sigmask(task, arg, length);
    return NO_LIMITS;
  }
  if (length !== 24)
    throw errno(E.EINVAL, 'io_uring_enter: the argument has 24 bytes, not {}', length);
  const mask = task.mem.getU64(arg);
  const least = task.mem.getU32(arg + 12);
  if (mask !== 0) user_sigmask(task, mask, task.mem.getU32(arg + 8));
  const timeout = task.mem.getU64(arg + 16);
  const now = task.kernel.clock.now();
  const patience = least === 0 ? Infinity : now + least * 1000;
  if (timeout === 0) return { deadline: Infinity, patience };
  const span = task.mem.getI64(timeout) * 1e9 + task.mem.getI64(timeout + 8);
  // The clocks that a ring may have show the same.
  return { deadline: flags & U.IORING_ENTER_ABS_TIMER ? span : now + span, patience };
}

/** The descriptor is the number of a registered ring. */
const IORING_REGISTER_USE_REGISTERED_RING = 0x8000_0000;

function sys_io_uring_register(
  task: Task,
  descriptor: number,
  opcode: number,
  arg: number,
  count: number,
): number {
  const registered = (opcode & IORING_REGISTER_USE_REGISTERED_RING) !== 0;
  const operation = (opcode & ~IORING_REGISTER_USE_REGISTERED_RING) >>> 0;
  check_operation(operation);
  const ring = registered ? registered_ring(task, descriptor) : ringOf(task, descriptor);
  return io_uring_register(task, ring, operation, arg, count);
}

export const IO_URING: readonly SyscallRow[] = [
  row(NR.__NR_io_uring_setup, 'io_uring_setup', [uint, ptr], partial('no files that IOPOLL could poll'), sys_io_uring_setup), // prettier-ignore
  row(NR.__NR_io_uring_enter, 'io_uring_enter', [ringfd, uint, uint, uint, ptr, size], partial('no commands of drivers; sockets as they are'), sys_io_uring_enter), // prettier-ignore
  row(NR.__NR_io_uring_register, 'io_uring_register', [fd, uint, ptr, uint], partial('no polling of network devices'), sys_io_uring_register), // prettier-ignore
];
