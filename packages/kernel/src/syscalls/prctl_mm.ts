import {
  CAP_CHECKPOINT_RESTORE,
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
} from '@vitrine/uapi/capability.ts';
import { EACCES, EBUSY, EFAULT, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import * as PR from '@vitrine/uapi/prctl.ts';
import { RLIMIT_DATA } from '@vitrine/uapi/resource.ts';
import { fget } from '../fs/fdtable.ts';
import { MAY_EXEC, S_ISREG } from '../fs/inode.ts';
import { path_permission } from '../fs/permission.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { MM_LAYOUT, type Mm } from '../mm/mm.ts';
import { MMAP_MIN_ADDR, hex } from '../mm/mmap.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';

/** Bytes of mm->saved_auxv: 2 * (AT_VECTOR_SIZE_ARCH + AT_VECTOR_SIZE_BASE + 1) words. */
const AUXV_MAX = 52 * 8;

type Field = (typeof MM_LAYOUT)[number];
type MmMap = Record<Field, number>;

/** PR_SET_MM_START_CODE and its like, by number from 1. */
const BY_OPTION: readonly (Field | undefined)[] = [
  undefined,
  'start_code',
  'end_code',
  'start_data',
  'end_data',
  'start_stack',
  'start_brk',
  'brk',
  'arg_start',
  'arg_end',
  'env_start',
  'env_end',
];

/** sizeof(struct prctl_mm_map) */
const MM_MAP_SIZE = 104;

/** validate_prctl_map_addr */
function validate(task: Task, map: MmMap): void {
  for (const field of MM_LAYOUT)
    if (map[field] >= TASK_SIZE || map[field] < MMAP_MIN_ADDR)
      throw errno(EINVAL, 'PR_SET_MM: {} {} is no address of user space', field, hex(map[field]));
  const order: readonly [Field, Field][] = [
    ['start_data', 'end_data'],
    ['start_brk', 'brk'],
    ['arg_start', 'arg_end'],
    ['env_start', 'env_end'],
  ];
  if (map.start_code >= map.end_code)
    throw errno(EINVAL, 'PR_SET_MM: start_code must come before end_code');
  for (const [low, high] of order)
    if (map[low] > map[high]) throw errno(EINVAL, 'PR_SET_MM: {} comes after {}', low, high);
  const data = task.rlimit(RLIMIT_DATA);
  if (map.brk - map.start_brk + map.end_data - map.start_data > data)
    throw errno(EINVAL, 'PR_SET_MM: heap and data pass RLIMIT_DATA ({})', data);
}

function current_map(mm: Mm): MmMap {
  return Object.fromEntries(MM_LAYOUT.map((field) => [field, mm[field]])) as MmMap;
}

function readAuxv(task: Task, address: number, length: number): Uint8Array {
  if (length > AUXV_MAX)
    throw errno(
      EINVAL,
      'PR_SET_MM: {} bytes of auxiliary vector, {} are possible',
      length,
      AUXV_MAX,
    );
  const auxv = new Uint8Array(AUXV_MAX);
  auxv.set(task.mem.read(address, length));
  auxv.fill(0, AUXV_MAX - 16);
  return auxv;
}

function set_exe_file(task: Task, fd: number): void {
  const file = fget(task, fd);
  const mm = task.mm!;
  if (!S_ISREG(file.inode.mode) || file.noexec)
    throw errno(EACCES, 'PR_SET_MM_EXE_FILE: {} is no file that can be executed', file.path);
  path_permission(task, file.path, MAY_EXEC);
  for (const vma of mm.vmas.list)
    if (
      vma.file !== null &&
      vma.file.ino === mm.exe_file?.ino &&
      vma.file.devt === mm.exe_file.devt
    )
      throw errno(
        EBUSY,
        'PR_SET_MM_EXE_FILE: the old program is still mapped at {}',
        hex(vma.start),
      );
  if (file.inode.writecount > 0)
    throw errno(EACCES, 'PR_SET_MM_EXE_FILE: {} is open for writing', file.path);
  file.get();
  file.deny_write_access();
  mm.exe_file?.allow_write_access();
  mm.exe_file?.put(task.kernel);
  mm.exe_file = file;
}

/** PR_SET_MM_MAP: all of it at once, needs no privilege but for the file. */
function set_map(task: Task, option: number, address: number, size: number): number {
  const { mem } = task;
  if (option === PR.PR_SET_MM_MAP_SIZE) {
    mem.putU32(address, MM_MAP_SIZE);
    return 0;
  }
  if (size !== MM_MAP_SIZE)
    throw errno(
      EINVAL,
      'PR_SET_MM_MAP: struct prctl_mm_map has {} bytes, not {}',
      MM_MAP_SIZE,
      size,
    );
  const bytes = mem.read(address, MM_MAP_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, MM_MAP_SIZE);
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const map = Object.fromEntries(MM_LAYOUT.map((field, i) => [field, word(i * 8)])) as MmMap;
  validate(task, map);
  const length = view.getUint32(96, true);
  if (length !== 0 && word(88) === 0) throw errno(EINVAL, 'PR_SET_MM_MAP: no auxiliary vector');
  const auxv = length === 0 ? null : readAuxv(task, word(88), length);
  const fd = view.getInt32(100, true);
  if (fd !== -1) {
    if (!capable(task.cred, CAP_SYS_ADMIN) && !capable(task.cred, CAP_CHECKPOINT_RESTORE))
      throw errno(EPERM, 'PR_SET_MM_MAP: a new program file needs CAP_CHECKPOINT_RESTORE');
    set_exe_file(task, fd);
  }
  Object.assign(task.mm!, map);
  if (auxv !== null) task.mm!.auxv = auxv;
  return 0;
}

/** prctl(PR_SET_MM): what /proc tells of the address space, and where brk begins. */
export function prctl_set_mm(
  task: Task,
  option: number,
  address: number,
  size: number,
  last: number,
): number {
  const whole = option === PR.PR_SET_MM_MAP || option === PR.PR_SET_MM_MAP_SIZE;
  if (last !== 0 || (size !== 0 && !whole && option !== PR.PR_SET_MM_AUXV))
    throw errno(EINVAL, 'PR_SET_MM: unused arguments must be 0');
  if (whole) return set_map(task, option, address, size);
  if (!capable(task.cred, CAP_SYS_RESOURCE)) throw errno(EPERM, 'PR_SET_MM needs CAP_SYS_RESOURCE');
  const mm = task.mm!;
  if (option === PR.PR_SET_MM_EXE_FILE) {
    set_exe_file(task, address | 0);
    return 0;
  }
  if (option === PR.PR_SET_MM_AUXV) {
    mm.auxv = readAuxv(task, address, size);
    return 0;
  }
  if (address >= TASK_SIZE || address < MMAP_MIN_ADDR)
    throw errno(EINVAL, 'PR_SET_MM: {} is no address of user space', hex(address));
  const field = BY_OPTION[option];
  if (field === undefined) throw errno(EINVAL, 'PR_SET_MM has no option {}', option);
  const map = { ...current_map(mm), [field]: address };
  validate(task, map);
  if (/stack|arg|env/.test(field) && mm.vmas.from(address) === null)
    throw errno(EFAULT, 'PR_SET_MM: nothing is mapped at or after {}', hex(address));
  mm[field] = address;
  return 0;
}

/** prctl(PR_GET_AUXV). @returns bytes there are, of which `size` were asked for */
export function prctl_get_auxv(task: Task, address: number, size: number): number {
  const { auxv } = task.mm!;
  const saved = new Uint8Array(Math.max(AUXV_MAX, auxv.length));
  saved.set(auxv);
  task.mem.write(address, saved.subarray(0, Math.min(size, saved.length)));
  return saved.length;
}

export const PR_MDWE_REFUSE_EXEC_GAIN = 1;
const PR_MDWE_NO_INHERIT = 2;

/** prctl(PR_SET_MDWE): from now on nothing that could be written becomes executable. */
export function prctl_set_mdwe(mm: Mm, bits: number): number {
  if (bits > 3) throw errno(EINVAL, 'PR_SET_MDWE: bits {} are unknown', hex(bits));
  if (bits === PR_MDWE_NO_INHERIT)
    throw errno(EINVAL, 'PR_SET_MDWE: PR_MDWE_NO_INHERIT needs PR_MDWE_REFUSE_EXEC_GAIN');
  if (mm.mdwe !== 0 && mm.mdwe !== bits)
    throw errno(EPERM, 'PR_SET_MDWE: set to {}, and cannot be changed', mm.mdwe);
  mm.mdwe = bits;
  return 0;
}
