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
  /** 0 refuses obvious overcommits, 1 none, 2 what passes the limit that ratio or kbytes give (proc_sys_vm(5)). */
  overcommit_memory = 0;
  overcommit_ratio = 50;
  overcommit_kbytes = 0;
  /** KiB that mode 2 keeps for root and for the user's own recovery. */
  admin_reserve_kbytes = 8192;
  user_reserve_kbytes = 131072;
  max_map_count = 65530;
  /** Mappings go from a third of the address space up, for all programs. */
  legacy_va_layout = 0;
  /** Who may count what with perf_event_open(2): 2 own programs, 1 the kernel for them, 0 processors, -1 everything. */
  perf_event_paranoid = 2;
  /** May who has no CAP_SYS_PTRACE serve faults of system calls (userfaultfd(2))? */
  unprivileged_userfaultfd = 0;
  /** Lowest address that a process without CAP_SYS_RAWIO may map. */
  mmap_min_addr = 65536;
  /** 1: no module is loaded any more, until the machine ends. */
  modules_disabled = 0;
  /** Number of the last audit session. */
  last_session = 0;

  static {
    serializable('SysctlTable', this);
  }
}
