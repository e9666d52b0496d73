import { FUTEX } from '../../syscalls/futex.ts';
import { IDS } from '../../syscalls/ids.ts';
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
  PROCESS,
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
];

/** THE system call table, by number: dispatch, strace, seccomp names and the compatibility page come from it. */
export const syscallTable: readonly (SyscallRow | undefined)[] = build();

function build(): (SyscallRow | undefined)[] {
  const table: (SyscallRow | undefined)[] = [];
  for (const row of FAMILIES.flat()) {
    if (table[row.nr] !== undefined)
      throw new Error(`two rows for system call ${row.nr} (${row.name})`);
    table[row.nr] = row;
  }
  return table;
}
