import { EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { LLONG_MAX } from '../../include/loff.ts';
import { uuid_gen } from '../../include/uuid.ts';
import { defaultMaxThreads } from '../../kernel/fork.ts';
import { RR_TIMESLICE } from '../../kernel/sched/fair.ts';
import type { SysctlTable } from '../../kernel/sysctl.ts';
import { hexDigits } from '../bytes.ts';
import type { Vfs } from '../vfs.ts';
import { proc_create, proc_mkdir } from './registry.ts';
import { sysctl_numbers } from './sysctl_numbers.ts';

declare module '../vfs.ts' {
  interface Vfs {
    /** Values under /proc/sys that were written and have no other home. */
    sysctls?: Map<string, string>;
  }
}

/** What sysctls without a home of their own are at first. */
const initial_texts = new Map<string, string>();

/** The current text of such a sysctl. */
export function sysctl_text(
  kernel: Kernel,
  path: string,
  initial: string = initial_texts.get(path)!,
): string {
  return kernel.vfs.sysctls?.get(path) ?? initial;
}

/** kernel.dmesg_restrict: the log is for CAP_SYSLOG only. */
export const dmesg_restrict = (kernel: Kernel): boolean =>
  sysctl_text(kernel, 'kernel/dmesg_restrict') !== '0';

export function mayWrite(current: Current, path: string): void {
  if (current.cred.euid === 0 || capable(current.cred, CAP_SYS_ADMIN)) return;
  throw errno(EPERM, '/proc/sys/{} is written by root, not uid {}', path, current.cred.euid);
}

/** A setting of one whole number; MAX_SAFE_INTEGER stands for LONG_MAX. @returns how much of the text was taken */
function store_number(
  path: string,
  text: string,
  min: number,
  max: number,
  set: (value: number) => void,
): number {
  const limit = max === Number.MAX_SAFE_INTEGER ? LLONG_MAX : BigInt(max);
  const { numbers, used } = sysctl_numbers(path, text, 1, BigInt(min), limit);
  set(Math.min(Number(numbers[0]), max));
  return used;
}

/** Its text, of which a read that does not begin at the start gives nothing (proc_dointvec). */
const NUMBER = { mode: 0o644, whole: true } as const;

/** A file that only tells. */
function ro(path: string, show: (kernel: Kernel, current: Current) => string): void {
  proc_create(`sys/${path}`, {
    mode: 0o444,
    show: (current) => show(current.kernel, current) + '\n',
  });
}

/** A setting that is kept and told; what depends on it, if anything does, asks {@link sysctl_text}. */
function setting(
  path: string,
  initial: string,
  min: number | null = 0,
  max = 2147483647,
  mode = 0o644,
): void {
  const count = initial.split(/\s+/).length;
  initial_texts.set(path, initial);
  proc_create(`sys/${path}`, {
    mode,
    whole: min !== null,
    show: (current) => sysctl_text(current.kernel, path) + '\n',
    write: (current, text) => {
      mayWrite(current, path);
      const kept = (current.kernel.vfs.sysctls ??= new Map());
      if (min === null) {
        kept.set(path, text.replace(/[\n\0][^]*$/, ''));
        return text.length;
      }
      const { numbers, used } = sysctl_numbers(path, text, count, BigInt(min), BigInt(max));
      const old = sysctl_text(current.kernel, path).split('\t');
      kept.set(path, old.map((value, i) => numbers[i] ?? value).join('\t'));
      return used;
    },
  });
}

type NumberKey<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

/** A number that another part of the kernel keeps. */
export function sysctl_create(
  path: string,
  min: number,
  max: number,
  value: { get(kernel: Kernel): number; set(kernel: Kernel, value: number): void },
): void {
  proc_create(`sys/${path}`, {
    ...NUMBER,
    show: (current) => `${value.get(current.kernel)}\n`,
    write: (current, text) => {
      mayWrite(current, path);
      return store_number(path, text, min, max, (number) => value.set(current.kernel, number));
    },
  });
}

/** A number of the file layer. */
/** A number of which the largest one stands for LONG_MAX. */
const longMax = (value: number): string =>
  value >= Number.MAX_SAFE_INTEGER ? '9223372036854775807' : String(value);

function vfsNumber(path: string, key: NumberKey<Vfs> & string, min: number, max: number): void {
  proc_create(`sys/${path}`, {
    ...NUMBER,
    show: (current) => {
      return `${longMax(current.kernel.vfs[key] as number)}\n`;
    },
    write: (current, text) => {
      mayWrite(current, path);
      return store_number(path, text, min, max, (number) => {
        (current.kernel.vfs as unknown as Record<string, number>)[key] = number;
      });
    },
  });
}

/** A power of two, of a page at least (round_pipe_size). */
function round_pipe_size(size: number): number {
  if (size > 2 ** 31) throw errno(EINVAL, 'a pipe cannot have {} bytes', size);
  return Math.max(4096, 2 ** Math.ceil(Math.log2(Math.max(1, size))));
}

/** A number that the kernel acts on. */
function kernelNumber(
  path: string,
  key: NumberKey<SysctlTable> & string,
  min: number,
  max: number,
): void {
  sysctl_create(path, min, max, {
    get: ({ sysctl }) => sysctl[key],
    set: ({ sysctl }, value) => {
      sysctl[key] = value;
    },
  });
}

ro('kernel/ostype', (k) => k.uts.sysname);
ro('kernel/osrelease', (k) => k.uts.release);
ro('kernel/version', (k) => k.uts.version);
ro('kernel/cap_last_cap', () => '40');
ro('kernel/ngroups_max', () => '65536');
ro('kernel/tainted', () => '0');
ro('kernel/random/boot_id', (k) => sysctl_boot_id(k));
ro('kernel/random/uuid', (k) => randomUuid(k));
ro('kernel/random/entropy_avail', () => '256');
ro('kernel/random/poolsize', () => '256');
setting('kernel/random/urandom_min_reseed_secs', '60');
setting('kernel/random/write_wakeup_threshold', '256');
ro('kernel/pty/nr', (k) => String(k.vfs.ttys.pty_count));
sysctl_create('kernel/pty/max', 0, 2147483647, {
  get: (kernel) => kernel.vfs.ttys.pty_limit,
  set: (kernel, value) => {
    kernel.vfs.ttys.pty_limit = value;
  },
});
sysctl_create('kernel/pty/reserve', 0, 2147483647, {
  get: (kernel) => kernel.vfs.ttys.pty_reserve,
  set: (kernel, value) => {
    kernel.vfs.ttys.pty_reserve = value;
  },
});
sysctl_create('kernel/threads-max', 1, 1 << 29, {
  get: (kernel) => kernel.max_threads,
  set: (kernel, value) => {
    // What memory has room for, at least 20 (set_max_threads).
    kernel.max_threads = Math.max(20, Math.min(value, defaultMaxThreads(kernel)));
  },
});

sysctl_create('kernel/pid_max', 301, 4194304, {
  get: ({ pids }) => pids.pid_max,
  set: ({ pids }, value) => {
    pids.pid_max = value;
  },
});

function randomUuid(kernel: Kernel): string {
  const hex = hexDigits(uuid_gen(kernel));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Made at the first look, then the same until the machine ends. */
function sysctl_boot_id(kernel: Kernel): string {
  const kept = (kernel.vfs.sysctls ??= new Map());
  if (!kept.has('boot_id')) kept.set('boot_id', randomUuid(kernel));
  return kept.get('boot_id')!;
}

setting('kernel/printk', '4\t4\t1\t7');
setting('kernel/panic', '0', -1);
setting('kernel/panic_on_oops', '0');
kernelNumber('kernel/core_uses_pid', 'core_uses_pid', 0, 1);
proc_create('sys/kernel/core_pattern', {
  mode: 0o644,
  show: (current) => `${current.kernel.sysctl.core_pattern}\n`,
  write: (current, text) => {
    mayWrite(current, 'kernel/core_pattern');
    current.kernel.sysctl.core_pattern = text.replace(/\n[^]*$/, '').slice(0, 127);
  },
});
setting('kernel/core_pipe_limit', '0');
kernelNumber('kernel/randomize_va_space', 'randomize_va_space', 0, 2);
setting('kernel/overflowuid', '65534');
setting('kernel/overflowgid', '65534');
setting('kernel/ctrl-alt-del', '1');
setting('kernel/sysrq', '16');
setting('kernel/dmesg_restrict', '0');
setting('kernel/kptr_restrict', '0');
kernelNumber('kernel/perf_event_paranoid', 'perf_event_paranoid', -1, 2147483647);
setting('kernel/perf_event_max_sample_rate', '100000');
setting('kernel/perf_event_mlock_kb', '516');
setting('kernel/perf_event_max_stack', '127');
setting('kernel/perf_event_max_contexts_per_stack', '8');
setting('kernel/perf_cpu_time_max_percent', '25', 0, 100);
proc_create('sys/kernel/modules_disabled', {
  ...NUMBER,
  show: (current) => `${current.kernel.sysctl.modules_disabled}\n`,
  write: (current, text) => {
    mayWrite(current, 'kernel/modules_disabled');
    const lowest = current.kernel.sysctl.modules_disabled;
    return store_number('kernel/modules_disabled', text, lowest, 1, (value) => {
      current.kernel.sysctl.modules_disabled = value;
    });
  },
});
setting('kernel/unprivileged_bpf_disabled', '2');
setting('kernel/sched_child_runs_first', '0');
setting('kernel/sched_autogroup_enabled', '0');
setting('kernel/yama/ptrace_scope', '0');

/** A number of the scheduler's in microseconds. */
function schedTime(path: string, key: 'rt_runtime' | 'rt_period', min: number): void {
  sysctl_create(path, min, 2147483647, {
    get: ({ sched }) => (sched[key] === Infinity ? -1 : sched[key] / 1000),
    set: ({ sched }, value) => {
      const ns = value === -1 ? Infinity : value * 1000;
      if (key === 'rt_runtime' && ns !== Infinity && ns > sched.rt_period)
        throw errno(EINVAL, '/proc/sys/{}: {} us is longer than the period', path, value);
      sched[key] = ns;
    },
  });
}

schedTime('kernel/sched_rt_runtime_us', 'rt_runtime', -1);
schedTime('kernel/sched_rt_period_us', 'rt_period', 1);
// In milliseconds; nothing or less brings the default back.
sysctl_create('kernel/sched_rr_timeslice_ms', -2147483648, 2147483647, {
  get: ({ sched }) => Math.floor(sched.rr_timeslice / 1e6),
  set: ({ sched }, value) => {
    sched.rr_timeslice = value <= 0 ? RR_TIMESLICE : Math.max(10, value) * 1e6;
  },
});
ro('kernel/ns_last_pid', (k) => String(k.pids.last));
ro('kernel/arch', (k) => k.uts.machine);
setting('kernel/printk_delay', '0', 0, 10000);
setting('kernel/printk_ratelimit', '5');
setting('kernel/printk_ratelimit_burst', '10');
setting('kernel/print-fatal-signals', '0');
setting('kernel/panic_on_warn', '0', 0, 1);
setting('dev/tty/legacy_tiocsti', '0', 0, 1);
setting('dev/tty/ldisc_autoload', '1', 0, 1);
setting('kernel/oops_limit', '10000');
setting('kernel/warn_limit', '0');
setting('kernel/printk_devkmsg', 'on', null);
setting('kernel/hung_task_timeout_secs', '0');
setting('kernel/hung_task_warnings', '10', -1);
setting('kernel/timer_migration', '1', 0, 1);
setting('kernel/acct', '4\t2\t30');
setting('kernel/sysctl_writes_strict', '1', -1, 1);
setting('kernel/poweroff_cmd', '/sbin/poweroff', null);
setting('kernel/modprobe', '/sbin/modprobe', null);
setting('kernel/io_uring_disabled', '0', 0, 2);

vfsNumber('fs/file-max', 'file_max', 0, Number.MAX_SAFE_INTEGER);
vfsNumber('fs/nr_open', 'nr_open', 64, 2147483584);
proc_create('sys/fs/pipe-max-size', {
  ...NUMBER,
  show: (current) => `${current.kernel.vfs.pipe_max_size}\n`,
  write: (current, text) => {
    mayWrite(current, 'fs/pipe-max-size');
    return store_number('fs/pipe-max-size', text, 0, Number.MAX_SAFE_INTEGER, (number) => {
      current.kernel.vfs.pipe_max_size = round_pipe_size(number % 2 ** 32);
    });
  },
});
vfsNumber('fs/mount-max', 'mount_max', 1, 2147483647);
vfsNumber('fs/protected_symlinks', 'protected_symlinks', 0, 1);
vfsNumber('fs/protected_hardlinks', 'protected_hardlinks', 0, 1);
vfsNumber('fs/protected_fifos', 'protected_fifos', 0, 2);
vfsNumber('fs/protected_regular', 'protected_regular', 0, 2);
vfsNumber('fs/leases-enable', 'leases_enable', 0, 1);
vfsNumber('fs/lease-break-time', 'lease_break_time', 0, 2147483647);
ro('fs/file-nr', (k) => `${k.vfs.files}\t0\t${longMax(k.vfs.file_max)}`);
ro('fs/inode-nr', (k) => `${k.vfs.files}\t0`);
ro('fs/inode-state', (k) => `${k.vfs.files}\t0\t0\t0\t0\t0\t0`);
ro('fs/dentry-state', () => '0\t0\t45\t0\t0\t0');
vfsNumber('fs/pipe-user-pages-hard', 'pipe_user_pages_hard', 0, Number.MAX_SAFE_INTEGER);
vfsNumber('fs/pipe-user-pages-soft', 'pipe_user_pages_soft', 0, Number.MAX_SAFE_INTEGER);
kernelNumber('fs/suid_dumpable', 'suid_dumpable', 0, 2);
vfsNumber('fs/aio-max-nr', 'aio_max_nr', 0, 4294967295);
ro('fs/aio-nr', (k) => String(k.vfs.aio_nr));
setting('fs/overflowuid', '65534');
setting('fs/overflowgid', '65534');
vfsNumber('fs/dir-notify-enable', 'dir_notify_enable', 0, 1);
vfsNumber('fs/fanotify/max_queued_events', 'fanotify_max_queued_events', 0, 2147483647);
vfsNumber('fs/fanotify/max_user_groups', 'fanotify_max_user_groups', 0, 2147483647);
vfsNumber('fs/fanotify/max_user_marks', 'fanotify_max_user_marks', 0, 2147483647);
vfsNumber('fs/inotify/max_queued_events', 'inotify_max_queued_events', 0, 2147483647);
vfsNumber('fs/inotify/max_user_instances', 'inotify_max_user_instances', 0, 2147483647);
vfsNumber('fs/inotify/max_user_watches', 'inotify_max_user_watches', 0, 2147483647);
/** A limit of the user namespace, of which there is one (kernel/ucount.c); who may write it ucount_perm says. */
function ucount(
  path: string,
  get: (kernel: Kernel) => number,
  set: (kernel: Kernel, value: number) => void,
): void {
  proc_create(`sys/user/${path}`, {
    ...NUMBER,
    show: ({ kernel }) => `${get(kernel)}\n`,
    write: ({ kernel }, text) =>
      store_number(`user/${path}`, text, 0, 2147483647, (value) => set(kernel, value)),
  });
}

function vfsUcount(path: string, key: NumberKey<Vfs> & string): void {
  const set = ({ vfs }: Kernel, value: number): void => {
    (vfs as unknown as Record<string, number>)[key] = value;
  };
  ucount(path, ({ vfs }) => vfs[key] as number, set);
}

vfsUcount('max_inotify_instances', 'inotify_max_user_instances');
vfsUcount('max_inotify_watches', 'inotify_max_user_watches');
vfsUcount('max_fanotify_groups', 'fanotify_max_user_groups');
vfsUcount('max_fanotify_marks', 'fanotify_max_user_marks');
for (const kind of ['user', 'pid', 'uts', 'ipc', 'net', 'mnt', 'cgroup', 'time']) {
  const path = `max_${kind}_namespaces`;
  const limit = (kernel: Kernel): number =>
    Number(sysctl_text(kernel, `user/${path}`, String(defaultMaxThreads(kernel) >> 1)));
  ucount(path, limit, (kernel, value) => {
    (kernel.vfs.sysctls ??= new Map()).set(`user/${path}`, String(value));
  });
}
vfsNumber('fs/epoll/max_user_watches', 'epoll_max_user_watches', 0, Number.MAX_SAFE_INTEGER);
proc_mkdir('sys/fs/binfmt_misc');
proc_mkdir('bus');
proc_mkdir('driver');
proc_mkdir('fs');
proc_mkdir('tty');

kernelNumber('vm/overcommit_memory', 'overcommit_memory', 0, 2);
// Setting the one takes the other back.
sysctl_create('vm/overcommit_ratio', 0, 2147483647, {
  get: (kernel) => kernel.sysctl.overcommit_ratio,
  set: ({ sysctl }, value) => {
    sysctl.overcommit_ratio = value;
    sysctl.overcommit_kbytes = 0;
  },
});
sysctl_create('vm/overcommit_kbytes', 0, Number.MAX_SAFE_INTEGER, {
  get: (kernel) => kernel.sysctl.overcommit_kbytes,
  set: ({ sysctl }, value) => {
    sysctl.overcommit_kbytes = value;
    sysctl.overcommit_ratio = 0;
  },
});
setting('vm/swappiness', '60', 0, 200);
kernelNumber('vm/unprivileged_userfaultfd', 'unprivileged_userfaultfd', 0, 1);
kernelNumber('vm/max_map_count', 'max_map_count', 0, 2147483647);
kernelNumber('vm/mmap_min_addr', 'mmap_min_addr', 0, Number.MAX_SAFE_INTEGER);
setting('vm/dirty_ratio', '20');
setting('vm/dirty_background_ratio', '10');
setting('vm/dirty_expire_centisecs', '3000');
setting('vm/dirty_writeback_centisecs', '500');
sysctl_create('vm/min_free_kbytes', 0, 2147483647, {
  get: ({ frames }) => frames.min_free * 4,
  set: ({ frames }, value) => {
    frames.min_free = Math.min(Math.floor(value / 4), Math.floor(frames.total / 2));
  },
});
proc_create('sys/vm/compact_memory', {
  mode: 0o200,
  write: (current, text) => {
    mayWrite(current, 'vm/compact_memory');
    // Free blocks always join here; there is nothing to move together.
    return store_number('vm/compact_memory', text, 1, 1, () => {});
  },
});
setting('vm/compaction_proactiveness', '20', 0, 100);
setting('vm/nr_overcommit_hugepages', '0');
setting('vm/hugetlb_shm_group', '0');
setting('vm/oom_kill_allocating_task', '0');
setting('vm/oom_dump_tasks', '1');
setting('vm/panic_on_oom', '0', 0, 2);
setting('vm/vfs_cache_pressure', '100');
setting('vm/drop_caches', '0', 0, 4, 0o200);
setting('vm/nr_hugepages', '0');
vfsNumber('vm/memfd_noexec', 'memfd_noexec', 0, 2);
setting('net/core/somaxconn', '4096');
setting('net/unix/max_dgram_qlen', '10', -2147483648);
kernelNumber('vm/admin_reserve_kbytes', 'admin_reserve_kbytes', 0, Number.MAX_SAFE_INTEGER);
kernelNumber('vm/user_reserve_kbytes', 'user_reserve_kbytes', 0, Number.MAX_SAFE_INTEGER);
setting('vm/page-cluster', '3');
setting('vm/laptop_mode', '0');
setting('vm/stat_interval', '1');
setting('vm/dirty_bytes', '0');
setting('vm/dirty_background_bytes', '0');
setting('vm/dirtytime_expire_seconds', '43200');
kernelNumber('vm/legacy_va_layout', 'legacy_va_layout', 0, 2147483647);
setting('vm/lowmem_reserve_ratio', '256\t256\t32\t0');
setting('vm/mmap_rnd_bits', '28', 28, 32, 0o600);
setting('vm/percpu_pagelist_high_fraction', '0');
setting('vm/watermark_boost_factor', '15000');
setting('vm/watermark_scale_factor', '10', 1, 3000);
setting('vm/zone_reclaim_mode', '0');
setting('net/core/rmem_default', '212992', 2304);
setting('net/core/rmem_max', '212992', 2304);
setting('net/core/wmem_default', '212992', 4608);
setting('net/core/wmem_max', '212992', 4608);
setting('net/core/optmem_max', '131072');
setting('net/core/netdev_max_backlog', '1000');
setting('net/core/message_cost', '5');
setting('net/core/message_burst', '10');
