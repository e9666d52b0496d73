import {
  EBUSY,
  EINVAL,
  ELOOP,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOTDIR,
  EPERM,
  EAGAIN,
} from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import {
  MS_BIND,
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_NOUSER,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
} from '@vitrine/uapi/mount.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { type Dentry, Path, d_pin, is_subdir } from './dcache.ts';
import { SB_FLAG_NAMES } from './fs_context.ts';
import { type FsStruct, set_fs_ns, set_fs_pwd, set_fs_root } from './fs_struct.ts';
import { S_ISDIR } from './inode.ts';
import { security_sb_mount } from './security.ts';
import { reconfigure_super } from './super.ts';
import type { Vfs } from './vfs.ts';
import { LOOKUP_FOLLOW, path_lookupat } from './namei.ts';
import { change_mnt_propagation, copy_propagation, propagate_mnt, propagate_mount_busy, propagate_umount, propagation_targets, shows, tree_mounts } from './pnode.ts'; // prettier-ignore
import {
  MntNamespace,
  Mount,
  cleanup_mnt,
  detach_mnt,
  follow_down,
  get_mnt_ns,
  touch_mnt_namespace,
  umount_tree,
} from './mount.ts';

/** umount2(2) flags. */
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const MNT_EXPIRE = 4;
export const UMOUNT_NOFOLLOW = 8;

const SB_MASK = MS_RDONLY | MS_SYNCHRONOUS | MS_MANDLOCK | MS_DIRSYNC | MS_LAZYTIME | MS_SILENT;
const MNT_MASK = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW; // prettier-ignore

export function may_mount(current: Current, what: string): void {
  if (!capable(current.cred, CAP_SYS_ADMIN)) {
    throw errno(EPERM, '{} needs CAP_SYS_ADMIN; uid {} has not', what, current.cred.euid);
  }
}

/** Attaches a mount to a place (attach_mnt). */
function attach(mnt: Mount, at: Path): void {
  mnt.parent = at.mnt;
  mnt.mountpoint = at.dentry;
  at.mnt.children.set(at.dentry, mnt);
  d_pin(at.dentry);
  at.dentry.mounted++;
  setNs(mnt, at.mnt.ns);
}

function setNs(root: Mount, ns: MntNamespace | null): void {
  touch_mnt_namespace(root.ns);
  // A tree is in one namespace: what only changes its place there is not walked, which may be long.
  if (root.ns === ns) return;
  for (const mnt of tree_mounts(root)) {
    mnt.ns?.mounts.delete(mnt);
    mnt.ns = ns;
    ns?.mounts.add(mnt);
  }
  touch_mnt_namespace(ns);
}

/** Mounts made with the same flags word as mount(2); atime rules as there. */
function mountFlags(flags: number): number {
  let mnt = flags & MNT_MASK;
  if (!(flags & MS_NOATIME)) mnt |= MS_RELATIME;
  if (flags & MS_STRICTATIME) mnt &= ~(MS_RELATIME | MS_NOATIME);
  return mnt;
}

function alloc_mnt_ns(vfs: Vfs): MntNamespace {
  const ns = new MntNamespace(4026531840 + vfs.nextMntNs++);
  vfs.mntNamespaces.set(ns.inum, ns);
  return ns;
}

/** The first mount of a new namespace: the root file system. */
export function mount_rootfs(current: Current, type: string, flags: number, data: string): Path {
  const { vfs } = current.kernel;
  const sb = vfs.get_fs_type(type).mount(current, flags, 'rootfs', data);
  const mnt = new Mount(current.kernel, sb.root, type, mountFlags(flags));
  const ns = alloc_mnt_ns(vfs);
  ns.root = mnt;
  setNs(mnt, ns);
  vfs.rootNs ??= ns;
  return new Path(mnt, mnt.root);
}

/** mount(2). */
export function path_mount(
  current: Current,
  source: string | null,
  at: Path,
  type: string | null,
  flags: number,
  data: string,
): void {
  // (1<<31) is an int: all that is above it counts as MS_NOUSER, too.
  if (flags & MS_NOUSER || flags > 0xffff_ffff)
    throw errno(EINVAL, 'mount: MS_NOUSER is the kernel alone to use');
  security_sb_mount(current, 'mount');
  may_mount(current, 'mount');
  if (flags & MS_REMOUNT && flags & MS_BIND) return do_reconfigure_mnt(current, at, flags);
  if (flags & MS_REMOUNT) return do_remount(current, at, flags, data);
  if (flags & MS_BIND) return do_loopback(current, at, source ?? '', (flags & MS_REC) !== 0);
  if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) return do_change_type(at, flags);
  if (flags & MS_MOVE) return do_move_mount(current, at, source ?? '');
  do_new_mount(current, at, type, flags, source, data);
}

/** The option string without the flags that mean the same for every file system (vfs_parse_sb_flag), and these. */
function parse_sb_flags(flags: number, data: string): [flags: number, data: string] {
  if (!/[acdlmnrs]/.test(data)) return [flags, data];
  const rest: string[] = [];
  for (const option of data.split(',')) {
    const named = Object.hasOwn(SB_FLAG_NAMES, option) && !rest.at(-1)?.endsWith('\\');
    const flag = named ? SB_FLAG_NAMES[option] : undefined;
    if (flag === undefined) rest.push(option);
    else flags = (flags | flag[0]) & ~flag[1];
  }
  return [flags, rest.join(',')];
}

function do_new_mount(
  current: Current,
  at: Path,
  type: string | null,
  flags: number,
  source: string | null,
  data: string,
): void {
  if (type === null) throw errno(EINVAL, 'mount: no file system type is given');
  if (!current.kernel.vfs.fileSystems.has(type)) current.kernel.request_module(`fs-${type}`);
  const fs = current.kernel.vfs.get_fs_type(type);
  if (fs.nouser) throw errno(EINVAL, 'mount: {} is for the kernel alone to mount', type);
  at = follow_down(at);
  checkMountpoint(current, at);
  const [sb_flags, options] = parse_sb_flags(flags & SB_MASK & ~MS_SILENT, data);
  if (fs.options?.length === 0 && /[^,]/.test(options))
    throw errno(EINVAL, 'mount: {} has no options ({})', type, options);
  const sb = fs.mount(current, sb_flags, source ?? '', options);
  const mnt = new Mount(current.kernel, sb.root, source ?? 'none', mountFlags(flags));
  if (sb === at.mnt.sb && at.mnt.root === at.dentry) {
    cleanup_mnt(mnt);
    throw errno(EBUSY, '{} is mounted there already', sb);
  }
  graft(at, mnt);
}

/** Is it mounted where the caller is? What an open file or /proc/PID/root shows of other namespaces is not for changing. */
export function check_mnt(current: Current, at: Path): void {
  if (at.mnt.ns !== current.fs.ns)
    throw errno(EINVAL, '{} is not in the mount namespace of process {}', at, current.tgid);
}

/** May a mount be copied? Those of other namespaces may not, but for namespaces' files. */
function check_copy(current: Current, { mnt, dentry }: Path): void {
  if (mnt.ns?.inum !== 0 && !dentry.inode.is_ns_file) check_mnt(current, new Path(mnt, dentry));
}

function checkMountpoint(current: Current, at: Path): void {
  if (at.dentry.unhashed) throw errno(ENOENT, 'the mount point {} was removed', at);
  if (at.dentry.inode.cant_mount)
    throw errno(ENOENT, 'nothing can be mounted on {}: it goes with an open file or a mapping', at);
  check_mnt(current, at);
  may_alloc_mounts(current.kernel, 1);
}

/** Bytes of the machine's memory for each mount: what it and its place take, at most. */
const MOUNT_SIZE = 2048;

function may_alloc_mounts(kernel: Kernel, n: number): void {
  const { nr_mounts } = kernel.vfs;
  if (nr_mounts + n > (kernel.frames.total * PAGE_SIZE) / MOUNT_SIZE)
    throw errno(ENOMEM, 'there are {} mounts: memory has no room for {} more', nr_mounts, n);
}

function check_room({ root, mounts }: MntNamespace, n: number): void {
  if (mounts.size + n > root.sb.kernel.vfs.mount_max)
    throw errno(ENOSPC, 'the namespace has {} mounts, {} more are above fs.mount-max', mounts.size, n); // prettier-ignore
}

/** No namespace may have more than fs.mount-max, with what is passed on to it (count_mounts). */
function check_mount_max(mnt: Mount, at: Path): void {
  const { kernel } = mnt.sb;
  const size = [...tree_mounts(mnt)].length;
  const more = new Map<MntNamespace, number>();
  const add = (ns: MntNamespace | null): void => {
    if (ns !== null) more.set(ns, (more.get(ns) ?? 0) + size);
  };
  if (mnt.ns !== at.mnt.ns) add(at.mnt.ns);
  let copies = 0;
  for (const target of propagation_targets(at.mnt)) {
    if (!shows(target, at.dentry)) continue;
    copies += size;
    add(target.ns);
  }
  for (const [ns, n] of more) check_room(ns, n);
  may_alloc_mounts(kernel, copies);
}

/** A mount namespace's file is mounted in one place. */
function check_passed_on({ root }: Mount, at: Path): void {
  if (root.inode.mnt_ns === null || at.mnt.group === 0) return;
  for (const target of propagation_targets(at.mnt))
    throw errno(EINVAL, '{} would be mounted below mount {}, too, and it is the file of a mount namespace', root, target.id); // prettier-ignore
}

function graft(at: Path, mnt: Mount): void {
  if (S_ISDIR(at.dentry.inode.mode) !== S_ISDIR(mnt.root.inode.mode)) {
    umount_tree(mnt);
    throw errno(
      ENOTDIR,
      'a directory and a file that is none cannot be mounted on each other ({})',
      at,
    );
  }
  try {
    check_mount_max(mnt, at);
    check_mount_root(mnt);
    check_passed_on(mnt, at);
  } catch (error) {
    umount_tree(mnt);
    throw error;
  }
  attach_recursive_mnt(mnt, at);
}

function do_reconfigure_mnt(current: Current, at: Path, flags: number): void {
  check_mnt(current, at);
  requireMountRoot(at);
  const { mnt } = at;
  if (flags & MS_RDONLY && !(mnt.flags & MS_RDONLY) && mnt.writers > 0)
    throw errno(EBUSY, 'mount {} has {} files open for writing: it cannot become read-only', at, mnt.writers); // prettier-ignore
  setMountFlags(at, flags);
}

function setMountFlags(at: Path, flags: number): void {
  let next = mountFlags(flags);
  if (!(flags & (MS_NOATIME | MS_RELATIME | MS_STRICTATIME | MS_NODIRATIME))) {
    const atime = MS_NOATIME | MS_RELATIME | MS_NODIRATIME;
    next = (next & ~atime) | (at.mnt.flags & atime);
  }
  at.mnt.flags = next;
  touch_mnt_namespace(at.mnt.ns);
}

function do_remount(current: Current, at: Path, flags: number, data: string): void {
  check_mnt(current, at);
  requireMountRoot(at);
  if (data.split(',').includes('dirsync'))
    throw errno(EINVAL, '{}: dirsync is for the first mount (MS_RMT_MASK)', at);
  const [sb_flags, options] = parse_sb_flags(flags & SB_MASK & ~MS_SILENT, data);
  reconfigure_super(current, at.mnt.sb, sb_flags, options);
  setMountFlags(at, flags);
}

function requireMountRoot(at: Path): void {
  if (at.dentry !== at.mnt.root) throw errno(EINVAL, '{} is not a mount point', at);
}

/** Other mounts could come under it, and for them its root must have its name yet (get_mountpoint). */
function check_mount_root({ root }: Mount): void {
  if (root.unhashed) throw errno(ENOENT, '{} was removed: it cannot be mounted', root);
}

/** Mounts a tree; a shared place makes it shared, and passes copies on (attach_recursive_mnt). */
function attach_recursive_mnt(mnt: Mount, at: Path): void {
  if (at.mnt.group !== 0) {
    propagate_mnt(
      at.mnt,
      at.dentry,
      mnt,
      (source) => copy_tree(source, source.root, true, false),
      attachCopy,
    );
  }
  attach(mnt, at);
}

/** A copy goes below what is mounted at its place already. */
function attachCopy(copy: Mount, to: Mount, at: Dentry): void {
  const top = to.children.get(at);
  if (top !== undefined) detach_mnt(top);
  attach(copy, new Path(to, at));
  if (top !== undefined) attach(top, new Path(copy, copy.root));
}

/** A namespace whose file is mounted in itself, or in one that it has mounted, would never go (mnt_ns_loop). */
function check_ns_loop(current: Current, { inode }: Dentry): void {
  const { mnt_ns } = inode;
  if (mnt_ns !== null && mnt_ns.inum <= current.fs.ns.inum)
    throw errno(EINVAL, 'mount namespace {} is as old as that of process {}, and could hold itself', mnt_ns.inum, current.tgid); // prettier-ignore
}

/**
 * A copy of a mount, and with `recurse` of all below it (copy_tree).
 * @param nsFiles files of mount namespaces, too, which go to no other namespace and are not passed on
 * @param copies gets which is whose copy
 */
function copy_tree(
  mnt: Mount,
  root: Dentry,
  recurse: boolean,
  nsFiles: boolean,
  all = false,
  copies?: Map<Mount, Mount>,
): Mount {
  const top = clone_mnt(mnt, root, all);
  copies?.set(mnt, top);
  const todo: [from: Mount, parent: Mount][] = [];
  const below = (from: Mount, shown: Dentry, to: Mount): void => {
    for (const child of [...from.children.values()].toReversed())
      if ((!child.unbindable || all) && (nsFiles || child.root.inode.mnt_ns === null) && is_subdir(child.mountpoint!, shown)) todo.push([child, to]); // prettier-ignore
  };
  if (recurse) below(mnt, root, top);
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [from, parent] = next;
    const copy = clone_mnt(from, from.root, all);
    copy.parent = parent;
    copy.mountpoint = from.mountpoint;
    parent.children.set(from.mountpoint!, copy);
    from.mountpoint!.mounted++;
    copies?.set(from, copy);
    below(from, from.root, copy);
  }
  return top;
}

function clone_mnt(mnt: Mount, root: Dentry, all: boolean): Mount {
  const copy = new Mount(mnt.sb.kernel, root, mnt.devname, mnt.flags);
  get_mnt_ns(root.inode.mnt_ns);
  copy_propagation(copy, mnt);
  if (all) copy.unbindable = mnt.unbindable;
  return copy;
}

function do_loopback(current: Current, at: Path, source: string, recurse: boolean): void {
  if (source === '') throw errno(EINVAL, 'mount --bind: no source is given');
  const old = path_lookupat(current, -100, source, LOOKUP_FOLLOW);
  check_ns_loop(current, old.dentry);
  if (old.mnt.unbindable) throw errno(EINVAL, 'mount {} is unbindable', old);
  check_copy(current, old);
  at = follow_down(at);
  checkMountpoint(current, at);
  if (recurse) {
    const size = [...tree_mounts(old.mnt)].length;
    check_room(at.mnt.ns!, size);
    may_alloc_mounts(current.kernel, size);
  }
  graft(at, copy_tree(old.mnt, old.dentry, recurse, true));
}

function do_move_mount(current: Current, at: Path, source: string): void {
  if (source === '') throw errno(EINVAL, 'mount --move: no source is given');
  const old = path_lookupat(current, -100, source, LOOKUP_FOLLOW);
  at = follow_down(at);
  const { mnt } = old;
  check_mnt(current, at);
  check_mnt(current, old);
  if (old.dentry !== mnt.root || mnt.parent === null)
    throw errno(EINVAL, '{} is not a mount point', old);
  if (mnt.parent.group !== 0)
    throw errno(EINVAL, 'mount {} is below a shared mount: it cannot be moved', old);
  if (S_ISDIR(at.dentry.inode.mode) !== S_ISDIR(mnt.root.inode.mode)) {
    throw errno(
      EINVAL,
      'a directory and a file that is none cannot be mounted on each other ({})',
      at,
    );
  }
  for (let m: Mount | null = at.mnt; m !== null; m = m.parent) {
    if (m === mnt) throw errno(ELOOP, 'mount {} cannot be moved below itself ({})', old, at);
  }
  if (at.mnt.group !== 0 && [...tree_mounts(mnt)].some((each) => each.unbindable))
    throw errno(EINVAL, 'an unbindable mount cannot be moved below the shared mount {}', at);
  check_mount_max(mnt, at);
  check_mount_root(mnt);
  detach_mnt(mnt);
  attach_recursive_mnt(mnt, at);
}

/** Shared, private, slave, unbindable. */
function do_change_type(at: Path, flags: number): void {
  requireMountRoot(at);
  if (at.mnt.ns === null) throw errno(EINVAL, '{} is not in a mount namespace', at);
  const kind = flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE);
  if ((kind & (kind - 1)) !== 0 || flags & ~(kind | MS_REC | MS_SILENT)) {
    throw errno(EINVAL, 'mount: one propagation type at a time, and only MS_REC with it');
  }
  changeType(at.mnt, kind, (flags & MS_REC) !== 0);
}

function changeType(mnt: Mount, kind: number, recurse: boolean): void {
  for (const each of recurse ? tree_mounts(mnt) : [mnt]) change_mnt_propagation(each, kind);
}

/** umount2(2). */
export function path_umount(current: Current, path: Path, flags: number): void {
  may_mount(current, 'umount');
  const { mnt } = path;
  if (path.dentry !== mnt.root) throw errno(EINVAL, '{} is not a mount point', path);
  check_mnt(current, path);
  security_sb_mount(current, 'umount');
  if (flags & MNT_EXPIRE) {
    if (flags & (MNT_FORCE | MNT_DETACH) || mnt === current.fs.root.mnt)
      throw errno(EINVAL, 'MNT_EXPIRE excludes MNT_FORCE, MNT_DETACH and the root directory');
    if (mnt.count > 0 || mnt.children.size > 0)
      throw errno(EBUSY, 'MNT_EXPIRE: {} is in use', path);
    // The walk that led here was a use, too.
    if (mnt.uses !== mnt.expiry_mark + 1) {
      mnt.expiry_mark = mnt.uses;
      throw errno(EAGAIN, '{} is marked: it goes the next time if it was not used', path);
    }
  }
  // The caller's root stays, and becomes read-only: what init does last (do_umount_root).
  if (mnt === current.fs.root.mnt && !(flags & MNT_DETACH)) {
    if (!(mnt.sb.flags & MS_RDONLY)) reconfigure_super(current, mnt.sb, MS_RDONLY, '');
    return;
  }
  if (mnt.parent === null) throw errno(EINVAL, '{} is the root of its namespace', path);
  if (!(flags & MNT_DETACH)) {
    const busy = propagate_mount_busy(mnt);
    if (busy !== null)
      throw errno(EBUSY, '{}: mount {} has {} open files or current directories in it, and {} mounts below', path, busy.id, busy.count, busy.children.size); // prettier-ignore
  }
  const tree = [...tree_mounts(mnt)];
  const also = propagate_umount(tree);
  const toppers = uncover(also, new Set([...tree, ...also]));
  umount_tree(mnt);
  for (const copy of also) if (copy.ns !== null) umount_tree(copy);
  for (const [topper, place] of toppers) attach(topper, follow_down(place));
}

/** Takes off what covers mounts that go: it stays, on what is left below them. */
function uncover(
  mounts: readonly Mount[],
  going: ReadonlySet<Mount>,
): [topper: Mount, place: Path][] {
  const toppers: [Mount, Path][] = [];
  for (const mnt of mounts) {
    const topper = mnt.children.get(mnt.root);
    if (topper === undefined || going.has(topper)) continue;
    let low = mnt;
    while (low.parent !== null && going.has(low.parent)) low = low.parent;
    toppers.push([topper, new Path(low.parent!, low.mountpoint!)]);
    detach_mnt(topper);
  }
  return toppers;
}

/** A copy of the whole tree for a new namespace (copy_mnt_ns); `fs`, root and directory, moves into it. */
export function copy_mnt_ns(kernel: Kernel, fs: FsStruct): MntNamespace {
  const old = fs.ns;
  may_alloc_mounts(kernel, old.mounts.size);
  const ns = alloc_mnt_ns(kernel.vfs);
  const copies = new Map<Mount, Mount>();
  ns.root = copy_tree(old.root, old.root.root, true, false, true, copies);
  setNs(ns.root, ns);
  const root = counterpart(fs.root, copies);
  const pwd = counterpart(fs.pwd, copies);
  if (root !== null) set_fs_root(fs, root);
  if (pwd !== null) set_fs_pwd(fs, pwd);
  set_fs_ns(fs, ns);
  return ns;
}

/** The place in the copied tree that corresponds to one in the original. */
function counterpart(path: Path, copies: ReadonlyMap<Mount, Mount>): Path | null {
  const copy = copies.get(path.mnt);
  return copy === undefined ? null : new Path(copy, path.dentry);
}

/** Is a place the other or below it, through whatever mounts? */
export function is_path_reachable(path: Path, root: Path): boolean {
  let { mnt, dentry } = path;
  while (mnt !== root.mnt && mnt.parent !== null) {
    dentry = mnt.mountpoint!;
    mnt = mnt.parent;
  }
  return mnt === root.mnt && is_subdir(dentry, root.dentry);
}

/** pivot_root(2): `to` becomes the root of the namespace, the old root goes below it. */
export function do_pivot_root(current: Current, to: Path, place: Path): void {
  security_sb_mount(current, 'pivot_root');
  const { root } = current.fs;
  const { mnt } = to;
  const putOld = follow_down(place);
  const shared = [putOld.mnt, mnt.parent, root.mnt.parent].find((each) => each && each.group !== 0);
  if (shared)
    throw errno(EINVAL, 'pivot_root: mount {} is shared: others would see the change', shared.id);
  check_mnt(current, root);
  check_mnt(current, to);
  if (to.dentry.unhashed) throw errno(ENOENT, 'pivot_root: {} was removed', to);
  if (mnt === root.mnt || putOld.mnt === root.mnt)
    throw errno(EBUSY, 'pivot_root: {} or {} is on the current root', to, putOld);
  if (root.dentry !== root.mnt.root)
    throw errno(EINVAL, 'pivot_root: the current root {} is not a mount point', root);
  if (root.mnt.parent === null && root.mnt.sb.type.name === 'rootfs') {
    throw errno(EINVAL, 'pivot_root: the current root is the initial rootfs');
  }
  if (to.dentry !== mnt.root || mnt.parent === null)
    throw errno(EINVAL, 'pivot_root: {} is not a mount point', to);
  if (!is_path_reachable(putOld, to))
    throw errno(EINVAL, 'pivot_root: {} is not below {}', putOld, to);
  if (!is_path_reachable(to, root))
    throw errno(EINVAL, 'pivot_root: {} is not below the current root {}', to, root);
  const oldRoot = root.mnt;
  const above = oldRoot.parent === null ? null : new Path(oldRoot.parent, oldRoot.mountpoint!);
  detach_mnt(mnt);
  if (above !== null) detach_mnt(oldRoot);
  attach(oldRoot, putOld);
  if (above !== null) attach(mnt, above);
  else mnt.ns!.root = mnt;
  const top = new Path(mnt, mnt.root);
  if (current.fs.root.equals(root)) set_fs_root(current.fs, top);
  if (current.fs.pwd.equals(root)) set_fs_pwd(current.fs, top);
}

/** A tree of mounts in a namespace of its own that nobody sees: what open_tree and fsmount give (mnt_ns with anonymous). */
export function detached_tree(root: Mount): Path {
  const ns = new MntNamespace(0);
  ns.root = root;
  setNs(root, ns);
  return new Path(root, root.root);
}

/** open_tree(OPEN_TREE_CLONE): a copy of what is mounted at a place. */
export function open_detached_copy(current: Current, path: Path, recurse: boolean): Path {
  if (path.mnt.unbindable) throw errno(EINVAL, 'mount {} is unbindable', path);
  check_copy(current, path);
  may_alloc_mounts(path.mnt.sb.kernel, recurse ? [...tree_mounts(path.mnt)].length : 1);
  return detached_tree(copy_tree(path.mnt, path.dentry, recurse, true));
}

/** The tree of a closed descriptor that was mounted nowhere goes (dissolve_on_fput). */
export function dissolve(root: Mount): void {
  if (root.ns !== null && root.ns.inum === 0 && root.ns.root === root) umount_tree(root);
}

/** move_mount(2). @param beneath below what is mounted at the place (MOVE_MOUNT_BENEATH) */
export function do_move_mount_path(current: Current, from: Path, to: Path, beneath: boolean): void {
  const { mnt } = from;
  if (to.mnt.ns?.inum !== 0) check_mnt(current, to);
  if (from.dentry !== mnt.root) throw errno(EINVAL, '{} is not a mount point', from);
  const detached = mnt.ns !== null && mnt.ns.inum === 0;
  if (!detached) check_mnt(current, from);
  if (!detached && mnt.parent === null)
    throw errno(EINVAL, '{} is the root of its namespace', from);
  if (detached && mnt.ns!.root !== mnt)
    throw errno(EINVAL, '{} is not the root of its detached tree', from);
  if (mnt.parent !== null && mnt.parent.group !== 0) throw errno(EINVAL, 'mount {} is below a shared mount: it cannot be moved', from); // prettier-ignore
  if (S_ISDIR(to.dentry.inode.mode) !== S_ISDIR(mnt.root.inode.mode)) throw errno(EINVAL, 'a directory and a file that is none cannot be mounted on each other ({})', to); // prettier-ignore
  if (beneath) can_move_mount_beneath(mnt, to);
  if (to.mnt.group !== 0 && [...tree_mounts(mnt)].some((each) => each.unbindable)) throw errno(EINVAL, 'an unbindable mount cannot be moved below the shared mount {}', to); // prettier-ignore
  for (let m: Mount | null = to.mnt; m !== null; m = m.parent)
    if (m === mnt) throw errno(ELOOP, 'mount {} cannot be moved below itself ({})', from, to);
  const at = beneath ? below(to) : to;
  check_mount_max(mnt, at);
  check_mount_root(mnt);
  const covered = beneath ? to.mnt : null;
  if (mnt.parent !== null) detach_mnt(mnt);
  if (covered !== null) detach_mnt(covered);
  attach_recursive_mnt(mnt, at);
  if (covered !== null) attach(covered, new Path(mnt, mnt.root));
}

/** Throws EINVAL where MOVE_MOUNT_BENEATH would make shadow mounts. */
function can_move_mount_beneath(from: Mount, to: Path): void {
  if (from.children.get(from.root) !== undefined)
    throw errno(EINVAL, 'mount {} is covered: it cannot go beneath {}', from.id, to);
  for (let m: Mount | null = from; m !== null && m.parent !== null; m = m.parent)
    if (m === to.mnt) throw errno(EINVAL, 'mount {} is on {}: it cannot go beneath', from.id, to);
}

/** The place that the top mount at `to` covers. */
function below(to: Path): Path {
  const { mnt } = to;
  if (to.dentry !== mnt.root || mnt.parent === null) throw errno(EINVAL, 'nothing is mounted at {} to go beneath', to); // prettier-ignore
  return new Path(mnt.parent, mnt.mountpoint!);
}
