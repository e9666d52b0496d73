import { MSGMNI, SEMMNI, SHMMNI } from '@vitrine/uapi/ipc.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { IpcIds } from './util.ts';

declare module '../fs/vfs.ts' {
  interface Vfs {
    ipc?: IpcNamespace;
  }
}

/** Analogous to `struct ipc_namespace`. */
export class IpcNamespace {
  readonly sem: IpcIds = new IpcIds(SEMMNI);
  readonly msg: IpcIds = new IpcIds(MSGMNI);
  readonly shm: IpcIds = new IpcIds(SHMMNI);
  /** Bytes in all message queues. */
  msgBytes = 0;
  static {
    serializable('IpcNamespace', this);
  }
}

export function ipc_ns(kernel: Kernel): IpcNamespace {
  return (kernel.vfs.ipc ??= new IpcNamespace());
}
