import { type BootOptions, LinuxMachine } from './machine.ts';
import { nodePlatform } from './node/platform.ts';
import { startWorker } from './node/worker.ts';
import { WorkerMachine } from './remote/client.ts';

/** What a restored machine is given anew. */
export type RestoreOptions = Pick<
  BootOptions,
  'image' | 'host' | 'clock' | 'seed' | 'cpu' | 'jit' | 'jitCache' | 'limits' | 'worker' | 'volumes'
>;

export type { BootOptions, CpuModel, ProcessInfo, SpawnOptions } from './machine.ts';
export { LinuxMachine } from './machine.ts';
export type { FileStat, MachineFs } from './fs.ts';
export { LinuxError } from './errors.ts';
export { type Exit, type Process, shellStatus } from './process.ts';
export type { InputStream, OutputStream } from './streams.ts';
export type { ProfileOptions } from './profile/profiler.ts';
export type { Recording } from './profile/recording.ts';
export { VirtualHost } from './host/virtual.ts';

export { layeredImage, readTar } from '@vitrine/image';
export { type Images, images } from './node/images_api.ts';
export type { Limits } from './limits.ts';
export { WorkerMachine } from './remote/client.ts';
export type { WorkerInput, WorkerProcess } from './remote/process.ts';

type InWorker = { readonly worker: true };

async function boot(options: BootOptions & InWorker): Promise<WorkerMachine>;
async function boot(options?: BootOptions): Promise<LinuxMachine>;
async function boot(options: BootOptions = {}): Promise<LinuxMachine | WorkerMachine> {
  if (!options.worker) return LinuxMachine.boot(nodePlatform, options);
  return WorkerMachine.boot(startWorker(await nodePlatform.processor()), options);
}

async function restore(snapshot: Uint8Array, options: RestoreOptions & InWorker): Promise<WorkerMachine>; // prettier-ignore
async function restore(snapshot: Uint8Array, options?: RestoreOptions): Promise<LinuxMachine>;
async function restore(
  snapshot: Uint8Array,
  options: RestoreOptions = {},
): Promise<LinuxMachine | WorkerMachine> {
  // prettier-ignore
  if (!options.worker) return LinuxMachine.restore(nodePlatform, snapshot, options);
  return WorkerMachine.restore(startWorker(await nodePlatform.processor()), snapshot, options);
}

/** Boots Linux machines; any number of them, independent of each other. */
export const Machine: {
  boot: typeof boot;
  /** A machine that goes on where {@link LinuxMachine.snapshot} was taken. */
  restore: typeof restore;
} = { boot, restore };
