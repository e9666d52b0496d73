import type { Kernel } from '../../include/kernel.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { cpu_list, cpu_mask_hex } from '../../kernel/sched/cpumask.ts';
import { memory_use } from '../proc/vm.ts';
import type { SysSpec } from './tree.ts';

/** Bytes of a memory block (MIN_MEMORY_BLOCK_SIZE). */
const BLOCK = 128 * 2 ** 20;

/** Numbers of the blocks that RAM reaches into. */
const blocks = (kernel: Kernel): number[] =>
  Array.from({ length: Math.ceil(kernel.ram.size / BLOCK) }, (_, i) => i);

/** /sys/devices/system/memory (drivers/base/memory.c): the blocks that lsmem lists. */
export function memoryTree(kernel: Kernel): SysSpec {
  const tree: Record<string, SysSpec> = {};
  for (const i of blocks(kernel)) {
    tree[`memory${i}`] = {
      node0: '-> ../../node/node0',
      online: '1\n',
      phys_device: '0\n',
      phys_index: `${i.toString(16).padStart(8, '0')}\n`,
      removable: '0\n',
      state: 'online\n',
      subsystem: '-> ../../../../bus/memory',
      uevent: '',
      valid_zones: 'Normal\n',
    };
  }
  return {
    ...tree,
    auto_online_blocks: 'offline\n',
    block_size_bytes: `${BLOCK.toString(16)}\n`,
    uevent: '',
  };
}

/** /sys/devices/system/node (drivers/base/node.c): all memory and every processor are on node 0. */
export function nodeTree(kernel: Kernel): SysSpec {
  const links: Record<string, string> = {};
  for (const { cpu } of kernel.sched.rqs) links[`cpu${cpu}`] = `-> ../../cpu/cpu${cpu}`;
  for (const i of blocks(kernel)) links[`memory${i}`] = `-> ../../memory/memory${i}`;
  const mask = kernel.sched.cpu_mask;
  return {
    has_cpu: '0\n',
    has_memory: '0\n',
    has_normal_memory: '0\n',
    node0: {
      ...links,
      cpulist: `${cpu_list(mask)}\n`,
      cpumap: `${cpu_mask_hex(kernel, mask)}\n`,
      distance: '10\n',
      meminfo: () => nodeMeminfo(kernel),
      numastat: () =>
        `numa_hit ${kernel.buddy.allocated}\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node ${kernel.buddy.allocated}\nother_node 0\n`,
      subsystem: '-> ../../../../bus/node',
      uevent: '',
    },
    online: '0\n',
    possible: '0\n',
    uevent: '',
  };
}

function nodeMeminfo(kernel: Kernel): string {
  const m = memory_use(kernel);
  const line = (name: string, pages: number): string =>
    `Node 0 ${(name + ':').padEnd(16)}${String((pages * PAGE_SIZE) / 1024).padStart(8)} kB\n`;
  return (
    line('MemTotal', m.total) + line('MemFree', m.free) + line('MemUsed', m.total - m.free) + line('SwapCached', 0) +
    line('Active', 0) + line('Inactive', m.inactive_anon + m.file) + line('Active(anon)', 0) +
    line('Inactive(anon)', m.inactive_anon) + line('Active(file)', 0) + line('Inactive(file)', m.file) +
    line('Unevictable', m.locked) + line('Mlocked', m.locked) + line('Dirty', 0) + line('Writeback', 0) +
    line('FilePages', m.cached) + line('Mapped', m.mapped) + line('AnonPages', m.anon) + line('Shmem', m.shmem) +
    line('KernelStack', m.stacks) + line('PageTables', m.tables)
  ); // prettier-ignore
}
