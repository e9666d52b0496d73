import type { Kernel } from '../../include/kernel.ts';
import { sysctl_text } from '../../fs/proc/sysctl.ts';

/** Settings under /proc/sys/net that sockets go by, with what they are at first (net/core/sysctl_net_core.c). */
const INITIAL = {
  'core/optmem_max': 131072,
  'core/rmem_default': 212992,
  'core/rmem_max': 212992,
  'core/somaxconn': 4096,
  'core/wmem_default': 212992,
  'core/wmem_max': 212992,
  'unix/max_dgram_qlen': 10,
};

export const net_setting = (kernel: Kernel, name: keyof typeof INITIAL): number =>
  Number(sysctl_text(kernel, `net/${name}`, String(INITIAL[name])));
