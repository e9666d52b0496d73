import { ERANGE } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { proc_create } from '../fs/proc/registry.ts';
import { mayWrite, sysctl_create } from '../fs/proc/sysctl.ts';
import { sysctl_numbers } from '../fs/proc/sysctl_numbers.ts';
import { type MqueueSuperBlock, mqueue_mount } from './mqueue.ts';
import { type IpcNamespace, ipc_ns } from './ipc_ns.ts';
import type { MsgQueue } from './msg.ts';
import type { SemArray } from './sem.ts';
import { type ShmSegment, reapSegments } from './shm.ts';
import { type IpcIds, IPCMNI, type IpcPerm } from './util.ts';

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
proc_create('sysvipc/shm', {
  mode: 0o444,
  splice: false,
  show: (current) => {
    reapSegments(current);
    return shm(current.kernel);
  },
});

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

type Limit = 'msg_ctlmax' | 'msg_ctlmnb' | 'shm_rmid_forced';

function limit(path: string, key: Limit, max: number): void {
  sysctl_create(path, 0, max, {
    get: (kernel) => ipc_ns(kernel)[key],
    set: (kernel, value) => {
      ipc_ns(kernel)[key] = value;
    },
  });
}

limit('kernel/msgmax', 'msg_ctlmax', 2147483647);
limit('kernel/msgmnb', 'msg_ctlmnb', 2147483647);
limit('kernel/shm_rmid_forced', 'shm_rmid_forced', 1);
// Once it followed the size of memory; it is kept for programs that switch that off.
sysctl_create('kernel/auto_msgmni', 0, 1, { get: () => 0, set: () => {} });

for (const kind of ['msg', 'shm'] as const)
  sysctl_create(`kernel/${kind}mni`, 0, IPCMNI, {
    get: (kernel) => ipc_ns(kernel)[kind].max,
    set: (kernel, value) => {
      ipc_ns(kernel)[kind].max = value;
    },
  });

/** A limit of 64 bits without sign. */
function wideLimit(path: string, key: 'shm_ctlmax' | 'shm_ctlall'): void {
  proc_create(`sys/${path}`, {
    mode: 0o644,
    whole: true,
    show: (current) => `${ipc_ns(current.kernel)[key]}\n`,
    write: (current, text) => {
      mayWrite(current, path);
      const { numbers, used } = sysctl_numbers(path, text, 1, 0n, (1n << 64n) - 1n);
      ipc_ns(current.kernel)[key] = numbers[0]!;
      return used;
    },
  });
}

wideLimit('kernel/shmmax', 'shm_ctlmax');
wideLimit('kernel/shmall', 'shm_ctlall');

/** kernel.sem: semaphores in a set, in all, operations in a call, sets. Fewer numbers leave the last as they are. */
proc_create('sys/kernel/sem', {
  mode: 0o644,
  whole: true,
  show: (current) => semLimits(ipc_ns(current.kernel)).join('\t') + '\n',
  write: (current, text) => {
    mayWrite(current, 'kernel/sem');
    const ns = ipc_ns(current.kernel);
    const { numbers, used } = sysctl_numbers('kernel/sem', text, 4, -(1n << 31n), (1n << 31n) - 1n);
    const [msl, mns, opm, mni] = semLimits(ns).map((old, i) => Number(numbers[i] ?? old));
    if (mni! < 0 || mni! > IPCMNI)
      throw errno(ERANGE, '/proc/sys/kernel/sem: {} sets are not between 0 and {}', mni, IPCMNI);
    [ns.sem_ctlmsl, ns.sem_ctlmns, ns.sem_ctlopm, ns.sem.max] = [msl!, mns!, opm!, mni!];
    return used;
  },
});

const semLimits = (ns: IpcNamespace): number[] => [
  ns.sem_ctlmsl,
  ns.sem_ctlmns,
  ns.sem_ctlopm,
  ns.sem.max,
];

// What restores a checkpoint asks for: the id that the next object gets.
for (const kind of ['msg', 'sem', 'shm'] as const)
  sysctl_create(`kernel/${kind}_next_id`, 0, 2147483647, {
    get: (kernel) => ipc_ns(kernel)[kind].next_id,
    set: (kernel, value) => {
      ipc_ns(kernel)[kind].next_id = value;
    },
  });
