import type { Current } from '../include/current.ts';
import { serializable } from '../include/serial.ts';
import type { Path } from './dcache.ts';
import { type MntNamespace, get_mnt_ns, mntget, mntput, put_mnt_ns } from './mount.ts';

declare module '../include/current.ts' {
  interface Current {
    fs: FsStruct;
  }
}

/** Analogous to `struct fs_struct`: root, current directory and umask, shared by CLONE_FS. */
export class FsStruct {
  root: Path;
  pwd: Path;
  /** The mount namespace that its tasks are in, wherever their root is: who shares this shares that. */
  ns: MntNamespace;
  umask = 0o022;
  /** Tasks that share it. */
  users = 1;

  constructor(root: Path, pwd: Path, ns: MntNamespace) {
    this.root = root;
    this.pwd = pwd;
    this.ns = ns;
    mntget(root.mnt);
    mntget(pwd.mnt);
    get_mnt_ns(ns);
  }

  static {
    serializable('FsStruct', this);
  }
}

export function set_fs_root(fs: FsStruct, path: Path): void {
  mntget(path.mnt);
  mntput(fs.root.mnt);
  fs.root = path;
}

export function set_fs_ns(fs: FsStruct, ns: MntNamespace): void {
  const old = fs.ns;
  get_mnt_ns(ns);
  fs.ns = ns;
  put_mnt_ns(old);
}

export function set_fs_pwd(fs: FsStruct, path: Path): void {
  mntget(path.mnt);
  mntput(fs.pwd.mnt);
  fs.pwd = path;
}

/** For fork without CLONE_FS. */
export function copy_fs(current: Current): FsStruct {
  const copy = new FsStruct(current.fs.root, current.fs.pwd, current.fs.ns);
  copy.umask = current.fs.umask;
  return copy;
}

export function exit_fs(task: Current): void {
  put_fs(task.fs);
}

export function put_fs(fs: FsStruct): void {
  if (fs.users === 0 || --fs.users > 0) return;
  mntput(fs.root.mnt);
  mntput(fs.pwd.mnt);
  put_mnt_ns(fs.ns);
}

/** unshare(CLONE_FS). */
export function unshare_fs(current: Current): void {
  if (current.fs.users === 1) return;
  const copy = copy_fs(current);
  current.fs.users--;
  current.fs = copy;
}
