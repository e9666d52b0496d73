import { SIGKILL } from '@vitrine/uapi/signal.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import type { KmemReclaimer } from '../include/kmem.ts';
import type { AddressSpace } from '../include/pagecache.ts';
import { for_each_process, send_sig } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import { WORTHWHILE, kmem_victim, may_kill } from './oom_kmem.ts';
import type { Reclaimer } from './page_alloc.ts';
import { VM_DROPPABLE } from './vma.ts';

/** Page caches whose pages can be read again: what is given back first. */
declare module '../include/kernel.ts' {
  interface Kernel {
    readonly page_caches: Set<AddressSpace>;
  }
}

/**
 * Frees memory when the allocator has none (analogous to mm/oom_kill.c): first the page cache, then a process. The
 * victim's private pages are taken at once, as the OOM reaper does, so that the allocation goes on.
 */
export class OutOfMemory implements Reclaimer, KmemReclaimer {
  readonly kernel: Kernel;
  kills = 0;
  /** Was killed for kernel objects, and has them until it has ended. */
  private dying: Task | null = null;
  /** Kernel objects that will have been made (kmem.charged) when it is time to look for a victim again. */
  private look_at = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }
  static {
    serializable('OutOfMemory', this);
  }

  reclaim(): boolean {
    return (
      this.kernel.exited_mms.reap() || this.shrinkCaches() || this.drop() || this.out_of_memory()
    );
  }

  /** Gives back some of the pages that no process maps, of the files that were read first. */
  private shrinkCaches(): boolean {
    const { kernel } = this;
    const { frames } = kernel;
    const before = frames.free;
    const enough = before + Math.max(64, frames.total >> 6);
    for (const mapping of [...kernel.page_caches]) {
      for (const [index, pfn] of mapping.pages) {
        if (frames.count(pfn) > 1 || mapping.dirty?.has(index)) continue;
        mapping.pages.delete(index);
        frames.put(pfn);
        if (frames.free >= enough) return true;
      }
      // What is left is mapped: it is looked at last the next time.
      kernel.page_caches.delete(mapping);
      if (mapping.pages.size > 0) kernel.page_caches.add(mapping);
    }
    return frames.free > before;
  }

  /** Takes the pages that may be dropped (MAP_DROPPABLE). */
  private drop(): boolean {
    const { kernel } = this;
    const before = kernel.frames.free;
    for (const { mm } of for_each_process(kernel))
      for (const vma of mm?.vmas.list ?? [])
        if ((vma.flags & VM_DROPPABLE) !== 0) vma.mm.zap_range(vma, vma.start, vma.end);
    return kernel.frames.free > before;
  }

  /** Kills the process with the highest badness. @returns false when there is none to kill */
  private out_of_memory(): boolean {
    const { kernel } = this;
    let victim: Task | null = null;
    let worst = 0;
    const total = kernel.frames.total;
    const lines: string[] = [];
    for (const task of for_each_process(kernel)) {
      const points = oom_badness(task, total);
      if (points === null) continue;
      lines.push(`${task.tgid} (${task.comm}): ${points}`);
      if (points > worst) {
        worst = points;
        victim = task;
      }
    }
    if (victim === null) return false;
    const mm = victim.mm!;
    this.oom_kill_process(
      victim,
      `out of memory: all ${total} page frames (${total * 4} KiB) are in use; process ${victim.tgid} (${victim.comm}) had the highest badness ${worst} (resident ${mm.rss * 4} KiB, page tables ${mm.tables.tables * 4} KiB, oom_score_adj ${victim.signal.oom_score_adj}) of ${lines.join(', ')}`,
    );
    return true;
  }

  /** Kills who has most kernel objects; while that one ends, nobody else. @returns false when nobody has much of them */
  out_of_kmem(): boolean {
    const { kernel } = this;
    const { kmem } = kernel;
    if (this.dying !== null && this.dying.mm !== null) return true;
    this.dying = null;
    // Who had little of it has so still: to look again and again would take the time of everybody.
    if (kmem.charged < this.look_at) return false;
    const victim = kmem_victim(kernel, for_each_process(kernel));
    this.look_at = victim === null ? kmem.charged + kmem.max * WORTHWHILE : 0;
    if (victim === null) return false;
    this.dying = victim.task;
    this.oom_kill_process(victim.task, victim.reason);
    return true;
  }

  private oom_kill_process(victim: Task, reason: string): void {
    const { kernel } = this;
    const mm = victim.mm!;
    kernel.printk(
      3,
      `Out of memory: Killed process ${victim.tgid} (${victim.comm}) total-vm:${mm.total_vm * 4}kB, anon-rss:${mm.rss_anon * 4}kB, file-rss:${mm.rss_file * 4}kB, shmem-rss:${mm.rss_shmem * 4}kB, UID:${victim.cred.uid} pgtables:${mm.tables.tables * 4}kB oom_score_adj:${victim.signal.oom_score_adj}`,
    );
    if (kernel.trace.oom_kill.enabled)
      kernel.trace.oom_kill.emit({ pid: victim.tgid, comm: victim.comm, reason });
    this.kills++;
    for (const task of for_each_process(kernel)) {
      if (task.mm !== mm) continue;
      task.signal.unkillable = false;
      send_sig(SIGKILL, task, reason);
    }
    // The reaper: private pages go now; whoever touches them meanwhile sees zeros, and is dead before user mode.
    mm.reaped = true;
    for (const vma of mm.vmas.list) if (!vma.shared) mm.zap_range(vma, vma.start, vma.end);
  }
}

/** Pages used plus the adjustment in thousandths of memory; null for who must not be killed. */
export function oom_badness(task: Task, total: number): number | null {
  const { mm, signal } = task;
  if (mm === null || mm.reaped || !may_kill(task)) return null;
  const points = mm.rss + mm.tables.tables;
  return Math.max(1, Math.floor(points + (signal.oom_score_adj * total) / 1000));
}
