import * as E from '@vitrine/uapi/errno.ts';
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_PATH } from '@vitrine/uapi/fcntl.ts'; // prettier-ignore
import * as M from '@vitrine/uapi/mount.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { Path, d_path, is_subdir } from '../fs/dcache.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { PathFile } from '../fs/file.ts';
import { FsContextFile } from '../fs/fs_context.ts';
import { MNT_UNIQUE_ID_OFFSET, type MntNamespace, Mount, follow_down, mnt_root_path, touch_mnt_namespace } from '../fs/mount.ts'; // prettier-ignore
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, getname, user_path_at } from '../fs/namei.ts';
import { security_sb_mount } from '../fs/security.ts';
import { check_mnt, detached_tree, dissolve, do_move_mount_path, is_path_reachable, may_mount, open_detached_copy } from '../fs/namespace.ts'; // prettier-ignore
import { change_mnt_propagation, dominating_id, set_master, set_peer_group, tree_mounts } from '../fs/pnode.ts'; // prettier-ignore
import { dirfd, fd, flags, int, path, ptr, size, str, uint } from './kinds.ts';
import type { Task } from '../kernel/task.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** The mount calls that work on descriptors: fsopen(2) to statmount(2). */

// include/uapi/linux/mount.h: an enumeration, and what came after 6.1.
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_SET_BINARY = 2;
const FSCONFIG_SET_PATH = 3;
const FSCONFIG_SET_PATH_EMPTY = 4;
const FSCONFIG_SET_FD = 5;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const FSCONFIG_CMD_CREATE_EXCL = 8;
const MOVE_MOUNT_BENEATH = 0x200;
const MOUNT_ATTR_MASK = M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOSUID | M.MOUNT_ATTR_NODEV | M.MOUNT_ATTR_NOEXEC | M.MOUNT_ATTR__ATIME | M.MOUNT_ATTR_NODIRATIME | M.MOUNT_ATTR_NOSYMFOLLOW; // prettier-ignore
const LSMT_ROOT = 2n ** 64n - 1n;
/** The descriptor of a tree that is mounted nowhere: the tree goes with it, unless it was mounted meanwhile. */
class DetachedMountFile extends PathFile {
  static {
    serializable('DetachedMountFile', this);
  }
  override put(kernel: Kernel): void {
    const { mnt } = this.path;
    super.put(kernel);
    if (this.count === 0) dissolve(mnt);
  }
}

const key = (current: Current, address: number): string => {
  const text = current.mem.readString(address, 255);
  if (text === null) throw errno(E.EINVAL, 'fsconfig: a parameter has at most 255 bytes');
  return text;
};

function sys_fsopen(task: Task, name: number, fl: number): number {
  may_mount(task, 'fsopen');
  if ((fl & ~M.FSOPEN_CLOEXEC) !== 0) throw errno(E.EINVAL, 'fsopen: flags {} are not known', fl);
  const text = task.mem.readString(name, 4095) ?? '';
  if (!task.kernel.vfs.fileSystems.has(text)) task.kernel.request_module(`fs-${text}`);
  const type = task.kernel.vfs.get_fs_type(text);
  if (type.nouser) throw errno(E.ENODEV, 'fsopen: {} is for the kernel alone to mount', text);
  return fd_install(task, new FsContextFile(task, type, null), (fl & M.FSOPEN_CLOEXEC) !== 0);
}

function contextOf(task: Task, descriptor: number): FsContextFile {
  const file = fget(task, descriptor);
  if (!(file instanceof FsContextFile)) throw errno(E.EINVAL, 'fd {} ({}) is no file system context', descriptor, file.path); // prettier-ignore
  return file;
}

/** Which of key, value and aux a command takes. */
function checkConfig(command: number, name: number, value: number, aux: number): void {
  const bad = (): never => {
    throw errno(E.EINVAL, 'fsconfig: command {} takes other arguments', command);
  };
  switch (command) {
    case FSCONFIG_SET_FLAG:
      return name === 0 || value !== 0 || aux !== 0 ? bad() : undefined;
    case FSCONFIG_SET_STRING:
      return name === 0 || value === 0 || aux !== 0 ? bad() : undefined;
    case FSCONFIG_SET_BINARY:
      return name === 0 || value === 0 || aux <= 0 || aux > 1024 * 1024 ? bad() : undefined;
    case FSCONFIG_SET_PATH:
    case FSCONFIG_SET_PATH_EMPTY:
      return name === 0 || value === 0 || (aux !== -100 && aux < 0) ? bad() : undefined;
    case FSCONFIG_SET_FD:
      return name === 0 || value !== 0 || aux < 0 ? bad() : undefined;
    case FSCONFIG_CMD_CREATE:
    case FSCONFIG_CMD_CREATE_EXCL:
    case FSCONFIG_CMD_RECONFIGURE:
      return name !== 0 || value !== 0 || aux !== 0 ? bad() : undefined;
    default:
      throw errno(E.EOPNOTSUPP, 'fsconfig: there is no command {}', command);
  }
}

function sys_fsconfig(
  task: Task,
  descriptor: number,
  command: number,
  name: number,
  value: number,
  aux: number,
): number {
  if (descriptor < 0) throw errno(E.EINVAL, 'fsconfig: {} is no descriptor', descriptor);
  checkConfig(command, name, value, aux);
  const context = contextOf(task, descriptor);
  switch (command) {
    case FSCONFIG_SET_FLAG:
      context.set(task, key(task, name), null);
      break;
    case FSCONFIG_SET_STRING: {
      const text = task.mem.readString(value, 255);
      if (text === null) throw errno(E.EINVAL, 'fsconfig: a value has at most 255 bytes');
      context.set(task, key(task, name), text);
      break;
    }
    case FSCONFIG_CMD_CREATE:
    case FSCONFIG_CMD_CREATE_EXCL:
      may_mount(task, 'fsconfig(FSCONFIG_CMD_CREATE)');
      context.create(task);
      break;
    case FSCONFIG_CMD_RECONFIGURE:
      may_mount(task, 'fsconfig(FSCONFIG_CMD_RECONFIGURE)');
      context.reconfigure(task);
      break;
    case FSCONFIG_SET_BINARY:
      task.mem.read(value, aux);
      context.set_other(key(task, name), 'a blob');
      break;
    case FSCONFIG_SET_FD:
      fget(task, aux);
      context.set_other(key(task, name), 'a descriptor');
      break;
    default:
      if (getname(task, value) === '' && command === FSCONFIG_SET_PATH)
        throw errno(E.ENOENT, 'fsconfig: the path is empty (FSCONFIG_SET_PATH_EMPTY)');
      context.set_other(key(task, name), 'a path');
  }
  return 0;
}

/** MOUNT_ATTR_… as flags of a mount. */
function attrFlags(attr: number, call: string): number {
  if ((attr & ~MOUNT_ATTR_MASK) !== 0) throw errno(E.EINVAL, '{}: attributes 0x{} are not known', call, attr.toString(16)); // prettier-ignore
  let mnt = 0;
  for (const [bit, flag] of ATTRS) if ((attr & bit) !== 0) mnt |= flag;
  const atime = attr & M.MOUNT_ATTR__ATIME;
  if (atime === M.MOUNT_ATTR_RELATIME) mnt |= M.MS_RELATIME;
  else if (atime === M.MOUNT_ATTR_NOATIME) mnt |= M.MS_NOATIME;
  else if (atime !== M.MOUNT_ATTR_STRICTATIME) throw errno(E.EINVAL, '{}: access times 0x{} are not known', call, atime.toString(16)); // prettier-ignore
  return mnt;
}

const ATTRS: readonly (readonly [number, number])[] = [
  [M.MOUNT_ATTR_RDONLY, M.MS_RDONLY],
  [M.MOUNT_ATTR_NOSUID, M.MS_NOSUID],
  [M.MOUNT_ATTR_NODEV, M.MS_NODEV],
  [M.MOUNT_ATTR_NOEXEC, M.MS_NOEXEC],
  [M.MOUNT_ATTR_NODIRATIME, M.MS_NODIRATIME],
  [M.MOUNT_ATTR_NOSYMFOLLOW, M.MS_NOSYMFOLLOW],
];

function sys_fsmount(task: Task, descriptor: number, fl: number, attr: number): number {
  may_mount(task, 'fsmount');
  if ((fl & ~M.FSMOUNT_CLOEXEC) !== 0) throw errno(E.EINVAL, 'fsmount: flags {} are not known', fl);
  const mnt = attrFlags(attr, 'fsmount');
  const context = contextOf(task, descriptor);
  if (context.sb === null) throw errno(E.EINVAL, 'fsmount: the file system is not made yet (FSCONFIG_CMD_CREATE)'); // prettier-ignore
  if (context.phase !== 'mount') throw errno(E.EBUSY, 'fsmount: the file system is mounted already ({})', context.phase); // prettier-ignore
  const mount = new Mount(task.kernel, context.sb.root, context.source ?? 'none', mnt);
  context.clean();
  const at = detached_tree(mount);
  return fd_install(task, new DetachedMountFile(task, at, O_PATH), (fl & M.FSMOUNT_CLOEXEC) !== 0);
}

function sys_fspick(task: Task, dir: number, name: number, fl: number): number {
  may_mount(task, 'fspick');
  const known =
    M.FSPICK_CLOEXEC | M.FSPICK_SYMLINK_NOFOLLOW | M.FSPICK_NO_AUTOMOUNT | M.FSPICK_EMPTY_PATH;
  if ((fl & ~known) !== 0) throw errno(E.EINVAL, 'fspick: flags {} are not known', fl);
  const at = user_path_at(task, dir, name, lookupFlags((fl & M.FSPICK_SYMLINK_NOFOLLOW) === 0, (fl & M.FSPICK_EMPTY_PATH) !== 0)); // prettier-ignore
  if (at.dentry !== at.mnt.root) throw errno(E.EINVAL, 'fspick: {} is not a mount point', at);
  const file = new FsContextFile(task, at.mnt.sb.type, at.mnt);
  return fd_install(task, file, (fl & M.FSPICK_CLOEXEC) !== 0);
}

const lookupFlags = (follow: boolean, empty: boolean): number =>
  (follow ? LOOKUP_FOLLOW : 0) | (empty ? LOOKUP_EMPTY : 0);

function sys_open_tree(task: Task, dir: number, name: number, fl: number): number {
  const known =
    AT_EMPTY_PATH |
    AT_NO_AUTOMOUNT |
    AT_RECURSIVE |
    AT_SYMLINK_NOFOLLOW |
    M.OPEN_TREE_CLONE |
    O_CLOEXEC;
  if ((fl & ~known) !== 0) throw errno(E.EINVAL, 'open_tree: flags {} are not known', fl);
  const clone = (fl & M.OPEN_TREE_CLONE) !== 0;
  if ((fl & (AT_RECURSIVE | M.OPEN_TREE_CLONE)) === AT_RECURSIVE) throw errno(E.EINVAL, 'open_tree: AT_RECURSIVE needs OPEN_TREE_CLONE'); // prettier-ignore
  if (clone) may_mount(task, 'open_tree(OPEN_TREE_CLONE)');
  const at = user_path_at(task, dir, name, lookupFlags((fl & AT_SYMLINK_NOFOLLOW) === 0, (fl & AT_EMPTY_PATH) !== 0)); // prettier-ignore
  const file = clone
    ? new DetachedMountFile(task, open_detached_copy(task, at, (fl & AT_RECURSIVE) !== 0), O_PATH)
    : new PathFile(task, at, O_PATH);
  return fd_install(task, file, (fl & O_CLOEXEC) !== 0);
}

function sys_move_mount(
  task: Task,
  fromDir: number,
  fromName: number,
  toDir: number,
  toName: number,
  fl: number,
): number {
  may_mount(task, 'move_mount');
  const known = M.MOVE_MOUNT__MASK | MOVE_MOUNT_BENEATH;
  if ((fl & ~known) !== 0) throw errno(E.EINVAL, 'move_mount: flags {} are not known', fl);
  const beneath = (fl & MOVE_MOUNT_BENEATH) !== 0;
  if (beneath && (fl & M.MOVE_MOUNT_SET_GROUP) !== 0) throw errno(E.EINVAL, 'move_mount: MOVE_MOUNT_BENEATH and MOVE_MOUNT_SET_GROUP exclude each other'); // prettier-ignore
  const from = user_path_at(task, fromDir, fromName, lookupFlags((fl & M.MOVE_MOUNT_F_SYMLINKS) !== 0, (fl & M.MOVE_MOUNT_F_EMPTY_PATH) !== 0)); // prettier-ignore
  const to = user_path_at(task, toDir, toName, lookupFlags((fl & M.MOVE_MOUNT_T_SYMLINKS) !== 0, (fl & M.MOVE_MOUNT_T_EMPTY_PATH) !== 0)); // prettier-ignore
  security_sb_mount(task, 'move_mount');
  if ((fl & M.MOVE_MOUNT_SET_GROUP) !== 0) return setGroup(from, to);
  do_move_mount_path(task, from, to, beneath);
  return 0;
}

/** MOVE_MOUNT_SET_GROUP: a private mount joins the peer group of another mount of the same file system. */
function setGroup(from: Path, to: Path): number {
  const [a, b] = [from.mnt, to.mnt];
  for (const at of [from, to]) if (at.mnt.ns === null) throw errno(E.EINVAL, 'move_mount: {} is not mounted any more', at); // prettier-ignore
  if (from.dentry !== a.root || to.dentry !== b.root || a.sb !== b.sb) throw errno(E.EINVAL, 'move_mount: {} and {} are not mounts of one file system', from, to); // prettier-ignore
  if (!is_subdir(b.root, a.root))
    throw errno(E.EINVAL, 'move_mount: {} shows what {} does not', to, from);
  if (b.group !== 0 || b.master !== 0)
    throw errno(E.EINVAL, 'move_mount: {} is shared already', to);
  if (a.group === 0 && a.master === 0) throw errno(E.EINVAL, 'move_mount: {} is not shared', from);
  if (a.group !== 0) set_peer_group(b, a.group);
  if (a.master !== 0) set_master(b, a.master);
  return 0;
}

function sys_mount_setattr(
  task: Task,
  dir: number,
  name: number,
  fl: number,
  attr: number,
  length: number,
): number {
  const known = AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if ((fl & ~known) !== 0) throw errno(E.EINVAL, 'mount_setattr: flags {} are not known', fl);
  if (length > 4096) throw errno(E.E2BIG, 'mount_setattr: {} bytes are more than a page', length);
  if (length < M.MOUNT_ATTR_SIZE_VER0) throw errno(E.EINVAL, 'mount_setattr: {} bytes are less than {}', length, M.MOUNT_ATTR_SIZE_VER0); // prettier-ignore
  may_mount(task, 'mount_setattr');
  const tail = task.mem.read(attr + M.MOUNT_ATTR_SIZE_VER0, length - M.MOUNT_ATTR_SIZE_VER0);
  if (tail.some((b) => b !== 0))
    throw errno(E.E2BIG, 'mount_setattr: members that are not known here are not 0');
  const [set, clear, propagation] = [0, 8, 16].map((at) => task.mem.getU64(attr + at)) as [number, number, number]; // prettier-ignore
  if (set === 0 && clear === 0 && propagation === 0) return 0;
  const types = M.MS_SHARED | M.MS_SLAVE | M.MS_PRIVATE | M.MS_UNBINDABLE;
  if (propagation > types || (propagation & ~types) !== 0 || (propagation & (propagation - 1)) !== 0) throw errno(E.EINVAL, 'mount_setattr: propagation 0x{} is not one type', propagation.toString(16)); // prettier-ignore
  const mask = MOUNT_ATTR_MASK | M.MOUNT_ATTR_IDMAP;
  if (set > mask || clear > mask || ((set | clear) & ~mask) !== 0)
    throw errno(E.EINVAL, 'mount_setattr: attributes are not known');
  const userns = task.mem.getU64(attr + 24);
  if ((set & M.MOUNT_ATTR_IDMAP) !== 0 && userns < 2 ** 31) fget(task, userns);
  if (((set | clear) & M.MOUNT_ATTR_IDMAP) !== 0) throw errno(E.EINVAL, 'mount_setattr: there are no mounts with other ids (MOUNT_ATTR_IDMAP)'); // prettier-ignore
  checkAtime(set, clear);
  const at = user_path_at(task, dir, name, lookupFlags((fl & AT_SYMLINK_NOFOLLOW) === 0, (fl & AT_EMPTY_PATH) !== 0)); // prettier-ignore
  if (at.dentry !== at.mnt.root)
    throw errno(E.EINVAL, 'mount_setattr: {} is not a mount point', at);
  if (at.mnt.ns?.inum !== 0) check_mnt(task, at);
  const mounts = (fl & AT_RECURSIVE) !== 0 ? [...tree_mounts(at.mnt)] : [at.mnt];
  for (const mnt of mounts) {
    const rises = ~mnt.flags & changedFlags(mnt.flags, set, clear);
    if ((rises & M.MS_RDONLY) !== 0 && mnt.writers > 0) throw errno(E.EBUSY, 'mount_setattr: {} files below {} are open for writing', mnt.writers, at); // prettier-ignore
  }
  for (const mnt of mounts) {
    mnt.flags = changedFlags(mnt.flags, set, clear);
    touch_mnt_namespace(mnt.ns);
    if (propagation !== 0) change_mnt_propagation(mnt, propagation);
  }
  return 0;
}

/** Access times are set as a whole: the old rule is cleared first. */
function checkAtime(set: number, clear: number): void {
  const all = clear & M.MOUNT_ATTR__ATIME;
  if (all !== 0 && all !== M.MOUNT_ATTR__ATIME) throw errno(E.EINVAL, 'mount_setattr: access times are cleared as a whole (MOUNT_ATTR__ATIME)'); // prettier-ignore
  if (all === 0 && (set & M.MOUNT_ATTR__ATIME) !== 0) throw errno(E.EINVAL, 'mount_setattr: access times are set after clearing MOUNT_ATTR__ATIME'); // prettier-ignore
  if (all !== 0) attrFlags(set & M.MOUNT_ATTR__ATIME, 'mount_setattr');
}

function changedFlags(flagsNow: number, set: number, clear: number): number {
  let next = flagsNow;
  for (const [bit, flag] of ATTRS) if ((clear & bit) !== 0) next &= ~flag;
  for (const [bit, flag] of ATTRS) if ((set & bit) !== 0) next |= flag;
  if ((clear & M.MOUNT_ATTR__ATIME) !== 0) {
    next &= ~(M.MS_RELATIME | M.MS_NOATIME);
    next |= attrFlags(set & M.MOUNT_ATTR__ATIME, 'mount_setattr') & (M.MS_RELATIME | M.MS_NOATIME);
  }
  return next;
}

// --- statmount and listmount ----------------------------------------------------------------------------------------

const STATMOUNT_SB_BASIC = 1;
const STATMOUNT_MNT_BASIC = 2;
const STATMOUNT_PROPAGATE_FROM = 4;
const STATMOUNT_MNT_ROOT = 8;
const STATMOUNT_MNT_POINT = 0x10;
const STATMOUNT_FS_TYPE = 0x20;
const STATMOUNT_MNT_NS_ID = 0x40;
const STATMOUNT_MNT_OPTS = 0x80;
/** Bytes of struct statmount before its strings. */
const STATMOUNT_SIZE = 512;

/** Bytes of struct mnt_id_req that are known here; callers from before there was mnt_ns_id pass fewer. */
const MNT_ID_REQ_SIZE = 32;
const MNT_ID_REQ_SIZE_VER0 = 24;

interface MntIdReq {
  readonly id: bigint;
  readonly param: bigint;
  /** Of a mount namespace; 0 for the caller's. */
  readonly nsid: bigint;
}

/** struct mnt_id_req. */
function readRequest(task: Task, address: number, call: string): MntIdReq {
  const length = task.mem.getU32(address);
  if (length > 4096)
    throw errno(E.E2BIG, '{}: a request of {} bytes is more than a page', call, length);
  if (length < MNT_ID_REQ_SIZE_VER0) throw errno(E.EINVAL, '{}: a request of {} bytes is less than {}', call, length, MNT_ID_REQ_SIZE_VER0); // prettier-ignore
  for (let at = MNT_ID_REQ_SIZE; at < length; at++)
    if (task.mem.getU8(address + at) !== 0)
      throw errno(E.E2BIG, '{}: members that are not known here are not 0', call);
  if (task.mem.getU32(address + 4) !== 0)
    throw errno(E.EINVAL, '{}: a reserved member is not 0', call);
  const id = task.mem.getBig(address + 8);
  if (id <= BigInt(MNT_UNIQUE_ID_OFFSET))
    throw errno(E.EINVAL, '{}: {} is no unique mount id', call, id);
  const nsid = length < MNT_ID_REQ_SIZE ? 0n : task.mem.getBig(address + 24);
  return { id, param: task.mem.getBig(address + 16), nsid };
}

/** The caller's mount namespace, or another by its number (grab_requested_mnt_ns). */
function requested_ns(task: Task, id: bigint, call: string): MntNamespace {
  const own = task.fs.ns;
  if (id === 0n) return own;
  const ns = task.kernel.vfs.mntNamespaces.get(Number(id));
  if (ns === undefined || (ns !== own && !capable(task.cred, CAP_SYS_ADMIN)))
    throw errno(E.ENOENT, '{}: there is no mount namespace {} for process {}', call, id, task.tgid);
  return ns;
}

const uniqueId = (mnt: Mount): number => MNT_UNIQUE_ID_OFFSET + mnt.id;

function byUniqueId(ns: MntNamespace, id: bigint, call: string): Mount {
  for (const mnt of ns.mounts) if (BigInt(uniqueId(mnt)) === id) return mnt;
  throw errno(E.ENOENT, '{}: no mount of the namespace has the id {}', call, id);
}

/** The caller's root, or that of a namespace it is not in (mnt_ns_root). */
function rootIn(task: Task, ns: MntNamespace): Path {
  return task.fs.ns === ns ? task.fs.root : follow_down(new Path(ns.root, ns.root.root));
}

/** What cannot be reached from the caller's root is for CAP_SYS_ADMIN. */
function want_reachable(task: Task, path: Path, root: Path, call: string): void {
  if (is_path_reachable(path, root) || capable(task.cred, CAP_SYS_ADMIN)) return;
  throw errno(E.EPERM, '{}: {} cannot be reached from the root of process {}', call, path, task.tgid); // prettier-ignore
}

function sys_statmount(
  task: Task,
  request: number,
  buffer: number,
  length: number,
  fl: number,
): number {
  if (fl !== 0) throw errno(E.EINVAL, 'statmount: flags {} are not known', fl);
  const { id, param, nsid } = readRequest(task, request, 'statmount');
  const ns = requested_ns(task, nsid, 'statmount');
  const mnt = byUniqueId(ns, id, 'statmount');
  const seenFrom = rootIn(task, ns);
  want_reachable(task, new Path(mnt, mnt.root), seenFrom, 'statmount');
  const want = Number(param & 0xffn);
  const bytes = new Uint8Array(STATMOUNT_SIZE);
  const view = new DataView(bytes.buffer);
  const put64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  let strings = '';
  const text = (at: number, value: string): void => {
    view.setUint32(at, strings.length, true);
    strings += `${value}\0`;
  };
  const has = (bit: number): boolean => (want & bit) !== 0;
  const { sb } = mnt;
  if (has(STATMOUNT_SB_BASIC)) {
    view.setUint32(16, (sb.dev >>> 8) & 0xfff, true);
    view.setUint32(20, (sb.dev & 0xff) | ((sb.dev >>> 12) & 0xfff00), true);
    put64(24, sb.magic);
    view.setUint32(32, sb.flags & (M.MS_RDONLY | M.MS_SYNCHRONOUS | M.MS_DIRSYNC | M.MS_LAZYTIME), true); // prettier-ignore
  }
  if (has(STATMOUNT_MNT_BASIC)) {
    put64(40, uniqueId(mnt));
    put64(48, mnt.parent === null ? uniqueId(mnt) : uniqueId(mnt.parent));
    view.setUint32(56, mnt.id, true);
    view.setUint32(60, (mnt.parent ?? mnt).id, true);
    put64(64, attrsOf(mnt));
    put64(72, (mnt.group !== 0 ? M.MS_SHARED : 0) | (mnt.master !== 0 ? M.MS_SLAVE : 0) | (mnt.unbindable ? M.MS_UNBINDABLE : 0) || M.MS_PRIVATE); // prettier-ignore
    put64(80, mnt.group);
    put64(88, mnt.master);
  }
  if (has(STATMOUNT_PROPAGATE_FROM)) put64(96, dominating_id(mnt, mnt.ns?.mounts ?? new Set()));
  if (has(STATMOUNT_FS_TYPE)) text(36, sb.type.name);
  if (has(STATMOUNT_MNT_ROOT)) text(104, mnt_root_path(mnt));
  if (has(STATMOUNT_MNT_POINT)) text(108, d_path(new Path(mnt, mnt.root), seenFrom, false, true));
  if (has(STATMOUNT_MNT_NS_ID)) put64(112, mnt.ns?.inum ?? 0);
  if (has(STATMOUNT_MNT_OPTS)) text(4, sb.show_options().replace(/^,/, ''));
  const head = Math.min(length, STATMOUNT_SIZE);
  view.setUint32(0, head + strings.length, true);
  put64(8, want);
  if (strings !== '' && length < STATMOUNT_SIZE + strings.length) throw errno(E.EOVERFLOW, 'statmount: the answer of {} bytes does not fit {}', STATMOUNT_SIZE + strings.length, length); // prettier-ignore
  task.mem.write(buffer, bytes.subarray(0, head));
  task.mem.write(
    buffer + STATMOUNT_SIZE,
    Uint8Array.from(strings, (c) => c.charCodeAt(0)),
  );
  return 0;
}

/** A mount's flags as MOUNT_ATTR_… */
function attrsOf({ flags: mnt }: Mount): number {
  let attr = 0;
  for (const [bit, flag] of ATTRS) if ((mnt & flag) !== 0) attr |= bit;
  if ((mnt & M.MS_NOATIME) !== 0) attr |= M.MOUNT_ATTR_NOATIME;
  else if ((mnt & M.MS_RELATIME) === 0) attr |= M.MOUNT_ATTR_STRICTATIME;
  return attr;
}

const LISTMOUNT_REVERSE = 1;

function sys_listmount(
  task: Task,
  request: number,
  ids: number,
  count: number,
  fl: number,
): number {
  if ((fl & ~LISTMOUNT_REVERSE) !== 0)
    throw errno(E.EINVAL, 'listmount: flags {} are not known', fl);
  if (count > 1_000_000)
    throw errno(E.EOVERFLOW, 'listmount: {} ids are more than a million', count);
  const { id, param, nsid } = readRequest(task, request, 'listmount');
  if (param !== 0n && param <= BigInt(MNT_UNIQUE_ID_OFFSET))
    throw errno(E.EINVAL, 'listmount: {} is no unique mount id to go on after', param);
  const ns = requested_ns(task, nsid, 'listmount');
  const root = rootIn(task, ns);
  const mount = id === LSMT_ROOT ? null : byUniqueId(ns, id, 'listmount');
  const top = mount === null ? root : new Path(mount, mount.root);
  want_reachable(task, top, root, 'listmount');
  const all = [...ns.mounts]
    .filter((mnt) => mnt !== mount && is_path_reachable(new Path(mnt, mnt.root), top))
    .map(uniqueId);
  const reverse = (fl & LISTMOUNT_REVERSE) !== 0;
  all.sort((a, b) => (reverse ? b - a : a - b));
  // The number after the last one wraps, as it does in Linux.
  const next = BigInt.asUintN(64, reverse ? param - 1n : param + 1n);
  const rest = param === 0n ? all : all.filter((n) => (reverse ? n <= next : n >= next));
  const given = rest.slice(0, count);
  given.forEach((n, i) => task.mem.putU64(ids + i * 8, n));
  return given.length;
}

export const FSMOUNT: readonly SyscallRow[] = [
  row(NR.__NR_open_tree, 'open_tree', [dirfd, path, flags('open_tree')], FULL, sys_open_tree),
  row(NR.__NR_move_mount, 'move_mount', [dirfd, path, dirfd, path, flags('move_mount')], FULL, sys_move_mount), // prettier-ignore
  row(NR.__NR_fsopen, 'fsopen', [str, flags('fsopen')], FULL, sys_fsopen),
  row(NR.__NR_fsconfig, 'fsconfig', [fd, uint, str, ptr, int], partial('no file system takes binary, path or descriptor values'), sys_fsconfig), // prettier-ignore
  row(NR.__NR_fsmount, 'fsmount', [fd, flags('fsmount'), uint], FULL, sys_fsmount),
  row(NR.__NR_fspick, 'fspick', [dirfd, path, flags('fspick')], FULL, sys_fspick),
  row(NR.__NR_mount_setattr, 'mount_setattr', [dirfd, path, flags('at'), ptr, size], partial('no id-mapped mounts'), sys_mount_setattr), // prettier-ignore
  row(NR.__NR_statmount, 'statmount', [ptr, ptr, size, uint], FULL, sys_statmount),
  row(NR.__NR_listmount, 'listmount', [ptr, ptr, size, uint], FULL, sys_listmount),
];
