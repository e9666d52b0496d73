import * as E from '@vitrine/uapi/errno.ts';
import { EPOLLERR, EPOLLHUP } from '@vitrine/uapi/poll.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import { IovIter } from '../include/iov.ts';
import type { WaitQueue } from '../include/wait.ts';
import { wall_deadline } from '../include/time.ts';
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, RWF_HIPRI } from '@vitrine/uapi/fcntl.ts';
import type { Path } from '../fs/dcache.ts';
import { fd_install, fget, fget_raw, get_unused_fd } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { type UringOp, type UringRequest, uringOps } from '../fs/io_uring/request.ts';
import { type Bundle, commitBundle, peekBundle, returnBuffer, withBuffer } from '../fs/io_uring/kbuf.ts'; // prettier-ignore
import { UringFile } from '../fs/io_uring/ring.ts';
import {
  io_fixed_fd_install,
  io_fixed_fd_remove,
  io_sqe_files_update,
} from '../fs/io_uring/rsrc.ts';
import {
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  MSG_WAITALL,
} from '@vitrine/uapi/net.ts';
import * as U from '../fs/io_uring/uapi.ts';
import { LOOKUP_FOLLOW, user_path_at } from '../fs/namei.ts';
import type { Task } from '../kernel/task.ts';
import { check_rw_flags, rw_append, vfs_read, vfs_write, with_rw_flags } from '../fs/read_write.ts'; // prettier-ignore
import { do_madvise } from '../mm/madvise.ts';
import { free_fds } from '../net/scm.ts';
import { SocketFile } from '../net/socket.ts';
import { sys_epoll_ctl } from './epoll.ts';
import { import_iovec, userBuffer } from '../fs/iov.ts';
import { sys_linkat, sys_mkdirat, sys_renameat2, sys_symlinkat, sys_unlinkat } from './namei.ts';
import { sys_close, sys_ftruncate, sys_openat, sys_openat2 } from './open.ts';
import { sys_fadvise64, sys_fallocate, sys_sync_file_range } from './read_write.ts';
import { check_accept_flags, do_accept, send_to, sys_bind, sys_connect, readMsghdr, sys_listen, sys_sendmsg, sys_sendto, sys_shutdown, sys_socket } from './socket.ts'; // prettier-ignore
import { ioprio_check_cap } from './sched.ts';
import { type Place, do_splice, do_tee } from './splice.ts';
import { sys_statx } from './stat.ts';
import { getxattr, setxattr } from './xattr.ts';

/** The operations of io_uring (io_uring_enter(2)): each as the system call of its name would do it. */

// Fields of struct io_uring_sqe.
const FD = 4;
const OFF = 8;
const ADDR = 16;
const LEN = 24;
const OP_FLAGS = 28;
const BUF_INDEX = 40;
const IOPRIO = 2;
const FILE_INDEX = 44;
const ADDR3 = 48;

const op = (code: number, run: UringOp['run'], more: Partial<UringOp> = {}): void => {
  uringOps.set(code, { run, ...more });
};
/** The I/O priority of a read or write (ioprio_check_cap). */
function checkPriority(r: UringRequest): void {
  const ioprio = r.u16(IOPRIO);
  if (ioprio !== 0) ioprio_check_cap(r, ioprio);
}

const FILE = { file: true };
const READ = { file: true, ioprio: true, iopoll: true, prep: checkPriority };
const EXACT = { ...READ, exact: true };
const SOCKET = { file: true, ioprio: true };

/** A transfer of a submission, with its flags. */
function transfer(r: UringRequest, file: File, iter: IovIter, write: boolean): number {
  const flags = r.u32(OP_FLAGS);
  const pos = position(r, file);
  return with_rw_flags(file, flags, () => write ? vfs_write(r, file, iter, pos, rw_append(flags)) : vfs_read(r, file, iter, pos)); // prettier-ignore
}

/** The file of a read or write: with IORING_SETUP_IOPOLL it must be one that completions are polled from. */
function polled(request: UringRequest): File {
  if (request.ring.setup & U.IORING_SETUP_IOPOLL)
    throw errno(E.EOPNOTSUPP, 'io_uring: {} has no queue to poll', request.file!.path);
  const flags = request.u32(OP_FLAGS);
  if (flags !== 0) check_rw_flags(request.file!, flags);
  if (flags & RWF_HIPRI) throw errno(E.EINVAL, 'io_uring: RWF_HIPRI is for IORING_SETUP_IOPOLL');
  return request.file!;
}

/** readv into a buffer of a group: one piece, whose length alone is given. */
function readvSelected(r: UringRequest): number {
  if (r.u32(LEN) !== 1) throw errno(E.EINVAL, 'io_uring: a buffer of a group is one piece, not {}', r.u32(LEN)); // prettier-ignore
  const wanted = r.mem.getU64(r.u64(ADDR) + 8);
  return withBuffer(r, (address, length) => transfer(r, polled(r), userBuffer(r, address, Math.min(length, wanted)), false)); // prettier-ignore
}

/** Position of a read or write: -1 is the file's own. */
export function position(request: UringRequest, file: File): number | null {
  const off = request.u64(OFF);
  return off === -1 || !file.seekable ? null : off;
}

const NOP_INJECT_RESULT = 1;

op(U.IORING_OP_NOP, (r) => (r.u32(OP_FLAGS) & NOP_INJECT_RESULT ? r.i32(LEN) : 0), {
  iopoll: true,
  prep(r) {
    if (r.u32(OP_FLAGS) & ~NOP_INJECT_RESULT) throw errno(E.EINVAL, 'io_uring: flags {} of nothing to do are not known', r.u32(OP_FLAGS)); // prettier-ignore
  },
});

op(U.IORING_OP_READ, (r) => withBuffer(r, (address, length) => transfer(r, polled(r), userBuffer(r, address, length), false)), { ...EXACT, buffers: true }); // prettier-ignore
op(U.IORING_OP_WRITE, (r) => transfer(r, polled(r), userBuffer(r, r.u64(ADDR), r.u32(LEN)), true), EXACT); // prettier-ignore
/** Reads or writes all pieces of an array; less than all breaks a chain. */
function inPieces(r: UringRequest, write: boolean): number {
  const file = polled(r);
  const iter = import_iovec(r, r.u64(ADDR), r.u32(LEN));
  const wanted = iter.count;
  const n = transfer(r, file, iter, write);
  if (n !== BLOCKED && n !== wanted) r.failed = true;
  return n;
}

op(U.IORING_OP_READV, (r) => (r.flags & U.IOSQE_BUFFER_SELECT ? readvSelected(r) : inPieces(r, false)), { ...READ, buffers: true }); // prettier-ignore
op(U.IORING_OP_WRITEV, (r) => inPieces(r, true), READ);

/** Part of a registered buffer. */
function fixedBuffer(request: UringRequest): IovIter {
  const index = request.u16(BUF_INDEX);
  const fixed = request.ring.buffers?.[index];
  if (fixed === undefined)
    throw errno(E.EFAULT, 'io_uring: no buffer is registered as number {}', index);
  const address = request.u64(ADDR);
  const length = request.u32(LEN);
  if (address < fixed.address || address + length > fixed.address + fixed.length) throw errno(E.EFAULT, 'io_uring: {} bytes at 0x{} are not in registered buffer {}', length, address.toString(16), index); // prettier-ignore
  if (request.callState === null) request.useRsrc(fixed);
  return IovIter.user(request.mem, address, length);
}

op(U.IORING_OP_READ_FIXED, (r) => transfer(r, polled(r), fixedBuffer(r), false), EXACT);
op(U.IORING_OP_WRITE_FIXED, (r) => transfer(r, polled(r), fixedBuffer(r), true), EXACT); // prettier-ignore

op(U.IORING_OP_FSYNC, (r) => {
  if ((r.u32(OP_FLAGS) & ~1) !== 0) throw errno(E.EINVAL, 'io_uring: fsync flags {} are not known', r.u32(OP_FLAGS)); // prettier-ignore
  return r.file!.fsync(r, (r.u32(OP_FLAGS) & 1) !== 0);
}, FILE); // prettier-ignore
op(U.IORING_OP_SYNC_FILE_RANGE, (r) => r.withFile((fd) => sys_sync_file_range(r, fd, r.u64(OFF), r.u32(LEN), r.u32(OP_FLAGS))), FILE); // prettier-ignore
op(U.IORING_OP_FALLOCATE, (r) => {
  const result = r.withFile((fd) => sys_fallocate(r, fd, r.u32(LEN), r.u64(OFF), r.u64(ADDR)));
  if (result === BLOCKED) r.kernel.work.queue(r); // there is more of it to do
  return result;
}, FILE); // prettier-ignore
op(U.IORING_OP_FADVISE, (r) => r.withFile((fd) => sys_fadvise64(r, fd, r.u64(OFF), r.u32(LEN), r.u32(OP_FLAGS))), FILE); // prettier-ignore
op(U.IORING_OP_FTRUNCATE, (r) => r.withFile((fd) => sys_ftruncate(r, fd, r.u64(OFF))), {
  ...FILE,
  prep(r) {
    if (r.u64(ADDR) !== 0 || r.u32(LEN) !== 0 || r.u32(OP_FLAGS) !== 0 || r.u16(BUF_INDEX) !== 0 || r.u32(FILE_INDEX) !== 0 || r.u64(ADDR3) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
  },
});
op(U.IORING_OP_MADVISE, (r) => {
  do_madvise(r.task, r.u64(ADDR), r.u32(LEN), r.u32(OP_FLAGS));
  return 0;
});

// --- polls and timeouts ---------------------------------------------------------------------------------------------

op(U.IORING_OP_POLL_ADD, (r) => {
  const multi = (r.u32(LEN) & U.IORING_POLL_ADD_MULTI) !== 0;
  const wanted = r.u32(OP_FLAGS) | EPOLLERR | EPOLLHUP;
  const queues: WaitQueue[] = [];
  const now = r.file!.poll(r, queues) & wanted;
  // Told once, that is the result, whatever is there by now (io_poll_check_events).
  const events = (r.wakes === 1 ? r.told & wanted : 0) || now;
  if (events === 0) {
    r.told = r.wakes = 0;
    return r.waitAny(queues, Infinity);
  }
  if (!multi) return events;
  // What is there from the beginning is told as what comes later is.
  if (r.callState === null && r.deferred) {
    r.callState = 0;
    r.told = events;
    r.wakes = 1;
    r.ring.defer(r);
    return r.waitAny(queues, Infinity);
  }
  // An edge: the same state is told once until the file tells of news.
  if ((r.callState !== events || (r.told & wanted) !== 0) && !r.more(events)) return events;
  r.told = 0;
  r.wakes = 0;
  r.callState = events;
  return r.waitAny(queues, Infinity);
}, {
  ...FILE,
  prep(r) {
    const flags = r.u32(LEN);
    const skips = (r.flags & U.IOSQE_CQE_SKIP_SUCCESS) !== 0;
    if (r.u64(ADDR) !== 0 || r.u64(OFF) !== 0 || r.u16(BUF_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    if (flags & ~U.IORING_POLL_ADD_MULTI || (flags !== 0 && skips)) throw errno(E.EINVAL, 'io_uring: poll flags {} are not possible', flags); // prettier-ignore
  },
}); // prettier-ignore

/** The request of an operation by the data it was submitted with. */
function byData(
  request: UringRequest,
  data: bigint,
  codes: readonly number[] | null,
): UringRequest | null {
  for (const other of request.ring.requests)
    if (other !== request && other.data === data && other.started && !other.over && (codes === null || codes.includes(other.opcode))) return other; // prettier-ignore
  return null;
}

const POLL_UPDATE = U.IORING_POLL_UPDATE_EVENTS | U.IORING_POLL_UPDATE_USER_DATA;

/** Ends a poll, or changes what it waits for, or the data that its results have. */
op(U.IORING_OP_POLL_REMOVE, (r) => {
  const found = byData(r, r.view.getBigUint64(ADDR, true), [U.IORING_OP_POLL_ADD]);
  if (found === null) throw errno(E.ENOENT, 'io_uring: no poll has that data');
  const flags = r.u32(LEN);
  if ((flags & POLL_UPDATE) === 0) {
    found.stop();
    return 0;
  }
  if (flags & U.IORING_POLL_UPDATE_EVENTS) found.view.setUint32(OP_FLAGS, r.u32(OP_FLAGS), true);
  if (flags & U.IORING_POLL_UPDATE_USER_DATA) found.data = r.view.getBigUint64(OFF, true);
  if (flags & U.IORING_POLL_UPDATE_EVENTS) r.kernel.work.queue(found);
  return 0;
}, {
  prep(r) {
    const flags = r.u32(LEN);
    const bad = flags & ~(POLL_UPDATE | U.IORING_POLL_ADD_MULTI) || (flags & U.IORING_POLL_ADD_MULTI && !(flags & POLL_UPDATE)); // prettier-ignore
    if (bad || r.u16(BUF_INDEX) !== 0 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: poll flags {} are not known', flags); // prettier-ignore
    if (!(flags & U.IORING_POLL_UPDATE_USER_DATA) && r.u64(OFF) !== 0) throw errno(E.EINVAL, 'io_uring: new data without the flag for it'); // prettier-ignore
    if (!(flags & U.IORING_POLL_UPDATE_EVENTS) && r.u32(OP_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring: new events without the flag for them'); // prettier-ignore
  },
}); // prettier-ignore

/** A timespec in nanoseconds. */
const span = (r: UringRequest, address: number): number =>
  r.mem.getI64(address) * 1e9 + r.mem.getI64(address + 8);

/** The deadline on CLOCK_MONOTONIC of a timeout's timespec. */
function deadline(request: UringRequest, address: number, flags: number): number {
  const sec = request.mem.getI64(address);
  const nsec = request.mem.getI64(address + 8);
  if (sec < 0 || nsec < 0) throw errno(E.EINVAL, 'io_uring: {} s and {} ns is no time', sec, nsec);
  const { clock } = request.kernel;
  if ((flags & U.IORING_TIMEOUT_ABS) === 0) return clock.now() + sec * 1e9 + nsec;
  if ((flags & U.IORING_TIMEOUT_REALTIME) === 0) return sec * 1e9 + nsec;
  return wall_deadline(request.kernel, BigInt(sec) * 1_000_000_000n + BigInt(nsec));
}

interface TimeoutState {
  deadline: number;
  /** How long after one result the next comes. */
  period: number;
  left: number;
}

const TIMEOUT_FLAGS = U.IORING_TIMEOUT_ABS | U.IORING_TIMEOUT_BOOTTIME | U.IORING_TIMEOUT_REALTIME | U.IORING_TIMEOUT_ETIME_SUCCESS | U.IORING_TIMEOUT_MULTISHOT; // prettier-ignore

function timeoutPrep(r: UringRequest): void {
  const flags = r.u32(OP_FLAGS);
  if (r.u16(BUF_INDEX) !== 0 || r.u32(LEN) !== 1 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0, or there is not one time'); // prettier-ignore
  if ((flags & ~TIMEOUT_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring: timeout flags {} are not known', flags); // prettier-ignore
  if ((flags & U.IORING_TIMEOUT_CLOCK_MASK) === U.IORING_TIMEOUT_CLOCK_MASK) throw errno(E.EINVAL, 'io_uring: a timeout has one clock'); // prettier-ignore
  const again = U.IORING_TIMEOUT_MULTISHOT | U.IORING_TIMEOUT_ABS;
  if ((flags & again) === again) throw errno(E.EINVAL, 'io_uring: a time of day comes once');
  deadline(r, r.u64(ADDR), flags);
}

op(U.IORING_OP_TIMEOUT, (r) => {
  const flags = r.u32(OP_FLAGS);
  const count = r.u64(OFF);
  const multi = (flags & U.IORING_TIMEOUT_MULTISHOT) !== 0;
  if (r.callState === null) {
    r.callState = {
      deadline: deadline(r, r.u64(ADDR), flags),
      period: span(r, r.u64(ADDR)),
      left: multi && count > 0 ? count : Infinity,
    };
    if (count > 0 && !multi) {
      r.target = r.ring.posted + count;
      r.ring.counting.add(r);
    }
  }
  const state = r.callState as TimeoutState;
  if (r.ring.posted >= r.target) return 0;
  const now = r.kernel.clock.now();
  if (now < state.deadline) return r.waitAny([], state.deadline);
  if (!multi || --state.left <= 0) {
    if ((flags & U.IORING_TIMEOUT_ETIME_SUCCESS) === 0) r.failed = true;
    return -E.ETIME;
  }
  if (!r.more(-E.ETIME)) return -E.ETIME;
  r.callState = state;
  state.deadline += state.period;
  return r.waitAny([], state.deadline);
}, { prep: timeoutPrep }); // prettier-ignore

const TIMEOUT_UPDATES = U.IORING_TIMEOUT_UPDATE | U.IORING_LINK_TIMEOUT_UPDATE;

op(U.IORING_OP_TIMEOUT_REMOVE, (r) => {
  const flags = r.u32(OP_FLAGS);
  const update = (flags & U.IORING_TIMEOUT_UPDATE) !== 0;
  const limit = update && (flags & U.IORING_LINK_TIMEOUT_UPDATE) !== 0;
  const found = byData(r, r.view.getBigUint64(ADDR, true), [limit ? U.IORING_OP_LINK_TIMEOUT : U.IORING_OP_TIMEOUT]); // prettier-ignore
  if (found === null) throw errno(E.ENOENT, 'io_uring: no timeout has that data');
  if (!update) {
    found.stop();
    return 0;
  }
  const clock = limit ? 0 : found.u32(OP_FLAGS) & U.IORING_TIMEOUT_CLOCK_MASK;
  const state = found.callState as TimeoutState;
  state.deadline = deadline(r, r.u64(OFF), flags | clock);
  state.period = span(r, r.u64(OFF));
  // It no longer counts completions.
  if (!limit) {
    found.target = Infinity;
    r.ring.counting.delete(found);
  }
  r.kernel.work.queue(found);
  return 0;
}, {
  prep(r) {
    const flags = r.u32(OP_FLAGS);
    if (r.u16(BUF_INDEX) !== 0 || r.u32(LEN) !== 0 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: removing a timeout takes no length and index'); // prettier-ignore
    const known = (flags & TIMEOUT_UPDATES) === 0 ? 0 : TIMEOUT_UPDATES | U.IORING_TIMEOUT_ABS;
    if ((flags & ~known) !== 0) throw errno(E.EINVAL, 'io_uring: timeout flags {} are not known', flags); // prettier-ignore
    if (known !== 0) deadline(r, r.u64(OFF), flags);
  },
}); // prettier-ignore

/** Cancels the request before it when its time is over. */
op(U.IORING_OP_LINK_TIMEOUT, (r) => {
  if (r.limits === null)
    throw errno(E.EINVAL, 'io_uring: a link timeout follows the request that it limits');
  r.callState ??= { deadline: deadline(r, r.u64(ADDR), r.u32(OP_FLAGS)), period: 0, left: 1 };
  const state = r.callState as TimeoutState;
  if (r.kernel.clock.now() < state.deadline) return r.waitAny([], state.deadline);
  const { limits } = r;
  limits.limit = null;
  limits.stop();
  // What cancelling it tells, if that is not 0 (io_req_task_link_timeout).
  return uringOps.get(limits.opcode)?.counted ? 1 : -E.ETIME;
}, {
  prep(r) {
    if (r.u32(OFF) !== 0) throw errno(E.EINVAL, 'io_uring: a link timeout does not count');
    timeoutPrep(r);
  },
}); // prettier-ignore

export const CANCEL_FLAGS: number = U.IORING_ASYNC_CANCEL_ALL | U.IORING_ASYNC_CANCEL_FD | U.IORING_ASYNC_CANCEL_ANY | U.IORING_ASYNC_CANCEL_FD_FIXED | U.IORING_ASYNC_CANCEL_USERDATA | U.IORING_ASYNC_CANCEL_OP; // prettier-ignore
const CANCEL_MANY = U.IORING_ASYNC_CANCEL_ALL | U.IORING_ASYNC_CANCEL_ANY;

/**
 * Cancels what has that data, works on that file, or is that operation. Throws ENOENT where one is meant and there is none.
 * @returns how many; 0 where one was meant, but 1 for futexes and waitid (io_cancel_remove)
 */
export function cancel_matching(
  task: Task,
  ring: UringFile,
  self: UringRequest | null,
  data: bigint,
  fd: number,
  flags: number,
  opcode: number,
): number {
  const by_file = (flags & U.IORING_ASYNC_CANCEL_FD) !== 0;
  const fixed = (flags & U.IORING_ASYNC_CANCEL_FD_FIXED) !== 0;
  const file = !by_file ? null : fixed ? ring.fixedFile(fd).file : fget(task, fd);
  const by_data = !(flags & (U.IORING_ASYNC_CANCEL_FD | U.IORING_ASYNC_CANCEL_OP)) || (flags & U.IORING_ASYNC_CANCEL_USERDATA) !== 0; // prettier-ignore
  let stopped = 0;
  let counted = false;
  for (const other of [...ring.requests]) {
    if (other === self || other.over || !other.started) continue;
    if (other.opcode === U.IORING_OP_LINK_TIMEOUT) continue;
    if (!(flags & U.IORING_ASYNC_CANCEL_ANY)) {
      if (by_file && other.file !== file) continue;
      if (flags & U.IORING_ASYNC_CANCEL_OP && other.opcode !== opcode) continue;
      if (by_data && other.data !== data) continue;
    }
    other.stop();
    stopped++;
    counted = uringOps.get(other.opcode)?.counted === true;
    if ((flags & CANCEL_MANY) === 0) break;
  }
  if (stopped === 0 && !(flags & CANCEL_MANY)) throw errno(E.ENOENT, 'io_uring: no request is to be cancelled'); // prettier-ignore
  return flags & CANCEL_MANY || counted ? stopped : 0;
}

op(U.IORING_OP_ASYNC_CANCEL, (r) => {
  const fixed = r.flags & U.IOSQE_FIXED_FILE ? U.IORING_ASYNC_CANCEL_FD_FIXED : 0;
  const flags = r.u32(OP_FLAGS) | fixed;
  const n = cancel_matching(r.task, r.ring, r, r.view.getBigUint64(ADDR, true), r.i32(FD), flags, r.u32(LEN)); // prettier-ignore
  return n;
}, {
  prep(r) {
    if (r.u64(OFF) !== 0 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    const flags = r.u32(OP_FLAGS);
    const some = flags & (U.IORING_ASYNC_CANCEL_FD | U.IORING_ASYNC_CANCEL_OP);
    if (flags & ~CANCEL_FLAGS || (some && flags & U.IORING_ASYNC_CANCEL_ANY)) throw errno(E.EINVAL, 'io_uring: flags {} to cancel by are not possible', flags); // prettier-ignore
  },
}); // prettier-ignore

// --- sockets --------------------------------------------------------------------------------------------------------

/** A ring tells of a closed connection by its result alone. */
const sendFlags = (r: UringRequest): number => r.u32(OP_FLAGS) | MSG_NOSIGNAL;
const checkSend = (r: UringRequest, known: number = U.IORING_RECVSEND_POLL_FIRST): void => {
  if (r.u16(IOPRIO) & ~known) throw errno(E.EINVAL, 'io_uring: flags {} are not for sending', r.u16(IOPRIO)); // prettier-ignore
};
const needGroup = (r: UringRequest): void => {
  if (r.u16(IOPRIO) & U.IORING_RECVSEND_BUNDLE && !r.bundles) throw errno(E.EINVAL, 'io_uring: a bundle is of buffers of a group'); // prettier-ignore
};

/** Less than all that was asked for, and a message that is cut, break a chain only where all must come (MSG_WAITALL). */
export function ofMessage(r: UringRequest, n: number, wanted: () => number, cut = 0): number {
  if (n >= 0 && r.u32(OP_FLAGS) & MSG_WAITALL && (n < wanted() || cut)) r.failed = true;
  return n;
}

op(U.IORING_OP_SENDMSG, (r) => {
  const n = r.withFile((fd) => sys_sendmsg(r, fd, r.u64(ADDR), sendFlags(r)));
  return ofMessage(r, n, () => lengthOf(r));
}, {
  ...SOCKET,
  message: true,
  prep(r) {
    if (r.u64(OFF) !== 0 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    checkSend(r);
  },
}); // prettier-ignore
op(U.IORING_OP_SEND, (r) => {
  if (r.flags & U.IOSQE_BUFFER_SELECT) return sendBundle(r);
  const n = r.withFile((fd) => sys_sendto(r, fd, r.u64(ADDR), r.u32(LEN), sendFlags(r), r.u64(OFF), r.u16(FILE_INDEX)));
  return ofMessage(r, n, () => r.u32(LEN));
}, {
  ...SOCKET,
  message: true,
  buffers: true,
  prep(r) {
    checkSend(r, U.IORING_RECVSEND_POLL_FIRST | U.IORING_RECVSEND_BUNDLE);
    needGroup(r);
  },
}); // prettier-ignore

const bytesOf = ({ pieces }: Bundle): number => pieces.reduce((sum, { length }) => sum + length, 0);

/** Sends the next buffer of a group; a bundle all that are there, and goes on while more come (io_send). */
function sendBundle(r: UringRequest): number {
  const file = socketOf(r);
  const many = r.bundles;
  let most = r.u32(LEN);
  for (;;) {
    if (r.bundle === null) {
      r.bundle = peekBundle(r, most, many);
      commitBundle(r, r.bundle, bytesOf(r.bundle));
    }
    const { bundle } = r;
    most = bytesOf(bundle);
    const iter = IovIter.vector(r.mem, bundle.pieces);
    const n = send_to(r, file, iter, sendFlags(r) | (many ? MSG_WAITALL : 0), r.u64(OFF), r.u16(FILE_INDEX)); // prettier-ignore
    if (n === BLOCKED) return n;
    r.bundle = null;
    if (many && n < most) r.failed = true;
    if (!many || n <= 0 || bundle.last || r.wakes > 0 || !r.more(n)) return ofMessage(r, n, () => most); // prettier-ignore
  }
}

/** The length of the message that a header describes. */
export function lengthOf(r: UringRequest): number {
  const { iov, iovCount } = readMsghdr(r, r.u64(ADDR));
  return import_iovec(r, iov, iovCount).count;
}

export function socketOf(r: UringRequest): SocketFile {
  if (r.file instanceof SocketFile) return r.file;
  throw errno(E.ENOTSOCK, 'io_uring: {} is not a socket', r.file!.path);
}

export const receiveFlags = (r: UringRequest, file: SocketFile): number =>
  r.u32(OP_FLAGS) | (file.flags & O_NONBLOCK ? MSG_DONTWAIT : 0);

function recv(r: UringRequest, into: IovIter): number {
  const file = socketOf(r);
  const length = into.count;
  const got = file.sk.recvmsg(r, into, receiveFlags(r, file));
  if (typeof got === 'number') return got;
  if (got.ancillary !== null) free_fds(r.kernel, got.ancillary.fds);
  return ofMessage(r, got.n, () => length, got.flags & (MSG_TRUNC | MSG_CTRUNC));
}

const RECV_FLAGS = U.IORING_RECVSEND_POLL_FIRST | U.IORING_RECV_MULTISHOT | U.IORING_RECVSEND_BUNDLE; // prettier-ignore

op(U.IORING_OP_RECV, (r) => {
  const multi = (r.u16(IOPRIO) & U.IORING_RECV_MULTISHOT) !== 0;
  for (;;) {
    const bundle = r.bundles ? peekBundle(r, r.u32(LEN), r.u32(LEN) !== 0) : null;
    let n: number;
    if (bundle !== null) {
      n = recv(r, IovIter.vector(r.mem, bundle.pieces));
      if (n > 0) commitBundle(r, bundle, Math.min(n, bytesOf(bundle)));
      else r.cqe_flags = 0;
    } else n = withBuffer(r, (address, length) => recv(r, userBuffer(r, address, length)));
    // The end of a stream takes no buffer.
    if (n === 0) returnBuffer(r);
    if (!multi || n <= 0 || bundle?.last || !r.more(n)) return n;
  }
}, {
  ...SOCKET,
  message: true,
  buffers: true,
  prep(r) {
    const flags = r.u16(IOPRIO);
    if (r.u32(FILE_INDEX) !== 0 || r.u64(OFF) !== 0 || flags & ~RECV_FLAGS) throw errno(E.EINVAL, 'io_uring: unused members are not 0, or flags {} are unknown', flags); // prettier-ignore
    if (!(flags & U.IORING_RECV_MULTISHOT)) return;
    if (!(r.flags & U.IOSQE_BUFFER_SELECT)) throw errno(E.EINVAL, 'io_uring: to receive again and again needs buffers of a group'); // prettier-ignore
    if (r.u32(OP_FLAGS) & MSG_WAITALL || r.u32(LEN) !== 0) throw errno(E.EINVAL, 'io_uring: to receive again and again is not for all of a message, or of a length'); // prettier-ignore
  },
}); // prettier-ignore
op(U.IORING_OP_ACCEPT, (r) => {
  const multi = (r.u16(IOPRIO) & U.IORING_ACCEPT_MULTISHOT) !== 0;
  for (;;) {
    const fd = accept(r);
    if (!multi || fd < 0 || !r.more(fd)) return fd;
  }
}, {
  ...SOCKET,
  prep(r) {
    const multi = r.u16(IOPRIO) & U.IORING_ACCEPT_MULTISHOT;
    const slot = r.u32(FILE_INDEX);
    check_accept_flags(r.u32(OP_FLAGS));
    if (r.u32(LEN) !== 0 || r.u16(BUF_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    if (r.u16(IOPRIO) & ~ACCEPT_FLAGS) throw errno(E.EINVAL, 'io_uring: flags {} are not for accepting', r.u16(IOPRIO)); // prettier-ignore
    if (slot !== 0 && r.u32(OP_FLAGS) & O_CLOEXEC) throw errno(E.EINVAL, 'io_uring: a registered file is no descriptor that exec could close'); // prettier-ignore
    if (multi && slot !== 0 && slot !== INDEX_ALLOC) throw errno(E.EINVAL, 'io_uring: many sockets and one number'); // prettier-ignore
  },
}); // prettier-ignore

/** Any free number of the ring. */
const INDEX_ALLOC = 0xffff_ffff;

/** The descriptor that a call has just made becomes a registered file, if that is what was asked for. */
function intoSlot(r: UringRequest, fd: number): number {
  const slot = r.u32(FILE_INDEX);
  if (slot === 0 || fd < 0) return fd;
  return io_fixed_fd_install(r.ring, r.task.files.remove(fd)!, slot);
}

const ACCEPT_FLAGS = U.IORING_ACCEPT_MULTISHOT | U.IORING_ACCEPT_DONTWAIT | U.IORING_ACCEPT_POLL_FIRST; // prettier-ignore

/** accept4 on the request's socket: the new descriptor goes into the task's own table. */
function accept(r: UringRequest): number {
  const flags = r.u32(OP_FLAGS);
  const slot = r.u32(FILE_INDEX);
  if (slot === 0) get_unused_fd(r);
  const impatient = (r.u16(IOPRIO) & U.IORING_ACCEPT_DONTWAIT) !== 0 || undefined;
  if (impatient && r.u16(IOPRIO) & U.IORING_ACCEPT_POLL_FIRST) throw errno(E.EAGAIN, 'io_uring: there is to be a wait first, and none'); // prettier-ignore
  const file = do_accept(r, r.file!, r.u64(ADDR), r.u64(OFF), flags, impatient);
  if (typeof file === 'number') return file;
  if (slot !== 0) return io_fixed_fd_install(r.ring, file, slot);
  return fd_install(r, file, (flags & O_CLOEXEC) !== 0);
}

op(
  U.IORING_OP_CONNECT,
  (r) => r.withFile((fd) => sys_connect(r, fd, r.u64(ADDR), r.u64(OFF))),
  FILE,
);
op(U.IORING_OP_BIND, (r) => r.withFile((fd) => sys_bind(r, fd, r.u64(ADDR), r.u64(OFF))), {
  ...FILE,
  prep(r) {
    if (r.u32(LEN) !== 0 || r.u16(BUF_INDEX) !== 0 || r.u32(OP_FLAGS) !== 0 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
  },
});
op(U.IORING_OP_LISTEN, (r) => r.withFile((fd) => sys_listen(r, fd, r.i32(LEN))), {
  ...FILE,
  prep(r) {
    if (r.u64(ADDR) !== 0 || r.u64(OFF) !== 0 || r.u16(BUF_INDEX) !== 0 || r.u32(OP_FLAGS) !== 0 || r.u32(FILE_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
  },
});
op(U.IORING_OP_SHUTDOWN, (r) => r.withFile((fd) => sys_shutdown(r, fd, r.u32(LEN))), FILE);
op(U.IORING_OP_SOCKET, (r) => intoSlot(r, sys_socket(r, r.i32(FD), r.u64(OFF), r.u32(LEN))), {
  prep(r) {
    if (r.u64(ADDR) !== 0 || r.u32(OP_FLAGS) !== 0 || r.u16(BUF_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    if (r.u32(FILE_INDEX) !== 0 && r.u64(OFF) & O_CLOEXEC) throw errno(E.EINVAL, 'io_uring: a registered file is no descriptor that exec could close'); // prettier-ignore
  },
});

/** Sends whose pages the network card reads: sockets of one machine copy. */
for (const code of [U.IORING_OP_SEND_ZC, U.IORING_OP_SENDMSG_ZC])
  op(code, (r) => {
    throw errno(E.EOPNOTSUPP, 'io_uring: {} copies what it sends', r.file!.path);
  }, SOCKET); // prettier-ignore

// --- names ----------------------------------------------------------------------------------------------------------

/** A name is resolved by descriptors, not by registered files. */
const noFixed = (r: UringRequest): void => {
  if (r.flags & U.IOSQE_FIXED_FILE)
    throw errno(E.EBADF, 'io_uring: {} is no descriptor', r.i32(FD));
};

op(U.IORING_OP_OPENAT, (r) => intoSlot(r, sys_openat(r, r.i32(FD), r.u64(ADDR), r.u32(OP_FLAGS), r.u32(LEN))), {
  prep(r) {
    if (r.u16(BUF_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0');
    noFixed(r);
    if (r.u32(FILE_INDEX) !== 0 && r.u32(OP_FLAGS) & O_CLOEXEC) throw errno(E.EINVAL, 'io_uring: a registered file is no descriptor that exec could close'); // prettier-ignore
  },
}); // prettier-ignore
op(U.IORING_OP_OPENAT2, (r) => intoSlot(r, sys_openat2(r, r.i32(FD), r.u64(ADDR), r.u64(OFF), r.u32(LEN))), {
  prep(r) {
    noFixed(r);
    if (r.u32(FILE_INDEX) !== 0 && r.mem.getU64(r.u64(OFF)) & O_CLOEXEC) throw errno(E.EINVAL, 'io_uring: a registered file is no descriptor that exec could close'); // prettier-ignore
  },
}); // prettier-ignore
op(U.IORING_OP_CLOSE, (r) => {
  const index = r.u32(FILE_INDEX);
  if (index !== 0) return io_fixed_fd_remove(r.ring, index - 1);
  if (fget_raw(r.task, r.i32(FD)) instanceof UringFile) throw errno(E.EBADF, 'io_uring: an io_uring is not closed by one'); // prettier-ignore
  return sys_close(r, r.i32(FD));
}, {
  prep(r) {
    if (r.u64(OFF) !== 0 || r.u64(ADDR) !== 0 || r.u32(LEN) !== 0 || r.u32(OP_FLAGS) !== 0 || r.u16(BUF_INDEX) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    noFixed(r);
    if (r.u32(FILE_INDEX) !== 0 && r.i32(FD) !== 0) throw errno(E.EINVAL, 'io_uring: a descriptor or a registered file is closed, not both'); // prettier-ignore
  },
}); // prettier-ignore
op(U.IORING_OP_STATX, (r) => sys_statx(r, r.i32(FD), r.u64(ADDR), r.u32(OP_FLAGS), r.u32(LEN), r.u64(OFF))); // prettier-ignore
op(U.IORING_OP_RENAMEAT, (r) => sys_renameat2(r, r.i32(FD), r.u64(ADDR), r.i32(LEN), r.u64(OFF), r.u32(OP_FLAGS))); // prettier-ignore
op(U.IORING_OP_UNLINKAT, (r) => sys_unlinkat(r, r.i32(FD), r.u64(ADDR), r.u32(OP_FLAGS)));
op(U.IORING_OP_MKDIRAT, (r) => sys_mkdirat(r, r.i32(FD), r.u64(ADDR), r.u32(LEN)));
op(U.IORING_OP_SYMLINKAT, (r) => sys_symlinkat(r, r.u64(ADDR), r.i32(FD), r.u64(OFF)));
op(U.IORING_OP_LINKAT, (r) => sys_linkat(r, r.i32(FD), r.u64(ADDR), r.i32(LEN), r.u64(OFF), r.u32(OP_FLAGS))); // prettier-ignore
op(U.IORING_OP_EPOLL_CTL, (r) => sys_epoll_ctl(r, r.i32(FD), r.u32(LEN), r.i32(OFF), r.u64(ADDR)));

// --- pipes ----------------------------------------------------------------------------------------------------------

const SPLICE_F_FD_IN_FIXED = 1 << 31;

/** What is spliced from: a descriptor, or a registered file. */
function spliceIn(r: UringRequest): File {
  const fd = r.i32(FILE_INDEX);
  return r.u32(OP_FLAGS) & SPLICE_F_FD_IN_FIXED ? r.ring.fixedFile(fd).file! : fget(r.task, fd);
}
const spliceFlags = (r: UringRequest): number => r.u32(OP_FLAGS) & ~SPLICE_F_FD_IN_FIXED;
const spliceKnown = (r: UringRequest): void => {
  if (spliceFlags(r) & ~15) throw errno(E.EINVAL, 'io_uring: splice flags {} are not known', spliceFlags(r)); // prettier-ignore
};
const placeOf = (at: number): Place => (at === -1 ? 0 : { pos: at });

op(U.IORING_OP_SPLICE, (r) => {
  if (r.u32(LEN) === 0) return 0;
  return do_splice(r, spliceIn(r), placeOf(r.u64(ADDR)), r.file!, placeOf(r.u64(OFF)), r.u32(LEN), spliceFlags(r)); // prettier-ignore
}, { ...FILE, exact: true, worker: true, prep: spliceKnown }); // prettier-ignore
op(U.IORING_OP_TEE, (r) => (r.u32(LEN) === 0 ? 0 : do_tee(r, spliceIn(r), r.file!, r.u32(LEN), spliceFlags(r))), {
  ...FILE,
  exact: true,
  worker: true,
  prep(r) {
    spliceKnown(r);
    if (r.u64(ADDR) !== 0 || r.u64(OFF) !== 0) throw errno(E.EINVAL, 'io_uring: pipes have no positions'); // prettier-ignore
  },
}); // prettier-ignore

// --- buffers, files, other rings ------------------------------------------------------------------------------------

op(U.IORING_OP_PROVIDE_BUFFERS, (r) => {
  const count = r.i32(FD);
  const length = r.u32(LEN);
  const first = r.u64(OFF);
  if (count <= 0 || count > 65536 || length === 0 || first + count > 65536) throw errno(E.EINVAL, 'io_uring: {} buffers of {} bytes from number {} are not possible', count, length, first); // prettier-ignore
  const group = r.u16(BUF_INDEX);
  if (r.ring.bufferRings.has(group)) throw errno(E.EINVAL, 'io_uring: buffer group {} is a ring', group); // prettier-ignore
  let list = r.ring.provided.get(group);
  if (list === undefined) r.ring.provided.set(group, (list = []));
  for (let i = 0; i < count; i++)
    list.push({ address: r.u64(ADDR) + i * length, length, id: first + i });
  return 0;
}, { iopoll: true }); // prettier-ignore
op(U.IORING_OP_REMOVE_BUFFERS, (r) => {
  if (r.ring.bufferRings.has(r.u16(BUF_INDEX))) throw errno(E.EINVAL, 'io_uring: buffer group {} is a ring', r.u16(BUF_INDEX)); // prettier-ignore
  const list = r.ring.provided.get(r.u16(BUF_INDEX));
  if (list === undefined || list.length === 0) throw errno(E.ENOENT, 'io_uring: buffer group {} has no buffers', r.u16(BUF_INDEX)); // prettier-ignore
  return list.splice(0, r.i32(FD)).length;
}, { iopoll: true }); // prettier-ignore
op(U.IORING_OP_FILES_UPDATE, (r) => {
  const fds = r.u64(ADDR);
  const { mem, task, ring } = r;
  if (r.u32(OFF) !== INDEX_ALLOC) return io_sqe_files_update(task, ring, r.u32(OFF), fds, 0, r.u32(LEN)); // prettier-ignore
  for (let done = 0; done < r.u32(LEN); done++) {
    try {
      const file = fget(task, mem.getI32(fds + done * 4)).get();
      mem.putU32(fds + done * 4, io_fixed_fd_install(ring, file, INDEX_ALLOC));
    } catch (error) {
      if (done === 0) throw error;
      return done;
    }
  }
  return r.u32(LEN);
}, {
  iopoll: true,
  prep(r) {
    if (r.flags & U.IOSQE_FIXED_FILE || r.u32(OP_FLAGS) !== 0 || r.u32(FILE_INDEX) !== 0 || r.u32(LEN) === 0) throw errno(E.EINVAL, 'io_uring: no files to update, or unused members are not 0'); // prettier-ignore
  },
}); // prettier-ignore

const FIXED_FD_NO_CLOEXEC = 1;

/** A registered file gets a descriptor, too. */
op(U.IORING_OP_FIXED_FD_INSTALL, (r) => {
  const cloexec = !(r.u32(OP_FLAGS) & FIXED_FD_NO_CLOEXEC);
  return fd_install(r.task, r.file!.get(), cloexec);
}, {
  file: true,
  prep(r) {
    if (r.u64(OFF) !== 0 || r.u64(ADDR) !== 0 || r.u32(LEN) !== 0 || r.u16(BUF_INDEX) !== 0 || r.u32(FILE_INDEX) !== 0 || r.u64(ADDR3) !== 0) throw errno(E.EINVAL, 'io_uring: unused members are not 0'); // prettier-ignore
    if (!(r.flags & U.IOSQE_FIXED_FILE)) throw errno(E.EBADF, 'io_uring: {} is no registered file', r.i32(FD)); // prettier-ignore
    if (r.u32(OP_FLAGS) & ~FIXED_FD_NO_CLOEXEC) throw errno(E.EINVAL, 'io_uring: flags {} are not known', r.u32(OP_FLAGS)); // prettier-ignore
    if (r.u16(42) !== 0) throw errno(E.EPERM, 'io_uring: nobody gets a descriptor as somebody else');
  },
}); // prettier-ignore

const MSG_DATA = 0;
const MSG_SEND_FD = 1;
const MSG_RING_CQE_SKIP = 1;

/** A completion, or a registered file, for another ring. */
op(U.IORING_OP_MSG_RING, (r) => {
  const target = r.file!;
  if (!(target instanceof UringFile)) throw errno(E.EBADFD, 'io_uring: {} is no io_uring', target.path); // prettier-ignore
  const data = r.view.getBigUint64(OFF, true);
  const [from, to] = [r.u64(ADDR3), r.u32(FILE_INDEX)];
  if (r.u64(ADDR) === MSG_DATA) {
    if (from !== 0 || to !== 0 || r.u32(OP_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring: a message has no file and no flags'); // prettier-ignore
    if (target.disabled) throw errno(E.EBADFD, 'io_uring: the other ring is not enabled yet');
    target.post(data, r.i32(LEN), 0);
    return 0;
  }
  if (r.u64(ADDR) !== MSG_SEND_FD || target === r.ring) throw errno(E.EINVAL, 'io_uring: there is no such message'); // prettier-ignore
  if (target.disabled) throw errno(E.EBADFD, 'io_uring: the other ring is not enabled yet');
  const index = io_fixed_fd_install(target, r.ring.fixedFile(from).file!.get(), to);
  if (!(r.u32(OP_FLAGS) & MSG_RING_CQE_SKIP)) target.post(data, index, 0);
  return index;
}, {
  file: true,
  iopoll: true,
  prep(r) {
    if (r.u16(BUF_INDEX) !== 0 || r.u32(OP_FLAGS) & ~MSG_RING_CQE_SKIP) throw errno(E.EINVAL, 'io_uring: message flags {} are not known', r.u32(OP_FLAGS)); // prettier-ignore
  },
}); // prettier-ignore

// --- extended attributes: the name at ADDR, the value at OFF, the path at ADDR3 -----------------------------------------

const pathOf = (r: UringRequest): Path => user_path_at(r, AT_FDCWD, r.u64(ADDR3), LOOKUP_FOLLOW);
op(U.IORING_OP_SETXATTR, (r) => setxattr(r, () => pathOf(r), r.u64(ADDR), r.u64(OFF), r.u32(LEN), r.u32(OP_FLAGS)), { prep: noFixed }); // prettier-ignore
op(U.IORING_OP_FSETXATTR, (r) => setxattr(r, () => r.file!.path, r.u64(ADDR), r.u64(OFF), r.u32(LEN), r.u32(OP_FLAGS)), FILE); // prettier-ignore
const noXattrFlags = (r: UringRequest): void => {
  if (r.u32(OP_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring: getxattr has no flags');
};
op(U.IORING_OP_GETXATTR, (r) => getxattr(r, () => pathOf(r), r.u64(ADDR), r.u64(OFF), r.u32(LEN)), {
  prep(r) {
    noFixed(r);
    noXattrFlags(r);
  },
});
op(U.IORING_OP_FGETXATTR, (r) => getxattr(r, () => r.file!.path, r.u64(ADDR), r.u64(OFF), r.u32(LEN)), { ...FILE, prep: noXattrFlags }); // prettier-ignore
op(U.IORING_OP_URING_CMD, (r) => {
  throw errno(E.EOPNOTSUPP, 'io_uring: {} takes no commands', r.file!.path);
}, { file: true, iopoll: true }); // prettier-ignore
