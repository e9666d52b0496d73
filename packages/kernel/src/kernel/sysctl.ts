import { serializable } from '../include/serial.ts';

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly sysctl: SysctlTable;
  }
}

/** Settings below /proc/sys that the kernel itself acts on; fs/proc/sysctl.ts shows them. */
export class SysctlTable {
  /** 0: the same addresses in every run (the default here); 1: random; 2: the heap's start, too. */
  randomize_va_space = 0;

  /** Name of a core file, or `|program` (core(5)); with core_uses_pid, `.PID` behind it. */
  core_pattern = 'core';
  core_uses_pid = 0;
  /** How much of a process whose ids changed others may see: 0 nothing, 1 all, 2 root a core file (core(5)). */
  suid_dumpable = 0;
  /** 1: no module is loaded any more, until the machine ends. */
  modules_disabled = 0;
  /** Number of the last audit session. */
  last_session = 0;

  static {
    serializable('SysctlTable', this);
  }
}
