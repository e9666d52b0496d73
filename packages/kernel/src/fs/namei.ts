import {
  EACCES,
  EAGAIN,
  EBADF,
  EFAULT,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  EXDEV,
} from '@vitrine/uapi/errno.ts';
import {
  AT_FDCWD,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from '@vitrine/uapi/fcntl.ts';
import { MS_NOSYMFOLLOW } from '@vitrine/uapi/mount.ts';
import { S_ISVTX, S_IWOTH } from '@vitrine/uapi/stat.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import { Dentry, Path, d_add, d_drop, is_subdir } from './dcache.ts';
import { fget_raw } from './fdtable.ts';
import { type Inode, MAY_EXEC, S_ISDIR, S_ISLNK, touch_atime } from './inode.ts';
import { type Mount, lookup_mnt } from './mount.ts';

/** Follow a symbolic link in the last component. */
export const LOOKUP_FOLLOW = 1;
/** The last component must be a directory. */
export const LOOKUP_DIRECTORY = 2;
/** An empty path means the starting point itself (AT_EMPTY_PATH). */
export const LOOKUP_EMPTY = 4;

export const NAME_MAX = 255;
export const PATH_MAX = 4096;
const MAXSYMLINKS = 40;

/** A path argument: at most PATH_MAX bytes with its NUL. */
export function getname(current: Current, address: number): string {
  const name = current.mem.readString(address, PATH_MAX - 1);
  if (name !== null) return name;
  throw errno(ENAMETOOLONG, 'the path at {} has no NUL within PATH_MAX ({}) bytes',
    '0x' + address.toString(16), PATH_MAX); // prettier-ignore
}

/** A path argument, or why it could not be read: which counts when its turn comes (Linux passes an ERR_PTR on). */
export type Filename = string | Errno;

export function try_getname(current: Current, address: number): Filename {
  try {
    return getname(current, address);
  } catch (error) {
    if (error instanceof Errno) return error;
    throw error;
  }
}

/** What the last component of a path names. */
export const LAST_NORM = 0;
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

/**
 * One walk along a path (analogous to `struct nameidata`). It lives for one system call.
 */
export class Nameidata {
  readonly current: Current;
  readonly name: string;
  mnt: Mount;
  dentry: Dentry;
  root: Path;
  readonly resolve: number;
  /** The last component, when the walk stops at its parent. */
  last = '';
  lastType: number = LAST_ROOT;
  /** The path ended in a slash: the last component must be a directory. */
  slash = false;
  links = 0;
  /** The walk has met its root: before that, RESOLVE_NO_XDEV takes any other place for another mount, as Linux does. */
  private rooted = false;
  /** What a trailing symbolic link adds to walk. */
  private rest = '';
  private at = 0;

  constructor(current: Current, dfd: number, name: string, resolve: number, empty: boolean) {
    this.current = current;
    this.name = name;
    this.resolve = resolve;
    this.root = current.fs.root;
    if (name === '' && !empty) throw errno(ENOENT, 'the path is empty');
    const absolute = name.charCodeAt(0) === 47;
    let start: Path;
    if (absolute && !(resolve & RESOLVE_IN_ROOT)) {
      if (resolve & RESOLVE_BENEATH) {
        throw errno(EXDEV, 'RESOLVE_BENEATH forbids the absolute path {}', name);
      }
      start = this.root;
      this.rooted = true;
    } else if (dfd === AT_FDCWD) start = current.fs.pwd;
    else {
      const file = fget_raw(current, dfd);
      start = file.path;
      if (name !== '' && !S_ISDIR(start.dentry.inode.mode)) {
        throw errno(ENOTDIR, 'fd {} ({}) is not a directory to start {} from', dfd, start, name);
      }
    }
    if (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) {
      this.root = start;
      this.rooted = true;
    }
    this.mnt = start.mnt;
    this.dentry = start.dentry;
    this.rest = name;
  }

  get path(): Path {
    return new Path(this.mnt, this.dentry);
  }

  /**
   * Walks on to the directory that holds the last component, which is left in `last` and `lastType`
   * (link_path_walk).
   */
  walkToParent(): void {
    const { current } = this;
    let name = this.rest;
    let i = this.at;
    for (;;) {
      while (name.charCodeAt(i) === 47) i++;
      if (i >= name.length) {
        // Nothing but slashes, or nothing.
        this.lastType = LAST_ROOT;
        this.last = '';
        break;
      }
      const inode = this.dentry.inode;
      if (!S_ISDIR(inode.mode)) throw errno(ENOTDIR, '{} in {} is not a directory', this.dentry, this.name); // prettier-ignore
      inode.permission(current, MAY_EXEC, this.dentry);
      let end = name.indexOf('/', i);
      if (end < 0) end = name.length;
      const component = name.slice(i, end);
      let next = end;
      while (name.charCodeAt(next) === 47) next++;
      const type = lastTypeOf(component);
      if (next >= name.length) {
        this.last = component;
        this.lastType = type;
        this.slash = next > end || (this.slash && this.links > 0);
        i = next;
        break;
      }
      if (type === LAST_DOTDOT) this.dotdot();
      else if (type === LAST_NORM) {
        const child = this.child(component);
        if (child === null) throw errno(ENOENT, '{} does not exist in directory {} (path {})', component, this.dentry, this.name); // prettier-ignore
        this.enter(child);
        if (S_ISLNK(this.dentry.inode.mode)) {
          const target = this.getLink(false, child.parent);
          if (target !== null) {
            name = target + name.slice(end);
            i = 0;
            continue;
          }
        }
      }
      i = next;
    }
    this.rest = '';
    this.at = 0;
  }

  /** The dentry of a name in the directory reached, or null. */
  child(name: string): Dentry | null {
    if (name.length > NAME_MAX) {
      throw errno(ENAMETOOLONG, 'name {}… has {} bytes; a name may have NAME_MAX ({})',
        name.slice(0, 20), name.length, NAME_MAX); // prettier-ignore
    }
    if (this.resolve & RESOLVE_CACHED && !this.dentry.children?.has(name))
      throw errno(EAGAIN, 'RESOLVE_CACHED: {} in {} is not in the dentry cache', name, this.dentry);
    return lookup_one(this.current, this.dentry, name);
  }

  /** Goes to a child, and down into what is mounted on it. */
  enter(child: Dentry): void {
    let dentry = child;
    let mnt = this.mnt;
    while (dentry.mounted > 0) {
      const top = lookup_mnt(mnt, dentry);
      if (top === null) break;
      mnt = top;
      mnt.uses++;
      dentry = top.root;
    }
    if (mnt !== this.mnt) this.crossed(mnt);
    this.mnt = mnt;
    this.dentry = dentry;
  }

  private crossed(mnt: Mount): void {
    if (this.resolve & RESOLVE_NO_XDEV) {
      throw errno(EXDEV, 'RESOLVE_NO_XDEV forbids {} to cross into mount {}', this.name, mnt.id);
    }
  }

  dotdot(): void {
    this.rooted = true;
    for (;;) {
      if (this.dentry === this.root.dentry && this.mnt === this.root.mnt) {
        if (this.resolve & RESOLVE_BENEATH) {
          throw errno(EXDEV, 'RESOLVE_BENEATH forbids {} to leave {} by ..', this.name, this.root);
        }
        return;
      }
      if (this.dentry !== this.mnt.root) break;
      const up = this.mnt.parent;
      if (up === null) return;
      this.crossed(up);
      this.dentry = this.mnt.mountpoint!;
      this.mnt = up;
    }
    const { parent } = this.dentry;
    // Through a bind mount a directory can be seen that was moved out of it (path_connected).
    if (this.mnt.root !== this.mnt.sb.root && !is_subdir(parent, this.mnt.root))
      throw errno(ENOENT, '.. of {} is not below the root of mount {}', this.dentry, this.mnt.id);
    this.enter(parent);
  }

  /**
   * The symbolic link reached: returns the text to walk on with (from its directory or the root), or null when a
   * magic link led straight to a place.
   */
  getLink(trailing: boolean, dir: Dentry): string | null {
    const link = this.dentry;
    const inode = link.inode;
    if (this.resolve & RESOLVE_NO_SYMLINKS) {
      throw errno(ELOOP, 'RESOLVE_NO_SYMLINKS forbids following {}', link);
    }
    if (++this.links > MAXSYMLINKS) {
      throw errno(
        ELOOP,
        'path {} leads through more than {} symbolic links',
        this.name,
        MAXSYMLINKS,
      );
    }
    if (this.mnt.flags & MS_NOSYMFOLLOW) {
      throw errno(ELOOP, 'the mount of {} has nosymfollow', link);
    }
    if (trailing) may_follow_link(this.current, link.inode, dir.inode, link);
    touch_atime(inode, this.mnt);
    const target = inode.get_link(this.current, link);
    if (typeof target !== 'string') {
      if (this.resolve & RESOLVE_NO_MAGICLINKS) {
        throw errno(ELOOP, 'RESOLVE_NO_MAGICLINKS forbids following {}', link);
      }
      if (this.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) {
        throw errno(EXDEV, 'the magic link {} leads out of {}', link, this.root);
      }
      if (target.mnt !== this.mnt) this.crossed(target.mnt);
      this.mnt = target.mnt;
      this.dentry = target.dentry;
      return null;
    }
    if (target === '') throw errno(ENOENT, 'symbolic link {} is empty', link);
    if (target.charCodeAt(0) === 47) {
      if (this.resolve & RESOLVE_BENEATH) {
        throw errno(EXDEV, 'RESOLVE_BENEATH forbids the absolute symbolic link {}', link);
      }
      if (this.mnt !== this.root.mnt || !this.rooted) this.crossed(this.root.mnt);
      this.rooted = true;
      this.mnt = this.root.mnt;
      this.dentry = this.root.dentry;
    } else this.dentry = dir;
    return target;
  }

  /**
   * Goes to the last component, which must exist. @returns false when it was a symbolic link to be followed: the walk
   * stands at the parent of the link's last component then, and the caller looks again.
   */
  walkLast(follow: boolean): boolean {
    switch (this.lastType) {
      case LAST_NORM:
        break;
      case LAST_DOTDOT:
        this.dotdot();
        return true;
      default:
        return true;
    }
    const child = this.child(this.last);
    if (child === null) throw errno(ENOENT, '{} does not exist in directory {} (path {})', this.last, this.dentry, this.name); // prettier-ignore
    return this.stepInto(child, follow);
  }

  /** Enters the last component; see walkLast. */
  stepInto(child: Dentry, follow: boolean): boolean {
    const mnt = this.mnt;
    this.enter(child);
    if (!S_ISLNK(this.dentry.inode.mode) || !(follow || this.slash)) return true;
    const dir = child.parent;
    const target = this.getLink(true, this.mnt === mnt ? dir : this.dentry);
    if (target === null) return true;
    this.rest = target;
    this.walkToParent();
    return false;
  }
}

function lastTypeOf(component: string): number {
  if (component === '.') return LAST_DOT;
  if (component === '..') return LAST_DOTDOT;
  return LAST_NORM;
}

/** A name in a directory: from the dentry cache, or by asking the file system. */
export function lookup_one(current: Current, dir: Dentry, name: string): Dentry | null {
  const cached = dir.children?.get(name);
  if (cached !== undefined && !dir.sb.revalidates) return cached;
  const inode = dir.inode.lookup(current, dir, name);
  if (cached !== undefined) {
    if (inode === cached.inode || cached.mounted > 0) return cached;
    d_drop(cached);
  }
  if (inode === null) return null;
  if (inode.dynamic) return new Dentry(name, dir, inode, dir.sb);
  return d_add(dir, name, inode);
}

/** Symbolic links in sticky world-writable directories are followed by their owners only (protected_symlinks). */
function may_follow_link(current: Current, link: Inode, dir: Inode, what: unknown): void {
  if (!current.kernel.vfs.protected_symlinks) return;
  if (current.cred.fsuid === link.uid) return;
  if ((dir.mode & (S_ISVTX | S_IWOTH)) !== (S_ISVTX | S_IWOTH)) return;
  if (dir.uid === link.uid) return;
  throw errno(EACCES, 'fs.protected_symlinks: {} in a sticky world-writable directory belongs to uid {}, not to the follower (uid {}) or the directory owner (uid {})',
    what, link.uid, current.cred.fsuid, dir.uid); // prettier-ignore
}

/** Resolves a path to a file that exists. */
export function path_lookupat(
  current: Current,
  dfd: number,
  name: string,
  flags: number,
  resolve = 0,
): Path {
  if (name === '' && flags & LOOKUP_EMPTY) return pathOfFd(current, dfd);
  const nd = new Nameidata(current, dfd, name, resolve, false);
  nd.walkToParent();
  while (!nd.walkLast((flags & LOOKUP_FOLLOW) !== 0));
  if ((flags & LOOKUP_DIRECTORY || nd.slash) && !S_ISDIR(nd.dentry.inode.mode)) {
    throw errno(ENOTDIR, '{} is not a directory', nd.path);
  }
  if (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) checkBeneath(nd);
  return nd.path;
}

/** A rename during the walk cannot happen here, but a bind mount may lead outside. */
function checkBeneath(nd: Nameidata): void {
  if (nd.mnt === nd.root.mnt && !is_subdir(nd.dentry, nd.root.dentry)) {
    throw errno(EXDEV, '{} is not below {}', nd.path, nd.root);
  }
}

function pathOfFd(current: Current, dfd: number): Path {
  if (dfd === AT_FDCWD) return current.fs.pwd;
  return fget_raw(current, dfd).path;
}

/** The path argument of a system call. */
export function user_path_at(current: Current, dfd: number, address: number, flags: number): Path {
  if (address === 0 && !(flags & LOOKUP_EMPTY)) {
    throw errno(EFAULT, 'the path argument is a null pointer');
  }
  return path_lookupat(current, dfd, getname(current, address), flags);
}

/** Resolves all but the last component (filename_parentat). */
export function filename_parentat(current: Current, dfd: number, name: Filename): Nameidata {
  if (name instanceof Errno) throw name;
  const nd = new Nameidata(current, dfd, name, 0, false);
  nd.walkToParent();
  return nd;
}

/** Throws EBADF unless the descriptor is open, where a path argument is not used. */
export function checkFd(current: Current, fd: number): void {
  if (fd !== AT_FDCWD && current.files.fd[fd] == null) {
    throw errno(EBADF, 'fd {} is not open in process {}', fd, current.tgid);
  }
}
