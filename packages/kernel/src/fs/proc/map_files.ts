import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { ENOENT, EPERM } from '@vitrine/uapi/errno.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../../kernel/task.ts';
import type { Vma } from '../../mm/vma.ts';
import { type Path, d_path } from '../dcache.ts';
import { FMODE_READ, FMODE_WRITE, type File } from '../file.ts';
import type { Inode } from '../inode.ts';
import type { SuperBlock } from '../super.ts';
import { ptrace_may_access } from './access.ts';
import { DT_LNK, type ListEntry, ProcDirInode, ProcInode } from './inode.ts';

/** /proc/PID/map_files: a link for each mapping of a file, named by its addresses. */

const nameOf = (vma: Vma): string => `${vma.start.toString(16)}-${vma.end.toString(16)}`;

function mappings(task: Task): Vma[] {
  return (task.mm?.vmas.list ?? []).filter((vma) => vma.file !== null);
}

export class MapFilesDirInode extends ProcDirInode {
  readonly task: Task;
  constructor(sb: SuperBlock, task: Task, ino: number) {
    super(sb, ino, 0o40500);
    this.task = task;
    if (task.mm?.dumpable === 1) {
      this.uid = task.cred.euid;
      this.gid = task.cred.egid;
    }
  }
  static {
    serializable('MapFilesDirInode', this);
  }
  override get dynamic(): boolean {
    return true;
  }

  protected override find(current: Current, name: string): Inode | null {
    ptrace_may_access(current, this.task, 'map_files');
    const vma = mappings(this.task).find((candidate) => nameOf(candidate) === name);
    return vma === undefined ? null : new MapFileLinkInode(this.sb, this.task, vma, this.ino);
  }

  list(current: Current): ListEntry[] {
    ptrace_may_access(current, this.task, 'map_files');
    return mappings(this.task).map((vma, i) => ({
      name: nameOf(vma),
      ino: linkIno(this.ino, vma),
      type: DT_LNK,
      pos: i + 2,
    }));
  }
}

const linkIno = (dir: number, vma: Vma): number =>
  2 ** 41 + dir * 4096 + ((vma.start / 4096) % 4096);

class MapFileLinkInode extends ProcInode {
  readonly task: Task;
  readonly name: string;
  constructor(sb: SuperBlock, task: Task, vma: Vma, dir: number) {
    const { mode } = vma.file as File;
    const bits = (mode & FMODE_READ ? 0o400 : 0) | (mode & FMODE_WRITE ? 0o200 : 0);
    super(sb, linkIno(dir, vma), 0o120000 | bits);
    this.task = task;
    this.name = nameOf(vma);
    this.size = 64;
  }
  static {
    serializable('MapFileLinkInode', this);
  }
  override get cant_mount(): boolean {
    return true;
  }
  override get dynamic(): boolean {
    return true;
  }
  private target(): Path {
    const vma = mappings(this.task).find((candidate) => nameOf(candidate) === this.name);
    if (vma === undefined)
      throw errno(ENOENT, 'process {} maps no file at {}', this.task.pid, this.name);
    return (vma.file as File).path;
  }
  override get_link(current: Current): Path {
    if (!capable(current.cred, CAP_SYS_ADMIN) && !capable(current.cred, CAP_CHECKPOINT_RESTORE))
      throw errno(EPERM, 'opening what a process maps needs CAP_CHECKPOINT_RESTORE');
    return this.target();
  }
  override readlink(current: Current): string {
    return d_path(this.target(), current.fs.root);
  }
}
