import * as E from '@vitrine/uapi/errno.ts';
import { CAP_SYS_NICE } from '@vitrine/uapi/capability.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { may_access } from '../fs/proc/access.ts';
import type { Task } from '../kernel/task.ts';
import { aligned, hex, isolate, mergeAround, pageAlign } from '../mm/mmap.ts';
import { pte_mapped, pte_pfn } from '../mm/pgtable.ts';
import { MemPolicy } from '../mm/mempolicy.ts';
import { int, outStruct, pid, ptr, uint, ulong } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** Memory policy on a machine with one node (mm/mempolicy.c, mm/migrate.c). Policies are kept and told; pages are on node 0. */

const MPOL_DEFAULT = 0;
const MPOL_PREFERRED = 1;
const MPOL_BIND = 2;
const MPOL_LOCAL = 4;
const MPOL_PREFERRED_MANY = 5;
const MPOL_MAX = 7;
const MPOL_F_STATIC_NODES = 1 << 15;
const MPOL_F_RELATIVE_NODES = 1 << 14;
const MPOL_F_NUMA_BALANCING = 1 << 13;
const MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING;
// Flags of get_mempolicy.
const MPOL_F_NODE = 1;
const MPOL_F_ADDR = 2;
const MPOL_F_MEMS_ALLOWED = 4;
// Flags of mbind and move_pages.
const MPOL_MF_STRICT = 1;
const MPOL_MF_MOVE = 2;
const MPOL_MF_MOVE_ALL = 4;

/** Nodes that a mask may name at all (MAX_NUMNODES); there is one, number 0. */
const MAX_NUMNODES = 64;

/** A mask of nodes: bits beyond those that a mask may name must be clear (get_nodes). */
function readNodes(task: Task, address: number, maxnode: number, call: string): bigint {
  const bits = maxnode === 0 ? 2 ** 64 : maxnode - 1;
  if (bits === 0 || address === 0) return 0n;
  if (bits > PAGE_SIZE * 8) throw errno(E.EINVAL, '{}: a mask of {} nodes is too long', call, bits);
  let mask = 0n;
  for (let word = 0; word * 64 < bits; word++) {
    let value = task.mem.getBig(address + word * 8);
    const here = Math.min(64, bits - word * 64);
    if (here < 64) value &= (1n << BigInt(here)) - 1n;
    if (word > 0 && value !== 0n) throw errno(E.EINVAL, '{}: the mask names nodes from {} on', call, MAX_NUMNODES); // prettier-ignore
    if (word === 0) mask = value;
  }
  return mask;
}

function writeNodes(task: Task, address: number, maxnode: number, mask: bigint): void {
  const bytes = Math.ceil((maxnode - 1) / 64) * 8;
  if (bytes > PAGE_SIZE)
    throw errno(E.EINVAL, 'get_mempolicy: a mask of {} nodes is too long', maxnode);
  for (let at = 0; at < bytes; at += 8) task.mem.putBig(address + at, at === 0 ? mask : 0n);
}

/** Is there such a policy at all (sanitize_mpol_flags)? */
function checkMode(mode: number, call: string): void {
  const flags = mode & MODE_FLAGS;
  const base = mode & ~MODE_FLAGS;
  if (base < 0 || base >= MPOL_MAX)
    throw errno(E.EINVAL, '{}: there is no memory policy {}', call, base);
  if ((flags & MPOL_F_STATIC_NODES) !== 0 && (flags & MPOL_F_RELATIVE_NODES) !== 0) throw errno(E.EINVAL, '{}: nodes are either static or relative', call); // prettier-ignore
  if ((flags & MPOL_F_NUMA_BALANCING) !== 0 && base !== MPOL_BIND && base !== MPOL_PREFERRED_MANY) throw errno(E.EINVAL, '{}: MPOL_F_NUMA_BALANCING is for MPOL_BIND', call); // prettier-ignore
}

/** Checks a policy (mpol_new, mpol_set_nodemask). Null is the default policy. */
function makePolicy(mode: number, nodes: bigint, call: string): MemPolicy | null {
  const flags = mode & MODE_FLAGS;
  const base = mode & ~MODE_FLAGS;
  if (base === MPOL_DEFAULT) {
    if (nodes !== 0n) throw errno(E.EINVAL, '{}: MPOL_DEFAULT takes no nodes', call);
    return null;
  }
  if (base === MPOL_LOCAL || (base === MPOL_PREFERRED && nodes === 0n)) {
    if (nodes !== 0n || (flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)) !== 0) throw errno(E.EINVAL, '{}: MPOL_LOCAL takes no nodes', call); // prettier-ignore
    return new MemPolicy(MPOL_LOCAL, 0, 0n);
  }
  if ((nodes & 1n) === 0n && (flags & MPOL_F_RELATIVE_NODES) === 0) throw errno(E.EINVAL, '{}: the mask names no node that exists (there is one, number 0)', call); // prettier-ignore
  if (nodes === 0n) throw errno(E.EINVAL, '{}: policy {} needs nodes', call, base);
  return new MemPolicy(base, flags, 1n);
}

function sys_set_mempolicy(task: Task, mode: number, mask: number, maxnode: number): number {
  checkMode(mode, 'set_mempolicy');
  task.mempolicy = makePolicy(mode, readNodes(task, mask, maxnode, 'set_mempolicy'), 'set_mempolicy'); // prettier-ignore
  return 0;
}

function sys_get_mempolicy(
  task: Task,
  mode: number,
  mask: number,
  maxnode: number,
  address: number,
  flags: number,
): number {
  if (mask !== 0 && maxnode < 1) throw errno(E.EINVAL, 'get_mempolicy: a mask of {} nodes cannot hold node 0', maxnode); // prettier-ignore
  if (flags > 0xffff_ffff || (flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) !== 0) throw errno(E.EINVAL, 'get_mempolicy: flags {} are not known', flags); // prettier-ignore
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0) {
    if ((flags & (MPOL_F_NODE | MPOL_F_ADDR)) !== 0) throw errno(E.EINVAL, 'get_mempolicy: MPOL_F_MEMS_ALLOWED stands alone'); // prettier-ignore
    if (mode !== 0) task.mem.putU32(mode, 0);
    if (mask !== 0) writeNodes(task, mask, maxnode, 1n);
    return 0;
  }
  let policy = task.mempolicy ?? null;
  if ((flags & MPOL_F_ADDR) !== 0) {
    const vma = task.mm!.vmas.at(address);
    if (vma === null) throw errno(E.EFAULT, 'get_mempolicy: nothing is mapped at {}', hex(address));
    policy = vma.policy;
  } else if (address !== 0) throw errno(E.EINVAL, 'get_mempolicy: an address needs MPOL_F_ADDR');
  let value: number;
  if ((flags & MPOL_F_NODE) === 0)
    value = policy === null ? MPOL_DEFAULT : policy.mode | policy.flags;
  else if ((flags & MPOL_F_ADDR) !== 0) {
    task.mem.getU8(address); // the page has a node once it is there
    value = 0;
  } else {
    if (policy === null || (policy.mode !== 3 && policy.mode !== 6)) throw errno(E.EINVAL, 'get_mempolicy: MPOL_F_NODE is for interleaving policies'); // prettier-ignore
    value = 0;
  }
  if (mode !== 0) task.mem.putU32(mode, value);
  if (mask !== 0) writeNodes(task, mask, maxnode, policy === null ? 0n : policy.nodes);
  return 0;
}

function sys_mbind(
  task: Task,
  start: number,
  length: number,
  mode: number,
  mask: number,
  maxnode: number,
  flags: number,
): number {
  checkMode(mode, 'mbind');
  const nodes = readNodes(task, mask, maxnode, 'mbind');
  if ((flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0) throw errno(E.EINVAL, 'mbind: flags {} are not known', flags); // prettier-ignore
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !capable(task.cred, CAP_SYS_NICE)) throw errno(E.EPERM, 'mbind: MPOL_MF_MOVE_ALL needs CAP_SYS_NICE'); // prettier-ignore
  if (!aligned(start))
    throw errno(E.EINVAL, 'mbind: address {} is not a multiple of {}', hex(start), PAGE_SIZE);
  const policy = makePolicy(mode, nodes, 'mbind');
  const end = start + pageAlign(length);
  if (end < start)
    throw errno(E.EINVAL, 'mbind: {} bytes at {} pass the end of memory', length, hex(start));
  if (end === start) return 0;
  const mm = task.mm!;
  const first = mm.vmas.from(start);
  // The default policy does not mind holes (MPOL_MF_DISCONTIG_OK), if there is anything.
  const anything = policy === null && first !== null && first.start < end;
  if (!anything && !covered(task, start, end)) throw errno(E.EFAULT, 'mbind: part of {}–{} is not mapped', hex(start), hex(end)); // prettier-ignore
  for (const vma of isolate(mm, start, end)) {
    vma.policy = policy;
    mergeAround(mm, vma);
  }
  return 0;
}

/** Is every page of the range mapped? */
function covered(task: Task, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const vma = task.mm!.vmas.at(at);
    if (vma === null) return false;
    at = vma.end;
  }
  return true;
}

function sys_set_mempolicy_home_node(
  task: Task,
  start: number,
  length: number,
  home: number,
  flags: number,
): number {
  if (!aligned(start) || flags !== 0) throw errno(E.EINVAL, 'set_mempolicy_home_node: address {} or flags {} are not possible', hex(start), flags); // prettier-ignore
  if (home !== 0) throw errno(E.EINVAL, 'set_mempolicy_home_node: there is no node {}', home);
  const end = start + pageAlign(length);
  if (end < start) throw errno(E.EINVAL, 'set_mempolicy_home_node: {} bytes at {} pass the end of memory', length, hex(start)); // prettier-ignore
  if (end === start) return 0;
  let found = false;
  for (const vma of isolate(task.mm!, start, end)) {
    const { policy } = vma;
    if (!policy) continue;
    if (policy.mode !== MPOL_BIND && policy.mode !== MPOL_PREFERRED_MANY) throw errno(E.EOPNOTSUPP, 'set_mempolicy_home_node: policy {} has no home node', policy.mode); // prettier-ignore
    found = true;
  }
  if (!found) throw errno(E.ENOENT, 'set_mempolicy_home_node: no policy is set at {}–{}', hex(start), hex(end)); // prettier-ignore
  return 0;
}

/** The process whose pages are to move: one the caller may look into. */
function movable(task: Task, nr: number, call: string): Task {
  const target = nr === 0 ? task : task.kernel.pids.find(nr)?.task;
  if (!target) throw errno(E.ESRCH, '{}: there is no process {}', call, nr);
  if (!may_access(task, target, 'real')) throw errno(E.EPERM, '{}: process {} belongs to user {}, and CAP_SYS_PTRACE is missing', call, nr, target.cred.uid); // prettier-ignore
  return target;
}

function sys_migrate_pages(
  task: Task,
  nr: number,
  maxnode: number,
  from: number,
  to: number,
): number {
  readNodes(task, from, maxnode, 'migrate_pages');
  const wanted = readNodes(task, to, maxnode, 'migrate_pages');
  const target = movable(task, nr, 'migrate_pages');
  if ((wanted & ~1n) !== 0n && !capable(task.cred, CAP_SYS_NICE)) throw errno(E.EPERM, 'migrate_pages: process {} may use node 0 only', nr); // prettier-ignore
  if ((wanted & 1n) === 0n) throw errno(E.EINVAL, 'migrate_pages: the mask names no node that exists (there is one, number 0)'); // prettier-ignore
  if (target.mm === null) throw errno(E.EINVAL, 'migrate_pages: process {} has no memory', nr);
  return 0;
}

function sys_move_pages(
  task: Task,
  nr: number,
  count: number,
  pages: number,
  nodes: number,
  status: number,
  flags: number,
): number {
  if ((flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0) throw errno(E.EINVAL, 'move_pages: flags {} are not known', flags); // prettier-ignore
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !capable(task.cred, CAP_SYS_NICE)) throw errno(E.EPERM, 'move_pages: MPOL_MF_MOVE_ALL needs CAP_SYS_NICE'); // prettier-ignore
  const { mm } = movable(task, nr, 'move_pages');
  if (mm === null) throw errno(E.EINVAL, 'move_pages: process {} has no memory', nr);
  for (let i = 0; i < count; i++) {
    const address = task.mem.getU64(pages + i * 8);
    if (nodes !== 0) {
      const node = task.mem.getI32(nodes + i * 4);
      if (node < 0 || node >= MAX_NUMNODES || node !== 0) throw errno(E.ENODEV, 'move_pages: there is no node {}', node); // prettier-ignore
    }
    const vma = mm.vmas.at(address);
    const pte = vma === null ? -1 : mm.tables.find(address);
    const lo = pte === -1 ? 0 : mm.tables.lo(pte);
    const there = pte_mapped(lo) && pte_pfn(lo) !== task.kernel.zero_pfn;
    task.mem.putU32(status + i * 4, vma === null ? -E.EFAULT : there ? 0 : -E.ENOENT);
  }
  return 0;
}

export const NUMA: readonly SyscallRow[] = [
  row(NR.__NR_mbind, 'mbind', [ptr, ulong, int, ptr, ulong, uint], FULL, sys_mbind),
  row(NR.__NR_set_mempolicy, 'set_mempolicy', [int, ptr, ulong], FULL, sys_set_mempolicy),
  row(NR.__NR_get_mempolicy, 'get_mempolicy', [outStruct('int'), ptr, ulong, ptr, ulong], FULL, sys_get_mempolicy), // prettier-ignore
  row(NR.__NR_migrate_pages, 'migrate_pages', [pid, ulong, ptr, ptr], FULL, sys_migrate_pages),
  row(NR.__NR_move_pages, 'move_pages', [pid, ulong, ptr, ptr, ptr, int], FULL, sys_move_pages),
  row(NR.__NR_set_mempolicy_home_node, 'set_mempolicy_home_node', [ptr, ulong, ulong, ulong], FULL, sys_set_mempolicy_home_node), // prettier-ignore
];
