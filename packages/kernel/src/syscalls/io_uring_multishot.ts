import * as E from '@vitrine/uapi/errno.ts';
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_TRUNC, MSG_WAITALL } from '@vitrine/uapi/net.ts';
import { errno } from '../include/errno.ts';
import { returnBuffer, withBuffer } from '../fs/io_uring/kbuf.ts';
import { type UringRequest, uringOps } from '../fs/io_uring/request.ts';
import * as U from '../fs/io_uring/uapi.ts';
import { vfs_read } from '../fs/read_write.ts';
import { scm_recv } from '../net/scm.ts';
import type { SocketFile } from '../net/socket.ts';
import type { IovIter } from '../include/iov.ts';
import { ofMessage, position, receiveFlags, socketOf } from './io_uring_ops.ts';
import { import_iovec, userBuffer } from '../fs/iov.ts';
import { finishRecv, forbidCompat, type Msghdr, readMsghdr } from './socket.ts';

/** Reads that go on (io_uring/rw.c, io_uring/net.c): every result takes a buffer of a group. */

const IOPRIO = 2;
const OFF = 8;
const ADDR = 16;
const LEN = 24;
const OP_FLAGS = 28;

function needBuffers(r: UringRequest): void {
  if (!(r.flags & U.IOSQE_BUFFER_SELECT))
    throw errno(E.EINVAL, 'io_uring: a multishot read needs buffers of a group');
}

/** Does it again and again, until it must wait, fails, or has come to the end. */
function multishot(r: UringRequest, once: () => number, ended: () => boolean): number {
  for (;;) {
    const n = once();
    if (n < 0 || ended() || !r.more(n)) return n;
  }
}

uringOps.set(U.IORING_OP_READ_MULTISHOT, {
  file: true,
  ioprio: true,
  buffers: true,
  prep(r) {
    needBuffers(r);
    if (r.u64(ADDR) !== 0 || r.u32(LEN) !== 0)
      throw errno(E.EINVAL, 'io_uring: a multishot read has no buffer of its own');
  },
  run(r) {
    const file = r.file!;
    if (!file.pollable) throw errno(E.EBADFD, 'io_uring: {} cannot be waited for', file.path);
    let n = 0;
    const once = (): number => {
      n = withBuffer(r, (address, length) => vfs_read(r, file, userBuffer(r, address, length), position(r, file))); // prettier-ignore
      if (n === 0) returnBuffer(r);
      return n;
    };
    return multishot(r, once, () => n === 0);
  },
});

const RECVMSG_FLAGS = U.IORING_RECVSEND_POLL_FIRST | U.IORING_RECV_MULTISHOT;

uringOps.set(U.IORING_OP_RECVMSG, {
  file: true,
  message: true,
  ioprio: true,
  buffers: true,
  prep(r) {
    const flags = r.u16(IOPRIO);
    if (r.u32(44) !== 0 || r.u64(OFF) !== 0 || flags & ~RECVMSG_FLAGS)
      throw errno(E.EINVAL, 'io_uring: unused members are not 0, or flags {} are unknown', flags);
    if (!(flags & U.IORING_RECV_MULTISHOT)) return;
    needBuffers(r);
    if (r.u32(OP_FLAGS) & MSG_WAITALL)
      throw errno(E.EINVAL, 'io_uring: a multishot receive cannot wait for all of a message');
  },
  run(r) {
    const file = socketOf(r);
    const header = readMsghdr(r, r.u64(ADDR));
    if (!(r.flags & U.IOSQE_BUFFER_SELECT)) {
      forbidCompat(r.u32(OP_FLAGS));
      const into = import_iovec(r, header.iov, header.iovCount);
      return recvHeader(r, file, header, into, into.count);
    }
    if (!(r.u16(IOPRIO) & U.IORING_RECV_MULTISHOT)) return recvSelected(r, file, header);
    const got = { bytes: 0 };
    return multishot(r, () => recvHeaded(r, file, header, got), () => got.bytes <= 0); // prettier-ignore
  },
});

/** One message, its bytes into a buffer of a group: the header names at most one piece, for its length. */
function recvSelected(r: UringRequest, file: SocketFile, header: Msghdr): number {
  if (header.iovCount > 1)
    throw errno(E.EINVAL, 'io_uring: a buffer of a group is one piece, not {}', header.iovCount);
  const wanted = header.iovCount === 0 ? 0 : r.mem.getU64(header.iov + 8);
  return withBuffer(r, (address, length) => {
    const room = wanted === 0 ? length : Math.min(wanted, length);
    return recvHeader(r, file, header, userBuffer(r, address, room), room);
  });
}

function recvHeader(
  r: UringRequest,
  file: SocketFile,
  header: Msghdr,
  into: IovIter,
  room: number,
): number {
  const got = file.sk.recvmsg(r, into, receiveFlags(r, file));
  if (typeof got === 'number') return got;
  const told = finishRecv(r, file.sk, header, got, r.u32(OP_FLAGS));
  return ofMessage(r, got.n, () => room, told & (MSG_TRUNC | MSG_CTRUNC));
}

/** struct io_uring_recvmsg_out: lengths of name, control data and payload; flags. */
const RECVMSG_OUT = 16;

/** One message, with what belongs to it in front, in the buffer (io_recvmsg_multishot). */
function recvHeaded(
  r: UringRequest,
  file: SocketFile,
  header: Msghdr,
  out: { bytes: number },
): number {
  const namelen = r.mem.getU32(header.at + 8);
  const controllen = header.controlLength;
  const before = RECVMSG_OUT + namelen + controllen;
  return withBuffer(r, (address, length) => {
    if (length < before) {
      returnBuffer(r);
      throw errno(E.EFAULT, 'io_uring: a buffer of {} bytes has no room for {} before the data', length, before); // prettier-ignore
    }
    const flags = receiveFlags(r, file);
    const room = length - before;
    const got = file.sk.recvmsg(r, userBuffer(r, address + before, room), flags);
    out.bytes = typeof got === 'number' ? got : got.n;
    if (typeof got === 'number') return got;
    const cloexec = (flags & MSG_CMSG_CLOEXEC) !== 0;
    const { control, truncated } = scm_recv(r, got.ancillary ?? { fds: [], cred: null }, file.sk, cloexec, controllen); // prettier-ignore
    const name = got.name ?? new Uint8Array(0);
    const told = got.flags | (truncated ? MSG_CTRUNC : 0) | (flags & MSG_CMSG_CLOEXEC);
    [name.length, control.length, got.n, told].forEach((value, i) => r.mem.putU32(address + i * 4, value)); // prettier-ignore
    r.mem.write(address + RECVMSG_OUT, name.subarray(0, namelen));
    r.mem.write(address + RECVMSG_OUT + namelen, control);
    return before + Math.min(got.n, room);
  });
}
