import type { Kernel } from '../include/kernel.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { proc_create } from '../fs/proc/registry.ts';
import { sysctl_create } from '../fs/proc/sysctl.ts';
import { type MqueueSuperBlock, mqueue_mount } from './mqueue.ts';
import { ipc_ns } from './ipc_ns.ts';
import type { MsgQueue } from './msg.ts';
import type { SemArray } from './sem.ts';
import type { ShmSegment } from './shm.ts';
import type { IpcIds, IpcPerm } from './util.ts';

/** /proc/sysvipc: what ipcs(1) prints (ipc/util.c, sysvipc_proc_show). */

const n = (value: number, width: number): string => String(value).padStart(width);

function table<T extends IpcPerm>(ids: IpcIds, head: string, line: (object: T) => string): string {
  return head + [...ids.byIndex.values()].map((object) => line(object as T)).join('');
}

const msg = (kernel: Kernel): string =>
  table<MsgQueue>(ipc_ns(kernel).msg, '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n', (q) =>
    `${n(q.key | 0, 10)} ${n(q.id, 10)}  ${q.mode.toString(8).padStart(4)}  ${n(q.cbytes, 10)} ${n(q.messages.length, 10)} ${n(q.lspid, 5)} ${n(q.lrpid, 5)} ` +
    `${n(q.uid, 5)} ${n(q.gid, 5)} ${n(q.cuid, 5)} ${n(q.cgid, 5)} ${n(q.stime, 10)} ${n(q.rtime, 10)} ${n(q.ctime, 10)}\n`); // prettier-ignore

const sem = (kernel: Kernel): string =>
  table<SemArray>(ipc_ns(kernel).sem, '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n', (s) =>
    `${n(s.key | 0, 10)} ${n(s.id, 10)}  ${s.mode.toString(8).padStart(4)} ${n(s.sems.length, 10)} ` +
    `${n(s.uid, 5)} ${n(s.gid, 5)} ${n(s.cuid, 5)} ${n(s.cgid, 5)} ${n(s.otime, 10)} ${n(s.ctime, 10)}\n`); // prettier-ignore

const shm = (kernel: Kernel): string =>
  table<ShmSegment>(ipc_ns(kernel).shm, '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n', (s) =>
    `${n(s.key | 0, 10)} ${n(s.id, 10)}  ${s.mode.toString(8).padStart(4)} ${n(s.size, 21)} ${n(s.cpid, 5)} ${n(s.lpid, 5)}  ${n(s.nattch, 5)} ` +
    `${n(s.uid, 5)} ${n(s.gid, 5)} ${n(s.cuid, 5)} ${n(s.cgid, 5)} ${n(s.atime, 10)} ${n(s.dtime, 10)} ${n(s.ctime, 10)} ` +
    `${n((s.file.mapping?.pages.size ?? 0) * PAGE_SIZE, 21)} ${n(0, 21)}\n`); // prettier-ignore

proc_create('sysvipc/msg', { mode: 0o444, splice: false, show: (current) => msg(current.kernel) });
proc_create('sysvipc/sem', { mode: 0o444, splice: false, show: (current) => sem(current.kernel) });
proc_create('sysvipc/shm', { mode: 0o444, splice: false, show: (current) => shm(current.kernel) });

/** A limit of the message queues (fs.mqueue). */
function mqueueLimit(
  name: 'queues_max' | 'msg_max' | 'msgsize_max' | 'msg_default' | 'msgsize_default',
  min: number,
  max: number,
): void {
  const sb = (kernel: Kernel): MqueueSuperBlock => mqueue_mount(kernel).sb as MqueueSuperBlock;
  sysctl_create(`fs/mqueue/${name}`, min, max, {
    get: (kernel) => sb(kernel)[name],
    set: (kernel, value) => {
      sb(kernel)[name] = value;
    },
  });
}

mqueueLimit('queues_max', 0, 2147483647);
mqueueLimit('msg_max', 1, 65536);
mqueueLimit('msgsize_max', 128, 16777216);
mqueueLimit('msg_default', 1, 65536);
mqueueLimit('msgsize_default', 128, 16777216);

// What restores a checkpoint asks for: the id that the next object gets.
for (const kind of ['msg', 'sem', 'shm'] as const)
  sysctl_create(`kernel/${kind}_next_id`, -1, 2147483647, {
    get: (kernel) => ipc_ns(kernel)[kind].next_id,
    set: (kernel, value) => {
      ipc_ns(kernel)[kind].next_id = value;
    },
  });
