import { EINVAL, ENOENT, EPERM } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import { EXIT_DEAD, EXIT_ZOMBIE, type Task } from '../../kernel/task.ts';
import type { Mm } from '../../mm/mm.ts';
import { type Dentry, type Path, d_path } from '../dcache.ts';
import { FMODE_READ, FMODE_WRITE, type File } from '../file.ts';
import { Inode, S_IMMUTABLE } from '../inode.ts';
import { NAMESPACES, task_ns_path } from '../nsfs/nsfs.ts';
import type { SuperBlock } from '../super.ts';
import { ptrace_may_access } from './access.ts';
import {
  DT_DIR,
  DT_LNK,
  DT_REG,
  type ListEntry,
  ProcDirInode,
  ProcInode,
  ProcStaticDir,
  ProcTextFile,
  gone,
} from './inode.ts';
import { MapFilesDirInode } from './map_files.ts';
import { HIDEPID_INVISIBLE, HIDEPID_NO_ACCESS, has_pid_permissions, proc_info } from './options.ts';
import { PROC_NET, type PidFile, type ProcSeek, pid_file, pid_files } from './registry.ts';

declare module '../../kernel/task.ts' {
  interface Task {
    /** Its directories in proc that something is, or was, mounted in. */
    proc_dentries?: Set<Dentry>;
  }
}

/** Numbers of a task's inodes: stable while it lives. */
const pidIno = (task: Task, thread: boolean, index: number): number =>
  (task.pid * 2 + (thread ? 1 : 0)) * 4096 + 1000 + index;

/** The files of a process belong to its user, unless it must not be looked into or is dead (task_dump_owner). */
function owner(inode: Inode, task: Task, always: boolean): void {
  if (!always && task.mm?.dumpable !== 1) return;
  inode.uid = task.cred.euid;
  inode.gid = task.cred.egid;
}

/** Directories and links of /proc/PID besides the plain files. */
const LINKS = ['cwd', 'exe', 'root'];
const DIRS = ['attr', 'fd', 'fdinfo', 'map_files', 'net', 'ns', 'task'];
/** Directories that only processes have, not their threads. */
const PROCESS_DIRS = new Set(['task', 'map_files']);

/** /proc/PID, /proc/PID/task/TID. */
export class PidDirInode extends ProcDirInode {
  readonly task: Task;
  readonly thread: boolean;
  constructor(sb: SuperBlock, task: Task, thread: boolean) {
    super(sb, pidIno(task, thread, 0));
    this.task = task;
    this.thread = thread;
    owner(this, task, true);
    this.flags |= S_IMMUTABLE;
    this.nlink = thread ? 7 : 9;
  }

  static {
    serializable('PidDirInode', this);
  }
  override pinned(dentry: Dentry): void {
    (this.task.proc_dentries ??= new Set()).add(dentry);
  }
  /** It is immutable, and does not tell (pid_getattr). */
  override get statx_attributes(): number {
    return 0;
  }
  override get dead(): boolean {
    return this.task.state === EXIT_DEAD;
  }

  /** hidepid, and the end of a process that is still open (proc_pid_permission, pid_getattr). */
  override permission(current: Current, mask: number, what: unknown): void {
    const { sb, task } = this;
    if (!this.thread && this.dead) gone(task.pid);
    if (!this.thread && !has_pid_permissions(current, sb, task, HIDEPID_NO_ACCESS)) {
      const invisible = proc_info(sb).hide_pid === HIDEPID_INVISIBLE;
      throw errno(invisible ? ENOENT : EPERM, 'process {} is hidden from uid {} (hidepid)', task.tgid, current.cred.fsuid); // prettier-ignore
    }
    super.permission(current, mask, what);
  }
  override getattr(current: Current): void {
    if (!has_pid_permissions(current, this.sb, this.task, HIDEPID_INVISIBLE))
      throw errno(ENOENT, 'process {} is hidden from uid {} (hidepid)', this.task.tgid, current.cred.fsuid); // prettier-ignore
    super.getattr(current);
  }

  override get dynamic(): boolean {
    return true;
  }

  protected override find(_current: Current, name: string): Inode | null {
    const { task, sb, thread } = this;
    if (this.dead) return null;
    if (LINKS.includes(name)) return new PidLinkInode(sb, task, name);
    if (name === 'fd' || name === 'fdinfo') return new FdDirInode(sb, task, name === 'fdinfo');
    if (name === 'task' && !thread) return new TaskDirInode(sb, task);
    if (name === 'map_files' && !thread)
      return new MapFilesDirInode(sb, task, pidIno(task, false, 3020));
    if (name === 'ns') return new NsDirInode(sb, task);
    if (name === 'net') return new PidNetDirInode(sb, task);
    if (name === 'attr') return new PidSubDirInode(sb, task, name, thread);
    if (name.includes('/')) return null;
    const file = pid_file(name);
    if (file === undefined || (file.processOnly && thread) || (file.threadOnly && !thread))
      return null;
    return new PidFileInode(sb, task, name, thread);
  }

  list(): ListEntry[] {
    const { task, thread } = this;
    const entries: ListEntry[] = [];
    const add = (name: string, type: number): void => {
      entries.push({
        name,
        ino: pidIno(task, thread, entries.length + 1),
        type,
        pos: entries.length + 2,
      });
    };
    for (const name of DIRS) if (!PROCESS_DIRS.has(name) || !thread) add(name, DT_DIR);
    for (const [name, file] of pid_files()) {
      if (name.includes('/')) continue;
      if (!(file.processOnly && thread) && !(file.threadOnly && !thread)) add(name, DT_REG);
    }
    for (const name of LINKS) add(name, DT_LNK);
    return entries;
  }
}

/** /proc/PID/net: the network as the process's namespace has it, so a zombie has none. */
export class PidNetDirInode extends ProcStaticDir {
  readonly task: Task;
  constructor(sb: SuperBlock, task: Task) {
    super(sb, PROC_NET);
    this.task = task;
    owner(this, task, true);
  }
  static {
    serializable('PidNetDirInode', this);
  }
  override get dead(): boolean {
    return false;
  }
  override get dynamic(): boolean {
    return true;
  }
  protected override find(current: Current, name: string): Inode | null {
    return this.task.exiting ? null : super.find(current, name);
  }
  override list(current: Current): ListEntry[] {
    if (this.task.exiting) throw errno(EINVAL, 'process {} has left its network', this.task.pid);
    return super.list(current);
  }
}

/** A directory of /proc/PID whose files are registered as `dir/name`. */
export class PidSubDirInode extends ProcDirInode {
  readonly task: Task;
  readonly name: string;
  readonly thread: boolean;
  constructor(sb: SuperBlock, task: Task, name: string, thread: boolean) {
    super(sb, pidIno(task, thread, 3050));
    this.task = task;
    this.name = name;
    this.thread = thread;
    owner(this, task, true);
  }
  static {
    serializable('PidSubDirInode', this);
  }
  override get dead(): boolean {
    return this.task.state === EXIT_DEAD;
  }
  override get dynamic(): boolean {
    return true;
  }
  protected override find(_current: Current, name: string): Inode | null {
    const path = `${this.name}/${name}`;
    return pid_file(path) === undefined
      ? null
      : new PidFileInode(this.sb, this.task, path, this.thread);
  }
  list(): ListEntry[] {
    const prefix = `${this.name}/`;
    const names = [...pid_files().keys()].filter((name) => name.startsWith(prefix));
    return names.map((name, i) => ({
      name: name.slice(prefix.length),
      ino: pidIno(this.task, this.thread, 3051 + i),
      type: DT_REG,
      pos: i + 2,
    }));
  }
}

export class PidFileInode extends ProcInode {
  readonly task: Task;
  readonly name: string;
  readonly thread: boolean;
  constructor(sb: SuperBlock, task: Task, name: string, thread: boolean) {
    const index = [...pid_files().keys()].indexOf(name) + DIRS.length + 1;
    super(sb, pidIno(task, thread, index), 0o100000 | pid_file(name)!.mode);
    this.task = task;
    this.name = name;
    this.thread = thread;
    owner(this, task, false);
  }
  static {
    serializable('PidFileInode', this);
  }
  override get dynamic(): boolean {
    return true;
  }
  override open(current: Current, path: Path, flags: number): File {
    if (pid_file(this.name)!.guarded) ptrace_may_access(current, this.task, this.name);
    const spec = pid_file(this.name)!;
    return spec.open?.(this.task, current, path, flags) ?? new PidTextFile(current, path, flags);
  }
}

export class PidTextFile extends ProcTextFile {
  private readonly mm: Mm | null;
  constructor(current: Current, path: Path, flags: number) {
    super(current, path, flags);
    this.mm = (this.inode as PidFileInode).task.mm;
  }
  static {
    serializable('PidTextFile', this);
  }
  override get pollable(): boolean {
    return false;
  }
  private get spec(): PidFile {
    return pid_file((this.inode as PidFileInode).name)!;
  }
  override get can_read(): boolean {
    return this.spec.show !== undefined;
  }
  override get can_write(): boolean {
    return this.spec.write !== undefined;
  }
  protected show(current: Current): string {
    const { task, thread } = this.inode as PidFileInode;
    if (task.state === EXIT_DEAD && this.spec.outlives !== true) gone(task.pid);
    return this.spec.show!(task, current, thread, this.mm);
  }
  /** Nothing at all is a value, too, and mostly a bad one. */
  override write_iter(current: Current, from: IovIter): number {
    return this.take(current, from);
  }
  protected store(current: Current, text: string): number | void {
    const { task } = this.inode as PidFileInode;
    if (task.state === EXIT_DEAD) gone(task.pid);
    return this.spec.write!(task, current, text);
  }
  override ioctl(current: Current, cmd: number, arg: number): number {
    const { task } = this.inode as PidFileInode;
    return this.spec.ioctl?.(task, current, cmd, arg) ?? super.ioctl(current, cmd, arg);
  }
  override get splice_read(): boolean {
    return this.spec.splice ?? false;
  }
  override get splice_write(): boolean {
    return false;
  }
  protected override get seek(): ProcSeek {
    return this.spec.seek ?? 'seq';
  }
}

/** exe, cwd, root: links that lead to the place itself. */
export class PidLinkInode extends ProcInode {
  readonly task: Task;
  readonly name: string;
  constructor(sb: SuperBlock, task: Task, name: string) {
    super(sb, pidIno(task, false, 3000 + LINKS.indexOf(name)), 0o120777);
    this.task = task;
    this.name = name;
    owner(this, task, false);
  }
  static {
    serializable('PidLinkInode', this);
  }
  override get dynamic(): boolean {
    return true;
  }
  override get_link(current: Current): Path {
    const { task, name } = this;
    ptrace_may_access(current, task, name);
    const fs = task.fs;
    const path = name === 'exe' ? (task.mm?.exe_file as File | null | undefined)?.path : task.exiting ? undefined : name === 'cwd' ? fs.pwd : fs.root; // prettier-ignore
    if (path === undefined) throw errno(ENOENT, 'process {} has no {}', task.pid, name);
    return path;
  }
  override readlink(current: Current): string {
    return d_path(this.get_link(current), current.fs.root);
  }
}

/** fd and fdinfo. */
export class FdDirInode extends ProcDirInode {
  readonly task: Task;
  readonly info: boolean;
  constructor(sb: SuperBlock, task: Task, info: boolean) {
    super(sb, pidIno(task, false, info ? 3011 : 3010), info ? 0o40555 : 0o40500);
    this.task = task;
    this.info = info;
    owner(this, task, info);
    this.size = info
      ? 0
      : task.exiting
        ? 0
        : task.files.fd.reduce((n, f) => n + (f === null ? 0 : 1), 0);
  }
  static {
    serializable('FdDirInode', this);
  }
  override get dead(): boolean {
    return this.task.state === EXIT_DEAD;
  }
  override get dynamic(): boolean {
    return true;
  }
  /** fd is for the process itself and who has the rights, fdinfo for who could debug it (proc_fdinfo_permission). */
  override permission(current: Current, mask: number, what: unknown): void {
    if (this.info) {
      if (this.dead) gone(this.task.pid);
      ptrace_may_access(current, this.task, 'fdinfo');
    }
    if (!this.info && this.task.signal === (current as Task).signal) return;
    super.permission(current, mask, what);
  }

  private table(): readonly (File | null)[] {
    return this.task.exiting || this.task.files === undefined ? [] : this.task.files.fd;
  }

  protected override find(current: Current, name: string): Inode | null {
    if (!/^(?:0|[1-9]\d{0,9})$/.test(name)) return null;
    const fd = Number(name);
    if ((this.table()[fd] ?? null) === null) return null;
    ptrace_may_access(current, this.task, `fd/${name}`);
    return this.info
      ? new FdInfoInode(this.sb, this.task, fd)
      : new FdLinkInode(this.sb, this.task, fd);
  }

  list(current: Current): ListEntry[] {
    ptrace_may_access(current, this.task, 'fd');
    const out: ListEntry[] = [];
    this.table().forEach((file, fd) => {
      if (file !== null)
        out.push({
          name: String(fd),
          ino: fdIno(this.task, fd, this.info),
          type: this.info ? DT_REG : DT_LNK,
          pos: fd + 2,
        });
    });
    return out;
  }
}

const fdIno = (task: Task, fd: number, info: boolean): number =>
  2 ** 40 + task.pid * 2 ** 22 + fd * 2 + (info ? 1 : 0);

export class FdLinkInode extends ProcInode {
  readonly task: Task;
  readonly fd: number;
  constructor(sb: SuperBlock, task: Task, fd: number) {
    const file = task.files.fd[fd]!;
    const bits = (file.mode & FMODE_READ ? 0o500 : 0) | (file.mode & FMODE_WRITE ? 0o300 : 0);
    super(sb, fdIno(task, fd, false), 0o120000 | bits);
    this.task = task;
    this.fd = fd;
    this.size = 64;
    owner(this, task, false);
  }
  static {
    serializable('FdLinkInode', this);
  }
  override get cant_mount(): boolean {
    return true;
  }
  override get dynamic(): boolean {
    return true;
  }
  override get_link(): Path {
    const file = this.task.files?.fd[this.fd] ?? null;
    if (file === null) throw errno(ENOENT, 'fd {} of process {} is closed', this.fd, this.task.pid);
    return file.path;
  }
  override readlink(current: Current): string {
    return d_path(this.get_link(), current.fs.root);
  }
}

export class FdInfoInode extends ProcInode {
  readonly task: Task;
  readonly fd: number;
  constructor(sb: SuperBlock, task: Task, fd: number) {
    super(sb, fdIno(task, fd, true), 0o100400);
    this.task = task;
    this.fd = fd;
    owner(this, task, false);
  }
  static {
    serializable('FdInfoInode', this);
  }
  override get cant_mount(): boolean {
    return true;
  }
  override get dynamic(): boolean {
    return true;
  }
  override open(current: Current, path: Path, flags: number): File {
    return new FdInfoFile(current, path, flags);
  }
}

export class FdInfoFile extends ProcTextFile {
  static {
    serializable('FdInfoFile', this);
  }
  override get splice_read(): boolean {
    return false;
  }
  override get splice_write(): boolean {
    return false;
  }
  override get can_write(): boolean {
    return false;
  }
  protected show(): string {
    const { task, fd } = this.inode as FdInfoInode;
    const file = task.files?.fd[fd] ?? null;
    if (file === null) throw errno(ENOENT, 'fd {} of process {} is closed', fd, task.pid);
    const flags = file.flags | (task.files.cloexec.has(fd) ? 0o2000000 : 0);
    return `pos:\t${file.pos}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${file.path.mnt.id}\nino:\t${file.ino}\n${file.show_fdinfo()}`;
  }
  protected store(): void {
    throw errno(EINVAL, '{} takes no values', this.path);
  }
}

/** /proc/PID/task. */
export class TaskDirInode extends ProcDirInode {
  readonly task: Task;
  constructor(sb: SuperBlock, task: Task) {
    super(sb, pidIno(task, false, 3020));
    this.task = task;
    this.nlink = 2 + this.members.length;
    owner(this, task, true);
  }
  static {
    serializable('TaskDirInode', this);
  }
  override get dead(): boolean {
    return this.task.state === EXIT_DEAD;
  }
  override get dynamic(): boolean {
    return true;
  }
  /** The threads; a leader that ended is one until its process is waited for. */
  private get members(): Task[] {
    const { task } = this;
    const threads = [...task.signal.threads];
    if (task.pid === task.tgid && task.state === EXIT_ZOMBIE && !threads.includes(task))
      threads.push(task);
    return threads;
  }
  protected override find(_current: Current, name: string): Inode | null {
    const thread = this.members.find((t) => String(t.pid) === name);
    return thread === undefined ? null : new PidDirInode(this.sb, thread, true);
  }
  list(): ListEntry[] {
    return this.members
      .sort((a, b) => a.pid - b.pid)
      .map((t) => ({ name: String(t.pid), ino: pidIno(t, true, 0), type: DT_DIR, pos: t.pid + 2 }));
  }
}

/** The initial namespaces' numbers (include/linux/proc_ns.h). */
/** /proc/PID/ns: the text of the links tells which namespaces processes share. */
export class NsDirInode extends ProcDirInode {
  readonly task: Task;
  constructor(sb: SuperBlock, task: Task) {
    super(sb, pidIno(task, false, 3030), 0o40511);
    this.task = task;
    owner(this, task, false);
  }
  static {
    serializable('NsDirInode', this);
  }
  override get dead(): boolean {
    return this.task.state === EXIT_DEAD;
  }
  override get dynamic(): boolean {
    return true;
  }
  protected override find(_current: Current, name: string): Inode | null {
    const index = NAMESPACES.findIndex(([n]) => n === name);
    return index < 0 ? null : new NsLinkInode(this.sb, this.task, index);
  }
  list(): ListEntry[] {
    return NAMESPACES.map(([name], i) => ({
      name,
      ino: pidIno(this.task, false, 3031 + i),
      type: DT_LNK,
      pos: i + 2,
    }));
  }
}

export class NsLinkInode extends ProcInode {
  readonly task: Task;
  readonly index: number;
  constructor(sb: SuperBlock, task: Task, index: number) {
    super(sb, pidIno(task, false, 3031 + index), 0o120777);
    this.task = task;
    this.index = index;
    owner(this, task, false);
  }
  static {
    serializable('NsLinkInode', this);
  }
  override get dynamic(): boolean {
    return true;
  }
  override get_link(current: Current): Path {
    ptrace_may_access(current, this.task, `ns/${NAMESPACES[this.index]![0]}`);
    return nsPath(this);
  }
  override readlink(current: Current): string {
    return this.get_link(current).dentry.name;
  }
}

/** What a zombie still has: the rest went with its nsproxy (exit_task_namespaces). */
const KEPT = new Set(['pid', 'user']);

function nsPath({ index, task }: NsLinkInode): Path {
  const [name, kind] = NAMESPACES[index]!;
  if (task.state === EXIT_DEAD) gone(task.pid);
  if (task.exiting && !KEPT.has(name))
    throw errno(ENOENT, 'process {} has left its {} namespace', task.pid, kind);
  return task_ns_path(task, name);
}
