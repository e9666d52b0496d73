import type { Kernel } from '../../include/kernel.ts';
import { cpu_list, cpu_mask_hex } from '../../kernel/sched/cpumask.ts';
import { NR_CPUS } from '../../kernel/sched/fair.ts';
import type { SysSpec } from './tree.ts';

/** /sys/devices/system/cpu (drivers/base/cpu.c, topology.c, cacheinfo.c): each processor, its caches as CPUID tells. */
export function cpuTree(kernel: Kernel): SysSpec {
  const { cpu_mask, rqs } = kernel.sched;
  const all = `${cpu_list(cpu_mask)}\n`;
  const tree: Record<string, string | SysSpec> = {};
  for (const { cpu } of rqs) {
    tree[`cpu${cpu}`] = {
      topology: topology(kernel, cpu),
      cache: caches(kernel, cpu),
      node0: '-> ../../node/node0',
      subsystem: '-> ../../../../bus/cpu',
      uevent: 'DRIVER=processor\n',
    };
  }
  return {
    ...tree,
    isolated: '\n',
    kernel_max: `${NR_CPUS - 1}\n`,
    offline: rqs.length < NR_CPUS ? `${rqs.length}-${NR_CPUS - 1}\n` : '\n',
    online: all,
    possible: all,
    present: all,
    smt: { active: '0\n', control: 'notsupported\n' },
    uevent: '',
    vulnerabilities,
  };
}

/** No side channel of a real processor's speculation reaches these programs. */
const vulnerabilities: SysSpec = Object.fromEntries(
  ['gather_data_sampling', 'itlb_multihit', 'l1tf', 'mds', 'meltdown', 'mmio_stale_data', 'reg_file_data_sampling',
    'retbleed', 'spec_rstack_overflow', 'spec_store_bypass', 'spectre_v1', 'spectre_v2', 'srbds', 'tsx_async_abort',
  ].map((name) => [name, 'Not affected\n']),
); // prettier-ignore

/** One socket of as many cores as there are processors, one thread each. */
function topology(kernel: Kernel, cpu: number): SysSpec {
  const { cpu_mask } = kernel.sched;
  const own = { mask: `${cpu_mask_hex(kernel, 2 ** cpu)}\n`, list: `${cpu}\n` };
  const all = { mask: `${cpu_mask_hex(kernel, cpu_mask)}\n`, list: `${cpu_list(cpu_mask)}\n` };
  return {
    cluster_cpus: own.mask,
    cluster_cpus_list: own.list,
    cluster_id: '65535\n',
    core_cpus: own.mask,
    core_cpus_list: own.list,
    core_id: `${cpu}\n`,
    core_siblings: all.mask,
    core_siblings_list: all.list,
    die_cpus: all.mask,
    die_cpus_list: all.list,
    die_id: '0\n',
    package_cpus: all.mask,
    package_cpus_list: all.list,
    physical_package_id: '0\n',
    thread_siblings: own.mask,
    thread_siblings_list: own.list,
  };
}

/** Ways by the code that CPUID leaf 80000006H has for them (AMD64 APM vol. 3, E.4.5). */
const WAYS: readonly number[] = [0, 1, 2, 0, 4, 0, 8, 0, 16, 0, 32, 48, 64, 96, 128];

function caches(kernel: Kernel, cpu: number): SysSpec {
  const [, , data, code] = kernel.cpu.cpuid(0x8000_0005, 0);
  const [, , l2, l3] = kernel.cpu.cpuid(0x8000_0006, 0);
  return {
    index0: cache(kernel, cpu, 1, 'Data', data >>> 24, (data >>> 16) & 0xff, data & 0xff),
    index1: cache(kernel, cpu, 1, 'Instruction', code >>> 24, (code >>> 16) & 0xff, code & 0xff),
    index2: cache(kernel, cpu, 2, 'Unified', l2 >>> 16, WAYS[(l2 >>> 12) & 0xf]!, l2 & 0xff),
    index3: cache(
      kernel,
      cpu,
      3,
      'Unified',
      (l3 >>> 18) * 512,
      WAYS[(l3 >>> 12) & 0xf]!,
      l3 & 0xff,
    ),
    uevent: '',
  };
}

/** One cache: the first two levels belong to a core, the third to the socket. */
function cache(
  kernel: Kernel,
  cpu: number,
  level: number,
  type: string,
  kib: number,
  ways: number,
  line: number,
): SysSpec {
  const shared = level < 3 ? 2 ** cpu : kernel.sched.cpu_mask;
  return {
    coherency_line_size: `${line}\n`,
    id: `${level < 3 ? cpu : 0}\n`,
    level: `${level}\n`,
    number_of_sets: `${(kib * 1024) / (ways * line)}\n`,
    physical_line_partition: '1\n',
    shared_cpu_list: `${cpu_list(shared)}\n`,
    shared_cpu_map: `${cpu_mask_hex(kernel, shared)}\n`,
    size: `${kib}K\n`,
    type: `${type}\n`,
    uevent: '',
    ways_of_associativity: `${ways}\n`,
  };
}
