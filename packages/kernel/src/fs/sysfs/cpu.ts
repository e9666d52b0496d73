import type { Kernel } from '../../include/kernel.ts';
import type { SysSpec } from './tree.ts';

/** /sys/devices/system/cpu (drivers/base/cpu.c, topology.c, cacheinfo.c): one processor, its caches as CPUID tells. */
export function cpuTree(kernel: Kernel): SysSpec {
  return {
    cpu0: { topology, cache: caches(kernel), subsystem: '-> ../../../../bus/cpu', uevent: '' },
    isolated: '\n',
    kernel_max: '0\n',
    offline: '\n',
    online: '0\n',
    possible: '0\n',
    present: '0\n',
    uevent: '',
  };
}

const topology: SysSpec = {
  cluster_cpus: '1\n',
  cluster_cpus_list: '0\n',
  cluster_id: '65535\n',
  core_cpus: '1\n',
  core_cpus_list: '0\n',
  core_id: '0\n',
  core_siblings: '1\n',
  core_siblings_list: '0\n',
  die_cpus: '1\n',
  die_cpus_list: '0\n',
  die_id: '0\n',
  package_cpus: '1\n',
  package_cpus_list: '0\n',
  physical_package_id: '0\n',
  thread_siblings: '1\n',
  thread_siblings_list: '0\n',
};

/** Ways by the code that CPUID leaf 80000006H has for them (AMD64 APM vol. 3, E.4.5). */
const WAYS: readonly number[] = [0, 1, 2, 0, 4, 0, 8, 0, 16, 0, 32, 48, 64, 96, 128];

function caches(kernel: Kernel): SysSpec {
  const [, , data, code] = kernel.cpu.cpuid(0x8000_0005, 0);
  const [, , l2, l3] = kernel.cpu.cpuid(0x8000_0006, 0);
  return {
    index0: cache(1, 'Data', data >>> 24, (data >>> 16) & 0xff, data & 0xff),
    index1: cache(1, 'Instruction', code >>> 24, (code >>> 16) & 0xff, code & 0xff),
    index2: cache(2, 'Unified', l2 >>> 16, WAYS[(l2 >>> 12) & 0xf]!, l2 & 0xff),
    index3: cache(3, 'Unified', (l3 >>> 18) * 512, WAYS[(l3 >>> 12) & 0xf]!, l3 & 0xff),
    uevent: '',
  };
}

function cache(level: number, type: string, kib: number, ways: number, line: number): SysSpec {
  return {
    coherency_line_size: `${line}\n`,
    id: '0\n',
    level: `${level}\n`,
    number_of_sets: `${(kib * 1024) / (ways * line)}\n`,
    physical_line_partition: '1\n',
    shared_cpu_list: '0\n',
    shared_cpu_map: '1\n',
    size: `${kib}K\n`,
    type: `${type}\n`,
    uevent: '',
    ways_of_associativity: `${ways}\n`,
  };
}
