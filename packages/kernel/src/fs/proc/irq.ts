import { EINVAL, EOVERFLOW } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { proc_create } from './registry.ts';

/**
 * /proc/irq and /proc/dma. No device has an interrupt line, so there are no directories of lines; what is left is the mask
 * for lines to come. Of the ISA's eight DMA channels the fourth leads to the other controller and is always taken (kernel/dma.c).
 */

declare module '../../include/kernel.ts' {
  interface Kernel {
    /** Processors that a new interrupt line would be for, as a mask. */
    irq_default_affinity: number;
  }
}

/** A mask of processors as %*pb writes it; there are at most 32. */
const mask_text = (kernel: Kernel, mask: number): string =>
  (mask >>> 0).toString(16).padStart(Math.ceil(kernel.sched.rqs.length / 4), '0');

/** bitmap_parse: groups of up to eight hexadecimal digits between commas. */
function parse_mask(kernel: Kernel, text: string): number {
  const groups = text.trim().split(',');
  if (groups.some((group) => !/^[0-9a-f]{1,8}$/i.test(group)))
    throw errno(EINVAL, 'default_smp_affinity: {} is no mask of processors', text.trim());
  const value = BigInt(`0x${groups.map((group) => group.padStart(8, '0')).join('')}`);
  const cpus = BigInt(kernel.sched.rqs.length);
  if (value >> cpus !== 0n)
    throw errno(EOVERFLOW, 'default_smp_affinity: {} has more bits than {} processors', text.trim(), Number(cpus)); // prettier-ignore
  if (value === 0n) throw errno(EINVAL, 'default_smp_affinity: no processor is left');
  return Number(value);
}

proc_create('irq/default_smp_affinity', {
  mode: 0o644,
  show: ({ kernel }) => `${mask_text(kernel, kernel.irq_default_affinity)}\n`,
  write({ kernel }, text) {
    kernel.irq_default_affinity = parse_mask(kernel, text);
  },
});

proc_create('dma', { show: () => ' 4: cascade\n' });
