import type { Current } from '../../include/current.ts';
import type { Kernel } from '../../include/kernel.ts';
import { module_refcount } from '../../kernel/module.ts';
import { cpuinfo } from './cpuinfo.ts';
import { proc_create } from './registry.ts';

/** The files of /proc that tell of the whole machine. */

const file = (
  path: string,
  show: (kernel: Kernel, current: Current) => string,
  mode = 0o444,
): void => proc_create(path, { mode, show: (current) => show(current.kernel, current) });

function filesystems(kernel: Kernel): string {
  return [...kernel.vfs.fileSystems.values()]
    .map((type) => `${type.nodev ? 'nodev' : ''}\t${type.name}\n`)
    .join('');
}

function devices(kernel: Kernel): string {
  const names = [...kernel.vfs.charNames].sort(([a], [b]) => a - b);
  const lines = names
    .flatMap(([major, list]) => list.map((name) => `${String(major).padStart(3)} ${name}\n`))
    .join('');
  return `Character devices:\n${lines}\nBlock devices:\n`;
}

/** Each module with its size, use count, what needs it, state and address. */
function modules(kernel: Kernel): string {
  return [...kernel.modules.values()]
    .toReversed()
    .map((module) => {
      const holders = [...module.holders].map((name) => `${name},`).join('');
      return `${module.name} ${Math.ceil(module.size / 4096) * 4096} ${module_refcount(kernel, module)} ${holders === '' ? '-' : holders} Live 0x0000000000000000\n`;
    })
    .join('');
}

function consoles(kernel: Kernel): string {
  return kernel.vfs.ttys.consoles
    .slice(0, 1)
    .map((tty) => `${tty.name.padEnd(21)}-W- (EC  p  )    229:0\n`)
    .join('');
}

file('cpuinfo', cpuinfo);
file('modules', modules);
file('version', (k) => `Linux version ${k.uts.release} (vitrine) ${k.uts.version}\n`);
proc_create('cmdline', { mode: 0o444, size: (k) => k.cmdline.length + 1, show: ({ kernel }) => `${kernel.cmdline}\n` }); // prettier-ignore
file('filesystems', filesystems);
file('devices', devices);
file('consoles', consoles);
file('swaps', () => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n');
file('partitions', () => 'major minor  #blocks  name\n\n');
file('diskstats', () => '');
file('misc', ({ vfs }) =>
  [...vfs.misc].map(([minor, name]) => `${String(minor).padStart(3)} ${name}\n`).join(''),
);
file('ioports', () => '');
file('iomem', () => '');
file('cgroups', () => '#subsys_name\thierarchy\tnum_cgroups\tenabled\n');
file('execdomains', () => '0-0\tLinux           \t[kernel]\n');
file(
  'tty/drivers',
  () =>
    '/dev/tty             /dev/tty        5       0 system:/dev/tty\n/dev/console         /dev/console    5       1 system:console\n/dev/ptmx            /dev/ptmx       5       2 system\npty_slave            /dev/pts      136 0-1048575 pty:slave\npty_master           /dev/ptm      128 0-1048575 pty:master\n',
);
file('tty/ldiscs', () => 'n_tty       0\nn_null     27\n');
