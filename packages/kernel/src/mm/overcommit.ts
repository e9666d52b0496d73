import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { ENOMEM } from '@vitrine/uapi/errno.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { Mm } from './mm.ts';

/** How much memory may be promised (analogous to mm/util.c; vm.overcommit_memory in proc_sys_vm(5)). */

declare module '../include/kernel.ts' {
  interface Kernel {
    /** Pages promised to private writable mappings and shared anonymous memory (vm_committed_as). */
    vm_committed_as: number;
    /** The inode number of the last shared anonymous memory. */
    shmem_ino: number;
  }
}

export const OVERCOMMIT_GUESS = 0;
export const OVERCOMMIT_ALWAYS = 1;
export const OVERCOMMIT_NEVER = 2;

const KIB_PER_PAGE = PAGE_SIZE / 1024;

/** Pages that may be promised when no overcommit is allowed; there is no swap. */
export function vm_commit_limit(kernel: Kernel): number {
  const { overcommit_kbytes, overcommit_ratio } = kernel.sysctl;
  if (overcommit_kbytes !== 0) return Math.floor(overcommit_kbytes / KIB_PER_PAGE);
  return Math.floor((kernel.frames.total * overcommit_ratio) / 100);
}

/** Throws ENOMEM when so many pages more may not be promised (__vm_enough_memory). */
export function vm_enough_memory(current: Current, pages: number, mm: Mm | null = null): void {
  const { kernel } = current;
  const { overcommit_memory, admin_reserve_kbytes, user_reserve_kbytes } = kernel.sysctl;
  if (overcommit_memory === OVERCOMMIT_ALWAYS || pages <= 0) return;
  if (overcommit_memory === OVERCOMMIT_GUESS) {
    if (pages <= kernel.frames.total) return;
    throw errno(ENOMEM, 'vm.overcommit_memory=0 refuses an obvious overcommit: {} pages asked, {} pages of RAM', pages, kernel.frames.total); // prettier-ignore
  }
  let allowed = vm_commit_limit(kernel);
  if (!capable(current.cred, CAP_SYS_ADMIN)) allowed -= admin_reserve_kbytes / KIB_PER_PAGE;
  if (mm !== null) allowed -= Math.min(mm.total_vm / 32, user_reserve_kbytes / KIB_PER_PAGE);
  if (kernel.vm_committed_as + pages < allowed) return;
  throw errno(ENOMEM, 'vm.overcommit_memory=2: {} pages are promised, {} more are asked for, {} allowed', kernel.vm_committed_as, pages, Math.floor(allowed)); // prettier-ignore
}
