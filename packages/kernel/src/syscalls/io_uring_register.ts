import * as E from '@vitrine/uapi/errno.ts';
import { RLIMIT_NPROC } from '@vitrine/uapi/resource.ts';
import { CLOCK_BOOTTIME, CLOCK_MONOTONIC } from '@vitrine/uapi/time.ts';
import { EventfdFile } from '../fs/eventfd.ts';
import { fget } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { uringOps } from '../fs/io_uring/request.ts';
import { BufferRing } from '../fs/io_uring/kbuf.ts';
import { SharedMemory } from '../fs/io_uring/memory.ts';
import { UringFile } from '../fs/io_uring/ring.ts';
import {
  Rsrc,
  io_sqe_buffers_register,
  io_sqe_buffers_unregister,
  io_sqe_buffers_update,
  io_sqe_files_register,
  io_sqe_files_unregister,
  io_sqe_files_update,
  until_failure,
} from '../fs/io_uring/rsrc.ts';
import * as U from '../fs/io_uring/uapi.ts';
import { errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { CANCEL_FLAGS, cancel_matching } from './io_uring_ops.ts';

/** io_uring_register(2): what a program tells a ring once. */

type Operation = (task: Task, ring: UringFile, arg: number, count: number) => number;

const RSRC_SPARSE = 1;
const RSRC_REGISTER_SIZE = 32;
const RSRC_UPDATE2_SIZE = 32;
const RINGFD_MAX = 16;
const IOU_PBUF_RING_MMAP = 1;
const IOU_PBUF_RING_INC = 2;

function needs(condition: boolean, what: string): void {
  if (!condition) throw errno(E.EINVAL, 'io_uring_register: {}', what);
}

function nothing(arg: number, count: number): void {
  needs(arg === 0 && count === 0, 'this operation has no argument');
}

/** struct io_uring_rsrc_register: nr, flags, resv2, data, tags. */
function register_rsrc(
  task: Task,
  ring: UringFile,
  arg: number,
  size: number,
  files: boolean,
): number {
  const { mem } = task;
  needs(size === RSRC_REGISTER_SIZE, 'struct io_uring_rsrc_register has 32 bytes');
  const nr = mem.getU32(arg);
  const flags = mem.getU32(arg + 4);
  const [resv, data, tags] = [8, 16, 24].map((at) => mem.getU64(arg + at)) as [
    number,
    number,
    number,
  ];
  needs(nr !== 0 && resv === 0 && (flags & ~RSRC_SPARSE) === 0, 'number or flags are not possible');
  needs(!(flags & RSRC_SPARSE) || data === 0, 'a sparse set has no data');
  return files
    ? io_sqe_files_register(task, ring, data, nr, tags)
    : io_sqe_buffers_register(task, ring, data, nr, tags);
}

/** struct io_uring_rsrc_update2: offset, resv, data, tags, nr, resv2. */
function update_rsrc(
  task: Task,
  ring: UringFile,
  arg: number,
  size: number,
  files: boolean,
): number {
  const { mem } = task;
  needs(size === RSRC_UPDATE2_SIZE, 'struct io_uring_rsrc_update2 has 32 bytes');
  const nr = mem.getU32(arg + 24);
  needs(
    nr !== 0 && mem.getU32(arg + 4) === 0 && mem.getU32(arg + 28) === 0,
    'a reserved member is not 0',
  );
  const update = files ? io_sqe_files_update : io_sqe_buffers_update;
  return update(task, ring, mem.getU32(arg), mem.getU64(arg + 8), mem.getU64(arg + 16), nr);
}

/** struct io_uring_files_update: offset, then a pointer to descriptors. */
function files_update(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(count !== 0, 'no files to update');
  needs(task.mem.getU32(arg + 4) === 0, 'a reserved member is not 0');
  return io_sqe_files_update(task, ring, task.mem.getU32(arg), task.mem.getU64(arg + 8), 0, count);
}

/** Which operations there are: struct io_uring_probe. */
function probe(task: Task, _ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count <= 256, 'a probe is for at most 256 operations');
  const bytes = new Uint8Array(16 + count * 8);
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

function register_eventfd(task: Task, ring: UringFile, arg: number, async: boolean): number {
  if (ring.eventfd !== null)
    throw errno(E.EBUSY, 'io_uring_register: an eventfd is registered already');
  const file = fget(task, task.mem.getI32(arg));
  if (!(file instanceof EventfdFile))
    throw errno(E.EINVAL, 'io_uring_register: {} is no eventfd', file.path);
  ring.eventfd = file.get();
  ring.eventfdAsync = async;
  return 0;
}

function unregister_eventfd(task: Task, ring: UringFile, arg: number, count: number): number {
  nothing(arg, count);
  if (ring.eventfd === null) throw errno(E.ENXIO, 'io_uring_register: no eventfd is registered');
  ring.eventfd.put(task.kernel);
  ring.eventfd = null;
  return 0;
}

/** struct io_uring_buf_reg: address, entries, group. */
function register_pbuf_ring(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 1, 'one buffer ring at a time');
  const address = task.mem.getU64(arg);
  const entries = task.mem.getU32(arg + 8);
  const group = task.mem.getU16(arg + 12);
  const flags = task.mem.getU16(arg + 14);
  needs(
    task.mem.read(arg + 16, 24).every((b) => b === 0),
    'a reserved member is not 0',
  );
  needs((flags & ~(IOU_PBUF_RING_MMAP | IOU_PBUF_RING_INC)) === 0, 'flags are unknown');
  const own = (flags & IOU_PBUF_RING_MMAP) !== 0;
  needs(!own || address === 0, "the kernel's buffer ring has no address");
  if (address === 0 && !own) throw errno(E.EFAULT, 'io_uring_register: there is no buffer ring at 0'); // prettier-ignore
  if (address % 4096 !== 0) throw errno(E.EINVAL, 'io_uring_register: a buffer ring begins at a page, not 0x{}', address.toString(16)); // prettier-ignore
  if (entries === 0 || entries >= 65536 || (entries & (entries - 1)) !== 0) throw errno(E.EINVAL, 'io_uring_register: {} buffers are no power of two below 65536', entries); // prettier-ignore
  if (ring.bufferRings.has(group) || (ring.provided.get(group)?.length ?? 0) > 0) throw errno(E.EEXIST, 'io_uring_register: buffer group {} exists', group); // prettier-ignore
  const bytes = entries * 16;
  const memory = own ? SharedMemory.alloc(task.kernel, bytes) : SharedMemory.of(task, address, bytes); // prettier-ignore
  ring.addBufferRing(group, new BufferRing(memory, entries, (flags & IOU_PBUF_RING_INC) !== 0));
  return 0;
}

function unregister_pbuf_ring(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 1, 'one buffer ring at a time');
  needs(
    task.mem.read(arg + 14, 26).every((b) => b === 0),
    'a reserved member is not 0',
  );
  const group = task.mem.getU16(arg + 12);
  if (ring.removeBufferRing(group)) return 0;
  if (ring.provided.has(group)) throw errno(E.EINVAL, 'io_uring_register: buffer group {} is no ring', group); // prettier-ignore
  throw errno(E.ENOENT, 'io_uring_register: there is no buffer group {}', group);
}

/** struct io_uring_buf_status: group, head, eight reserved words. */
function pbuf_status(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 1, 'one buffer ring at a time');
  const group = task.mem.getU32(arg);
  needs(
    task.mem.read(arg + 8, 32).every((b) => b === 0),
    'a reserved member is not 0',
  );
  const shared = ring.bufferRings.get(group);
  if (shared === undefined && ring.provided.has(group)) throw errno(E.EINVAL, 'io_uring_register: buffer group {} is no ring', group); // prettier-ignore
  if (shared === undefined) throw errno(E.ENOENT, 'io_uring_register: there is no buffer group {}', group); // prettier-ignore
  task.mem.putU32(arg + 4, shared.head);
  return 0;
}

/** struct io_uring_clock_register: clockid, three reserved words. */
function register_clock(task: Task, _ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 0, 'a clock, and no number');
  const clockid = task.mem.getU32(arg);
  needs(
    task.mem.read(arg + 4, 12).every((b) => b === 0),
    'a reserved member is not 0',
  );
  needs(clockid === CLOCK_MONOTONIC || clockid === CLOCK_BOOTTIME, 'the clock of waits is CLOCK_MONOTONIC or CLOCK_BOOTTIME'); // prettier-ignore
  return 0; // they show the same
}

const IORING_REGISTER_SRC_REGISTERED = 1;

/** struct io_uring_clone_buffers: descriptor of the other ring, flags, six reserved words. */
function clone_buffers(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 1, 'one ring to take buffers from');
  const flags = task.mem.getU32(arg + 4);
  if (ring.buffers !== null) throw errno(E.EBUSY, 'io_uring_register: {} buffers are registered already', ring.buffers.length); // prettier-ignore
  needs((flags & ~IORING_REGISTER_SRC_REGISTERED) === 0, 'flags to clone by are unknown');
  needs(
    task.mem.read(arg + 8, 24).every((b) => b === 0),
    'a reserved member is not 0',
  );
  const fd = task.mem.getU32(arg);
  const from = flags & IORING_REGISTER_SRC_REGISTERED ? registered_ring(task, fd) : fget(task, fd);
  if (!(from instanceof UringFile)) throw errno(E.EOPNOTSUPP, '{} is no io_uring', from.path);
  if (from.buffers === null) throw errno(E.ENXIO, 'io_uring: no buffers are registered with {}', from.path); // prettier-ignore
  ring.buffers = from.buffers.map(({ address: at, length }) => new Rsrc(null, at, length, 0n));
  return 0;
}

/** Who made a ring has numbers for rings (io_uring_add_tctx_node). */
export function ring_numbers(task: Task): (File | null)[] {
  return (task.registered_rings ??= new Array<UringFile | null>(RINGFD_MAX).fill(null));
}

/** A ring by its number (IORING_REGISTER_RING_FDS). */
export function registered_ring(task: Task, nr: number): UringFile {
  if (task.registered_rings === null || nr >>> 0 >= task.registered_rings.length)
    throw errno(E.EINVAL, 'io_uring: no ring has number {}', nr);
  const ring = task.registered_rings[nr];
  if (!(ring instanceof UringFile)) throw errno(E.EBADF, 'io_uring: no ring has number {}', nr);
  return ring;
}

const MAX_RESTRICTIONS = 128;

/** struct io_uring_restriction, 16 bytes: what may be done with the ring once it is enabled. */
function register_restrictions(task: Task, ring: UringFile, arg: number, count: number): number {
  if (!ring.disabled) throw errno(E.EBADFD, 'io_uring_register: the ring is enabled already');
  if (ring.restrictions !== null) throw errno(E.EBUSY, 'io_uring_register: restrictions are set');
  needs(arg !== 0 && count <= MAX_RESTRICTIONS, 'restrictions: too many, or none');
  const found = { register: new Set<number>(), ops: new Set<number>(), allowed: 0, required: 0 };
  for (let i = 0; i < count; i++) {
    const kind = task.mem.getU16(arg + i * 16);
    const value = task.mem.getU8(arg + i * 16 + 2);
    if (kind === 0) found.register.add(value);
    else if (kind === 1) found.ops.add(value);
    else if (kind === 2) found.allowed = value;
    else if (kind === 3) found.required = value;
    else throw errno(E.EINVAL, 'io_uring_register: there is no restriction {}', kind);
    needs(kind > 1 || value <= (kind === 0 ? LAST : Math.max(...uringOps.keys())), 'an operation to allow is unknown'); // prettier-ignore
  }
  ring.restrictions = found;
  return 0;
}

function enable_rings(task: Task, ring: UringFile, arg: number, count: number): number {
  nothing(arg, count);
  if (!ring.disabled) throw errno(E.EBADFD, 'io_uring_register: the ring is enabled already');
  ring.setup &= ~U.IORING_SETUP_R_DISABLED;
  if (ring.setup & U.IORING_SETUP_SINGLE_ISSUER) ring.submitter ??= task;
  ring.sqpoll?.wake();
  return 0;
}

/** Rings by number, for one thread: io_uring_enter then needs no descriptor. */
function register_ring_fds(task: Task, _ring: UringFile, arg: number, count: number): number {
  needs(count !== 0 && count <= RINGFD_MAX, 'at most 16 rings have numbers');
  const rings = ring_numbers(task);
  return until_failure(count, (i) => {
    const at = arg + i * 16;
    needs(task.mem.getU32(at + 4) === 0, 'a reserved member is not 0');
    const wanted = task.mem.getU32(at);
    needs(wanted === 0xffff_ffff || wanted < RINGFD_MAX, 'at most 16 rings have numbers');
    const file = fget(task, task.mem.getU64(at + 8));
    if (!(file instanceof UringFile)) throw errno(E.EOPNOTSUPP, '{} is no io_uring', file.path);
    const slot =
      wanted === 0xffff_ffff ? rings.indexOf(null) : rings[wanted] === null ? wanted : -1;
    if (slot < 0) throw errno(E.EBUSY, 'io_uring_register: number {} is in use', wanted);
    task.mem.putU32(at, slot);
    rings[slot] = file.get();
  });
}

function unregister_ring_fds(task: Task, _ring: UringFile, arg: number, count: number): number {
  needs(count !== 0 && count <= RINGFD_MAX, 'at most 16 rings have numbers');
  return until_failure(count, (i) => {
    const at = arg + i * 16;
    const slot = task.mem.getU32(at);
    needs(task.mem.getU32(at + 4) === 0 && task.mem.getU64(at + 8) === 0 && slot < RINGFD_MAX, 'a reserved member is not 0'); // prettier-ignore
    const rings = task.registered_rings;
    const file = rings?.[slot] ?? null;
    if (rings !== null) rings[slot] = null;
    file?.put(task.kernel);
  });
}

/** Two numbers of workers: operations wait in queues here, so that they bound nothing. */
function iowq_max_workers(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 2, 'there are two kinds of workers');
  const wanted = [task.mem.getU32(arg), task.mem.getU32(arg + 4)] as const;
  needs(
    wanted.every((n) => n <= 0x7fff_ffff),
    'too many workers',
  );
  const nproc = Math.min(task.rlimit(RLIMIT_NPROC), 0x7fff_ffff);
  const old = (ring.workers ??= [
    Math.min(ring.sqEntries, 4 * task.kernel.sched.rqs.length),
    nproc,
  ]);
  task.mem.putU32(arg, old[0]);
  task.mem.putU32(arg + 4, old[1]);
  ring.workers = [wanted[0] || old[0], wanted[1] || old[1]];
  return 0;
}

/** struct io_uring_sync_cancel_reg: address, fd, flags, timeout, padding. */
function sync_cancel(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 1, 'one cancellation at a time');
  const flags = task.mem.getU32(arg + 12);
  needs(
    task.mem.read(arg + 33, 31).every((b) => b === 0),
    'a reserved member is not 0',
  );
  needs((flags & ~CANCEL_FLAGS) === 0, 'flags to cancel by are unknown');
  return cancel_matching(
    task,
    ring,
    null,
    task.mem.getBig(arg),
    task.mem.getI32(arg + 8),
    flags,
    task.mem.getU8(arg + 32),
  );
}

/** struct io_uring_file_index_range: offset, length, reserved. */
function file_alloc_range(task: Task, ring: UringFile, arg: number, count: number): number {
  needs(arg !== 0 && count === 0, 'one range');
  const [off, len] = [task.mem.getU32(arg), task.mem.getU32(arg + 4)];
  if (off + len >= 2 ** 32) throw errno(E.EOVERFLOW, 'io_uring_register: {} from {} on', len, off);
  needs(task.mem.getU64(arg + 8) === 0 && off + len <= (ring.files?.length ?? 0), 'a range of the registered files'); // prettier-ignore
  ring.fileRange = [off, off + len];
  ring.fileHint = off;
  return 0;
}

const address = (arg: number): void => {
  if (arg === 0) throw errno(E.EFAULT, 'io_uring_register: there is nothing at 0');
};

/** In the order of their numbers. */
const OPERATIONS: readonly (Operation | undefined)[] = [
  (task, ring, arg, count) => (address(arg), io_sqe_buffers_register(task, ring, arg, count, 0)),
  (_task, ring, arg, count) => (nothing(arg, count), io_sqe_buffers_unregister(ring)),
  (task, ring, arg, count) => (address(arg), io_sqe_files_register(task, ring, arg, count, 0)),
  (_task, ring, arg, count) => (nothing(arg, count), io_sqe_files_unregister(ring)),
  (task, ring, arg, count) => (needs(count === 1, 'one eventfd'), register_eventfd(task, ring, arg, false)), // prettier-ignore
  unregister_eventfd,
  files_update,
  (task, ring, arg, count) => (needs(count === 1, 'one eventfd'), register_eventfd(task, ring, arg, true)), // prettier-ignore
  probe,
  (task, ring, arg, count) => (nothing(arg, count), ring.add_personality(task.cred)),
  (_task, ring, arg, id) => {
    needs(arg === 0 && ring.remove_personality(id), 'there is no such personality');
    return 0;
  },
  register_restrictions,
  enable_rings,
  (task, ring, arg, size) => register_rsrc(task, ring, arg, size, true),
  (task, ring, arg, size) => update_rsrc(task, ring, arg, size, true),
  (task, ring, arg, size) => register_rsrc(task, ring, arg, size, false),
  (task, ring, arg, size) => update_rsrc(task, ring, arg, size, false),
  (task, _ring, arg, size) => {
    needs(arg !== 0 && size !== 0, 'a mask of processors');
    task.mem.read(arg, Math.min(size, 8));
    return 0; // there are no workers to confine
  },
  (_task, _ring, arg, count) => (nothing(arg, count), 0),
  iowq_max_workers,
  register_ring_fds,
  unregister_ring_fds,
  register_pbuf_ring,
  unregister_pbuf_ring,
  sync_cancel,
  file_alloc_range,
  pbuf_status,
  undefined, // IORING_REGISTER_NAPI, IORING_UNREGISTER_NAPI
  undefined,
  register_clock,
  clone_buffers,
];
const LAST = OPERATIONS.length - 1;

export function check_operation(opcode: number): void {
  if (opcode > LAST) throw errno(E.EINVAL, 'io_uring_register: there is no operation {}', opcode);
}

export function io_uring_register(
  task: Task,
  ring: UringFile,
  opcode: number,
  arg: number,
  count: number,
): number {
  if (ring.submitter !== null && ring.submitter !== task)
    throw errno(E.EEXIST, 'io_uring_register: IORING_SETUP_SINGLE_ISSUER: the ring is of task {}', ring.submitter.pid); // prettier-ignore
  if (ring.restrictions !== null && !ring.disabled && !ring.restrictions.register.has(opcode))
    throw errno(E.EACCES, 'io_uring_register: the restrictions do not allow operation {}', opcode);
  const operation = OPERATIONS[opcode];
  if (operation === undefined)
    throw errno(E.EINVAL, 'io_uring_register: there is no operation {}', opcode);
  return operation(task, ring, arg, count);
}
