import type { Kernel } from '../include/kernel.ts';
import { KMEM_FILE, KMEM_INODE, KMEM_INSN, KMEM_VMA } from '../include/kmem.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { File } from '../fs/file.ts';
import type { Task } from '../kernel/task.ts';

/** Who has less than this part of the bound is not killed: it would be of no use. */
export const WORTHWHILE: number = 1 / 256;

/** Whom to kill when kernel objects take all that they may. */
interface KmemVictim {
  readonly task: Task;
  readonly reason: string;
}

/** A file's share for one who has it open: of those that come from fork or dup each counts for its part. */
function file_kmem(file: File): number {
  const { inode } = file;
  const nameless = inode.nlink === 0 ? KMEM_INODE : 0;
  return (KMEM_FILE + nameless + file.kmem) / file.count;
}

/**
 * Kernel objects that would go with a process: its mappings, open files and what hangs on these, seccomp filters, rules of Landlock.
 * Inodes with a name stay, and are nobody's.
 */
export function process_kmem(task: Task): number {
  let bytes = (task.mm?.vmas.list.length ?? 0) * KMEM_VMA;
  for (const file of task.files.fd) if (file !== null) bytes += file_kmem(file);
  for (let f = task.seccomp_filter; f !== null; f = f.prev)
    bytes += (f.program.length * KMEM_INSN) / Math.max(1, f.users);
  return bytes + (task.cred.landlock?.kmem ?? 0);
}

/** Nobody kills threads of the kernel and who is marked (oom_unkillable_task, OOM_SCORE_ADJ_MIN). */
export function may_kill({ kthread, exiting, signal }: Task): boolean {
  return !kthread && !exiting && signal.oom_score_adj !== -1000;
}

/** Who has most kernel objects, oom_score_adj counted in as for pages. @returns null when nobody has much of them */
export function kmem_victim(
  { kmem: { bytes, max } }: Kernel,
  processes: Iterable<Task>,
): KmemVictim | null {
  let victim: Task | null = null;
  let worst = 0;
  const lines: string[] = [];
  for (const task of processes) {
    if (task.mm === null || task.mm.reaped) continue;
    const held = process_kmem(task);
    if (held < max * WORTHWHILE) continue;
    const { oom_score_adj } = task.signal;
    const points = Math.max(1, held + (oom_score_adj * max) / 1000);
    lines.push(`${task.tgid} (${task.comm}): ${Math.round(held)}`);
    if (!may_kill(task) || points <= worst) continue;
    worst = points;
    victim = task;
  }
  if (victim === null) return null;
  const pages = Math.floor(max / PAGE_SIZE);
  const reason = `out of memory for kernel objects (mappings, open files, watches, filters): they take ${bytes} bytes, the most is ${max} (${pages} pages); process ${victim.tgid} (${victim.comm}) has most of them (oom_score_adj ${victim.signal.oom_score_adj}); bytes of ${lines.join(', ')}`;
  return { task: victim, reason };
}
