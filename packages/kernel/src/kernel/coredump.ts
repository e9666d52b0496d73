import { AT_FDCWD, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EFBIG, EINVAL, ENOSPC, EPERM } from '@vitrine/uapi/errno.ts';
import { RLIMIT_CORE } from '@vitrine/uapi/resource.ts';
import { fput } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { S_ISREG } from '../fs/inode.ts';
import { do_filp_open } from '../fs/open.ts';
import { do_unlinkat } from '../fs/namei_ops.ts';
import { do_truncate } from '../fs/attr.ts';
import { d_path } from '../fs/dcache.ts';
import { create_pipe_files, get_pipe_info } from '../fs/pipe.ts';
import { kernel_write } from '../fs/read_write.ts';
import { Errno, errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { Mm } from '../mm/mm.ts';
import { elf_core } from './elf_core.ts';
import type { SigInfo } from './signal_struct.ts';
import type { Task } from './task.ts';
import { call_usermodehelper } from './umh.ts';

/** Core dumps (analogous to fs/coredump.c). */

/** Dumpable only as root, into a file that nobody else can have prepared (fs.suid_dumpable 2). */
const SUID_DUMP_ROOT = 2;

/**
 * Writes the process's memory and registers where kernel.core_pattern says, before a signal ends it.
 * @returns was it written? The wait status tells (WCOREDUMP)
 */
export function do_coredump(task: Task, info: SigInfo): boolean {
  const { kernel, mm } = task;
  if (mm === null || mm.dumpable === 0 || task.signal.group_exit !== null) return false;
  const { core_pattern } = kernel.sysctl;
  const pipe = core_pattern.startsWith('|');
  const limit = task.rlimit(RLIMIT_CORE);
  try {
    if (pipe) return toHelper(task, mm, info, core_pattern.slice(1));
    if (limit < PAGE_SIZE) throw errno(EFBIG, 'RLIMIT_CORE ({}) allows no core dump', limit);
    return toFile(task, mm, info, limit);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    if (limit > 0 || pipe) kernel.printk(6, `core dump of ${task.comm}[${task.tgid}] failed: ${error.reason}`); // prettier-ignore
    return false;
  }
}

function toFile(task: Task, mm: Mm, info: SigInfo, limit: number): boolean {
  const { kernel, cred } = task;
  const { sysctl } = kernel;
  let name = expand(task, mm, info, sysctl.core_pattern);
  if (sysctl.core_uses_pid !== 0 && !sysctl.core_pattern.includes('%p')) name += `.${task.tgid}`;
  const safe = mm.dumpable === SUID_DUMP_ROOT;
  if (safe && !name.startsWith('/'))
    throw errno(EPERM, 'a set-id program dumps to an absolute path only, not {}', name);
  if (!safe) unlinkOld(task, name);
  if (safe) task.cred = cred.with({ fsuid: 0 });
  let file: File;
  try {
    file = do_filp_open(task, AT_FDCWD, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
  } finally {
    task.cred = cred;
  }
  try {
    const { inode } = file;
    if (!S_ISREG(inode.mode) || inode.nlink !== 1) throw errno(EINVAL, '{} is no regular file with one name', file.path); // prettier-ignore
    if (inode.uid !== (safe ? 0 : cred.fsuid))
      throw errno(EPERM, '{} belongs to user {}', file.path, inode.uid);
    if (safe && (inode.mode & 0o77) !== 0) throw errno(EPERM, '{} is open to others', file.path);
    write(task, mm, info, file, limit);
    return true;
  } finally {
    fput(task, file);
  }
}

/** An older dump makes room; a link of that name goes, not what it leads to. */
function unlinkOld(task: Task, name: string): void {
  try {
    do_unlinkat(task, AT_FDCWD, name);
  } catch (error) {
    if (!(error instanceof Errno)) throw error; // nothing was there
  }
}

/** What a pipe gets where a file would have a hole. */
const ZEROS = new Uint8Array(PAGE_SIZE);

/** The core goes to a program's standard input. */
function toHelper(task: Task, mm: Mm, info: SigInfo, pattern: string): boolean {
  const { kernel } = task;
  const argv = pattern.trim().split(/\s+/).map((word) => expand(task, mm, info, word)); // prettier-ignore
  const [read, write] = create_pipe_files(task, 0);
  try {
    // Nobody reads while the process is stopped: the pipe takes all of it.
    get_pipe_info(write)!.max_usage = Infinity;
    let at = 0;
    for (const { offset, bytes } of elf_core(task, mm, info)) {
      while (at < offset) at += kernel_write(task, write, 0, ZEROS.subarray(0, offset - at));
      for (let done = 0; done < bytes.length;) done += kernel_write(task, write, 0, bytes.subarray(done)); // prettier-ignore
      at += bytes.length;
    }
  } catch (error) {
    fput(task, read);
    throw error;
  } finally {
    fput(task, write);
  }
  const started = call_usermodehelper(kernel, argv, ({ files }) =>
    files.install(0, read.get(), false),
  );
  fput(task, read);
  return started === 0;
}

/** Writes the image, as much of it as the limit allows. */
function write(task: Task, mm: Mm, info: SigInfo, file: File, limit: number): void {
  let end = 0;
  let written = 0;
  for (const { offset, bytes } of elf_core(task, mm, info)) {
    written += bytes.length;
    if (written > limit) return;
    for (let done = 0; done < bytes.length;) {
      const n = kernel_write(task, file, offset + done, bytes.subarray(done));
      if (n <= 0) throw errno(ENOSPC, '{} takes no more than {} bytes', file.path, offset + done);
      done += n;
    }
    end = offset + bytes.length;
  }
  if (file.inode.size < end) do_truncate(task, file.path, end);
}

/** What stands for each letter of core_pattern (format_corename). */
function expand(task: Task, mm: Mm, info: SigInfo, pattern: string): string {
  const { kernel, cred } = task;
  const exe = mm.exe_file === null ? `${task.comm} (path unknown)` : d_path((mm.exe_file as File).path, null); // prettier-ignore
  const flat = (text: string): string => text.replaceAll('/', '!');
  const values: Readonly<Record<string, () => string>> = {
    p: () => String(task.tgid),
    P: () => String(task.tgid),
    i: () => String(task.pid),
    I: () => String(task.pid),
    u: () => String(cred.uid),
    g: () => String(cred.gid),
    d: () => String(mm.dumpable),
    s: () => String(info.signo),
    t: () => String(kernel.clock.realtime().sec),
    h: () => flat(kernel.uts.nodename),
    e: () => flat(task.comm),
    f: () => flat(exe.slice(exe.lastIndexOf('/') + 1)),
    E: () => flat(exe),
    c: () => (task.rlimit(RLIMIT_CORE) === Infinity ? '18446744073709551615' : String(task.rlimit(RLIMIT_CORE))), // prettier-ignore
    C: () => String(task.cpu),
    '%': () => '%',
  };
  return pattern.replace(/%(.?)/g, (_, letter: string) => values[letter]?.() ?? '');
}
