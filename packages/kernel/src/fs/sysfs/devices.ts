import { S_IFBLK, S_IFCHR, S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Kernel } from '../../include/kernel.ts';
import { module_refcount } from '../../kernel/module.ts';
import type { Dentry } from '../dcache.ts';
import { MAJOR, MINOR } from '../kdev_t.ts';
import { cpuTree } from './cpu.ts';
import { memoryTree, nodeTree } from './memory.ts';
import type { SysSpec } from './tree.ts';

/** The class of a character device by its major number; the others here belong to terminals. */
const CLASSES: ReadonlyMap<number, string> = new Map([[1, 'mem']]);

interface Device {
  /** As below /dev; `!` stands for a slash where it is a file's name. */
  readonly name: string;
  readonly number: string;
  readonly cls: string;
  readonly block: boolean;
  readonly uevent: string;
}

/** Every device node that a driver made. */
function devices(kernel: Kernel): Device[] {
  const found: Device[] = [];
  const visit = (dir: Dentry, prefix: string): void => {
    for (const [name, child] of dir.children ?? []) {
      const { mode, rdev } = child.inode;
      const type = mode & S_IFMT;
      if (type === S_IFCHR || type === S_IFBLK)
        found.push(device(`${prefix}${name}`, rdev, mode, type === S_IFBLK));
      else visit(child, `${prefix}${name}/`);
    }
  };
  visit(kernel.vfs.devtmpfs.root, '');
  return found;
}

function device(name: string, rdev: number, mode: number, block: boolean): Device {
  const major = MAJOR(rdev);
  const minor = MINOR(rdev);
  const bits = mode & 0o777;
  const devmode = bits === 0o600 ? '' : `DEVMODE=0${bits.toString(8)}\n`;
  return {
    name: name.replaceAll('/', '!'),
    number: `${major}:${minor}`,
    cls: block ? 'block' : (CLASSES.get(major) ?? 'tty'),
    block,
    uevent: `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${name}\n${devmode}`,
  };
}

/** /sys/module: what is loaded, with its parameters (kernel/module/sysfs.c). */
function moduleTree(kernel: Kernel): SysSpec {
  const tree: Record<string, SysSpec> = {};
  for (const module of kernel.modules.values()) {
    const holders: Record<string, string> = {};
    for (const name of module.holders) holders[name] = `-> ../../${name}`;
    const parameters: Record<string, string> = {};
    for (const [name, value] of module.params) parameters[name] = `${value}\n`;
    tree[module.name] = {
      coresize: `${Math.ceil(module.size / 4096) * 4096}\n`,
      holders,
      initsize: '0\n',
      initstate: 'live\n',
      ...(module.params.size > 0 ? { parameters } : {}),
      refcnt: () => `${module_refcount(kernel, module)}\n`,
      taint: '\n',
    };
  }
  return tree;
}

type Tree = Record<string, string | SysSpec>;

/** The whole of /sys. A directory that is empty stands for a part that is there and has nothing to show. */
export function sysTree(kernel: Kernel): SysSpec {
  const classes: Record<string, Tree> = { bdi: {}, block: {}, mem: {}, tty: {} };
  const virtual: Record<string, Tree> = { mem: {}, tty: {} };
  const dev = { block: {} as Tree, char: {} as Tree };
  const block: Tree = {};
  for (const { name, number, cls, block: isBlock, uevent } of devices(kernel)) {
    const place = `devices/virtual/${cls}/${name}`;
    const subsystem = `-> ../../../../class/${cls}`;
    (virtual[cls] ??= {})[name] = { dev: `${number}\n`, subsystem, uevent };
    (classes[cls] ??= {})[name] = `-> ../../${place}`;
    dev[isBlock ? 'block' : 'char'][number] = `-> ../../${place}`;
    if (isBlock) block[name] = `-> ../${place}`;
  }
  const cpus: Tree = {};
  for (const { cpu } of kernel.sched.rqs)
    cpus[`cpu${cpu}`] = `-> ../../../devices/system/cpu/cpu${cpu}`;
  return {
    block,
    bus: {
      cpu: { devices: cpus, drivers: {} },
      event_source: { devices: { software: '-> ../../../devices/software' }, drivers: {} },
      memory: { devices: {}, drivers: {} },
      node: { devices: { node0: '-> ../../../devices/system/node/node0' }, drivers: {} },
    },
    class: classes,
    dev,
    devices: {
      software: { type: '1\n', perf_event_mux_interval_ms: '4\n' },
      system: { cpu: cpuTree(kernel), memory: memoryTree(kernel), node: nodeTree(kernel) },
      virtual,
    },
    firmware: {},
    fs: {},
    kernel: {
      address_bits: '64\n',
      cpu_byteorder: 'little\n',
      fscaps: '1\n',
      mm: {},
      profiling: '0\n',
      uevent_seqnum: () => `${kernel.vfs.netlink.uevent_seqnum}\n`,
    },
    module: moduleTree(kernel),
  };
}
