import { browserPlatform } from './browser/platform.ts';
import { type BootOptions, LinuxMachine } from './machine.ts';

export type { BootOptions, ProcessInfo, SpawnOptions } from './machine.ts';
export { LinuxMachine } from './machine.ts';
export type { FileStat, MachineFs } from './fs.ts';
export { LinuxError } from './errors.ts';
export { type Exit, type Process, shellStatus } from './process.ts';
export type { InputStream, OutputStream } from './streams.ts';
export { VirtualHost } from './host/virtual.ts';
export { readTar } from '@vitrine/image';

/** Boots Linux machines; best in a Web Worker, so that the page stays responsive. */
export const Machine: { boot(options?: BootOptions): Promise<LinuxMachine> } = {
  boot: (options) => LinuxMachine.boot(browserPlatform, options),
};
