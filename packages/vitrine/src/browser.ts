import { browserPlatform } from './browser/platform.ts';
import { startWorker } from './browser/worker.ts';
import { type BootOptions, LinuxMachine } from './machine.ts';
import { WorkerMachine } from './remote/client.ts';

export type { BootOptions, ProcessInfo, SpawnOptions } from './machine.ts';
export { LinuxMachine } from './machine.ts';
export type { FileStat, MachineFs } from './fs.ts';
export { LinuxError } from './errors.ts';
export { type Exit, type Process, shellStatus } from './process.ts';
export type { InputStream, OutputStream } from './streams.ts';
export { VirtualHost } from './host/virtual.ts';
export { layeredImage, readTar } from '@vitrine/image';

export type { Limits } from './limits.ts';
export { WorkerMachine } from './remote/client.ts';
export type { WorkerInput, WorkerProcess } from './remote/process.ts';

async function boot(options: BootOptions & { readonly worker: true }): Promise<WorkerMachine>;
async function boot(options?: BootOptions): Promise<LinuxMachine>;
async function boot(options: BootOptions = {}): Promise<LinuxMachine | WorkerMachine> {
  if (!options.worker) return LinuxMachine.boot(browserPlatform, options);
  return WorkerMachine.boot(startWorker(), options);
}

/** Boots Linux machines; with `worker: true` each in a Web Worker, so that the page stays responsive. */
export const Machine: { boot: typeof boot } = { boot };
