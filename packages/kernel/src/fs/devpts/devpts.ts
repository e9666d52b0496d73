import { EINVAL, ENODEV, ENOENT } from '@vitrine/uapi/errno.ts';
import { DEVPTS_SUPER_MAGIC } from '@vitrine/uapi/magic.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry, Path, d_add, d_drop, is_subdir } from '../dcache.ts';
import type { File } from '../file.ts';
import { Inode, S_ISDIR, drop_nlink } from '../inode.ts';
import { MKDEV } from '../kdev_t.ts';
import { type Mount, follow_down } from '../mount.ts';
import { DcacheDirFile } from '../readdir.ts';
import { FileSystemType, SuperBlock } from '../super.ts';

/** Numbers at most in one instance. */
export const NR_UNIX98_PTY_MAX: number = 1 << 20;

interface DevptsOptions {
  uid: number | null;
  gid: number | null;
  mode: number;
  ptmxmode: number;
  max: number;
}

/** devpts inodes: a directory of terminals, and ptmx. Names appear and go with the ptys. */
export class DevptsInode extends Inode {
  /** The terminal; numbers do for one instance only (devpts_get_priv). */
  priv: object | null = null;
  static {
    serializable('DevptsInode', this);
  }
  override open(current: Current, path: Path, flags: number): File {
    if (S_ISDIR(this.mode)) return new DcacheDirFile(current, path, flags);
    return super.open(current, path, flags);
  }
}

export class DevptsSuperBlock extends SuperBlock {
  options: DevptsOptions;
  /** Of the initial mount namespace, for which some terminals are kept (kernel.pty.reserve). */
  initial = true;
  readonly used: Set<number> = new Set();

  constructor(kernel: Kernel, type: FileSystemType, options: DevptsOptions) {
    super(kernel, type, DEVPTS_SUPER_MAGIC);
    this.blocksize = 1024;
    this.options = options;
    const root = new DevptsInode(this, 1, 0o40755);
    root.nlink = 2;
    this.root = new Dentry('/', null, root, this);
    const ptmx = new DevptsInode(this, 2, 0o20000 | options.ptmxmode);
    ptmx.rdev = MKDEV(5, 2);
    d_add(this.root, 'ptmx', ptmx);
  }

  static {
    serializable('DevptsSuperBlock', this);
  }

  override show_options(): string {
    const o = this.options;
    let text = '';
    if (o.uid !== null) text += `,uid=${o.uid}`;
    if (o.gid !== null) text += `,gid=${o.gid}`;
    text += `,mode=${o.mode.toString(8).padStart(3, '0')},ptmxmode=${o.ptmxmode.toString(8).padStart(3, '0')}`;
    if (o.max < NR_UNIX98_PTY_MAX) text += `,max=${o.max}`;
    return text;
  }

  override remount(_current: Current, flags: number, data: string): void {
    this.options = parse(data);
    this.root.children!.get('ptmx')!.inode.mode = 0o20000 | this.options.ptmxmode;
    this.flags = flags;
  }
}

function parse(data: string): DevptsOptions {
  const options: DevptsOptions = {
    uid: null,
    gid: null,
    mode: 0o600,
    ptmxmode: 0,
    max: NR_UNIX98_PTY_MAX,
  };
  for (const option of data.split(',')) {
    const [name = '', value = ''] = option.split('=');
    const octal = name === 'mode' || name === 'ptmxmode';
    if (name === '' || name === 'newinstance') continue;
    if (
      !/^(?:uid|gid|mode|ptmxmode|max)$/.test(name) ||
      !(octal ? /^[0-7]+$/ : /^\d+$/).test(value)
    ) {
      throw errno(EINVAL, 'devpts has no option {}', option);
    }
    const n = Number.parseInt(value, octal ? 8 : 10);
    if (name === 'max' && n > NR_UNIX98_PTY_MAX)
      throw errno(EINVAL, 'devpts: max={} is above {}', n, NR_UNIX98_PTY_MAX);
    options[name as keyof DevptsOptions] = octal ? n & 0o777 : n;
  }
  return options;
}

/** Each mount is an instance of its own, as on Linux since 4.7. */
export class DevptsType extends FileSystemType {
  readonly name = 'devpts';
  override readonly userns = true;
  static {
    serializable('DevptsType', this);
  }
  mount(current: Current, flags: number, _source: string, data: string): SuperBlock {
    const sb = new DevptsSuperBlock(current.kernel, this, parse(data));
    sb.initial = current.fs.ns === current.kernel.vfs.rootNs;
    sb.flags = flags;
    return sb;
  }
}

/** The devpts that belongs to a ptmx node: its own, or the one mounted on `pts` beside it. */
export function devpts_of(ptmx: Path): DevptsSuperBlock {
  const { sb } = ptmx.mnt;
  if (sb instanceof DevptsSuperBlock) return sb;
  return devpts_beside(ptmx).sb as DevptsSuperBlock;
}

/** The devpts that is mounted on `pts` beside a place (devpts_ptmx_path). */
function devpts_beside(at: Path): Mount {
  const { mnt, dentry } = at;
  const { parent } = dentry;
  const pts = is_subdir(parent, mnt.root) ? parent.children?.get('pts') : undefined;
  if (pts === undefined) throw errno(ENOENT, '{}: there is no pts beside it', at);
  const found = follow_down(new Path(mnt, pts)).mnt;
  if (!(found.sb instanceof DevptsSuperBlock) || found.root !== found.sb.root)
    throw errno(ENODEV, '{}: {} is mounted on the pts beside it, not devpts', at, found.sb);
  return found;
}

/** The lowest free number, or -1. */
export function devpts_new_index(pts: DevptsSuperBlock): number {
  const { ttys } = pts.kernel.vfs;
  if (ttys.pty_count + 1 >= ttys.pty_limit - (pts.initial ? 0 : ttys.pty_reserve)) return -1;
  for (let i = 0; i < pts.options.max; i++) {
    if (pts.used.has(i)) continue;
    pts.used.add(i);
    ttys.pty_count++;
    return i;
  }
  return -1;
}

/** Both sides are closed: the number is free. */
export function devpts_kill_index(pts: DevptsSuperBlock, index: number): void {
  pts.used.delete(index);
  pts.kernel.vfs.ttys.pty_count--;
}

export function devpts_pty_new(
  current: Current,
  pts: DevptsSuperBlock,
  index: number,
  rdev: number,
  priv: object,
): void {
  const inode = new DevptsInode(pts, index + 3, 0o20000 | pts.options.mode);
  inode.uid = pts.options.uid ?? current.cred.fsuid;
  inode.gid = pts.options.gid ?? current.cred.fsgid;
  inode.rdev = rdev;
  inode.priv = priv;
  d_add(pts.root, String(index), inode);
}

/** The master is closed: the slave's name goes. */
export function devpts_pty_kill(pts: DevptsSuperBlock, index: number): void {
  const dentry = pts.root.children?.get(String(index));
  if (dentry === undefined) return;
  (dentry.inode as DevptsInode).priv = null;
  d_drop(dentry);
  drop_nlink(dentry.inode);
}

/** Where the slave of a master is, for TIOCGPTPEER: in the mount that the master was opened in or beside (devpts_mntget). */
export function devpts_path(master: Path, pts: DevptsSuperBlock, index: number): Path {
  let { mnt, dentry } = master;
  // A mount of the one file shows it where it is mounted.
  while (mnt.root === dentry && mnt.parent !== null) {
    dentry = mnt.mountpoint!;
    mnt = mnt.parent;
  }
  if (mnt.sb !== pts) mnt = devpts_beside(new Path(mnt, dentry));
  const slave = pts.root.children?.get(String(index));
  if (slave === undefined || mnt.sb !== pts)
    throw errno(ENODEV, 'pty {} has no name in the devpts of its master', index);
  return new Path(mnt, slave);
}
