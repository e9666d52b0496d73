import type { Current } from '../../include/current.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import type { Mm } from '../../mm/mm.ts';
import type { Path } from '../dcache.ts';
import type { File } from '../file.ts';

/**
 * What is in /proc is code, the same in every machine, so it is registered once, at module level; inodes hold only the
 * path and the task (state is data).
 */

/** Which of lseek's implementations a file has: seq_lseek where it does not say. */
export type ProcSeek = 'seq' | 'generic' | 'default';

/** A file that is made when it is read. Texts are byte strings. */
export interface ProcFile {
  readonly mode?: number;
  readonly seek?: ProcSeek;
  /** False: splice and sendfile refuse it. */
  readonly splice?: boolean;
  show?(current: Current): string;
  /** Throws an Errno for a value it does not take. @returns how much of the text was taken, all where it does not say */
  write?(current: Current, text: string): number | void;
  /** True: a read that does not begin at the start gives nothing. */
  readonly whole?: boolean;
  /** The length that stat tells; 0 where it does not say. */
  readonly size?: (kernel: Kernel) => number;
  /** EPOLL bits; pushes what tells of changes. */
  poll?(current: Current, collect: WaitQueue[] | null): number;
  /** Files that are not text: makes the open file. */
  open?(current: Current, path: Path, flags: number): File;
}

/** A symbolic link. */
export interface ProcLink {
  target(current: Current): string;
}

export type ProcEntry = ProcFile | ProcLink;

const files = new Map<string, ProcEntry>();
/** Names by directory path; '' is /proc itself. */
const directories = new Map<string, Set<string>>([['', new Set()]]);

export const isLink = (entry: ProcEntry): entry is ProcLink => 'target' in entry;

/** Makes `/proc/<path>`, and the directories on the way (proc_create). */
export function proc_create(path: string, entry: ProcEntry): void {
  files.set(path, entry);
  const cut = path.lastIndexOf('/');
  proc_mkdir(cut < 0 ? '' : path.slice(0, cut)).add(path.slice(cut + 1));
}

export function proc_mkdir(path: string): Set<string> {
  let names = directories.get(path);
  if (names === undefined) {
    directories.set(path, (names = new Set()));
    if (path.startsWith('@')) return names; // a tree that is seen in other places: PROC_NET
    const cut = path.lastIndexOf('/');
    proc_mkdir(cut < 0 ? '' : path.slice(0, cut)).add(path.slice(cut + 1));
  }
  return names;
}

/** The directory whose names /proc/PID/net shows. */
export const PROC_NET = '@net';

export function proc_entry(path: string): ProcEntry | undefined {
  return files.get(path);
}

export function proc_directory(path: string): ReadonlySet<string> | undefined {
  return directories.get(path);
}

/** A file of /proc/PID (and, with `thread`, of /proc/PID/task/TID). */
export interface PidFile {
  readonly mode: number;
  readonly seek?: ProcSeek;
  /** True: splice and sendfile take it. */
  readonly splice?: boolean;
  /** Needs the rights of a debugger (ptrace_may_access). */
  readonly guarded?: boolean;
  /** Only in the process's directory, not in its threads'. */
  readonly processOnly?: boolean;
  /** Only in the threads' directories. */
  readonly threadOnly?: boolean;
  /** Tells of what was there when it was opened (memory, namespaces), even when the task is gone. */
  readonly outlives?: boolean;
  /** @param mm the address space that the task had when the file was opened (proc_mem_open) */
  show?(task: Task, current: Current, thread: boolean, mm: Mm | null): string;
  write?(task: Task, current: Current, text: string): number | void;
  ioctl?(task: Task, current: Current, cmd: number, arg: number): number;
  /** Files that are not text: makes the open file. */
  open?(task: Task, current: Current, path: Path, flags: number): File;
}

const pidFiles = new Map<string, PidFile>();

/** Makes `/proc/PID/<name>`; a name may have one directory before it (`attr/current`). */
export function pid_create(name: string, file: PidFile): void {
  pidFiles.set(name, file);
}

export function pid_file(name: string): PidFile | undefined {
  return pidFiles.get(name);
}

export function pid_files(): ReadonlyMap<string, PidFile> {
  return pidFiles;
}
