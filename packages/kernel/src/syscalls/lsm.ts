import { E2BIG, EFAULT, EINVAL, EOPNOTSUPP } from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { inOutStruct, inStruct, outStruct, uint } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** lsm_get_self_attr(2), lsm_set_self_attr(2), lsm_list_modules(2): what security modules there are, and what they say of a task. */

// <linux/lsm.h>, newer than the headers that packages/uapi is made from.
const LSM_ID_CAPABILITY = 100;
const LSM_ID_LANDLOCK = 110;
const LSM_FLAG_SINGLE = 1;
/** struct lsm_ctx without its text: id, flags, len, ctx_len. */
const LSM_CTX = 32;

/** The modules at work. None of them has attributes of a task. */
const LSM_IDLIST: readonly number[] = [LSM_ID_CAPABILITY, LSM_ID_LANDLOCK];

function sys_lsm_list_modules(task: Task, ids: number, size: number, flags: number): number {
  if (flags !== 0) throw errno(EINVAL, 'lsm_list_modules: flags {} are unknown', flags);
  const { mem } = task;
  const room = mem.getU32(size);
  const total = LSM_IDLIST.length * 8;
  mem.putU32(size, total);
  if (room < total)
    throw errno(E2BIG, 'lsm_list_modules: {} bytes have no room for {}', room, total);
  LSM_IDLIST.forEach((id, i) => mem.putU64(ids + i * 8, id));
  return LSM_IDLIST.length;
}

function sys_lsm_get_self_attr(
  task: Task,
  attr: number,
  ctx: number,
  size: number,
  flags: number,
): number {
  if (attr === 0) throw errno(EINVAL, 'lsm_get_self_attr: 0 is no attribute');
  if (size === 0) throw errno(EINVAL, 'lsm_get_self_attr: the size is not given');
  const room = task.mem.getU32(size);
  if (flags !== 0) {
    if (flags !== LSM_FLAG_SINGLE || ctx === 0)
      throw errno(EINVAL, 'lsm_get_self_attr: flags {} are unknown, or name no module', flags);
    const wanted = task.mem.read(ctx, Math.min(room, LSM_CTX));
    if (wanted.length < 8 || wanted.subarray(0, 8).every((byte) => byte === 0))
      throw errno(EINVAL, 'lsm_get_self_attr: 0 is no module');
  }
  task.mem.putU32(size, 0);
  throw errno(EOPNOTSUPP, 'lsm_get_self_attr: no security module here has attribute {}', attr);
}

function sys_lsm_set_self_attr(
  task: Task,
  attr: number,
  ctx: number,
  size: number,
  flags: number,
): number {
  if (flags !== 0) throw errno(EINVAL, 'lsm_set_self_attr: flags {} are unknown', flags);
  if (size < LSM_CTX) throw errno(EINVAL, 'lsm_set_self_attr: a context has {} bytes, not {}', LSM_CTX, size); // prettier-ignore
  if (size > 4096) throw errno(E2BIG, 'lsm_set_self_attr: a context of {} bytes is larger than a page', size); // prettier-ignore
  if (ctx === 0) throw errno(EFAULT, 'lsm_set_self_attr: there is no context at 0');
  task.mem.read(ctx, size);
  const [len, text] = [task.mem.getU64(ctx + 16), task.mem.getU64(ctx + 24)];
  if (size < len || len < LSM_CTX + text)
    throw errno(
      EINVAL,
      'lsm_set_self_attr: lengths {} and {} do not fit {} bytes',
      len,
      text,
      size,
    );
  throw errno(EOPNOTSUPP, 'lsm_set_self_attr: no security module here has attribute {}', attr);
}

export const LSM: readonly SyscallRow[] = [
  row(NR.__NR_lsm_get_self_attr, 'lsm_get_self_attr', [uint, outStruct('lsm_ctx'), inOutStruct('u32'), uint], FULL, sys_lsm_get_self_attr), // prettier-ignore
  row(NR.__NR_lsm_set_self_attr, 'lsm_set_self_attr', [uint, inStruct('lsm_ctx'), uint, uint], FULL, sys_lsm_set_self_attr), // prettier-ignore
  row(NR.__NR_lsm_list_modules, 'lsm_list_modules', [outStruct('u64'), inOutStruct('u32'), uint], FULL, sys_lsm_list_modules), // prettier-ignore
];
