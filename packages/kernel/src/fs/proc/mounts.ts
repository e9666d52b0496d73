import { EINVAL } from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mount.ts';
import { EPOLLERR, EPOLLIN, EPOLLPRI, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import type { Kernel } from '../../include/kernel.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { d_path, Path } from '../dcache.ts';
import type { File } from '../file.ts';
import type { FsStruct } from '../fs_struct.ts';
import {
  type MntNamespace,
  type Mount,
  get_mnt_ns,
  mnt_root_path,
  mntget,
  mntput,
  put_mnt_ns,
} from '../mount.ts';
import { dominating_id } from '../pnode.ts';
import { type PidFileInode, PidTextFile } from './pid_inode.ts';
import { pid_create, proc_create } from './registry.ts';

/** Blanks and backslashes of a path as octal escapes. */
const mangle = (text: string): string =>
  text.replace(/[ \t\n\\#]/g, (c) => '\\' + c.charCodeAt(0).toString(8).padStart(3, '0'));

const MNT_OPTS: readonly (readonly [number, string])[] = [
  [M.MS_NOSUID, ',nosuid'],
  [M.MS_NODEV, ',nodev'],
  [M.MS_NOEXEC, ',noexec'],
  [M.MS_NOATIME, ',noatime'],
  [M.MS_NODIRATIME, ',nodiratime'],
  [M.MS_RELATIME, ',relatime'],
  [M.MS_NOSYMFOLLOW, ',nosymfollow'],
];
const SB_OPTS: readonly (readonly [number, string])[] = [
  [M.MS_SYNCHRONOUS, ',sync'],
  [M.MS_DIRSYNC, ',dirsync'],
  [M.MS_MANDLOCK, ',mand'],
  [M.MS_LAZYTIME, ',lazytime'],
];

const show = (flags: number, opts: readonly (readonly [number, string])[]): string =>
  opts.map(([bit, text]) => (flags & bit ? text : '')).join('');

/** Mounts of a namespace that are seen from a root, each with its path from there. */
function* visible(ns: MntNamespace, root: Path): Generator<[Mount, string]> {
  const mounts = [...ns.mounts].sort((a, b) => a.id - b.id);
  for (const mnt of mounts) {
    const place = new Path(mnt, mnt.root);
    const path = d_path(place, root, true, true);
    if (!path.startsWith('(unreachable)')) yield [mnt, path];
  }
}

function mounts(ns: MntNamespace, root: Path): string {
  let text = '';
  for (const [mnt, path] of visible(ns, root)) {
    const ro = (mnt.flags | mnt.sb.flags) & M.MS_RDONLY ? 'ro' : 'rw';
    text += `${mangle(mnt.devname)} ${mangle(path)} ${mnt.sb.type.name} ${ro}${show(mnt.sb.flags, SB_OPTS)}${show(mnt.flags, MNT_OPTS)}${mnt.sb.show_options()} 0 0\n`;
  }
  return text;
}

function mountinfo(ns: MntNamespace, root: Path): string {
  let text = '';
  const seen = new Set([...visible(ns, root)].map(([mnt]) => mnt));
  for (const [mnt, path] of visible(ns, root)) {
    const { dev } = mnt.sb;
    const ro = mnt.flags & M.MS_RDONLY ? 'ro' : 'rw';
    const sbro = mnt.sb.flags & M.MS_RDONLY ? 'ro' : 'rw';
    let tags = '';
    if (mnt.group !== 0) tags += ` shared:${mnt.group}`;
    if (mnt.master !== 0) {
      tags += ` master:${mnt.master}`;
      const from = dominating_id(mnt, seen);
      if (from !== 0 && from !== mnt.master) tags += ` propagate_from:${from}`;
    }
    if (mnt.unbindable) tags += ' unbindable';
    text += `${mnt.id} ${mnt.parent?.id ?? 1} ${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)} ${mangle(mnt_root_path(mnt))} ${mangle(path)} ${ro}${show(mnt.flags, MNT_OPTS)}${tags} - ${mnt.sb.type.name} ${mangle(mnt.devname)} ${sbro}${show(mnt.sb.flags, SB_OPTS)}${mnt.sb.show_options()}\n`;
  }
  return text;
}

function mountstats(ns: MntNamespace, root: Path): string {
  let text = '';
  for (const [mnt, path] of visible(ns, root)) {
    text += `device ${mangle(mnt.devname)} mounted on ${mangle(path)} with fstype ${mnt.sb.type.name}\n`;
  }
  return text;
}

const TEXTS = { mounts, mountinfo, mountstats };

/** Shows the namespace that the process had when it was opened; polling tells of changes since the last poll (mounts_poll). */
class MountsFile extends PidTextFile {
  private readonly root: Path;
  private readonly ns: MntNamespace;
  private event: number;
  constructor(current: Current, path: Path, flags: number, { root, ns }: FsStruct) {
    super(current, path, flags);
    this.root = root;
    this.ns = ns;
    this.event = ns.event;
    mntget(root.mnt);
    get_mnt_ns(ns);
  }
  static {
    serializable('MountsFile', this);
  }
  protected override show(): string {
    return TEXTS[(this.inode as PidFileInode).name as keyof typeof TEXTS](this.ns, this.root);
  }
  override get pollable(): boolean {
    return true;
  }
  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const ready = EPOLLIN | EPOLLRDNORM;
    collect?.push(this.ns.poll);
    if (this.ns.event === this.event) return ready;
    this.event = this.ns.event;
    return ready | EPOLLERR | EPOLLPRI;
  }
  override release(kernel: Kernel): void {
    mntput(this.root.mnt);
    put_mnt_ns(this.ns);
    super.release(kernel);
  }
}

function open(task: Task, current: Current, path: Path, flags: number): File {
  if (task.exiting) throw errno(EINVAL, 'process {} has left its mount namespace', task.pid);
  return new MountsFile(current, path, flags, task.fs);
}

const MOUNTS = { splice: true, show: () => '', open } as const;
pid_create('mounts', { ...MOUNTS, mode: 0o444 });
pid_create('mountinfo', { ...MOUNTS, mode: 0o444 });
pid_create('mountstats', { ...MOUNTS, mode: 0o400, processOnly: true });
proc_create('mounts', { target: () => 'self/mounts' });
