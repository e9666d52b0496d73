import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import * as LL from '@vitrine/uapi/landlock.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { fd_install, fget, fget_raw } from '../fs/fdtable.ts';
import { S_ISDIR } from '../fs/inode.ts';
import { LANDLOCK_MASK_ACCESS_FS } from '../fs/security.ts';
import { copy_struct_from_user } from '../include/copy_struct.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { ACCESS_FILE, Domain, LANDLOCK_MAX_NUM_LAYERS } from '../security/landlock/domain.ts';
import { type LandlockRuleset, LandlockRuleset as Ruleset, LandlockRulesetFile, is_nouser } from '../security/landlock/ruleset.ts'; // prettier-ignore
import { fd, flags, int, ptr, size, uint } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** landlock(7): a process forbids itself files, and what lies outside its own domain. */

const LANDLOCK_ABI_VERSION = 6;
/** Errata 1 to 3 are mended. */
const LANDLOCK_ERRATA = 7;
const MASK_NET = 3;
const MASK_SCOPE = 3;

function sys_landlock_create_ruleset(
  task: Task,
  attr: number,
  length: number,
  how: number,
): number {
  if (how !== 0) {
    if (attr !== 0 || length !== 0)
      throw errno(E.EINVAL, 'landlock_create_ruleset: flags {} go without a structure', how);
    if (how === LL.LANDLOCK_CREATE_RULESET_VERSION) return LANDLOCK_ABI_VERSION;
    if (how === LL.LANDLOCK_CREATE_RULESET_ERRATA) return LANDLOCK_ERRATA;
    throw errno(E.EINVAL, 'landlock_create_ruleset: flags {} are unknown', how);
  }
  if (attr === 0) throw errno(E.EFAULT, 'landlock_create_ruleset: there is no structure at 0');
  const view = copy_struct_from_user(task.mem, 'struct landlock_ruleset_attr', attr, length, 8, 24);
  const [fs, net, scoped] = [0, 8, 16].map((at) => view.getBigUint64(at, true)) as [bigint, bigint, bigint]; // prettier-ignore
  known('handled_access_fs', fs, LANDLOCK_MASK_ACCESS_FS);
  known('handled_access_net', net, MASK_NET);
  known('scoped', scoped, MASK_SCOPE);
  if ((fs | net | scoped) === 0n)
    throw errno(E.ENOMSG, 'landlock_create_ruleset: the ruleset would deny nothing');
  const ruleset = new Ruleset(task.kernel, Number(fs), Number(net), Number(scoped));
  return fd_install(task, new LandlockRulesetFile(task, ruleset), true);
}

function known(member: string, value: bigint, mask: number): void {
  if (value & ~BigInt(mask))
    throw errno(E.EINVAL, 'landlock_create_ruleset: {} 0x{} has unknown bits', member, value.toString(16)); // prettier-ignore
}

function rulesetOf(task: Task, ruleset: number): LandlockRuleset {
  const file = fget(task, ruleset);
  if (file instanceof LandlockRulesetFile) return file.ruleset;
  throw errno(E.EBADFD, 'fd {} is {}, not a Landlock ruleset', ruleset, file.path);
}

function sys_landlock_add_rule(
  task: Task,
  rulesetFd: number,
  type: number,
  attr: number,
  how: number,
): number {
  if (how !== 0) throw errno(E.EINVAL, 'landlock_add_rule: flags {} are unknown', how);
  const ruleset = rulesetOf(task, rulesetFd);
  if (type === LL.LANDLOCK_RULE_PATH_BENEATH) return addPathBeneath(task, ruleset, attr);
  if (type === LL.LANDLOCK_RULE_NET_PORT) return addNetPort(task, ruleset, attr);
  throw errno(E.EINVAL, 'landlock_add_rule: there are no rules of type {}', type);
}

/** The accesses that a rule allows, as far as the ruleset denies them. */
function allowed(access: bigint, handled: number): number {
  if (access === 0n) throw errno(E.ENOMSG, 'landlock_add_rule: the rule would allow nothing');
  if (access & ~BigInt(handled))
    throw errno(E.EINVAL, 'landlock_add_rule: accesses 0x{} are not all handled by the ruleset (0x{})', access.toString(16), handled.toString(16)); // prettier-ignore
  return Number(access);
}

/** struct landlock_path_beneath_attr: accesses, descriptor; packed. */
function addPathBeneath(task: Task, ruleset: LandlockRuleset, attr: number): number {
  const parent = new DataView(task.mem.read(attr, 12).slice().buffer).getInt32(8, true);
  const access = allowed(task.mem.getBig(attr), ruleset.fs);
  const { path, inode } = fget_raw(task, parent);
  if (path.mnt.internal || is_nouser(inode.sb))
    throw errno(E.EBADFD, 'landlock_add_rule: fd {} is {}, which has no place among files', parent, path); // prettier-ignore
  if (!S_ISDIR(inode.mode) && access & ~ACCESS_FILE)
    throw errno(E.EINVAL, 'landlock_add_rule: accesses 0x{} of {} are for directories', (access & ~ACCESS_FILE).toString(16), path); // prettier-ignore
  ruleset.allow(inode, access);
  return 0;
}

/** struct landlock_net_port_attr: accesses, port. There are no ports. */
function addNetPort(task: Task, ruleset: LandlockRuleset, attr: number): never {
  const port = task.mem.getBig(attr + 8);
  allowed(task.mem.getBig(attr), ruleset.net);
  if (port > 0xffffn) throw errno(E.EINVAL, 'landlock_add_rule: {} is no port', port);
  throw errno(E.EAFNOSUPPORT, 'landlock_add_rule: this kernel has no TCP');
}

function sys_landlock_restrict_self(task: Task, rulesetFd: number, how: number): number {
  if (!task.no_new_privs && !capable(task.cred, CAP_SYS_ADMIN))
    throw errno(E.EPERM, 'landlock_restrict_self needs no_new_privs or CAP_SYS_ADMIN');
  if (how !== 0) throw errno(E.EINVAL, 'landlock_restrict_self: flags {} are unknown', how);
  const ruleset = rulesetOf(task, rulesetFd);
  const parent = task.cred.landlock as Domain | null;
  if (parent !== null && parent.depth >= LANDLOCK_MAX_NUM_LAYERS)
    throw errno(E.E2BIG, 'landlock_restrict_self: {} rulesets are enforced already', parent.depth);
  task.cred = task.cred.with({ landlock: new Domain(parent, ruleset) });
  parent?.put();
  return 0;
}

export const LANDLOCK: readonly SyscallRow[] = [
  row(NR.__NR_landlock_create_ruleset, 'landlock_create_ruleset', [ptr, size, flags('landlock_create_ruleset')], partial('TCP ports can be denied, and there is no TCP'), sys_landlock_create_ruleset), // prettier-ignore
  row(NR.__NR_landlock_add_rule, 'landlock_add_rule', [fd, int, ptr, uint], partial('no rules for TCP ports'), sys_landlock_add_rule), // prettier-ignore
  row(NR.__NR_landlock_restrict_self, 'landlock_restrict_self', [fd, uint], FULL, sys_landlock_restrict_self), // prettier-ignore
];
