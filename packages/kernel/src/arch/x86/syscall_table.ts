import * as NR from '@vitrine/uapi/unistd.ts';
import { IOPORT } from './ioport.ts';
import { LDT } from './ldt.ts';
import { AIO } from '../../syscalls/aio.ts';
import { FANOTIFY } from '../../syscalls/fanotify.ts';
import { EPOLL } from '../../syscalls/epoll.ts';
import { FCNTL } from '../../syscalls/fcntl.ts';
import { FHANDLE } from '../../syscalls/fhandle.ts';
import { MOUNT } from '../../syscalls/mount.ts';
import { NAMEI } from '../../syscalls/namei.ts';
import { FSMOUNT } from '../../syscalls/fsmount.ts';
import { IO_URING } from '../../syscalls/io_uring.ts';
import { IOCTL } from '../../syscalls/ioctl.ts';
import { KCMP } from '../../syscalls/kcmp.ts';
import { SETNS } from '../../syscalls/setns.ts';
import { KEYCTL } from '../../syscalls/keyctl.ts';
import { MODULE } from '../../syscalls/module.ts';
import { MQUEUE } from '../../syscalls/mqueue.ts';
import { NUMA } from '../../syscalls/numa.ts';
import { OPEN } from '../../syscalls/open.ts';
import { PIPE } from '../../syscalls/pipe.ts';
import { PROCESS_VM } from '../../syscalls/process_vm.ts';
import { READDIR } from '../../syscalls/readdir.ts';
import { READ_WRITE } from '../../syscalls/read_write.ts';
import { SELECT } from '../../syscalls/select.ts';
import { SOCKET } from '../../syscalls/socket.ts';
import { SPLICE } from '../../syscalls/splice.ts';
import { STAT } from '../../syscalls/stat.ts';
import { TIMERFD } from '../../syscalls/timerfd.ts';
import { PIDFD } from '../../syscalls/pidfd.ts';
import { XATTR } from '../../syscalls/xattr.ts';
import { FUTEX } from '../../syscalls/futex.ts';
import { IDS } from '../../syscalls/ids.ts';
import { IPC } from '../../syscalls/ipc.ts';
import { LSM } from '../../syscalls/lsm.ts';
import { LANDLOCK } from '../../syscalls/landlock.ts';
import { USERFAULTFD } from '../../syscalls/userfaultfd.ts';
import { PERF_EVENT } from '../../syscalls/perf_event.ts';
import { SECCOMP } from '../../syscalls/seccomp.ts';
import { MM } from '../../syscalls/mm.ts';
import { PGRP } from '../../syscalls/pgrp.ts';
import { PRCTL } from '../../syscalls/prctl.ts';
import { PROCESS } from '../../syscalls/process.ts';
import { RESOURCE } from '../../syscalls/resource.ts';
import type { SyscallRow } from '../../syscalls/row.ts';
import { SCHED } from '../../syscalls/sched.ts';
import { SIGNAL } from '../../syscalls/signal.ts';
import { SYS } from '../../syscalls/sys.ts';
import { TIME } from '../../syscalls/time.ts';

/** Every family's rows. Adding a system call is a row in its family; adding a family is a line here. */
const FAMILIES: readonly (readonly SyscallRow[])[] = [
  READ_WRITE,
  OPEN,
  STAT,
  NAMEI,
  READDIR,
  FCNTL,
  IOCTL,
  PIPE,
  SELECT,
  EPOLL,
  FANOTIFY,
  AIO,
  IO_URING,
  MOUNT,
  FHANDLE,
  FSMOUNT,
  XATTR,
  SOCKET,
  IPC,
  MQUEUE,
  KEYCTL,
  MODULE,
  KCMP,
  SETNS,
  NUMA,
  SPLICE,
  TIMERFD,
  PIDFD,
  LSM,
  LANDLOCK,
  SECCOMP,
  PERF_EVENT,
  USERFAULTFD,
  PROCESS,
  PROCESS_VM,
  IDS,
  PGRP,
  SIGNAL,
  MM,
  TIME,
  SCHED,
  FUTEX,
  RESOURCE,
  PRCTL,
  SYS,
  IOPORT,
  LDT,
];

/** THE system call table, by number: dispatch, strace, seccomp names and the compatibility page come from it. */
export const syscallTable: readonly (SyscallRow | undefined)[] = build();

let names: Map<number, string> | null = null;

/** What x86-64's headers call a number, also where the call is not there. */
export function syscall_name(nr: number): string | undefined {
  names ??= new Map(Object.entries(NR).map(([name, value]) => [value, name.slice('__NR_'.length)]));
  return names.get(nr);
}

function build(): (SyscallRow | undefined)[] {
  const table: (SyscallRow | undefined)[] = [];
  for (const row of FAMILIES.flat()) {
    if (table[row.nr] !== undefined)
      throw new Error(`two rows for system call ${row.nr} (${row.name})`);
    table[row.nr] = row;
  }
  return table;
}
