import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '@vitrine/uapi/stat.ts';
import type { Inode } from '../fs/inode.ts';
import { lookup_one } from '../fs/namei.ts';
import { vfs_link, vfs_mkdir, vfs_mknod, vfs_symlink } from '../fs/namei_ops.ts';
import { Path } from '../fs/dcache.ts';
import { Backing } from '../fs/tmpfs/backing.ts';
import type { LazyBytes } from '../include/lazy.ts';
import { TmpfsInode } from '../fs/tmpfs/inode.ts';
import { MKDEV } from '../fs/kdev_t.ts';
import type { Current } from '../include/current.ts';

/**
 * One file of the root file system (packages/image makes them). Names are byte strings; parents come before children,
 * and a folder that no entry names is made with mode 755.
 */
export interface InitramfsEntry {
  /** Relative to the root, without a leading slash; '' is the root folder itself. */
  readonly path: string;
  /** File type and permission bits, as st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970; may have a fraction. */
  readonly mtime: number;
  /** A symbolic link's target. */
  readonly target?: string;
  /** Another name for an entry that came before: its path. Nothing else of this entry counts then. */
  readonly hardLink?: string;
  /** A device's number. */
  readonly rdev?: { readonly major: number; readonly minor: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** A regular file's content; none is an empty file. */
  readonly data?: Uint8Array | LazyBytes;
}

/** Unpacks the entries into the root tmpfs (analogous to init/initramfs.c). Contents are fetched when they are touched. */
export function populate_rootfs(current: Current, entries: readonly InitramfsEntry[]): void {
  const root = current.fs.root;
  const dirs = new Map<string, Path>([['', root]]);
  for (const entry of entries) unpack(current, dirs, entry);
  // Making a child changed its folder's times.
  for (const entry of entries) {
    const folder = (entry.mode & S_IFMT) === S_IFDIR ? dirs.get(entry.path) : undefined;
    if (folder !== undefined) set_times(folder.dentry.inode, entry);
  }
}

/** The folder of that name, made when it is missing. */
function folder(current: Current, dirs: Map<string, Path>, path: string): Path {
  const known = dirs.get(path);
  if (known !== undefined) return known;
  const cut = path.lastIndexOf('/');
  const parent = folder(current, dirs, cut < 0 ? '' : path.slice(0, cut));
  const name = path.slice(cut + 1);
  const dentry =
    lookup_one(current, parent.dentry, name) ?? vfs_mkdir(current, parent, name, 0o755);
  const made = new Path(parent.mnt, dentry);
  dirs.set(path, made);
  return made;
}

function unpack(current: Current, dirs: Map<string, Path>, entry: InitramfsEntry): void {
  const cut = entry.path.lastIndexOf('/');
  const name = entry.path.slice(cut + 1);
  if (entry.path === '') return finish(dirs.get('')!.dentry.inode as TmpfsInode, entry);
  const parent = folder(current, dirs, cut < 0 ? '' : entry.path.slice(0, cut));
  const type = entry.mode & S_IFMT;
  if (entry.hardLink !== undefined) {
    vfs_link(current, resolve(current, dirs, entry.hardLink), parent, name);
    return;
  }
  if (type === S_IFDIR)
    return finish(folder(current, dirs, entry.path).dentry.inode as TmpfsInode, entry);
  if (type === S_IFLNK) {
    const dentry = vfs_symlink(current, parent, name, entry.target ?? '');
    return finish(dentry.inode as TmpfsInode, entry);
  }
  const rdev = entry.rdev === undefined ? 0 : MKDEV(entry.rdev.major, entry.rdev.minor);
  const dentry = vfs_mknod(current, parent, name, entry.mode, rdev);
  const inode = dentry.inode as TmpfsInode;
  if (type === S_IFREG && entry.data !== undefined) {
    inode.backing = new Backing(entry.data);
    inode.size = inode.backing.size;
  }
  finish(inode, entry);
}

function resolve(current: Current, dirs: Map<string, Path>, path: string): Path {
  const cut = path.lastIndexOf('/');
  const parent = folder(current, dirs, cut < 0 ? '' : path.slice(0, cut));
  const dentry = lookup_one(current, parent.dentry, path.slice(cut + 1));
  if (dentry === null) throw new Error(`the hard link's target ${path} does not come before it`);
  return new Path(parent.mnt, dentry);
}

/** Owner, mode and times as the entry says. */
function finish(inode: TmpfsInode, entry: InitramfsEntry): void {
  inode.mode = entry.mode;
  inode.uid = entry.uid;
  inode.gid = entry.gid;
  set_times(inode, entry);
  for (const [name, value] of entry.xattrs ?? []) (inode.xattrs ??= new Map()).set(name, value);
}

function set_times(inode: Inode, { mtime }: InitramfsEntry): void {
  const sec = Math.floor(mtime);
  inode.mtime = inode.atime = { sec, nsec: Math.round((mtime - sec) * 1e9) };
}
