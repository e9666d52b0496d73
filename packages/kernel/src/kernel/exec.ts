import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import * as E from '@vitrine/uapi/errno.ts';
import { RLIMIT_NPROC, RLIMIT_STACK } from '@vitrine/uapi/resource.ts';
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { MS_NOSUID } from '@vitrine/uapi/mount.ts';
import {
  ADDR_COMPAT_LAYOUT,
  ADDR_NO_RANDOMIZE,
  MMAP_PAGE_ZERO,
  READ_IMPLIES_EXEC,
} from '@vitrine/uapi/personality.ts';
import { S_ISGID, S_ISUID, S_IXGRP } from '@vitrine/uapi/stat.ts';
import { do_close_on_exec, fput, unshare_files } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { MAY_READ } from '../fs/inode.ts';
import { open_exec } from '../fs/open.ts';
import { inode_permission } from '../fs/permission.ts';
import { kernel_read } from '../fs/read_write.ts';
import { type Cred, cap_subset, capable } from '../include/cred.ts';
import { Errno, errno } from '../include/errno.ts';
import { inherit_flags, mm_alloc, mmput } from '../mm/dup.ts';
import type { Mm } from '../mm/mm.ts';
import { exec_keys } from '../security/keys/process_keys.ts';
import { bprm_caps } from '../security/commoncap.ts';
import { load_elf_binary } from './binfmt_elf.ts';
import { load_script } from './binfmt_script.ts';
import { do_exit, mm_release, release_task } from './exit.ts';
import { perf_event_exec } from './perf_event.ts';
import { rseq_execve } from './rseq.ts';
import { flush_signal_handlers, recalc_sigpending } from './signal.ts';
import { exit_posix_timers } from './time/posix_timers.ts';
import { get_user } from '../include/user.ts';
import { EXIT_ZOMBIE, type Task } from './task.ts';
import { Sighand } from './signal_struct.ts';

/** Longest single argument or environment string, with its NUL (MAX_ARG_STRLEN). */
export const MAX_ARG_STRLEN = 131072;
/** Bytes at the start of a file by which its format is told (BINPRM_BUF_SIZE). */
const BINPRM_BUF_SIZE = 256;

/** Analogous to `struct linux_binprm`: a program on its way to replace another. */
export interface Binprm {
  file: File;
  /** What the caller named. */
  readonly filename: string;
  /** What is run in the end: the interpreter of a script. */
  interp: string;
  argv: string[];
  readonly envp: readonly string[];
  /** The first bytes of the file. */
  buf: Uint8Array;
  cred: Cred;
  /** Set-id bits or file capabilities raise privileges: AT_SECURE. */
  secureexec: boolean;
  /** The program gets rights: personality flags that could be turned against it go. */
  per_clear: boolean;
  depth: number;
  /** It is named by a descriptor that the exec closes: an interpreter could not open it. */
  readonly path_inaccessible: boolean;
  /** The caller may not read it: nor may who looks at the process (BINPRM_FLAGS_ENFORCE_NONDUMP). */
  enforce_nondump: boolean;
}

/** Reads a NULL-terminated array of strings; counts towards the limit in `left`. */
export function copy_strings(current: Task, array: number, left: { bytes: number }): string[] {
  const strings: string[] = [];
  if (array === 0) return strings;
  for (let at = array; ; at += 8) {
    const pointer = current.mem.getU64(at);
    if (pointer === 0) return strings;
    const text = current.mem.readString(pointer, MAX_ARG_STRLEN - 1);
    if (text === null)
      throw errno(
        E.E2BIG,
        'execve: string {} is longer than {} bytes',
        strings.length,
        MAX_ARG_STRLEN,
      );
    left.bytes -= text.length + 1 + 8;
    if (left.bytes < 0) throw errno(E.E2BIG, 'execve: arguments and environment exceed a quarter of RLIMIT_STACK ({} bytes)', argLimit(current)); // prettier-ignore
    strings.push(text);
  }
}

/** A quarter of the stack limit, at least 128 KiB and at most 6 MiB. */
export function argLimit(current: Task): number {
  return Math.max(131072, Math.min(current.rlimit(RLIMIT_STACK) / 4, 6 << 20));
}

/** execve(2): replaces the program of the current task, or throws and leaves it as it was. */
export function do_execveat(
  current: Task,
  dirfd: number,
  filename: string,
  argv: string[],
  envp: readonly string[],
  flags: number,
): void {
  const user = get_user(current.kernel, current.cred.uid);
  const limit = current.rlimit(RLIMIT_NPROC);
  if (current.nproc_exceeded && user.processes > limit && current.cred.uid !== 0 && !capable(current.cred, CAP_SYS_RESOURCE) && !capable(current.cred, CAP_SYS_ADMIN)) throw errno(E.EAGAIN, 'execve: user {} has {} processes, RLIMIT_NPROC allows {}', current.cred.uid, user.processes, limit); // prettier-ignore
  current.nproc_exceeded = false;
  const file = open_exec(current, dirfd, filename, flags);
  const name =
    dirfd === AT_FDCWD || filename.startsWith('/')
      ? filename
      : filename === ''
        ? `/dev/fd/${dirfd}`
        : `/dev/fd/${dirfd}/${filename}`;
  const bprm: Binprm = {
    file,
    filename: name,
    interp: name,
    argv: argv.length === 0 ? [''] : argv,
    envp,
    buf: new Uint8Array(0),
    cred: current.cred,
    secureexec: false,
    per_clear: false,
    depth: 0,
    path_inaccessible: name !== filename && current.files.cloexec.has(dirfd),
    enforce_nondump: false,
  };
  try {
    exec_binprm(current, bprm);
  } finally {
    fput(current, bprm.file);
  }
}

function exec_binprm(current: Task, bprm: Binprm): void {
  const old = current.pid;
  for (;;) {
    if (bprm.depth > 5)
      throw errno(E.ELOOP, 'execve: {} nests more than 5 script interpreters', bprm.filename);
    bprm.buf = new Uint8Array(BINPRM_BUF_SIZE);
    kernel_read(current, bprm.file, 0, bprm.buf);
    bprm_creds_from_file(current, bprm);
    would_dump(current, bprm, bprm.file);
    if (!load_script(current, bprm)) break;
    bprm.depth++;
  }
  load_elf_binary(current, bprm);
  const { trace } = current.kernel;
  if (trace.sched_process_exec.enabled)
    trace.sched_process_exec.emit({ pid: current.pid, filename: bprm.filename, old_pid: old });
}

/** A program or an interpreter that may be executed and not read must not be read from its memory either. */
export function would_dump(current: Task, bprm: Binprm, file: File): void {
  try {
    inode_permission(current, file.inode, MAY_READ, file.path);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    bprm.enforce_nondump = true;
  }
}

/** Another process shares its directories and could change them under the new program (LSM_UNSAFE_SHARE). */
function sharesDirectories(current: Task): boolean {
  let own = 0;
  for (const thread of current.signal.threads) if (thread.fs === current.fs) own++;
  return current.fs.users > own;
}

/** Set-id bits count unless the mount or no_new_privs forbids it (bprm_fill_uid). */
function bprm_creds_from_file(current: Task, bprm: Binprm): void {
  const { inode } = bprm.file;
  let cred = current.cred.with({});
  const may_suid = (bprm.file.path.mnt.flags & MS_NOSUID) === 0;
  const setid = may_suid && !current.no_new_privs;
  if (setid && (inode.mode & S_ISUID) !== 0) cred = cred.with({ euid: inode.uid });
  if (setid && (inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP))
    cred = cred.with({ egid: inode.gid });
  const unsafe = current.no_new_privs || sharesDirectories(current);
  const result = bprm_caps(current, cred, bprm.file, may_suid, unsafe);
  bprm.cred = result.cred;
  bprm.per_clear =
    (setid && (inode.mode & S_ISUID) !== 0) ||
    (setid && (inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) ||
    !cap_subset(result.cred.permitted, current.cred.permitted);
  bprm.secureexec = result.secureexec;
}

const PER_CLEAR_ON_SETID = READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO; // prettier-ignore

/**
 * The point of no return (begin_new_exec): other threads die, the new address space takes over, and what exec resets
 * is reset. From here on a failure kills the task.
 */
export function begin_new_exec(current: Task, bprm: Binprm): Mm {
  const mm = mm_alloc(current.kernel);
  de_thread(current);
  current.io_uring_cancel(true);
  mm_release(current);
  const old = current.mm;
  if (old !== null) current.kernel.arch.leave_mm(current);
  current.mm = mm;
  if (old !== null) inherit_flags(mm, old);
  if (old !== null) {
    current.signal.used.maxrss = Math.max(current.signal.used.maxrss, old.hiwater_rss);
    mmput(old);
  }
  mm.exe_file = bprm.file;
  bprm.file.get();
  bprm.file.deny_write_access();
  mm.stack_limit = current.rlimit(RLIMIT_STACK);
  current.kernel.arch.activate_mm(current);

  const base = bprm.filename.slice(bprm.filename.lastIndexOf('/') + 1);
  current.comm = base.slice(0, 15);
  current.did_exec = true;
  if (bprm.per_clear) current.personality &= ~PER_CLEAR_ON_SETID;
  current.robust_list = 0;
  current.syscall_dispatch = null;
  rseq_execve(current);
  perf_event_exec(current);
  current.sas_ss_sp = current.sas_ss_size = 0;
  current.pdeath_signal = bprm.secureexec ? 0 : current.pdeath_signal;
  if (current.sighand.count > 1) {
    current.sighand.count--;
    const sighand = new Sighand();
    sighand.action = current.sighand.action;
    current.sighand = sighand;
  }
  flush_signal_handlers(current, false);
  unshare_files(current);
  do_close_on_exec(current);
  exit_posix_timers(current);
  exec_keys(current);
  const old_cred = current.cred;
  const changed =
    bprm.cred.euid !== old_cred.euid ||
    bprm.cred.egid !== old_cred.egid ||
    bprm.cred.euid !== old_cred.fsuid ||
    bprm.cred.egid !== old_cred.fsgid ||
    !cap_subset(bprm.cred.permitted, old_cred.permitted);
  const odd = old_cred.euid !== old_cred.uid || old_cred.egid !== old_cred.gid;
  mm.dumpable = changed || odd || bprm.enforce_nondump ? current.kernel.sysctl.suid_dumpable : 1;
  if (changed) current.pdeath_signal = 0;
  current.cred = bprm.cred.with({
    suid: bprm.cred.euid,
    fsuid: bprm.cred.euid,
    sgid: bprm.cred.egid,
    fsgid: bprm.cred.egid,
  });
  return mm;
}

/** Only the caller survives; it takes over the leader's number (de_thread). */
function de_thread(current: Task): void {
  const { signal, kernel } = current;
  for (const thread of [...signal.threads]) if (thread !== current) do_exit(thread, 0);
  const leader = current.group_leader;
  if (leader !== current) {
    const { pids } = kernel;
    const own = current.thread_pid;
    pids.detach(own, 'pid', current);
    const parent = leader.real_parent;
    const children = [...leader.children];
    const status = leader.state === EXIT_ZOMBIE;
    parent?.children.delete(leader);
    pids.detach(leader.thread_pid, 'tgid', leader);
    pids.detach(signal.pgrp, 'pgid', leader);
    pids.detach(signal.session, 'sid', leader);
    current.group_leader = current;
    current.thread_pid = leader.thread_pid;
    current.pid = current.tgid = leader.pid;
    current.exit_signal = leader.exit_signal;
    current.start_time = leader.start_time;
    current.parent = current.real_parent = parent;
    for (const child of children) {
      leader.children.delete(child);
      child.parent = child.real_parent = child.parent_thread = current;
      current.children.add(child);
    }
    pids.attach(current.thread_pid, 'pid', current);
    pids.attach(current.thread_pid, 'tgid', current);
    pids.attach(signal.pgrp, 'pgid', current);
    pids.attach(signal.session, 'sid', current);
    parent?.children.add(current);
    leader.group_leader = current;
    current.exit_watch = leader.exit_watch;
    if (status) release_task(leader);
    if (kernel.init === leader) kernel.init = current;
  }
  signal.group_exit = null;
  signal.stopping = 0;
  recalc_sigpending(current);
}
