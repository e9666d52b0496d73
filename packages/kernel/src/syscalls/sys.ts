import { PER_MASK, UNAME26 } from '@vitrine/uapi/personality.ts';
import {
  CAP_SYSLOG,
  CAP_SYS_ADMIN,
  CAP_SYS_BOOT,
  CAP_SYS_TTY_CONFIG,
} from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import * as RB from '@vitrine/uapi/reboot.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable, describe_cred } from '../include/cred.ts';
import { BLOCKED, Errno, errno } from '../include/errno.ts';
import { dmesg_restrict } from '../fs/proc/sysctl.ts';
import { sys_acct } from '../kernel/acct.ts';
import { membarrier } from '../kernel/membarrier.ts';
import type { Task } from '../kernel/task.ts';
import { FRAME_SHMEM, PAGE_SIZE } from '../include/ram.ts';
import { access_ok } from '../fs/iov.ts';
import { choice, flags, inBuf, int, outBuf, outStruct, path, ptr, size, uint } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** struct new_utsname: six fields of 65 bytes. */
/** <linux/personality.h>; an enumerator there. */
const PER_LINUX32 = 8;

/** The release for programs that know no major version above 2 (override_release): 6.12.1-x becomes 2.6.72-x. */
function release26(release: string): string {
  const [, minor, rest] = /^\d+\.(\d+)(?:\.\d+)?(.*)$/.exec(release) ?? [];
  return minor === undefined ? release : `2.6.${Number(minor) + 60}${rest}`;
}

function sys_uname(task: Task, address: number): number {
  const { uts } = task.kernel;
  const bytes = new Uint8Array(6 * 65);
  // A program that runs as if on a 32-bit machine is told of one (override_architecture).
  const machine = (task.personality & PER_MASK) === PER_LINUX32 ? 'i686' : uts.machine;
  const release = (task.personality & UNAME26) !== 0 ? release26(uts.release) : uts.release;
  [uts.sysname, uts.nodename, release, uts.version, machine, uts.domainname].forEach(
    (text, field) => {
      for (let i = 0; i < Math.min(64, text.length); i++)
        bytes[field * 65 + i] = text.charCodeAt(i);
    },
  );
  task.mem.write(address, bytes);
  return 0;
}

function setName(
  task: Task,
  field: 'nodename' | 'domainname',
  address: number,
  length: number,
  call: string,
): number {
  if (!capable(task.cred, CAP_SYS_ADMIN))
    throw errno(
      E.EPERM,
      '{} needs CAP_SYS_ADMIN; the process has {}',
      call,
      describe_cred(task.cred),
    );
  if (length < 0 || length > 64)
    throw errno(E.EINVAL, '{}: a name has at most 64 bytes, not {}', call, length);
  task.kernel.uts.setName(field, String.fromCharCode(...task.mem.read(address, length)));
  return 0;
}

function sys_sysinfo(task: Task, address: number): number {
  const { kernel } = task;
  const view = new DataView(new ArrayBuffer(112));
  const put = (at: number, value: number): void =>
    view.setBigUint64(at, BigInt(Math.floor(value)), true);
  put(0, Math.ceil(kernel.clock.boottime() / 1e9));
  kernel.sched.calc_load(kernel.clock.now(), kernel.sched.nr_running);
  kernel.sched.avenrun.forEach((load, i) => put(8 + i * 8, load * 65536));
  put(32, kernel.frames.total * PAGE_SIZE);
  put(40, kernel.frames.free * PAGE_SIZE);
  put(48, kernel.buddy.kinds[FRAME_SHMEM]! * PAGE_SIZE);
  put(56, 0); // buffers
  view.setUint16(80, kernel.nr_threads, true);
  view.setUint32(104, 1, true); // mem_unit
  task.mem.write(address, new Uint8Array(view.buffer));
  return 0;
}

/** Bytes of the part that could be written, page by page. */
function writable(task: Task, at: number, part: Uint8Array): number {
  let done = 0;
  try {
    while (done < part.length) {
      const n = Math.min(part.length - done, PAGE_SIZE - ((at + done) % PAGE_SIZE));
      task.mem.write(at + done, part.subarray(done, done + n));
      done += n;
    }
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
  return done;
}

/** How much of a long getrandom is done: it is filled piece by piece, so that others run, and the host has its turn. */
interface Filled {
  readonly filled: number;
}
const RANDOM_CHUNK = 1 << 18;

function sys_getrandom(task: Task, buffer: number, length: number, fl: number): number {
  if ((fl & ~(RB.GRND_NONBLOCK | RB.GRND_RANDOM | RB.GRND_INSECURE)) !== 0 || (fl & (RB.GRND_RANDOM | RB.GRND_INSECURE)) === (RB.GRND_RANDOM | RB.GRND_INSECURE)) throw errno(E.EINVAL, 'getrandom: flags 0x{} are not possible', fl.toString(16)); // prettier-ignore
  const total = Math.min(length, 0x7fff_f000);
  access_ok(buffer, total);
  const done = (task.callState as Filled | null)?.filled ?? 0;
  const part = new Uint8Array(Math.min(total - done, RANDOM_CHUNK));
  task.kernel.get_random_bytes(part);
  try {
    task.mem.write(buffer + done, part);
  } catch (error) {
    // What was written before the end of the mapping counts.
    if (!(error instanceof Errno) || done + writable(task, buffer + done, part) === 0) throw error;
    return done + writable(task, buffer + done, part);
  }
  if (done + part.length === total || task.signal_pending()) return done + part.length;
  task.callState = { filled: done + part.length } satisfies Filled;
  return BLOCKED;
}

/** Action 2 reads each line once, and waits for the next. */
function syslog_print(task: Task, buffer: number, length: number): number {
  const { log } = task.kernel;
  if (log.unread() === 0) return task.wait(log.wait);
  const text = log.take(length);
  task.mem.write(buffer, text);
  return text.length;
}

/** syslog(2) on the printk ring. */
function sys_syslog(task: Task, type: number, buffer: number, length: number): number {
  const { log } = task.kernel;
  if ((dmesg_restrict(task.kernel) || (type !== 3 && type !== 10)) && !capable(task.cred, CAP_SYSLOG) && !capable(task.cred, CAP_SYS_ADMIN)) throw errno(E.EPERM, 'syslog: action {} needs CAP_SYSLOG', type); // prettier-ignore
  switch (type) {
    case 0:
    case 1:
      return 0;
    case 2:
    case 3:
    case 4: {
      if (buffer === 0 || length < 0)
        throw errno(E.EINVAL, 'syslog: buffer {} of {} bytes', buffer, length);
      if (length === 0) return 0;
      access_ok(buffer, length);
      if (type === 2) return syslog_print(task, buffer, length);
      const text = log.text(log.clear_seq, length);
      task.mem.write(buffer, text);
      if (type === 4) log.clear_seq = log.next_seq;
      return text.length;
    }
    case 5:
      log.clear_seq = log.next_seq;
      return 0;
    case 6:
      log.saved_console_loglevel ??= log.console_loglevel;
      log.console_loglevel = 1;
      return 0;
    case 7:
      log.console_loglevel = log.saved_console_loglevel ?? log.console_loglevel;
      log.saved_console_loglevel = null;
      return 0;
    case 8:
      if (length < 1 || length > 8)
        throw errno(E.EINVAL, 'syslog: there is no log level {}', length);
      log.console_loglevel = length;
      log.saved_console_loglevel = null;
      return 0;
    case 9:
      return log.unread();
    case 10:
      return log.size;
    default:
      throw errno(E.EINVAL, 'syslog: there is no action {}', type);
  }
}

function sys_reboot(task: Task, magic1: number, magic2: number, command: number): number {
  if (!capable(task.cred, CAP_SYS_BOOT))
    throw errno(E.EPERM, 'reboot needs CAP_SYS_BOOT; the process has {}', describe_cred(task.cred));
  if (magic1 !== (RB.LINUX_REBOOT_MAGIC1 | 0) || ![RB.LINUX_REBOOT_MAGIC2, RB.LINUX_REBOOT_MAGIC2A, RB.LINUX_REBOOT_MAGIC2B, RB.LINUX_REBOOT_MAGIC2C].includes(magic2)) throw errno(E.EINVAL, 'reboot: the magic numbers are wrong'); // prettier-ignore
  switch (command >>> 0) {
    case RB.LINUX_REBOOT_CMD_RESTART:
    case RB.LINUX_REBOOT_CMD_HALT:
    case RB.LINUX_REBOOT_CMD_POWER_OFF:
    case RB.LINUX_REBOOT_CMD_RESTART2:
      task.kernel.halted ??= {
        status: 0,
        reason: `process ${task.tgid} (${task.comm}) called reboot`,
      };
      return 0;
    case RB.LINUX_REBOOT_CMD_CAD_ON:
    case RB.LINUX_REBOOT_CMD_CAD_OFF:
      return 0;
    default:
      throw errno(E.EINVAL, 'reboot: there is no command 0x{}', (command >>> 0).toString(16));
  }
}

function sys_membarrier(task: Task, command: number, fl: number): number {
  return membarrier(task.mm!, command, fl);
}

/** vhangup(2): the terminal of the caller's session is taken away. */
function sys_vhangup(task: Task): number {
  if (!capable(task.cred, CAP_SYS_TTY_CONFIG)) throw errno(E.EPERM, 'vhangup needs CAP_SYS_TTY_CONFIG; the process has {}', describe_cred(task.cred)); // prettier-ignore
  task.signal.tty?.hangup();
  return 0;
}

export const SYS: readonly SyscallRow[] = [
  row(NR.__NR_uname, 'uname', [outStruct('utsname')], FULL, sys_uname),
  row(NR.__NR_sethostname, 'sethostname', [inBuf(1), int], FULL, (task, a, n) =>
    setName(task, 'nodename', a, n, 'sethostname'),
  ),
  row(NR.__NR_setdomainname, 'setdomainname', [inBuf(1), int], FULL, (task, a, n) =>
    setName(task, 'domainname', a, n, 'setdomainname'),
  ),
  row(NR.__NR_sysinfo, 'sysinfo', [outStruct('sysinfo')], FULL, sys_sysinfo),
  row(NR.__NR_getrandom, 'getrandom', [outBuf(), size, flags('getrandom')], FULL, sys_getrandom),
  row(NR.__NR_syslog, 'syslog', [choice('syslog'), outBuf(), int], FULL, sys_syslog),
  row(NR.__NR_reboot, 'reboot', [int, int, choice('reboot'), ptr], partial('restart stops the machine; no kexec or suspend'), sys_reboot), // prettier-ignore
  row(NR.__NR_vhangup, 'vhangup', [], FULL, sys_vhangup),
  row(NR.__NR_acct, 'acct', [path], partial('records do not tell whether privileges were used (ASU)'), (task, name) => sys_acct(task, name)), // prettier-ignore
  row(NR.__NR_membarrier, 'membarrier', [choice('membarrier'), uint], FULL, sys_membarrier),
];
