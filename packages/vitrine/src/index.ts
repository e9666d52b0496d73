import { type BootOptions, LinuxMachine } from './machine.ts';
import { nodePlatform } from './node/platform.ts';

/** What a restored machine is given anew. */
export type RestoreOptions = Pick<BootOptions, 'image' | 'host' | 'clock' | 'seed' | 'cpu'>;

export type { BootOptions, CpuModel, ProcessInfo, SpawnOptions } from './machine.ts';
export { LinuxMachine } from './machine.ts';
export type { FileStat, MachineFs } from './fs.ts';
export { LinuxError } from './errors.ts';
export { type Exit, type Process, shellStatus } from './process.ts';
export type { InputStream, OutputStream } from './streams.ts';
export type { ProfileOptions } from './profile/profiler.ts';
export type { Recording } from './profile/recording.ts';
export { VirtualHost } from './host/virtual.ts';

/** Boots Linux machines; any number of them, independent of each other. */
export const Machine: {
  boot(options?: BootOptions): Promise<LinuxMachine>;
  /** A machine that goes on where {@link LinuxMachine.snapshot} was taken. */
  restore(snapshot: Uint8Array, options?: RestoreOptions): Promise<LinuxMachine>;
} = {
  boot: (options) => LinuxMachine.boot(nodePlatform, options),
  restore: (snapshot, options) => LinuxMachine.restore(nodePlatform, snapshot, options),
};
