import type { Current } from '../../include/current.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import { cpuinfo } from './cpuinfo.ts';
import { proc_create } from './registry.ts';

/** The files of /proc that tell of the whole machine. */

const file = (
  path: string,
  show: (kernel: Kernel, current: Current) => string,
  mode = 0o444,
): void => proc_create(path, { mode, show: (current) => show(current.kernel, current) });

function tasks(kernel: Kernel): Task[] {
  const list: Task[] = [];
  for (const pid of kernel.pids.pids.values()) if (pid.task !== null) list.push(pid.task);
  return list;
}

function meminfo(kernel: Kernel): string {
  const { total, free } = kernel.frames;
  let anon = 0;
  let mapped = 0;
  let shmem = 0;
  let tables = 0;
  const seen = new Set<object>();
  for (const task of tasks(kernel)) {
    const { mm } = task;
    if (mm === null || seen.has(mm)) continue;
    seen.add(mm);
    anon += mm.rss_anon;
    mapped += mm.rss_file;
    shmem += mm.rss_shmem;
    tables += mm.tables.tables;
  }
  // Pages that are neither free nor anonymous nor page tables hold files.
  const cached = Math.max(0, total - free - anon - tables);
  const stack = kernel.nr_threads * 16;
  const line = (name: string, pages: number): string =>
    `${(name + ':').padEnd(16)}${String(pages * 4).padStart(8)} kB\n`;
  const count = (name: string): string => `${(name + ':').padEnd(16)}${'0'.padStart(8)}\n`;
  return (
    line('MemTotal', total) + line('MemFree', free) + line('MemAvailable', free) + line('Buffers', 0) +
    line('Cached', cached) + line('SwapCached', 0) + line('Active', anon) + line('Inactive', cached) +
    line('Active(anon)', anon) + line('Inactive(anon)', cached) + line('Active(file)', 0) + line('Inactive(file)', 0) +
    line('Unevictable', 0) + line('Mlocked', 0) + line('SwapTotal', 0) + line('SwapFree', 0) + line('Dirty', 0) +
    line('Writeback', 0) + line('AnonPages', anon) + line('Mapped', mapped + shmem) + line('Shmem', cached) +
    line('KReclaimable', 0) + line('Slab', 0) + line('SReclaimable', 0) + line('SUnreclaim', 0) +
    line('KernelStack', stack / 4) + line('PageTables', tables) + line('SecPageTables', 0) + line('NFS_Unstable', 0) +
    line('Bounce', 0) + line('WritebackTmp', 0) + line('CommitLimit', Math.floor(total / 2)) +
    line('Committed_AS', anon + shmem) + 'VmallocTotal:   34359738367 kB\n' + line('VmallocUsed', 0) +
    line('VmallocChunk', 0) + line('Percpu', 0) + line('AnonHugePages', 0) + line('ShmemHugePages', 0) +
    line('ShmemPmdMapped', 0) + line('FileHugePages', 0) + line('FilePmdMapped', 0) + count('HugePages_Total') +
    count('HugePages_Free') + count('HugePages_Rsvd') + count('HugePages_Surp') + line('Hugepagesize', 512) +
    line('Hugetlb', 0) + line('DirectMap4k', total)
  ); // prettier-ignore
}

function filesystems(kernel: Kernel): string {
  return [...kernel.vfs.fileSystems.values()]
    .map((type) => `${type.nodev ? 'nodev' : ''}\t${type.name}\n`)
    .join('');
}

function devices(kernel: Kernel): string {
  const names = [...kernel.vfs.charNames].sort(([a], [b]) => a - b);
  const lines = names.map(([major, name]) => `${String(major).padStart(3)} ${name}\n`).join('');
  return `Character devices:\n${lines}\nBlock devices:\n`;
}

function vmstat(kernel: Kernel): string {
  let faults = 0;
  let major = 0;
  for (const task of tasks(kernel)) {
    faults += task.min_flt + task.maj_flt;
    major += task.maj_flt;
  }
  return `nr_free_pages ${kernel.frames.free}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault ${faults}\npgmajfault ${major}\noom_kill ${kernel.oom.kills}\n`;
}

function buddyinfo(kernel: Kernel): string {
  const counts = Array.from(kernel.buddy.nrFree, (n) => String(n).padStart(6)).join(' ');
  return `Node 0, zone   Normal ${counts} \n`;
}

function consoles(kernel: Kernel): string {
  return kernel.vfs.ttys.consoles
    .slice(0, 1)
    .map((tty) => `${tty.name.padEnd(21)}-W- (EC  p  )    229:0\n`)
    .join('');
}

file('meminfo', meminfo);
file('cpuinfo', cpuinfo);
file('version', (k) => `Linux version ${k.uts.release} (vitrine) ${k.uts.version}\n`);
file('cmdline', (k) => `${k.cmdline}\n`);
file('filesystems', filesystems);
file('devices', devices);
file('vmstat', vmstat);
file('buddyinfo', buddyinfo, 0o444);
file('consoles', consoles);
file('swaps', () => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n');
file('partitions', () => 'major minor  #blocks  name\n\n');
file('diskstats', () => '');
file('misc', () => '');
file('ioports', () => '');
file('iomem', () => '');
file('cgroups', () => '#subsys_name\thierarchy\tnum_cgroups\tenabled\n');
file('execdomains', () => '0-0\tLinux           \t[kernel]\n');
file('key-users', () => '');
file(
  'tty/drivers',
  () =>
    '/dev/tty             /dev/tty        5       0 system:/dev/tty\n/dev/console         /dev/console    5       1 system:console\n/dev/ptmx            /dev/ptmx       5       2 system\npty_slave            /dev/pts      136 0-1048575 pty:slave\npty_master           /dev/ptm      128 0-1048575 pty:master\n',
);
file('tty/ldiscs', () => 'n_tty       0\n');
