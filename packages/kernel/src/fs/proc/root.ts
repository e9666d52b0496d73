import { PROC_SUPER_MAGIC } from '@vitrine/uapi/magic.ts';
import type { Current } from '../../include/current.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry } from '../dcache.ts';
import type { Inode } from '../inode.ts';
import { FileSystemType, MAX_NON_LFS, SuperBlock } from '../super.ts';
import { DT_DIR, type ListEntry, ProcStaticDir } from './inode.ts';
import { HIDEPID_INVISIBLE, HIDEPID_NO_ACCESS, HIDEPID_NOT_PTRACEABLE, HIDEPID_OFF, PROC_OPTIONS, type ProcFsInfo, has_pid_permissions, parse_proc_options, proc_info, show_proc_options } from './options.ts'; // prettier-ignore
import { PidDirInode } from './pid_inode.ts';
import { proc_create } from './registry.ts';
import './array.ts';
import './autogroup.ts';
import './base.ts';
import './configs.ts';
import './kmsg.ts';
import './mounts.ts';
import './irq.ts';
import './locks.ts';
import './page.ts';
import './stat.ts';
import './sysctl.ts';
import './system.ts';
import './task_mmu.ts';
import './task_pages.ts';
import './task_state.ts';
import './seccomp.ts';
import './timer_list.ts';
import './utsname.ts';
import './vm.ts';

const DEFAULTS: ProcFsInfo = { hide_pid: HIDEPID_OFF, pid_gid: 0, pidonly: false };
/** Names that every proc has. */
const ALWAYS: readonly string[] = ['self', 'thread-self'];

/** /proc: the static names, then a directory for each process. */
export class ProcRootInode extends ProcStaticDir {
  constructor(sb: SuperBlock) {
    super(sb, '');
  }

  static {
    serializable('ProcRootInode', this);
  }

  protected override find(current: Current, name: string): Inode | null {
    const only = proc_info(this.sb).pidonly && !ALWAYS.includes(name);
    const found = only ? null : super.find(current, name);
    if (found !== null || !/^[1-9]\d{0,9}$/.test(name)) return found;
    const task = current.kernel.pids.find(Number(name))?.task ?? null;
    if (task === null) return null;
    // With hidepid=ptraceable there is no process that the caller could not look into.
    const hidden = proc_info(this.sb).hide_pid === HIDEPID_NOT_PTRACEABLE;
    if (hidden && !has_pid_permissions(current, this.sb, task, HIDEPID_NO_ACCESS)) return null;
    return new PidDirInode(this.sb, task, false);
  }

  override list(current: Current): ListEntry[] {
    const { pidonly } = proc_info(this.sb);
    const entries = super.list(current).filter(({ name }) => !pidonly || ALWAYS.includes(name));
    const pids: ListEntry[] = [];
    for (const pid of current.kernel.pids.pids.values()) {
      const { task } = pid;
      if (task === null || task.group_leader !== task) continue;
      if (!has_pid_permissions(current, this.sb, task, HIDEPID_INVISIBLE)) continue;
      pids.push({
        name: String(pid.nr),
        ino: pid.nr * 2 * 4096 + 1000,
        type: DT_DIR,
        pos: pid.nr + 256,
      });
    }
    return [...entries, ...pids.sort((a, b) => a.pos - b.pos)];
  }

  override getattr(current: Current): void {
    let processes = 0;
    for (const pid of current.kernel.pids.pids.values())
      if (pid.task?.group_leader === pid.task) processes++;
    this.nlink = 7 + processes;
  }
}

export class ProcSuperBlock extends SuperBlock {
  info: ProcFsInfo;

  constructor(kernel: Kernel, type: FileSystemType, info: ProcFsInfo) {
    super(kernel, type, PROC_SUPER_MAGIC);
    this.info = info;
    this.blocksize = 1024;
    this.maxbytes = MAX_NON_LFS;
    this.root = new Dentry('/', null, new ProcRootInode(this), this);
  }
  static {
    serializable('ProcSuperBlock', this);
  }

  override get noexec(): boolean {
    return true;
  }

  override show_options(): string {
    return show_proc_options(this.info);
  }

  override remount(current: Current, flags: number, data: string): void {
    this.info = parse_proc_options(data, this.info);
    super.remount(current, flags, data);
  }
}

export class ProcType extends FileSystemType {
  readonly name = 'proc';
  override readonly userns = true;
  static {
    serializable('ProcType', this);
  }
  override readonly options: readonly string[] = PROC_OPTIONS;

  override check_option(_kernel: Kernel, option: string): void {
    parse_proc_options(option, DEFAULTS);
  }

  mount(current: Current, flags: number, _source: string, data: string): SuperBlock {
    const sb = new ProcSuperBlock(current.kernel, this, parse_proc_options(data, DEFAULTS));
    sb.flags = flags;
    return sb;
  }
}

proc_create('net', { target: () => 'self/net' });
proc_create('self', { target: (current) => String(current.tgid) });
proc_create('thread-self', { target: (current) => `${current.tgid}/task/${current.pid}` });
