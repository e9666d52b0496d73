import type { Kernel } from '../../include/kernel.ts';

/** Masks of processors as Linux prints them (lib/bitmap-str.c): bit n is processor n. */

/** `0-2,5` (%*pbl). */
export function cpu_list(mask: number): string {
  const runs: string[] = [];
  for (let cpu = 0; cpu < 32; cpu++) {
    if (((mask >>> cpu) & 1) === 0) continue;
    const first = cpu;
    while (cpu < 31 && ((mask >>> (cpu + 1)) & 1) !== 0) cpu++;
    runs.push(first === cpu ? `${cpu}` : `${first}-${cpu}`);
  }
  return runs.join(',');
}

/** Hexadecimal, as many digits as the machine's processors need (%*pb). */
export function cpu_mask_hex(kernel: Kernel, mask: number): string {
  return mask.toString(16).padStart(Math.ceil(kernel.sched.rqs.length / 4), '0');
}
