import { O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import { CAP_IPC_LOCK } from '@vitrine/uapi/capability.ts';
import { EEXIST, EINVAL, ENOMEM, ENOSPC, EPERM } from '@vitrine/uapi/errno.ts';
import {
  SHM_EXEC,
  SHM_HUGETLB,
  SHM_HUGE_MASK,
  SHM_HUGE_SHIFT,
  SHM_NORESERVE,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
} from '@vitrine/uapi/ipc.ts';
import {
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '@vitrine/uapi/mman.ts';
import { RLIMIT_MEMLOCK } from '@vitrine/uapi/resource.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import type { Kernel } from '../include/kernel.ts';
import { TmpfsFile } from '../fs/tmpfs/file.ts';
import type { TmpfsInode } from '../fs/tmpfs/inode.ts';
import { shmem_file_setup } from '../fs/tmpfs/memfd.ts';
import type { Task } from '../kernel/task.ts';
import { HPAGE_SHIFT, do_mmap, do_munmap, pageAlign, populate_on, populated } from '../mm/mmap.ts';
import { OVERCOMMIT_NEVER, vm_enough_memory } from '../mm/overcommit.ts';
import { ipc_ns } from './ipc_ns.ts';
import { IpcPerm, ipc_owner, ipcperms, put_ipc_perm, seconds } from './util.ts';

const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;
const IPC_PRIVATE = 0;

/** The nameless tmpfs file of a segment: who maps it is attached. */
export class ShmFile extends TmpfsFile {
  declare segment: ShmSegment;
  static {
    serializable('ShmFile', this);
  }

  override get counts_mappings(): boolean {
    return true;
  }

  /** What maps shows is the segment's id (shm_mmap). */
  override get ino(): number {
    return this.segment.id;
  }

  /** A mapping more, by fork or by cutting one in two (shm_open). */
  override vm_open(kernel: Kernel): void {
    this.segment.touched(kernel);
    this.segment.atime = kernel.clock.realtime().sec;
  }

  /** A mapping less: munmap, exec or exit (shm_close). */
  override vm_close(kernel: Kernel): void {
    const { segment } = this;
    segment.touched(kernel);
    segment.dtime = kernel.clock.realtime().sec;
    const forced = ipc_ns(kernel).shm_rmid_forced !== 0;
    if (segment.nattch === 0 && (forced || segment.mode & SHM_DEST)) destroy(kernel, segment);
  }
}

/** A shared memory segment (analogous to `struct shmid_kernel`): its pages are those of a nameless tmpfs file. */
export class ShmSegment extends IpcPerm {
  readonly kind = 'shared memory segment';
  readonly size: number;
  readonly file: ShmFile;
  /** The same for SHM_RDONLY, whose mappings never become writable (alloc_file_clone); made by the first. */
  reader: ShmFile | null = null;
  /** Who made it; null once that process is gone. */
  creator: Task | null;
  atime = 0;
  dtime = 0;
  ctime = 0;
  readonly cpid: number;
  lpid = 0;

  /** @param reserve the memory is promised at once (not SHM_NORESERVE) */
  constructor(current: Current, key: number, mode: number, size: number, reserve: boolean) {
    super(current, key, mode);
    this.size = size;
    const pages = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
    this.file = shmem_file_setup(
      current,
      `SYSV${(key >>> 0).toString(16).padStart(8, '0')}`,
      pages,
      mode & 0o777,
      (path, flags) => new ShmFile(current, path, flags),
    ) as ShmFile;
    this.file.segment = this;
    if (reserve) {
      (this.file.inode as TmpfsInode).prepaid = true;
      current.kernel.vm_committed_as += this.pages;
    }
    this.creator = (current as Task).group_leader;
    this.ctime = seconds(current);
    this.cpid = current.tgid;
  }

  static {
    serializable('ShmSegment', this);
  }

  /** The open file to map. */
  opened(current: Current, write: boolean): ShmFile {
    if (write) return this.file;
    if (this.reader === null) {
      this.reader = new ShmFile(current, this.file.path, O_RDONLY);
      this.reader.segment = this;
    }
    return this.reader;
  }

  get nattch(): number {
    return this.file.mapping!.mappings.size;
  }

  get pages(): number {
    return Math.ceil(this.size / PAGE_SIZE);
  }

  /** The process that runs attached or detached it. */
  touched(kernel: Kernel): void {
    const { current } = kernel.sched;
    if (current !== null) this.lpid = current.tgid;
  }
}

export function ksys_shmget(current: Current, key: number, size: number, flags: number): number {
  reapSegments(current);
  return ipc_ns(current.kernel).shm.get(
    current,
    key,
    flags,
    'shared memory segment',
    () => {
      if (size < 1) throw errno(EINVAL, 'a shared memory segment has at least 1 byte');
      checkRoom(current, size);
      if (flags & SHM_HUGETLB) {
        const log = (flags >>> SHM_HUGE_SHIFT) & SHM_HUGE_MASK;
        if (log !== 0 && log !== HPAGE_SHIFT) throw errno(EINVAL, 'shmget: there are no huge pages of 2^{} bytes', log); // prettier-ignore
        throw errno(ENOMEM, 'shmget: SHM_HUGETLB, but no huge pages are reserved (vm.nr_hugepages is 0)'); // prettier-ignore
      }
      const reserve = !(flags & SHM_NORESERVE) || current.kernel.sysctl.overcommit_memory === OVERCOMMIT_NEVER; // prettier-ignore
      if (reserve) vm_enough_memory(current, Math.ceil(size / PAGE_SIZE));
      return new ShmSegment(current, key, flags, size, reserve);
    },
    (found) => {
      if (size > (found as ShmSegment).size)
        throw errno(EINVAL, '{} has {} bytes, not {}', found, (found as ShmSegment).size, size);
    },
  );
}

/** kernel.shmmax and kernel.shmall. */
function checkRoom(current: Current, size: number): void {
  const { shm_ctlmax, shm_ctlall } = ipc_ns(current.kernel);
  if (BigInt(size) > shm_ctlmax || size >= 2 ** 63)
    throw errno(EINVAL, 'a segment of {} bytes is longer than kernel.shmmax {}', size, shm_ctlmax);
  const pages = segments(current).reduce((n, s) => n + s.pages, Math.ceil(size / PAGE_SIZE));
  if (BigInt(pages) > shm_ctlall)
    throw errno(ENOSPC, 'all segments would have {} pages, kernel.shmall allows {}', pages, shm_ctlall); // prettier-ignore
}

/** shmat(2). @returns the address */
export function do_shmat(task: Task, id: number, address: number, flags: number): number {
  if (task.callState !== null) return populate_on(task);
  reapSegments(task);
  const segment = ipc_ns(task.kernel).shm.find(id, 'shared memory segment') as ShmSegment;
  let at = address;
  if (at !== 0 && at % PAGE_SIZE !== 0) {
    if (!(flags & SHM_RND))
      throw errno(
        EINVAL,
        'shmat: address {} is not a multiple of {} and SHM_RND is not set',
        at,
        PAGE_SIZE,
      );
    at -= at % PAGE_SIZE;
  }
  /** Rounded down to 0: a place that was asked for, too. */
  const zero = at === 0 && address !== 0;
  if (at === 0 && flags & SHM_REMAP) throw errno(EINVAL, 'shmat: SHM_REMAP needs an address');
  const write = !(flags & SHM_RDONLY);
  ipcperms(task, segment, (write ? 0o666 : 0o444) | (flags & SHM_EXEC ? 0o111 : 0));
  const prot = PROT_READ | (write ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0);
  if (at !== 0 && !(flags & SHM_REMAP) && at > 2 ** 64 - pageAlign(segment.size))
    throw errno(EINVAL, 'shmat: {} and {} bytes pass the end of memory', at, segment.size);
  const fixed = zero || flags & SHM_REMAP ? MAP_FIXED : at === 0 ? 0 : MAP_FIXED_NOREPLACE;
  let result: number;
  try {
    result = do_mmap(task, at, segment.size, prot, MAP_SHARED | fixed, segment.opened(task, write), 0); // prettier-ignore
  } catch (error) {
    if ((error as { code?: number }).code === EEXIST)
      throw errno(EINVAL, 'shmat: something is mapped at {} and SHM_REMAP is not set', at);
    throw error;
  }
  segment.file.vm_open(task.kernel);
  return populated(task, result);
}

/** shmdt(2): the mapping that begins at the address, whatever parts it was cut into. */
export function do_shmdt(task: Task, address: number): number {
  const mm = task.mm!;
  const parts = mm.vmas.list.filter(
    (vma) => vma.file instanceof ShmFile && vma.start - vma.pgoff * PAGE_SIZE === address,
  );
  const { file } = parts[0] ?? {};
  if (!(file instanceof ShmFile) || address % PAGE_SIZE !== 0)
    throw errno(
      EINVAL,
      'shmdt: no shared memory segment begins at {}',
      '0x' + address.toString(16),
    );
  const end = address + file.inode.size;
  for (const vma of parts)
    if (vma.file === file && vma.start < end) do_munmap(mm, vma.start, vma.end - vma.start);
  return 0;
}

function segments(current: Current): ShmSegment[] {
  return [...ipc_ns(current.kernel).shm.byIndex.values()] as ShmSegment[];
}

/** With kernel.shm_rmid_forced segments go that nobody is attached to and whose maker is gone (exit_shm). */
export function reapSegments(current: Current): void {
  const { kernel } = current;
  const forced = ipc_ns(kernel).shm_rmid_forced !== 0;
  for (const segment of segments(current)) {
    if (segment.creator?.dead) segment.creator = null;
    if (forced && segment.creator === null && segment.nattch === 0) destroy(kernel, segment);
  }
}

function destroy(kernel: Kernel, segment: ShmSegment): void {
  if (segment.removed) return;
  ipc_ns(kernel).shm.remove(segment);
  if ((segment.file.inode as TmpfsInode).prepaid) kernel.vm_committed_as -= segment.pages;
  segment.file.put(kernel);
  segment.reader?.put(kernel);
}

/** IPC_RMID: at once when nobody is attached, otherwise with the last who detaches. */
export function shm_remove(current: Current, segment: ShmSegment): void {
  ipc_owner(current, segment);
  if (segment.nattch === 0) destroy(current.kernel, segment);
  else {
    // Nobody finds it by its key any more.
    segment.key = IPC_PRIVATE;
    segment.mode |= SHM_DEST;
  }
}

/** SHM_LOCK, SHM_UNLOCK: nothing is ever swapped out, so that only the flag tells of it. */
export function shm_lock(current: Current, segment: ShmSegment, lock: boolean): number {
  if (!capable(current.cred, CAP_IPC_LOCK)) {
    const { euid } = current.cred;
    if (euid !== segment.uid && euid !== segment.cuid)
      throw errno(EPERM, '{} is locked by its owner and CAP_IPC_LOCK, not uid {}', segment, euid);
    if (lock && current.rlimit(RLIMIT_MEMLOCK) === 0)
      throw errno(EPERM, 'SHM_LOCK: RLIMIT_MEMLOCK is 0 and the process lacks CAP_IPC_LOCK');
  }
  if (lock) segment.mode |= SHM_LOCKED;
  else segment.mode &= ~SHM_LOCKED;
  return 0;
}

/** struct shmid64_ds. */
export function shmid_ds(segment: ShmSegment): Uint8Array {
  const view = new DataView(new ArrayBuffer(112));
  put_ipc_perm(view, segment);
  [segment.size, segment.atime, segment.dtime, segment.ctime].forEach((v, i) =>
    view.setBigUint64(48 + i * 8, BigInt(v), true),
  );
  view.setInt32(80, segment.cpid, true);
  view.setInt32(84, segment.lpid, true);
  view.setBigUint64(88, BigInt(segment.nattch), true);
  return new Uint8Array(view.buffer);
}
