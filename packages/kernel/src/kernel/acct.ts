import { getname } from '../fs/namei.ts';
import { EACCES, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { AT_FDCWD, O_APPEND, O_WRONLY } from '@vitrine/uapi/fcntl.ts';
import { PROC_SUPER_MAGIC, SYSFS_MAGIC } from '@vitrine/uapi/magic.ts';
import { CAP_SYS_PACCT } from '@vitrine/uapi/capability.ts';
import { fput } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { S_ISREG } from '../fs/inode.ts';
import { do_filp_open } from '../fs/open.ts';
import { kernel_write } from '../fs/read_write.ts';
import { capable, describe_cred } from '../include/cred.ts';
import { Errno, errno } from '../include/errno.ts';
import type { Usage } from './signal_struct.ts';
import type { Task } from './task.ts';

/** Process accounting: a record for each process that ended (analogous to kernel/acct.c; acct(5)). */

/** Their files are made when they are read. */
const KEEPS_NOTHING: readonly number[] = [PROC_SUPER_MAGIC, SYSFS_MAGIC];

// Flags of a record.
const AFORK = 1;
const ACORE = 8;
const AXSIG = 16;
const ACCT_VERSION = 3;
/** struct acct_v3. */
const RECORD = 64;
/** Units of times (AHZ). */
const AHZ = 100;

declare module '../fs/vfs.ts' {
  interface Vfs {
    acct_file?: File | null;
  }
}

/** acct(2). @param name null switches it off */
export function sys_acct(task: Task, nameAt: number): number {
  if (!capable(task.cred, CAP_SYS_PACCT))
    throw errno(EPERM, 'acct needs CAP_SYS_PACCT; the process has {}', describe_cred(task.cred));
  const name = nameAt === 0 ? null : getname(task, nameAt);
  const { vfs } = task.kernel;
  let file: File | null = null;
  if (name !== null) {
    file = do_filp_open(task, AT_FDCWD, name, O_WRONLY | O_APPEND, 0);
    const { mode, sb } = file.inode;
    const refused = S_ISREG(mode) ? (KEEPS_NOTHING.includes(sb.magic) ? EINVAL : 0) : EACCES;
    if (refused !== 0) {
      fput(task, file);
      throw errno(refused, 'acct: {} is not a regular file that keeps what is written', name);
    }
  }
  const old = vfs.acct_file ?? null;
  vfs.acct_file = file;
  if (old === null) return 0;
  // The file that is left gets a record of the caller, which has not ended: without its times (acct_pin_kill).
  write(task, old, record(task, 0, null));
  fput(task, old);
  return 0;
}

/** A 13-bit number with an exponent of base 8 in the top 3 bits (encode_comp_t). */
function comp_t(value: number): number {
  let mantissa = Math.floor(value);
  let exponent = 0;
  let round = 0;
  while (mantissa > 0x1fff) {
    round = Math.floor(mantissa / 4) % 2;
    mantissa = Math.floor(mantissa / 8);
    exponent++;
  }
  if (round === 1 && ++mantissa > 0x1fff) {
    mantissa = Math.floor(mantissa / 8);
    exponent++;
  }
  return Math.min(exponent, 7) * 0x2000 + mantissa;
}

/** The last thread of a process has ended: writes its record (acct_process). `memory` is its size in KiB. */
export function acct_process(task: Task, memory: number): void {
  const file = task.kernel.vfs.acct_file ?? null;
  if (file !== null)
    write(task, file, record(task, task.exit_code, { ...task.signal.used, memory }));
}

/** What a process used; null for one that goes on. */
type Collected = (Usage & { readonly memory: number }) | null;

function record(task: Task, status: number, used: Collected): Uint8Array {
  const { kernel, signal } = task;
  const leader = task.group_leader;
  const view = new DataView(new ArrayBuffer(RECORD));
  view.setUint8(0, (leader.did_exec ? 0 : AFORK) | ((status & 0x80) !== 0 ? ACORE : 0) | ((status & 0x7f) !== 0 ? AXSIG : 0)); // prettier-ignore
  view.setUint8(1, ACCT_VERSION);
  view.setUint16(2, signal.tty?.devt ?? 0, true);
  view.setUint32(4, status, true);
  view.setUint32(8, leader.cred.uid, true);
  view.setUint32(12, leader.cred.gid, true);
  view.setUint32(16, leader.tgid, true);
  view.setUint32(20, leader.real_parent?.tgid ?? 0, true);
  const elapsed = kernel.clock.now() - leader.start_time;
  const begun = kernel.clock.realtime().sec - Math.floor(elapsed / 1e9);
  view.setUint32(24, begun, true);
  view.setFloat32(28, (elapsed * AHZ) / 1e9, true);
  if (used !== null) {
    const ticks = (ns: number): number => (ns * AHZ) / 1e9;
    const numbers = [ticks(used.utime), ticks(used.stime), used.memory, 0, 0, used.minflt, used.majflt, 0]; // prettier-ignore
    numbers.forEach((value, i) => view.setUint16(32 + i * 2, comp_t(value), true));
  }
  const bytes = new Uint8Array(view.buffer);
  for (let i = 0; i < Math.min(16, leader.comm.length); i++)
    bytes[48 + i] = leader.comm.charCodeAt(i);
  return bytes;
}

function write(task: Task, file: File, bytes: Uint8Array): void {
  try {
    kernel_write(task, file, file.inode.size, bytes);
  } catch (error) {
    if (!(error instanceof Errno)) throw error; // no room: the record is lost, as on Linux
  }
}
