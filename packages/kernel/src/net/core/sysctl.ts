import type { Kernel } from '../../include/kernel.ts';
import { sysctl_text } from '../../fs/proc/sysctl.ts';

/** Settings under /proc/sys/net that sockets go by. */
type NetSetting =
  | 'core/optmem_max'
  | 'core/rmem_default'
  | 'core/rmem_max'
  | 'core/somaxconn'
  | 'core/wmem_default'
  | 'core/wmem_max'
  | 'unix/max_dgram_qlen';

export const net_setting = (kernel: Kernel, name: NetSetting): number =>
  Number(sysctl_text(kernel, `net/${name}`));
