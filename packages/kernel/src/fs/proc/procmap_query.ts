import { EINVAL, ENAMETOOLONG, ENOENT, ENOTTY, ESRCH } from '@vitrine/uapi/errno.ts';
import { copy_struct_from_user } from '../../include/copy_struct.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Mm } from '../../mm/mm.ts';
import { shmem_ino } from '../../mm/shmem.ts';
import * as V from '../../mm/vma.ts';
import type { Vma } from '../../mm/vma.ts';
import type { Task } from '../../kernel/task.ts';
import { bytesOf } from '../bytes.ts';
import type { File } from '../file.ts';
import { MAJOR, MINOR } from '../kdev_t.ts';
import { try_read } from '../splice.ts';

/** The one request of /proc/PID/maps (fs/proc/task_mmu.c, do_procmap_query), newer than the headers of packages/uapi. */
const PROCMAP_QUERY = 0xc0686611;
/** sizeof(struct procmap_query). */
const SIZE = 104;
const PATH_MAX = 4096;

const COVERING_OR_NEXT_VMA = 0x10;
const FILE_BACKED_VMA = 0x20;
/** What a mapping may do, in the query's bits and the mapping's. */
const RIGHTS: readonly (readonly [number, number])[] = [
  [1, V.VM_READ],
  [2, V.VM_WRITE],
  [4, V.VM_EXEC],
  [8, V.VM_MAYSHARE],
];

function rightsOf(vma: Vma): number {
  return RIGHTS.reduce((bits, [bit, flag]) => (vma.flags & flag ? bits | bit : bits), 0);
}

/** Shared memory without a name is a file of the kernel's, too. */
const backed = (vma: Vma): boolean => vma.file !== null || vma.shared;

/** The mapping that covers the address, or with COVERING_OR_NEXT_VMA the next that fits (query_matching_vma). */
function query_matching_vma(mm: Mm, address: number, flags: number): Vma {
  const wanted = flags & 15;
  for (const vma of mm.vmas.list) {
    if (vma.end <= address) continue;
    const fits = !(flags & FILE_BACKED_VMA && !backed(vma)) && (rightsOf(vma) & wanted) === wanted;
    const near = (flags & COVERING_OR_NEXT_VMA) !== 0;
    if (fits && (near || vma.start <= address)) return vma;
    if (!near) break;
  }
  throw errno(ENOENT, 'PROCMAP_QUERY: no mapping at 0x{} fits', address.toString(16));
}

/** The GNU build ID among the notes of a program or library (lib/buildid.c), or null. */
function build_id_parse(current: Current, file: File): Uint8Array | null {
  const read = (at: number, length: number): DataView => {
    const bytes = new Uint8Array(length);
    const n = Math.max(0, try_read(current, file, bytes, at));
    return new DataView(bytes.buffer, 0, n);
  };
  const header = read(0, 64);
  if (header.byteLength < 64 || header.getUint32(0) !== 0x7f454c46 || header.getUint8(4) !== 2)
    return null;
  const programs = read(Number(header.getBigUint64(32, true)), header.getUint16(56, true) * 56);
  for (let at = 0; at + 56 <= programs.byteLength; at += 56) {
    if (programs.getUint32(at, true) !== 4) continue; // PT_NOTE
    const size = Math.min(Number(programs.getBigUint64(at + 32, true)), 1 << 16);
    const id = noteOf(read(Number(programs.getBigUint64(at + 8, true)), size));
    if (id !== null) return id;
  }
  return null;
}

function noteOf(notes: DataView): Uint8Array | null {
  const aligned = (n: number): number => (n + 3) & ~3;
  for (let at = 0; at + 12 <= notes.byteLength;) {
    const name = notes.getUint32(at, true);
    const size = notes.getUint32(at + 4, true);
    const start = at + 12 + aligned(name);
    if (start + size > notes.byteLength) return null;
    const gnu = name === 4 && notes.getUint32(at + 12) === 0x474e5500;
    if (gnu && notes.getUint32(at + 8, true) === 3 && size > 0 && size <= 20)
      return new Uint8Array(notes.buffer, notes.byteOffset + start, size);
    at = start + aligned(size);
  }
  return null;
}

/** The argument as far as the caller's structure goes. */
function readQuery(current: Current, arg: number): { karg: DataView; usize: number } {
  const usize = current.mem.getU64(arg);
  return { karg: copy_struct_from_user(current.mem, 'PROCMAP_QUERY', arg, usize, 24, SIZE), usize };
}

/** ioctl(2) on /proc/PID/maps. @param name what maps calls a mapping */
export function procmap_query(
  task: Task,
  current: Current,
  cmd: number,
  arg: number,
  name: (vma: Vma) => string,
): number {
  if (cmd >>> 0 !== PROCMAP_QUERY)
    throw errno(ENOTTY, 'maps has no ioctl 0x{}', (cmd >>> 0).toString(16));
  const { karg, usize } = readQuery(current, arg);
  const get = (at: number): number => Number(karg.getBigUint64(at, true));
  const put = (at: number, value: number): void => karg.setBigUint64(at, BigInt(value), true);
  const flags = get(8);
  if (flags > 63) throw errno(EINVAL, 'PROCMAP_QUERY: flags {} are unknown', flags);
  const nameRoom = Math.min(karg.getUint32(80, true), PATH_MAX);
  const idRoom = karg.getUint32(84, true);
  for (const [room, at] of [
    [nameRoom, 88],
    [idRoom, 96],
  ] as const)
    // prettier-ignore
    if ((room === 0) !== (get(at) === 0))
      throw errno(EINVAL, 'PROCMAP_QUERY: a buffer has an address and a size, or neither');
  if (task.mm === null) throw errno(ESRCH, 'process {} has no memory any more', task.tgid);
  const vma = query_matching_vma(task.mm, get(16), flags);
  const file = vma.file as File | null;
  const values = [vma.start, vma.end, rightsOf(vma), 4096, backed(vma) ? vma.pgoff * 4096 : 0, file?.ino ?? shmem_ino(vma.mapping)]; // prettier-ignore
  values.forEach((value, i) => put(24 + i * 8, value));
  const dev = file?.devt ?? (vma.shared ? 1 : 0);
  karg.setUint32(72, MAJOR(dev), true);
  karg.setUint32(76, MINOR(dev), true);
  const id = idRoom > 0 && file !== null ? build_id_parse(current, file) : null;
  if (id !== null && id.length > idRoom)
    throw errno(ENAMETOOLONG, 'PROCMAP_QUERY: a build ID of {} bytes', id.length);
  karg.setUint32(84, id?.length ?? 0, true);
  const text = nameRoom > 0 ? name(vma) : '';
  const bytes = text === '' ? new Uint8Array(0) : bytesOf(`${text}\0`);
  if (bytes.length > nameRoom)
    throw errno(ENAMETOOLONG, 'PROCMAP_QUERY: a name of {} bytes', bytes.length);
  karg.setUint32(80, bytes.length, true);
  current.mem.write(get(88), bytes);
  if (id !== null) current.mem.write(get(96), id);
  current.mem.write(arg, new Uint8Array(karg.buffer, 0, Math.min(SIZE, usize)));
  return 0;
}
