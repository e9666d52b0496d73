import * as P from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import { RLIMIT_NPROC } from '@vitrine/uapi/resource.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { NGROUPS_MAX } from '@vitrine/uapi/xattr.ts';
import { CAP_EMPTY, type CapSet, type Cred, cap_combine, cap_drop, cap_intersect, cap_subset, capable, describe_cred } from '../include/cred.ts'; // prettier-ignore
import { errno } from '../include/errno.ts';
import { get_user } from '../include/user.ts';
import type { Task } from '../kernel/task.ts';
import { inArray, inOutStruct, int, outArray, outStruct, uid } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

const UNCHANGED = -1;

/** Installs new credentials; the capability rules of capabilities(7), "Effect of user ID changes", apply first. */
function commit_creds(task: Task, next: Cred): void {
  const old = task.cred;
  let cred = next;
  if ((cred.securebits & (1 << P.SECURE_NO_SETUID_FIXUP)) === 0) cred = emulate_setxuid(old, cred);
  if (cred.uid !== old.uid) {
    get_user(task.kernel, old.uid).processes--;
    const user = get_user(task.kernel, cred.uid);
    // The process itself does not count yet (flag_nproc_exceeded comes before commit_creds).
    task.nproc_exceeded = cred.uid !== 0 && user.processes > task.rlimit(RLIMIT_NPROC);
    user.processes++;
  }
  const changed =
    cred.euid !== old.euid ||
    cred.egid !== old.egid ||
    cred.fsuid !== old.fsuid ||
    cred.fsgid !== old.fsgid ||
    !cap_subset(cred.permitted, old.permitted);
  if (changed) {
    if (task.mm !== null) task.mm.dumpable = task.kernel.sysctl.suid_dumpable;
    task.pdeath_signal = 0;
  }
  task.cred = cred;
}

/** Leaving root gives capabilities up, becoming effective root raises them (cap_emulate_setxuid). */
function emulate_setxuid(old: Cred, next: Cred): Cred {
  let cred = next;
  const wasRoot = old.uid === 0 || old.euid === 0 || old.suid === 0;
  const isRoot = cred.uid === 0 || cred.euid === 0 || cred.suid === 0;
  if (wasRoot && !isRoot) {
    if ((old.securebits & (1 << P.SECURE_KEEP_CAPS)) === 0)
      cred = cred.with({ permitted: CAP_EMPTY, effective: CAP_EMPTY });
    cred = cred.with({ ambient: CAP_EMPTY });
  }
  if (old.euid === 0 && cred.euid !== 0) cred = cred.with({ effective: CAP_EMPTY });
  if (old.euid !== 0 && cred.euid === 0) cred = cred.with({ effective: cred.permitted });
  return cred;
}

const FS_CAPS: CapSet = [P.CAP_CHOWN, P.CAP_DAC_OVERRIDE, P.CAP_DAC_READ_SEARCH, P.CAP_FOWNER, P.CAP_FSETID, P.CAP_MKNOD, P.CAP_MAC_OVERRIDE, P.CAP_LINUX_IMMUTABLE].reduce<CapSet>((set, cap) => (cap < 32 ? { lo: (set.lo | (1 << cap)) >>> 0, hi: set.hi } : { lo: set.lo, hi: set.hi | (1 << (cap - 32)) }), CAP_EMPTY); // prettier-ignore

/** The file-system capabilities follow fsuid when it is set by itself (cap_task_fix_setuid, LSM_SETID_FS). */
function fsuidCaps(old: Cred, cred: Cred): Cred {
  if ((old.securebits & (1 << P.SECURE_NO_SETUID_FIXUP)) !== 0) return cred;
  if (old.fsuid === 0 && cred.fsuid !== 0)
    return cred.with({ effective: cap_drop(cred.effective, FS_CAPS) });
  if (old.fsuid !== 0 && cred.fsuid === 0)
    return cred.with({
      effective: cap_combine(cred.effective, cap_intersect(cred.permitted, FS_CAPS)),
    });
  return cred;
}

function denied(task: Task, call: string, cap: string, id: number): never {
  throw errno(E.EPERM, '{}: changing to {} needs {} or one of the current ids; the process has {}', call, id, cap, describe_cred(task.cred)); // prettier-ignore
}

function checkId(call: string, id: number): void {
  if (id === UNCHANGED) throw errno(E.EINVAL, '{}: -1 is no id', call);
}

function sys_setuid(task: Task, to: number): number {
  checkId('setuid', to);
  const { cred } = task;
  const u = to >>> 0;
  if (capable(cred, P.CAP_SETUID))
    commit_creds(task, cred.with({ uid: u, euid: u, suid: u, fsuid: u }));
  else if (u === cred.uid || u === cred.suid) commit_creds(task, cred.with({ euid: u, fsuid: u }));
  else denied(task, 'setuid', 'CAP_SETUID', u);
  return 0;
}

function sys_setgid(task: Task, to: number): number {
  checkId('setgid', to);
  const { cred } = task;
  const g = to >>> 0;
  if (capable(cred, P.CAP_SETGID))
    commit_creds(task, cred.with({ gid: g, egid: g, sgid: g, fsgid: g }));
  else if (g === cred.gid || g === cred.sgid) commit_creds(task, cred.with({ egid: g, fsgid: g }));
  else denied(task, 'setgid', 'CAP_SETGID', g);
  return 0;
}

function sys_setreuid(task: Task, ruid: number, euid: number): number {
  const { cred } = task;
  const may = capable(cred, P.CAP_SETUID);
  const r = ruid >>> 0;
  const e = euid >>> 0;
  if (ruid !== UNCHANGED && !may && r !== cred.uid && r !== cred.euid)
    denied(task, 'setreuid', 'CAP_SETUID', r);
  if (euid !== UNCHANGED && !may && e !== cred.uid && e !== cred.euid && e !== cred.suid)
    denied(task, 'setreuid', 'CAP_SETUID', e);
  const uidNew = ruid === UNCHANGED ? cred.uid : r;
  const euidNew = euid === UNCHANGED ? cred.euid : e;
  const suid =
    ruid !== UNCHANGED || (euid !== UNCHANGED && euidNew !== cred.uid) ? euidNew : cred.suid;
  commit_creds(task, cred.with({ uid: uidNew, euid: euidNew, suid, fsuid: euidNew }));
  return 0;
}

function sys_setregid(task: Task, rgid: number, egid: number): number {
  const { cred } = task;
  const may = capable(cred, P.CAP_SETGID);
  const r = rgid >>> 0;
  const e = egid >>> 0;
  if (rgid !== UNCHANGED && !may && r !== cred.gid && r !== cred.egid)
    denied(task, 'setregid', 'CAP_SETGID', r);
  if (egid !== UNCHANGED && !may && e !== cred.gid && e !== cred.egid && e !== cred.sgid)
    denied(task, 'setregid', 'CAP_SETGID', e);
  const gidNew = rgid === UNCHANGED ? cred.gid : r;
  const egidNew = egid === UNCHANGED ? cred.egid : e;
  const sgid =
    rgid !== UNCHANGED || (egid !== UNCHANGED && egidNew !== cred.gid) ? egidNew : cred.sgid;
  commit_creds(task, cred.with({ gid: gidNew, egid: egidNew, sgid, fsgid: egidNew }));
  return 0;
}

/** Does an id change none of those? Where that is so of all three, not even fsuid follows euid. */
const nothing = (id: number, ...old: readonly number[]): boolean =>
  id === UNCHANGED || old.every((one) => one === id >>> 0);

function sys_setresuid(task: Task, ruid: number, euid: number, suid: number): number {
  const { cred } = task;
  const own = [cred.uid, cred.euid, cred.suid];
  for (const id of [ruid, euid, suid]) {
    if (id !== UNCHANGED && !own.includes(id >>> 0) && !capable(cred, P.CAP_SETUID))
      denied(task, 'setresuid', 'CAP_SETUID', id >>> 0);
  }
  if (nothing(ruid, cred.uid) && nothing(euid, cred.euid, cred.fsuid) && nothing(suid, cred.suid))
    return 0;
  const pick = (id: number, old: number): number => (id === UNCHANGED ? old : id >>> 0);
  const e = pick(euid, cred.euid);
  commit_creds(
    task,
    cred.with({ uid: pick(ruid, cred.uid), euid: e, suid: pick(suid, cred.suid), fsuid: e }),
  );
  return 0;
}

function sys_setresgid(task: Task, rgid: number, egid: number, sgid: number): number {
  const { cred } = task;
  const own = [cred.gid, cred.egid, cred.sgid];
  for (const id of [rgid, egid, sgid]) {
    if (id !== UNCHANGED && !own.includes(id >>> 0) && !capable(cred, P.CAP_SETGID))
      denied(task, 'setresgid', 'CAP_SETGID', id >>> 0);
  }
  if (nothing(rgid, cred.gid) && nothing(egid, cred.egid, cred.fsgid) && nothing(sgid, cred.sgid))
    return 0;
  const pick = (id: number, old: number): number => (id === UNCHANGED ? old : id >>> 0);
  const e = pick(egid, cred.egid);
  commit_creds(
    task,
    cred.with({ gid: pick(rgid, cred.gid), egid: e, sgid: pick(sgid, cred.sgid), fsgid: e }),
  );
  return 0;
}

function sys_getresuid(task: Task, r: number, e: number, s: number): number {
  task.mem.putU32(r, task.cred.uid);
  task.mem.putU32(e, task.cred.euid);
  task.mem.putU32(s, task.cred.suid);
  return 0;
}

function sys_getresgid(task: Task, r: number, e: number, s: number): number {
  task.mem.putU32(r, task.cred.gid);
  task.mem.putU32(e, task.cred.egid);
  task.mem.putU32(s, task.cred.sgid);
  return 0;
}

/** setfsuid(2) has no way to fail: it returns the previous id either way. */
function sys_setfsuid(task: Task, to: number): number {
  const { cred } = task;
  const u = to >>> 0;
  if (
    to !== UNCHANGED &&
    ([cred.uid, cred.euid, cred.suid, cred.fsuid].includes(u) || capable(cred, P.CAP_SETUID))
  )
    commit_creds(task, fsuidCaps(cred, cred.with({ fsuid: u })));
  return cred.fsuid;
}

function sys_setfsgid(task: Task, to: number): number {
  const { cred } = task;
  const g = to >>> 0;
  if (
    to !== UNCHANGED &&
    ([cred.gid, cred.egid, cred.sgid, cred.fsgid].includes(g) || capable(cred, P.CAP_SETGID))
  )
    commit_creds(task, cred.with({ fsgid: g }));
  return cred.fsgid;
}

function sys_getgroups(task: Task, count: number, list: number): number {
  const { groups } = task.cred;
  if (count < 0) throw errno(E.EINVAL, 'getgroups: {} is negative', count);
  if (count === 0) return groups.length;
  if (groups.length > count)
    throw errno(E.EINVAL, 'getgroups: {} groups do not fit {} entries', groups.length, count);
  groups.forEach((g, i) => task.mem.putU32(list + i * 4, g));
  return groups.length;
}

function sys_setgroups(task: Task, count: number, list: number): number {
  if (!capable(task.cred, P.CAP_SETGID))
    throw errno(
      E.EPERM,
      'setgroups needs CAP_SETGID; the process has {}',
      describe_cred(task.cred),
    );
  if (count < 0 || count > NGROUPS_MAX)
    throw errno(E.EINVAL, 'setgroups: {} groups exceed NGROUPS_MAX {}', count, NGROUPS_MAX);
  const groups: number[] = [];
  for (let i = 0; i < count; i++) groups.push(task.mem.getU32(list + i * 4));
  if (groups.includes(0xffff_ffff)) throw errno(E.EINVAL, 'setgroups: -1 is no group');
  task.cred = task.cred.with({ groups: groups.sort((a, b) => a - b) });
  return 0;
}

const CAP_V1 = 0x1998_0330;
const CAP_V2 = 0x2007_1026;
const CAP_V3 = 0x2008_0522;

/** Words of the data for the header's version; an unknown one is answered with the preferred version. */
function capVersion(task: Task, header: number): number {
  const version = task.mem.getU32(header);
  if (version === CAP_V1) return 1;
  if (version === CAP_V2 || version === CAP_V3) return 2;
  task.mem.putU32(header, CAP_V3);
  return 0;
}

function sys_capget(task: Task, header: number, data: number): number {
  const words = capVersion(task, header);
  // Who asks for nothing but the version gets no further.
  if (data === 0) return 0;
  if (words === 0) {
    throw errno(
      E.EINVAL,
      'capget: version 0x{} is not known',
      task.mem.getU32(header).toString(16),
    );
  }
  const who = task.mem.getI32(header + 4);
  if (who < 0) throw errno(E.EINVAL, 'capget: {} is no process id', who);
  const target = who === 0 ? task : task.kernel.pids.find(who)?.task;
  if (!target) throw errno(E.ESRCH, 'capget: there is no process {}', who);
  const { effective, permitted, inheritable } = target.cred;
  [effective.lo, permitted.lo, inheritable.lo].forEach((word, i) =>
    task.mem.putU32(data + i * 4, word),
  );
  if (words === 2)
    [effective.hi, permitted.hi, inheritable.hi].forEach((word, i) =>
      task.mem.putU32(data + 12 + i * 4, word),
    );
  return 0;
}

function sys_capset(task: Task, header: number, data: number): number {
  const words = capVersion(task, header);
  if (words === 0) throw errno(E.EINVAL, 'capset: the version in the header is not known');
  const who = task.mem.getI32(header + 4);
  if (who !== 0 && who !== task.pid)
    throw errno(
      E.EPERM,
      'capset: a thread may change its own capabilities only, not those of {}',
      who,
    );
  const word = (i: number): number => (i < words * 3 ? task.mem.getU32(data + i * 4) : 0);
  const all = 2 ** (P.CAP_LAST_CAP - 31) - 1;
  const set = (i: number): CapSet => ({ lo: word(i), hi: (word(i + 3) & all) >>> 0 });
  const [effective, permitted, inheritable] = [set(0), set(1), set(2)];
  const old = task.cred;
  if (!capable(old, P.CAP_SETPCAP) && !cap_subset(inheritable, cap_combine(old.inheritable, old.permitted))) throw errno(E.EPERM, 'capset: new inheritable capabilities are not permitted ones, and the process lacks CAP_SETPCAP'); // prettier-ignore
  if (!cap_subset(inheritable, cap_combine(old.inheritable, old.bset)))
    throw errno(E.EPERM, 'capset: new inheritable capabilities are not in the bounding set');
  if (!cap_subset(permitted, old.permitted))
    throw errno(E.EPERM, 'capset: permitted capabilities cannot be gained');
  if (!cap_subset(effective, permitted))
    throw errno(E.EPERM, 'capset: effective capabilities must be permitted');
  const ambient = cap_intersect(old.ambient, cap_intersect(permitted, inheritable));
  task.cred = old.with({ effective, permitted, inheritable, ambient });
  return 0;
}

export const IDS: readonly SyscallRow[] = [
  row(NR.__NR_getuid, 'getuid', [], FULL, (task) => task.cred.uid),
  row(NR.__NR_getgid, 'getgid', [], FULL, (task) => task.cred.gid),
  row(NR.__NR_geteuid, 'geteuid', [], FULL, (task) => task.cred.euid),
  row(NR.__NR_getegid, 'getegid', [], FULL, (task) => task.cred.egid),
  row(NR.__NR_getpid, 'getpid', [], FULL, (task) => task.tgid),
  row(NR.__NR_gettid, 'gettid', [], FULL, (task) => task.pid),
  row(NR.__NR_getppid, 'getppid', [], FULL, (task) => task.group_leader.real_parent?.tgid ?? 0),
  row(NR.__NR_setuid, 'setuid', [uid], FULL, sys_setuid),
  row(NR.__NR_setgid, 'setgid', [uid], FULL, sys_setgid),
  row(NR.__NR_setreuid, 'setreuid', [uid, uid], FULL, sys_setreuid),
  row(NR.__NR_setregid, 'setregid', [uid, uid], FULL, sys_setregid),
  row(NR.__NR_setresuid, 'setresuid', [uid, uid, uid], FULL, sys_setresuid),
  row(NR.__NR_setresgid, 'setresgid', [uid, uid, uid], FULL, sys_setresgid),
  row(
    NR.__NR_getresuid,
    'getresuid',
    [outStruct('int'), outStruct('int'), outStruct('int')],
    FULL,
    sys_getresuid,
  ),
  row(
    NR.__NR_getresgid,
    'getresgid',
    [outStruct('int'), outStruct('int'), outStruct('int')],
    FULL,
    sys_getresgid,
  ),
  row(NR.__NR_setfsuid, 'setfsuid', [uid], FULL, sys_setfsuid),
  row(NR.__NR_setfsgid, 'setfsgid', [uid], FULL, sys_setfsgid),
  row(NR.__NR_getgroups, 'getgroups', [int, outArray('gid', -1)], FULL, sys_getgroups),
  row(NR.__NR_setgroups, 'setgroups', [int, inArray('gid', 0)], FULL, sys_setgroups),
  row(
    NR.__NR_capget,
    'capget',
    [inOutStruct('cap_header'), outStruct('cap_data')],
    FULL,
    sys_capget,
  ),
  row(
    NR.__NR_capset,
    'capset',
    [inOutStruct('cap_header'), inOutStruct('cap_data')],
    FULL,
    sys_capset,
  ),
];
