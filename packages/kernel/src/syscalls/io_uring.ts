import * as E from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import { EventfdFile } from '../fs/eventfd.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { uringOps } from '../fs/io_uring/request.ts';
import { UringFile } from '../fs/io_uring/ring.ts';
import * as U from '../fs/io_uring/uapi.ts';
import type { Task } from '../kernel/task.ts';
import { check_not_secret } from '../fs/tmpfs/secretmem.ts';
import { fd, ptr, size, uint } from './kinds.ts';
import { type SyscallRow, partial, row } from './row.ts';
import { user_sigmask } from './select.ts';
import './io_uring_ops.ts';

/** io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */

const IORING_MAX_ENTRIES = 32768;
const SETUP_FLAGS =
  U.IORING_SETUP_CQSIZE | U.IORING_SETUP_CLAMP | U.IORING_SETUP_ATTACH_WQ | U.IORING_SETUP_R_DISABLED | U.IORING_SETUP_SUBMIT_ALL |
  U.IORING_SETUP_COOP_TASKRUN | U.IORING_SETUP_TASKRUN_FLAG | U.IORING_SETUP_SQE128 | U.IORING_SETUP_CQE32 |
  U.IORING_SETUP_SINGLE_ISSUER | U.IORING_SETUP_DEFER_TASKRUN; // prettier-ignore
const FEATURES =
  U.IORING_FEAT_SINGLE_MMAP | U.IORING_FEAT_NODROP | U.IORING_FEAT_SUBMIT_STABLE | U.IORING_FEAT_RW_CUR_POS |
  U.IORING_FEAT_CUR_PERSONALITY | U.IORING_FEAT_FAST_POLL | U.IORING_FEAT_POLL_32BITS | U.IORING_FEAT_EXT_ARG |
  U.IORING_FEAT_NATIVE_WORKERS | U.IORING_FEAT_CQE_SKIP; // prettier-ignore

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
  const sq = roundUp(entries);
  let cq = sq * 2;
  if ((flags & U.IORING_SETUP_CQSIZE) !== 0) {
    cq = mem.getU32(params + 4);
    if (cq === 0 || (cq > IORING_MAX_ENTRIES * 2 && !clamp)) throw errno(E.EINVAL, 'io_uring_setup: {} completions are not possible', cq); // prettier-ignore
    cq = roundUp(Math.min(cq, IORING_MAX_ENTRIES * 2));
    if (cq < sq)
      throw errno(E.EINVAL, 'io_uring_setup: {} completions are fewer than {} submissions', cq, sq);
  }
  const ring = new UringFile(task, sq, cq, flags);
  const { sq: sqOff, cq: cqOff } = ring.offsets();
  mem.putU32(params, sq);
  mem.putU32(params + 4, cq);
  mem.putU32(params + 20, FEATURES);
  [...sqOff, 0, 0].forEach((value, i) => mem.putU32(params + 40 + i * 4, value));
  [...cqOff, 0, 0].forEach((value, i) => mem.putU32(params + 80 + i * 4, value));
  return fd_install(task, ring, true);
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
}

const ENTER_FLAGS = U.IORING_ENTER_GETEVENTS | U.IORING_ENTER_SQ_WAKEUP | U.IORING_ENTER_SQ_WAIT | U.IORING_ENTER_EXT_ARG; // prettier-ignore

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
  const ring = ringOf(task, descriptor);
  if ((ring.setup & U.IORING_SETUP_R_DISABLED) !== 0) throw errno(E.EBADFD, 'io_uring_enter: the ring is not enabled yet'); // prettier-ignore
  if (task.callState === null) {
    const deadline = enterArgument(task, flags, arg, length);
    const submitted = count === 0 ? 0 : ring.submit(task, count);
    task.callState = { submitted, deadline } satisfies EnterState;
  }
  const { submitted, deadline } = task.callState as EnterState;
  if ((flags & U.IORING_ENTER_GETEVENTS) === 0 || (count > 0 && submitted < count))
    return submitted;
  ring.flush_overflow();
  const wanted = Math.min(min, ring.cqEntries);
  if (ring.ready >= wanted) return submitted;
  if (task.kernel.clock.now() >= deadline) {
    if (submitted > 0) return submitted;
    throw errno(E.ETIME, 'io_uring_enter: {} completions did not come in time', wanted);
  }
  if (task.signal_pending() && submitted > 0) return submitted;
  return task.waitAny([ring.wait], deadline, E.EINTR);
}

/** The signal mask and the timeout of a wait. @returns the deadline */
function enterArgument(task: Task, flags: number, arg: number, length: number): number {
  if ((flags & U.IORING_ENTER_GETEVENTS) === 0) return Infinity;
  if ((flags & U.IORING_ENTER_EXT_ARG) === 0) {
    if (arg !== 0) user_sigmask(task, arg, length);
    return Infinity;
  }
  if (length !== 24)
    throw errno(E.EINVAL, 'io_uring_enter: the argument has 24 bytes, not {}', length);
  const mask = task.mem.getU64(arg);
  if (mask !== 0) user_sigmask(task, mask, task.mem.getU32(arg + 8));
  const timeout = task.mem.getU64(arg + 16);
  if (timeout === 0) return Infinity;
  return task.kernel.clock.now() + task.mem.getI64(timeout) * 1e9 + task.mem.getI64(timeout + 8);
}

const REGISTER_BUFFERS = 0;
const UNREGISTER_BUFFERS = 1;
const REGISTER_FILES = 2;
const UNREGISTER_FILES = 3;
const REGISTER_EVENTFD = 4;
const UNREGISTER_EVENTFD = 5;
const REGISTER_FILES_UPDATE = 6;
const REGISTER_EVENTFD_ASYNC = 7;
const REGISTER_PROBE = 8;
const REGISTER_ENABLE_RINGS = 12;
const REGISTER_IOWQ_MAX_WORKERS = 19;
const REGISTER_PBUF_RING = 22;
const UNREGISTER_PBUF_RING = 23;

function registerFiles(task: Task, ring: UringFile, arg: number, count: number): number {
  if (ring.files.length > 0) throw errno(E.EBUSY, 'io_uring_register: {} files are registered already', ring.files.length); // prettier-ignore
  if (count === 0 || count > 32768)
    throw errno(E.EINVAL, 'io_uring_register: {} files are not possible', count);
  const files = Array.from({ length: count }, (_, i) => {
    const nr = task.mem.getI32(arg + i * 4);
    return nr === -1 ? null : fget(task, nr);
  });
  ring.files = files.map((file) => file?.get() ?? null);
  return 0;
}

/** struct io_uring_files_update: offset, then a pointer to descriptors. @returns how many were changed */
function updateFiles(task: Task, ring: UringFile, arg: number, count: number): number {
  const offset = task.mem.getU32(arg);
  const list = task.mem.getU64(arg + 8);
  if (ring.files.length === 0) throw errno(E.ENXIO, 'io_uring_register: no files are registered');
  if (offset + count > ring.files.length) throw errno(E.EINVAL, 'io_uring_register: {} files are registered, not {}', ring.files.length, offset + count); // prettier-ignore
  for (let i = 0; i < count; i++) {
    const nr = task.mem.getI32(list + i * 4);
    if (nr === -2) continue; // IORING_REGISTER_FILES_SKIP
    const next = nr === -1 ? null : fget(task, nr).get();
    ring.files[offset + i]?.put(task.kernel);
    ring.files[offset + i] = next;
  }
  return count;
}

function registerBuffers(task: Task, ring: UringFile, arg: number, count: number): number {
  if (ring.buffers.length > 0) throw errno(E.EBUSY, 'io_uring_register: {} buffers are registered already', ring.buffers.length); // prettier-ignore
  if (count === 0 || count > 16384)
    throw errno(E.EINVAL, 'io_uring_register: {} buffers are not possible', count);
  ring.buffers = Array.from({ length: count }, (_, id) => {
    const address = task.mem.getU64(arg + id * 16);
    const length = task.mem.getU64(arg + id * 16 + 8);
    if (address === 0 && length === 0) return { address, length, id };
    if (address === 0 || length === 0 || length > 2 ** 30) throw errno(E.EFAULT, 'io_uring_register: {} bytes at 0x{} are no buffer', length, address.toString(16)); // prettier-ignore
    for (let at = address; at < address + length; at += 4096) {
      check_not_secret(task.mm!, at);
      task.mem.translate(at, true);
    }
    return { address, length, id };
  });
  return 0;
}

/** Which operations there are: struct io_uring_probe. */
function probe(task: Task, arg: number, count: number): number {
  const bytes = new Uint8Array(16 + Math.min(count, 256) * 8);
  if (task.mem.read(arg, bytes.length).some((b) => b !== 0))
    throw errno(E.EINVAL, 'io_uring_register: the probe is not 0 before');
  const last = Math.max(...uringOps.keys());
  bytes[0] = last;
  const ops = Math.min(count, last + 1);
  bytes[1] = ops;
  for (let i = 0; i < ops; i++) {
    bytes[16 + i * 8] = i;
    bytes[16 + i * 8 + 2] = uringOps.has(i) ? 1 : 0;
  }
  task.mem.write(arg, bytes);
  return 0;
}

function registerEventfd(task: Task, ring: UringFile, arg: number): number {
  if (ring.eventfd !== null)
    throw errno(E.EBUSY, 'io_uring_register: an eventfd is registered already');
  const file = fget(task, task.mem.getI32(arg));
  if (!(file instanceof EventfdFile))
    throw errno(E.EINVAL, 'io_uring_register: {} is no eventfd', file.path);
  ring.eventfd = file.get();
  return 0;
}

/** struct io_uring_buf_reg: address, entries, group. */
function registerBufferRing(task: Task, ring: UringFile, arg: number): number {
  const address = task.mem.getU64(arg);
  const entries = task.mem.getU32(arg + 8);
  const group = task.mem.getU16(arg + 12);
  if (task.mem.getU16(arg + 14) !== 0)
    throw errno(E.EINVAL, "io_uring_register: buffer rings of the kernel's making are not there");
  if (address === 0 || address % 4096 !== 0) throw errno(E.EINVAL, 'io_uring_register: a buffer ring begins at a page, not 0x{}', address.toString(16)); // prettier-ignore
  if (entries === 0 || entries >= 65536 || (entries & (entries - 1)) !== 0) throw errno(E.EINVAL, 'io_uring_register: {} buffers are no power of two below 65536', entries); // prettier-ignore
  if (ring.bufferRings.has(group) || (ring.provided.get(group)?.length ?? 0) > 0) throw errno(E.EEXIST, 'io_uring_register: buffer group {} exists', group); // prettier-ignore
  ring.bufferRings.set(group, { address, entries, head: 0 });
  return 0;
}

function sys_io_uring_register(
  task: Task,
  descriptor: number,
  opcode: number,
  arg: number,
  count: number,
): number {
  const ring = ringOf(task, descriptor);
  switch (opcode) {
    case REGISTER_BUFFERS:
      return registerBuffers(task, ring, arg, count);
    case UNREGISTER_BUFFERS:
      if (ring.buffers.length === 0)
        throw errno(E.ENXIO, 'io_uring_register: no buffers are registered');
      ring.buffers = [];
      return 0;
    case REGISTER_FILES:
      return registerFiles(task, ring, arg, count);
    case UNREGISTER_FILES:
      if (ring.files.length === 0)
        throw errno(E.ENXIO, 'io_uring_register: no files are registered');
      for (const file of ring.files) file?.put(task.kernel);
      ring.files = [];
      return 0;
    case REGISTER_FILES_UPDATE:
      return updateFiles(task, ring, arg, count);
    case REGISTER_EVENTFD:
    case REGISTER_EVENTFD_ASYNC:
      return registerEventfd(task, ring, arg);
    case UNREGISTER_EVENTFD:
      if (ring.eventfd === null)
        throw errno(E.ENXIO, 'io_uring_register: no eventfd is registered');
      ring.eventfd.put(task.kernel);
      ring.eventfd = null;
      return 0;
    case REGISTER_PROBE:
      return probe(task, arg, count);
    case REGISTER_ENABLE_RINGS:
      if ((ring.setup & U.IORING_SETUP_R_DISABLED) === 0)
        throw errno(E.EBADFD, 'io_uring_register: the ring is enabled already');
      ring.setup &= ~U.IORING_SETUP_R_DISABLED;
      return 0;
    case REGISTER_IOWQ_MAX_WORKERS:
      task.mem.write(arg, new Uint8Array(8)); // no workers: operations wait in queues
      return 0;
    case REGISTER_PBUF_RING:
      return registerBufferRing(task, ring, arg);
    case UNREGISTER_PBUF_RING:
      if (!ring.bufferRings.delete(task.mem.getU16(arg + 12)))
        throw errno(E.ENOENT, 'io_uring_register: there is no such buffer group');
      return 0;
    default:
      throw errno(E.EINVAL, 'io_uring_register: there is no operation {}', opcode);
  }
}

export const IO_URING: readonly SyscallRow[] = [
  row(NR.__NR_io_uring_setup, 'io_uring_setup', [uint, ptr], partial('no polling by the kernel (SQPOLL, IOPOLL), no rings in memory of the program'), sys_io_uring_setup), // prettier-ignore
  row(NR.__NR_io_uring_enter, 'io_uring_enter', [fd, uint, uint, uint, ptr, size], partial('no extended attributes, futexes, zero-copy sends, messages between rings and direct descriptors'), sys_io_uring_enter), // prettier-ignore
  row(NR.__NR_io_uring_register, 'io_uring_register', [fd, uint, ptr, uint], partial('files, buffers, eventfd, probe, buffer rings'), sys_io_uring_register), // prettier-ignore
];
