import {
  MSGMAX,
  MSGMNB,
  MSGMNI,
  SEMMNI,
  SEMMNS,
  SEMMSL,
  SEMOPM,
  SHMMNI,
} from '@vitrine/uapi/ipc.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { IpcIds } from './util.ts';

declare module '../fs/vfs.ts' {
  interface Vfs {
    ipc?: IpcNamespace;
  }
}

/** ULONG_MAX, less what overflows nobody's sums (SHMMAX, SHMALL). */
const NO_LIMIT = 0xffff_ffff_feff_ffffn;

/** Analogous to `struct ipc_namespace`: the objects and the limits that /proc/sys/kernel sets. */
export class IpcNamespace {
  readonly sem: IpcIds = new IpcIds(SEMMNI);
  readonly msg: IpcIds = new IpcIds(MSGMNI);
  readonly shm: IpcIds = new IpcIds(SHMMNI);
  /** Bytes in all message queues. */
  msgBytes = 0;
  /** Longest message, and bytes that a new queue may hold. */
  msg_ctlmax: number = MSGMAX;
  msg_ctlmnb: number = MSGMNB;
  /** Semaphores in a set and in all sets, operations in a call; the number of sets is `sem.max`. */
  sem_ctlmsl: number = SEMMSL;
  sem_ctlmns: number = SEMMNS;
  sem_ctlopm: number = SEMOPM;
  /** Longest segment in bytes, and pages in all segments. */
  shm_ctlmax: bigint = NO_LIMIT;
  shm_ctlall: bigint = NO_LIMIT;
  /** A segment goes when nobody is attached and its maker is gone. */
  shm_rmid_forced = 0;
  static {
    serializable('IpcNamespace', this);
  }
}

export function ipc_ns(kernel: Kernel): IpcNamespace {
  return (kernel.vfs.ipc ??= new IpcNamespace());
}
