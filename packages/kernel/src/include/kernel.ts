import type { Host } from './host.ts';
import type { PageFrames, Ram } from './ram.ts';
import type { Clock, Timers } from './time.ts';
import type { Trace } from './trace.ts';
import type { WorkQueue } from './work.ts';

/**
 * One machine's kernel: the root of the object graph. There are no global variables, because several machines live in
 * one process. A subsystem adds its slot by declaration merging and fills it in its `…_init(kernel)`, which
 * init/main.ts calls:
 *
 *     declare module '../include/kernel.ts' {
 *       interface Kernel { pipefs: PipeFs }
 *     }
 */
export interface Kernel {
  /** Not state: left out of snapshots and given anew on restore. */
  readonly host: Host;
  readonly trace: Trace;
  readonly ram: Ram;

  readonly frames: PageFrames;
  readonly clock: Clock;
  readonly timers: Timers;

  /** Runs between two tasks' turns. */
  readonly work: WorkQueue;

  /** The kernel log; level as in KERN_… (0 emerg to 7 debug). */
  printk(level: number, text: string): void;
  /** Bytes from the kernel's random generator, seeded by the host. */
  get_random_bytes(into: Uint8Array): void;
}
