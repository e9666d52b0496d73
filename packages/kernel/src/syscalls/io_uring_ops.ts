import * as E from '@vitrine/uapi/errno.ts';
import { EPOLLERR, EPOLLHUP } from '@vitrine/uapi/poll.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import { IovIter } from '../include/iov.ts';
import type { WaitQueue } from '../include/wait.ts';
import { fget } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { type UringOp, type UringRequest, uringOps } from '../fs/io_uring/request.ts';
import * as U from '../fs/io_uring/uapi.ts';
import { vfs_read, vfs_write } from '../fs/read_write.ts';
import { do_madvise } from '../mm/madvise.ts';
import { sys_epoll_ctl } from './epoll.ts';
import { import_iovec, userBuffer } from './iov.ts';
import { sys_linkat, sys_mkdirat, sys_renameat2, sys_symlinkat, sys_unlinkat } from './namei.ts';
import { sys_close, sys_ftruncate, sys_openat, sys_openat2 } from './open.ts';
import { sys_fadvise64, sys_fallocate, sys_sync_file_range } from './read_write.ts';
import { sys_accept4, sys_connect, sys_recvfrom, sys_recvmsg, sys_sendmsg, sys_sendto, sys_shutdown, sys_socket } from './socket.ts'; // prettier-ignore
import { sys_splice, sys_tee } from './splice.ts';
import { sys_statx } from './stat.ts';

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

const op = (code: number, run: UringOp['run'], more: Partial<UringOp> = {}): void => {
  uringOps.set(code, { run, ...more });
};
const FILE = { file: true };
const EXACT = { file: true, exact: true };

/** Position of a read or write: -1 is the file's own. */
function position(request: UringRequest, file: File): number | null {
  const off = request.u64(OFF);
  return off === -1 || !file.seekable ? null : off;
}

/** The buffer of an operation: given, or taken from a group (io_buffer_select). */
function buffer(request: UringRequest): { address: number; length: number } {
  if ((request.flags & U.IOSQE_BUFFER_SELECT) === 0)
    return { address: request.u64(ADDR), length: request.u32(LEN) };
  return (request.buffer ??= selectBuffer(request));
}

function selectBuffer(request: UringRequest): { address: number; length: number } {
  const { ring } = request;
  const group = request.u16(BUF_INDEX);
  const wanted = request.u32(LEN);
  const shared = ring.bufferRings.get(group);
  let found: { address: number; length: number; id: number } | undefined;
  if (shared !== undefined) {
    const tail = request.mem.getU16(shared.address + 14);
    if (((tail - shared.head) & 0xffff) !== 0) {
      const at = shared.address + (shared.head & (shared.entries - 1)) * 16;
      found = { address: request.mem.getU64(at), length: request.mem.getU32(at + 8), id: request.mem.getU16(at + 12) }; // prettier-ignore
      shared.head = (shared.head + 1) & 0xffff;
    }
  } else found = ring.provided.get(group)?.shift();
  if (found === undefined)
    throw errno(E.ENOBUFS, 'io_uring: buffer group {} has no buffers left', group);
  request.cqe_flags = U.IORING_CQE_F_BUFFER | (found.id << U.IORING_CQE_BUFFER_SHIFT);
  const length = wanted === 0 ? found.length : Math.min(wanted, found.length);
  return { address: found.address, length };
}

/** A buffer is given back when the operation did not use it and waits. */
function returnBuffer(request: UringRequest): void {
  const { buffer: taken, ring } = request;
  if (taken === null) return;
  const group = request.u16(BUF_INDEX);
  const shared = ring.bufferRings.get(group);
  const id = request.cqe_flags >>> U.IORING_CQE_BUFFER_SHIFT;
  if (shared !== undefined) shared.head = (shared.head - 1) & 0xffff;
  else ring.provided.get(group)?.unshift({ ...taken, id });
  request.buffer = null;
  request.cqe_flags = 0;
}

/** Runs an operation that may take a buffer; one that has to wait leaves it for others. */
function withBuffer(
  request: UringRequest,
  run: (address: number, length: number) => number,
): number {
  const { address, length } = buffer(request);
  const result = run(address, length);
  if (result === BLOCKED) returnBuffer(request);
  return result;
}

op(U.IORING_OP_NOP, () => 0);

op(U.IORING_OP_READ, (r) => withBuffer(r, (address, length) => vfs_read(r, r.file!, userBuffer(r, address, length), position(r, r.file!))), EXACT); // prettier-ignore
op(U.IORING_OP_WRITE, (r) => vfs_write(r, r.file!, userBuffer(r, r.u64(ADDR), r.u32(LEN)), position(r, r.file!)), EXACT); // prettier-ignore
op(U.IORING_OP_READV, (r) => vfs_read(r, r.file!, import_iovec(r, r.u64(ADDR), r.u32(LEN)), position(r, r.file!)), FILE); // prettier-ignore
op(U.IORING_OP_WRITEV, (r) => vfs_write(r, r.file!, import_iovec(r, r.u64(ADDR), r.u32(LEN)), position(r, r.file!)), FILE); // prettier-ignore

/** Part of a registered buffer. */
function fixedBuffer(request: UringRequest): IovIter {
  const index = request.u16(BUF_INDEX);
  const fixed = request.ring.buffers[index];
  if (fixed === undefined)
    throw errno(E.EFAULT, 'io_uring: no buffer is registered as number {}', index);
  const address = request.u64(ADDR);
  const length = request.u32(LEN);
  if (address < fixed.address || address + length > fixed.address + fixed.length) throw errno(E.EFAULT, 'io_uring: {} bytes at 0x{} are not in registered buffer {}', length, address.toString(16), index); // prettier-ignore
  return IovIter.user(request.mem, address, length);
}

op(
  U.IORING_OP_READ_FIXED,
  (r) => vfs_read(r, r.file!, fixedBuffer(r), position(r, r.file!)),
  EXACT,
);
op(U.IORING_OP_WRITE_FIXED, (r) => vfs_write(r, r.file!, fixedBuffer(r), position(r, r.file!)), EXACT); // prettier-ignore

op(U.IORING_OP_FSYNC, (r) => {
  if ((r.u32(OP_FLAGS) & ~1) !== 0) throw errno(E.EINVAL, 'io_uring: fsync flags {} are not known', r.u32(OP_FLAGS)); // prettier-ignore
  return r.file!.fsync(r, (r.u32(OP_FLAGS) & 1) !== 0);
}, FILE); // prettier-ignore
op(U.IORING_OP_SYNC_FILE_RANGE, (r) => r.withFile((fd) => sys_sync_file_range(r, fd, r.u64(OFF), r.u32(LEN), r.u32(OP_FLAGS))), FILE); // prettier-ignore
op(U.IORING_OP_FALLOCATE, (r) => r.withFile((fd) => sys_fallocate(r, fd, r.u32(LEN), r.u64(OFF), r.u64(ADDR))), FILE); // prettier-ignore
op(U.IORING_OP_FADVISE, (r) => r.withFile((fd) => sys_fadvise64(r, fd, r.u64(OFF), r.u32(LEN), r.u32(OP_FLAGS))), FILE); // prettier-ignore
op(U.IORING_OP_FTRUNCATE, (r) => r.withFile((fd) => sys_ftruncate(r, fd, r.u64(OFF))), FILE);
op(U.IORING_OP_MADVISE, (r) => {
  do_madvise(r.task, r.u64(ADDR), r.u32(LEN), r.u32(OP_FLAGS));
  return 0;
});

// --- polls and timeouts ---------------------------------------------------------------------------------------------

op(U.IORING_OP_POLL_ADD, (r) => {
  const multi = (r.u32(LEN) & U.IORING_POLL_ADD_MULTI) !== 0;
  const wanted = r.u32(OP_FLAGS) | EPOLLERR | EPOLLHUP;
  const queues: WaitQueue[] = [];
  const events = r.file!.poll(r, queues) & wanted;
  if (events === 0) return r.waitAny(queues, Infinity);
  if (!multi) return events;
  // An edge: the same state is told once until the file tells of news.
  if (r.callState !== events || (r.told & wanted) !== 0) r.more(events);
  r.told = 0;
  r.callState = events;
  return r.waitAny(queues, Infinity);
}, FILE); // prettier-ignore

/** The request of an operation by the data it was submitted with. */
function byData(
  request: UringRequest,
  data: bigint,
  codes: readonly number[] | null,
): UringRequest | null {
  for (const other of request.ring.requests)
    if (other !== request && other.data === data && !other.done && (codes === null || codes.includes(other.opcode))) return other; // prettier-ignore
  return null;
}

op(U.IORING_OP_POLL_REMOVE, (r) => {
  const found = byData(r, r.view.getBigUint64(ADDR, true), [U.IORING_OP_POLL_ADD]);
  if (found === null) throw errno(E.ENOENT, 'io_uring: no poll has that data');
  found.stop();
  return 0;
});

/** The deadline on CLOCK_MONOTONIC of a timeout's timespec. */
function deadline(request: UringRequest, address: number, flags: number): number {
  const sec = request.mem.getI64(address);
  const nsec = request.mem.getI64(address + 8);
  if (sec < 0 || nsec < 0) throw errno(E.EINVAL, 'io_uring: {} s and {} ns is no time', sec, nsec);
  const { clock } = request.kernel;
  if ((flags & U.IORING_TIMEOUT_ABS) === 0) return clock.now() + sec * 1e9 + nsec;
  if ((flags & U.IORING_TIMEOUT_REALTIME) === 0) return sec * 1e9 + nsec;
  return clock.now() + Number(BigInt(sec) * 1_000_000_000n + BigInt(nsec) - clock.realtimeNs());
}

interface TimeoutState {
  deadline: number;
  left: number;
}

const TIMEOUT_FLAGS = U.IORING_TIMEOUT_ABS | U.IORING_TIMEOUT_BOOTTIME | U.IORING_TIMEOUT_REALTIME | U.IORING_TIMEOUT_ETIME_SUCCESS | U.IORING_TIMEOUT_MULTISHOT; // prettier-ignore

op(U.IORING_OP_TIMEOUT, (r) => {
  const flags = r.u32(OP_FLAGS);
  if (r.u32(LEN) !== 1 || (flags & ~TIMEOUT_FLAGS) !== 0) throw errno(E.EINVAL, 'io_uring: timeout flags {} are not known', flags); // prettier-ignore
  const count = r.u64(OFF);
  const multi = (flags & U.IORING_TIMEOUT_MULTISHOT) !== 0;
  if (r.callState === null) {
    r.callState = {
      deadline: deadline(r, r.u64(ADDR), flags),
      left: multi && count > 0 ? count : Infinity,
    };
    if (count > 0 && !multi) r.target = r.ring.posted + count;
  }
  const state = r.callState as TimeoutState;
  if (r.ring.posted >= r.target) return 0;
  const now = r.kernel.clock.now();
  if (now < state.deadline) return r.waitAny([], state.deadline);
  if (!multi || --state.left <= 0) {
    if ((flags & U.IORING_TIMEOUT_ETIME_SUCCESS) === 0) r.failed = true;
    return -E.ETIME;
  }
  r.more(-E.ETIME);
  r.callState = state;
  state.deadline += deadline(r, r.u64(ADDR), 0) - now;
  return r.waitAny([], state.deadline);
});

op(U.IORING_OP_TIMEOUT_REMOVE, (r) => {
  const flags = r.u32(OP_FLAGS);
  const codes =
    (flags & U.IORING_LINK_TIMEOUT_UPDATE) !== 0
      ? [U.IORING_OP_LINK_TIMEOUT]
      : [U.IORING_OP_TIMEOUT];
  const found = byData(r, r.view.getBigUint64(ADDR, true), codes);
  if (found === null) throw errno(E.ENOENT, 'io_uring: no timeout has that data');
  if ((flags & (U.IORING_TIMEOUT_UPDATE | U.IORING_LINK_TIMEOUT_UPDATE)) === 0) {
    found.stop();
    return 0;
  }
  (found.callState as TimeoutState).deadline = deadline(r, r.u64(OFF), flags);
  r.kernel.work.queue(found);
  return 0;
});

/** Cancels the request before it when its time is over. */
op(U.IORING_OP_LINK_TIMEOUT, (r) => {
  if (r.limits === null)
    throw errno(E.EINVAL, 'io_uring: a link timeout follows the request that it limits');
  r.callState ??= { deadline: deadline(r, r.u64(ADDR), r.u32(OP_FLAGS)), left: 1 };
  const state = r.callState as TimeoutState;
  if (r.kernel.clock.now() < state.deadline) return r.waitAny([], state.deadline);
  r.limits.limit = null;
  r.limits.stop();
  return -E.ETIME;
});

op(U.IORING_OP_ASYNC_CANCEL, (r) => {
  const flags = r.u32(OP_FLAGS);
  const data = r.view.getBigUint64(ADDR, true);
  const fd = r.i32(FD);
  const file = (flags & U.IORING_ASYNC_CANCEL_FD) !== 0 ? fget(r.task, fd) : null;
  let stopped = 0;
  for (const other of [...r.ring.requests]) {
    if (other === r || other.done) continue;
    const matches = (flags & U.IORING_ASYNC_CANCEL_ANY) !== 0 || (file !== null ? other.file === file : other.data === data); // prettier-ignore
    if (!matches) continue;
    other.stop();
    stopped++;
    if ((flags & (U.IORING_ASYNC_CANCEL_ALL | U.IORING_ASYNC_CANCEL_ANY)) === 0) return 0;
  }
  if ((flags & (U.IORING_ASYNC_CANCEL_ALL | U.IORING_ASYNC_CANCEL_ANY)) !== 0) return stopped;
  if (stopped === 0) throw errno(E.ENOENT, 'io_uring: no request has that data');
  return 0;
});

// --- sockets --------------------------------------------------------------------------------------------------------

op(U.IORING_OP_SENDMSG, (r) => r.withFile((fd) => sys_sendmsg(r, fd, r.u64(ADDR), r.u32(OP_FLAGS))), FILE); // prettier-ignore
op(U.IORING_OP_RECVMSG, (r) => r.withFile((fd) => sys_recvmsg(r, fd, r.u64(ADDR), r.u32(OP_FLAGS))), FILE); // prettier-ignore
op(U.IORING_OP_SEND, (r) => r.withFile((fd) => sys_sendto(r, fd, r.u64(ADDR), r.u32(LEN), r.u32(OP_FLAGS), 0, 0)), EXACT); // prettier-ignore
op(U.IORING_OP_RECV, (r) => {
  const multi = (r.u16(IOPRIO) & U.IORING_RECV_MULTISHOT) !== 0;
  for (;;) {
    const n = withBuffer(r, (address, length) => r.withFile((fd) => sys_recvfrom(r, fd, address, length, r.u32(OP_FLAGS), 0, 0))); // prettier-ignore
    if (!multi || n <= 0) return n;
    r.more(n);
  }
}, FILE); // prettier-ignore
op(U.IORING_OP_ACCEPT, (r) => {
  const multi = (r.u16(IOPRIO) & U.IORING_ACCEPT_MULTISHOT) !== 0;
  for (;;) {
    const fd = accept(r);
    if (!multi || fd < 0) return fd;
    r.more(fd);
  }
}, FILE); // prettier-ignore

/** accept4 on the request's socket: the new descriptor goes into the task's own table. */
function accept(r: UringRequest): number {
  const before = r.task.files;
  const low = r.withFile((fd) => {
    const result = sys_accept4(r, fd, r.u64(ADDR), r.u64(OFF), r.u32(OP_FLAGS));
    return result === BLOCKED
      ? null
      : { file: r.files.fd[result]!, cloexec: r.files.cloexec.has(result) };
  });
  if (low === null) return BLOCKED;
  const nr = before.lowest(0);
  before.install(nr, low.file, low.cloexec);
  return nr;
}

op(
  U.IORING_OP_CONNECT,
  (r) => r.withFile((fd) => sys_connect(r, fd, r.u64(ADDR), r.u64(OFF))),
  FILE,
);
op(U.IORING_OP_SHUTDOWN, (r) => r.withFile((fd) => sys_shutdown(r, fd, r.u32(LEN))), FILE);
op(U.IORING_OP_SOCKET, (r) => sys_socket(r, r.i32(FD), r.u64(OFF), r.u32(LEN)));

// --- names ----------------------------------------------------------------------------------------------------------

op(U.IORING_OP_OPENAT, (r) => sys_openat(r, r.i32(FD), r.u64(ADDR), r.u32(OP_FLAGS), r.u32(LEN)));
op(U.IORING_OP_OPENAT2, (r) => sys_openat2(r, r.i32(FD), r.u64(ADDR), r.u64(OFF), r.u32(LEN)));
op(U.IORING_OP_CLOSE, (r) => {
  const index = r.u32(FILE_INDEX);
  if (index === 0) return sys_close(r, r.i32(FD));
  r.ring.fixedFile(index - 1).put(r.kernel);
  r.ring.files[index - 1] = null;
  return 0;
});
op(U.IORING_OP_STATX, (r) => sys_statx(r, r.i32(FD), r.u64(ADDR), r.u32(OP_FLAGS), r.u32(LEN), r.u64(OFF))); // prettier-ignore
op(U.IORING_OP_RENAMEAT, (r) => sys_renameat2(r, r.i32(FD), r.u64(ADDR), r.i32(LEN), r.u64(OFF), r.u32(OP_FLAGS))); // prettier-ignore
op(U.IORING_OP_UNLINKAT, (r) => sys_unlinkat(r, r.i32(FD), r.u64(ADDR), r.u32(OP_FLAGS)));
op(U.IORING_OP_MKDIRAT, (r) => sys_mkdirat(r, r.i32(FD), r.u64(ADDR), r.u32(LEN)));
op(U.IORING_OP_SYMLINKAT, (r) => sys_symlinkat(r, r.u64(ADDR), r.i32(FD), r.u64(OFF)));
op(U.IORING_OP_LINKAT, (r) => sys_linkat(r, r.i32(FD), r.u64(ADDR), r.i32(LEN), r.u64(OFF), r.u32(OP_FLAGS))); // prettier-ignore
op(U.IORING_OP_EPOLL_CTL, (r) => sys_epoll_ctl(r, r.i32(FD), r.u32(LEN), r.i32(OFF), r.u64(ADDR)));

// --- pipes ----------------------------------------------------------------------------------------------------------

/** splice's offsets are values here; the system call takes pointers, so only -1 (none) is passed on. */
op(U.IORING_OP_SPLICE, (r) => {
  if (r.u64(OFF) !== -1 || r.u64(ADDR) !== -1)
    throw errno(E.EINVAL, 'io_uring: splice at given offsets is not there');
  return sys_splice(r, r.i32(FILE_INDEX), 0, r.i32(FD), 0, r.u32(LEN), r.u32(OP_FLAGS));
});
op(U.IORING_OP_TEE, (r) => sys_tee(r, r.i32(FILE_INDEX), r.i32(FD), r.u32(LEN), r.u32(OP_FLAGS)));

// --- buffers, files, other rings ------------------------------------------------------------------------------------

op(U.IORING_OP_PROVIDE_BUFFERS, (r) => {
  const count = r.i32(FD);
  const length = r.u32(LEN);
  const first = r.u64(OFF);
  if (count <= 0 || count > 65536 || length === 0 || first + count > 65536) throw errno(E.EINVAL, 'io_uring: {} buffers of {} bytes from number {} are not possible', count, length, first); // prettier-ignore
  const group = r.u16(BUF_INDEX);
  let list = r.ring.provided.get(group);
  if (list === undefined) r.ring.provided.set(group, (list = []));
  for (let i = 0; i < count; i++)
    list.push({ address: r.u64(ADDR) + i * length, length, id: first + i });
  return 0;
});
op(U.IORING_OP_REMOVE_BUFFERS, (r) => {
  const list = r.ring.provided.get(r.u16(BUF_INDEX));
  if (list === undefined || list.length === 0) throw errno(E.ENOENT, 'io_uring: buffer group {} has no buffers', r.u16(BUF_INDEX)); // prettier-ignore
  return list.splice(0, r.i32(FD)).length;
});
op(U.IORING_OP_FILES_UPDATE, (r) => {
  let done = 0;
  for (; done < r.u32(LEN); done++) {
    const slot = r.u64(OFF) + done;
    if (slot >= r.ring.files.length) throw errno(E.EINVAL, 'io_uring: {} files are registered, not {}', r.ring.files.length, slot + 1); // prettier-ignore
    const fd = r.mem.getI32(r.u64(ADDR) + done * 4);
    r.ring.files[slot]?.put(r.kernel);
    r.ring.files[slot] = fd < 0 ? null : fget(r.task, fd).get();
  }
  return done;
});
