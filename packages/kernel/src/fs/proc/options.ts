import { EINVAL } from '@vitrine/uapi/errno.ts';
import { in_group_p } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Task } from '../../kernel/task.ts';
import { BadOption, type SuperBlock } from '../super.ts';
import { may_access } from './access.ts';

/** Mount options of proc (proc(5), fs/proc/root.c). */

export const HIDEPID_OFF = 0;
export const HIDEPID_NO_ACCESS = 1;
export const HIDEPID_INVISIBLE = 2;
export const HIDEPID_NOT_PTRACEABLE = 4;
const HIDEPID: ReadonlyMap<string, number> = new Map([
  ['off', HIDEPID_OFF],
  ['noaccess', HIDEPID_NO_ACCESS],
  ['invisible', HIDEPID_INVISIBLE],
  ['ptraceable', HIDEPID_NOT_PTRACEABLE],
]);

/** Analogous to `struct proc_fs_info`. */
export interface ProcFsInfo {
  hide_pid: number;
  /** Whose members see all processes. */
  pid_gid: number;
  /** subset=pid: processes and nothing else. */
  pidonly: boolean;
}

export const PROC_OPTIONS: readonly string[] = ['gid', 'hidepid', 'subset'];

function hidepid(value: string): number {
  const named = HIDEPID.get(value);
  if (named !== undefined) return named;
  if (/^\d+$/.test(value) && [...HIDEPID.values()].includes(Number(value))) return Number(value);
  throw new BadOption(`proc: unknown value of hidepid - ${value}\n`);
}

function setOption(info: ProcFsInfo, name: string, value: string | null): void {
  switch (name) {
    case 'gid':
      if (value === null || !/^\d+$/.test(value) || Number(value) > 0xffff_ffff)
        throw errno(EINVAL, 'proc: gid={} is no number of a group', value);
      info.pid_gid = Number(value);
      return;
    case 'hidepid':
    case 'subset':
      if (value === null || value === '') throw errno(EINVAL, 'proc: {} has no value', name);
      if (name === 'subset') {
        for (const part of value.split(':'))
          if (part !== 'pid') throw new BadOption(`proc: unsupported subset option - ${part}\n`);
        info.pidonly = true;
        return;
      }
      info.hide_pid = hidepid(value);
      return;
    default:
      throw errno(EINVAL, 'proc has no mount option {}', name);
  }
}

/** Options as mount(2) gives them, on top of what is set. */
export function parse_proc_options(data: string, info: ProcFsInfo): ProcFsInfo {
  const result = { ...info };
  for (const part of data.split(',')) {
    if (part === '') continue;
    const cut = part.indexOf('=');
    setOption(result, cut < 0 ? part : part.slice(0, cut), cut < 0 ? null : part.slice(cut + 1));
  }
  return result;
}

export function show_proc_options({ pid_gid, hide_pid, pidonly }: ProcFsInfo): string {
  const hidden = [...HIDEPID].find(([, value]) => value === hide_pid)![0];
  return `${pid_gid === 0 ? '' : `,gid=${pid_gid}`}${hide_pid === HIDEPID_OFF ? '' : `,hidepid=${hidden}`}${pidonly ? ',subset=pid' : ''}`;
}

/** The options of an inode's mount. */
export const proc_info = (sb: SuperBlock): ProcFsInfo =>
  (sb as SuperBlock & { info: ProcFsInfo }).info;

/** May the caller see a process, where processes are hidden from level `min` on (has_pid_permissions)? */
export function has_pid_permissions(
  current: Current,
  sb: SuperBlock,
  task: Task,
  min: number,
): boolean {
  const { hide_pid, pid_gid } = proc_info(sb);
  if (hide_pid === HIDEPID_NOT_PTRACEABLE) return may_access(current, task);
  return hide_pid < min || in_group_p(current.cred, pid_gid) || may_access(current, task);
}
