import { EINVAL, ENOSPC } from '@vitrine/uapi/errno.ts';
import { TMPFS_MAGIC } from '@vitrine/uapi/magic.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { KMEM_INODE } from '../../include/kmem.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry } from '../dcache.ts';
import { type FileHandle, GENERATION } from '../exportfs.ts';
import type { Inode } from '../inode.ts';
import type { Mount } from '../mount.ts';
import { FileSystemType, type Statfs, SuperBlock, fs_param_is_flag, fs_param_is_id } from '../super.ts'; // prettier-ignore
import { TmpfsInode } from './inode.ts';
import { mpol_parse_str } from './mpol.ts';

export interface TmpfsOptions {
  /** In pages; 0 is without limit. */
  blocks: number;
  inodes: number;
  mode: number;
  uid: number;
  gid: number;
  /** As /proc/mounts shows them. */
  mpol?: string;
  inode64?: boolean;
  noswap?: boolean;
}

/** memparse: digits in C's notation, or none, and a unit; it goes around at 2^64. Bytes of memory for a share of it. */
function parseSize(option: string, value: string, max: bigint, memory = 0): bigint {
  const match = /^(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9]\d*)|)([kmgtpe])?(%)?$/i.exec(value);
  if (match === null || value === '' || (match[5] && memory === 0))
    throw errno(EINVAL, 'tmpfs: {}={} is not a size', option, value);
  const [, hex, octal, decimal, unit, share] = match;
  const n = BigInt(hex ? `0x${hex}` : octal ? `0o${octal}` : (decimal ?? 0));
  let size = BigInt.asUintN(
    64,
    n << BigInt(10 * ('kmgtpe'.indexOf(unit?.toLowerCase() ?? '-') + 1)),
  );
  if (share) size = BigInt.asUintN(64, size * BigInt(memory)) / 100n;
  if (size > max) throw errno(EINVAL, 'tmpfs: {}={} is too much', option, value);
  return size;
}

const U64_MAX = 2n ** 64n - 1n;

const BOGO_INODE_SIZE = 1024;
const SHORT_SYMLINK_LEN = 128;

/** The options of tmpfs(5). Throws EINVAL for an unknown one. */
function parseOptions(kernel: Kernel, data: string, into: TmpfsOptions): TmpfsOptions {
  // A comma before a digit is of a list of nodes (shmem_next_opt).
  for (const option of data.split(/,(?!\d)/)) {
    if (option === '') continue;
    const eq = option.indexOf('=');
    const name = eq < 0 ? option : option.slice(0, eq);
    const value = eq < 0 ? '' : option.slice(eq + 1);
    switch (name) {
      case 'size':
        into.blocks = Number(
          BigInt.asUintN(
            64,
            parseSize(name, value, U64_MAX, kernel.frames.total * PAGE_SIZE) +
              BigInt(PAGE_SIZE - 1),
          ) / BigInt(PAGE_SIZE),
        );
        break;
      case 'nr_blocks':
        into.blocks = Number(parseSize(name, value, U64_MAX >> 1n));
        break;
      case 'nr_inodes':
        into.inodes = Number(parseSize(name, value, U64_MAX / BigInt(BOGO_INODE_SIZE)));
        break;
      case 'mode':
        if (!/^[0-7]+$/.test(value))
          throw errno(EINVAL, 'tmpfs: mode={} is not an octal number', value);
        into.mode = Number.parseInt(value, 8) & 0o7777;
        break;
      case 'uid':
      case 'gid':
        into[name] = fs_param_is_id('tmpfs', name, value);
        break;
      case 'huge':
        if (value !== 'never')
          throw errno(EINVAL, 'tmpfs: there are no huge pages (huge={})', value);
        break;
      case 'mpol':
        into.mpol = mpol_parse_str(value);
        break;
      case 'inode32':
      case 'inode64':
        fs_param_is_flag('tmpfs', name, eq < 0 ? null : value);
        into.inode64 = name === 'inode64';
        break;
      case 'noswap':
        fs_param_is_flag('tmpfs', name, eq < 0 ? null : value);
        into.noswap = true;
        break;
      default:
        throw errno(EINVAL, 'tmpfs has no option {}', option);
    }
  }
  return into;
}

/** Analogous to `struct shmem_sb_info`. */
export class TmpfsSuperBlock extends SuperBlock {
  options: TmpfsOptions;
  private blocks_in_use = 0;
  usedInodes = 1;
  /** Bytes of attributes: they count against nr_inodes, a KiB for an inode (BOGO_INODE_SIZE). */
  xattrBytes = 0;
  /** Bytes of symbolic links and attributes: they take no page frames, so they have a bound of their own. */
  private kernelBytes = 0;
  /** What its inodes and these bytes take of the kernel's memory. */
  private charged = 0;

  constructor(kernel: Kernel, type: FileSystemType, magic: number, options: TmpfsOptions) {
    super(kernel, type, magic);
    this.options = options;
  }

  static {
    serializable('TmpfsSuperBlock', this);
  }

  /** Pages of its files: as much memory is promised (shmem_acct_blocks). */
  get usedBlocks(): number {
    return this.blocks_in_use;
  }
  set usedBlocks(pages: number) {
    this.kernel.vm_committed_as += pages - this.blocks_in_use;
    this.blocks_in_use = pages;
  }

  override get has_uuid(): boolean {
    return true;
  }

  override get upperLayer(): boolean {
    return true;
  }

  alloc_inode(mode: number): TmpfsInode {
    return new TmpfsInode(this, mode);
  }

  make_root(): void {
    const { mode, uid, gid } = this.options;
    const root = this.alloc_inode(0o40000 | mode);
    root.uid = uid;
    root.gid = gid;
    this.root = new Dentry('/', null, root, this);
  }

  override get exported(): boolean {
    return this.magic === TMPFS_MAGIC;
  }

  /** Every name is in the dentry cache; handles are rare enough to look through it. */
  override find_inode(ino: number): Dentry | null {
    const left: Dentry[] = [this.root];
    for (let dentry = left.pop(); dentry !== undefined; dentry = left.pop()) {
      if (dentry.inode.ino === ino) return dentry;
      for (const child of dentry.children?.values() ?? []) left.push(child);
    }
    return null;
  }

  /** The bytes alone count, whatever type the handle says it is of (shmem_fh_to_dentry). */
  override fh_to_dentry(_current: Current, _mnt: Mount, { bytes }: FileHandle): Dentry | null {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < 12 || view.getUint32(0, true) !== GENERATION) return null;
    return this.find_inode(view.getUint32(4, true) + view.getUint32(8, true) * 2 ** 32);
  }

  /** One more page. Throws ENOSPC. */
  reserveBlock(inode: Inode): void {
    this.checkRoom(inode, 1);
    this.usedBlocks++;
  }

  checkRoom(inode: Inode, pages: number): void {
    const max = this.options.blocks;
    if (max !== 0 && this.usedBlocks + pages > max) {
      throw errno(
        ENOSPC,
        '{}: {} of {} pages are used (size={}k)',
        inode,
        this.usedBlocks,
        max,
        max * 4,
      );
    }
  }

  /** Takes (or gives back) bytes that are kept outside page frames: at most an eighth of memory. Throws ENOSPC. */
  chargeKernel(inode: Inode, bytes: number): void {
    const max = this.kernel.frames.total * (PAGE_SIZE / 8);
    if (bytes > 0 && this.kernelBytes + bytes > max) {
      throw errno(
        ENOSPC,
        '{}: symbolic links and attributes hold {} bytes, an eighth of memory',
        inode,
        this.kernelBytes,
      );
    }
    this.kernelBytes += bytes;
    this.charge(bytes);
  }

  /** Takes (or gives back) memory of the kernel; there is none left to give back when it has been unmounted. */
  charge(bytes: number): void {
    const change = Math.max(bytes, -this.charged);
    this.charged += change;
    this.kernel.kmem.charge(change);
  }

  /** A symbolic link's target, with its NUL, is in a page of its own when it is long; ramfs does not count pages. */
  symlinkPages(length: number): number {
    return this.magic === TMPFS_MAGIC && length >= SHORT_SYMLINK_LEN ? 1 : 0;
  }

  /** Takes the room of a symbolic link's target, or gives back that of a negative length. Throws ENOSPC. */
  chargeSymlink(inode: Inode, length: number): void {
    const pages = this.symlinkPages(Math.abs(length));
    if (length > 0) this.checkRoom(inode, pages);
    this.chargeKernel(inode, length);
    this.usedBlocks += length > 0 ? pages : -pages;
  }

  /** Inodes that may still be made. */
  private get freeInodes(): number {
    return Math.floor(this.options.inodes - this.usedInodes - this.xattrBytes / BOGO_INODE_SIZE);
  }

  /** Takes (or gives back) the space of an attribute. Throws ENOSPC. */
  chargeXattr(inode: Inode, bytes: number): void {
    const room = (this.options.inodes - this.usedInodes) * BOGO_INODE_SIZE - this.xattrBytes;
    if (this.options.inodes !== 0 && bytes > room)
      throw errno(ENOSPC, '{}: {} bytes for attributes are left (nr_inodes)', inode, room);
    this.xattrBytes += bytes;
  }

  reserveInode(dir: Inode): void {
    const max = this.options.inodes;
    if (max !== 0 && this.freeInodes < 1) {
      throw errno(ENOSPC, '{}: {} of {} inodes are used (nr_inodes)', dir, this.usedInodes, max);
    }
    this.kernel.kmem.need(KMEM_INODE, 'more inodes');
    this.usedInodes++;
  }

  override statfs(): Statfs {
    const { blocks, inodes } = this.options;
    const bfree = blocks === 0 ? 0 : Math.max(0, blocks - this.usedBlocks);
    return {
      type: this.magic,
      bsize: PAGE_SIZE,
      blocks,
      bfree,
      bavail: bfree,
      files: inodes,
      ffree: inodes === 0 ? 0 : this.freeInodes,
      namelen: 255,
    };
  }

  override show_options(): string {
    const o = this.options;
    const half = Math.floor(this.kernel.frames.total / 2);
    let text = '';
    if (o.blocks !== half) text += `,size=${o.blocks * 4}k`;
    if (o.inodes !== half) text += `,nr_inodes=${o.inodes}`;
    if (o.mode !== 0o1777) text += `,mode=${o.mode.toString(8).padStart(3, '0')}`;
    if (o.uid !== 0) text += `,uid=${o.uid}`;
    if (o.gid !== 0) text += `,gid=${o.gid}`;
    if (o.inode64) text += ',inode64';
    if (o.mpol) text += `,mpol=${o.mpol}`;
    if (o.noswap) text += ',noswap';
    return text;
  }

  override remount(_current: Current, flags: number, data: string): void {
    const { mode, uid, gid, noswap, ...old } = this.options;
    const options = parseOptions(this.kernel, data, { ...this.options, noswap: false });
    for (const limit of ['blocks', 'inodes'] as const)
      if (old[limit] === 0 && options[limit] !== 0)
        throw errno(EINVAL, 'tmpfs: {} has no limit: it cannot get one now', limit);
    if (options.noswap !== (noswap === true))
      throw errno(EINVAL, 'tmpfs: whether pages are swapped is said at the first mount');
    // Those are the root directory's, which has been made.
    Object.assign(options, { mode, uid, gid });
    if (options.blocks !== 0 && options.blocks < this.usedBlocks) {
      throw errno(
        EINVAL,
        'tmpfs: {} pages are used, size cannot become {}',
        this.usedBlocks,
        options.blocks,
      );
    }
    const used = this.usedInodes + this.xattrBytes / BOGO_INODE_SIZE;
    if (options.inodes !== 0 && options.inodes < used) {
      throw errno(
        EINVAL,
        'tmpfs: {} inodes are used, nr_inodes cannot become {}',
        used,
        options.inodes,
      );
    }
    this.options = options;
    this.flags = flags;
  }

  /** Frees every page. */
  override kill(): void {
    const todo = [this.root];
    for (let dentry = todo.pop(); dentry !== undefined; dentry = todo.pop()) {
      const inode = dentry.inode;
      if (inode.mapping !== null && inode.count === 0) inode.evict();
      for (const child of dentry.children?.values() ?? []) todo.push(child);
    }
    this.root.children = null;
    this.root.first = null;
    this.charge(-this.charged);
  }
}

/** Makes a super block of tmpfs, with its root directory. */
export function tmpfs_super(
  kernel: Kernel,
  type: FileSystemType,
  magic: number,
  options: TmpfsOptions,
): TmpfsSuperBlock {
  const sb = new TmpfsSuperBlock(kernel, type, magic, options);
  sb.make_root();
  return sb;
}

export class TmpfsType extends FileSystemType {
  readonly name = 'tmpfs';
  override readonly options: readonly string[] = ['size', 'nr_blocks', 'nr_inodes', 'mode', 'uid', 'gid', 'huge', 'mpol', 'inode32', 'inode64', 'noswap']; // prettier-ignore
  override readonly userns = true;
  static {
    serializable('TmpfsType', this);
  }
  override check_option(kernel: Kernel, option: string): void {
    parseOptions(kernel, option, { blocks: 0, inodes: 0, mode: 0, uid: 0, gid: 0 });
  }
  mount(current: Current, flags: number, _source: string, data: string): SuperBlock {
    const { kernel, cred } = current;
    const half = Math.floor(kernel.frames.total / 2);
    const options = parseOptions(kernel, data, { blocks: half, inodes: half, mode: 0o1777, uid: cred.fsuid, gid: cred.fsgid }); // prettier-ignore
    const sb = tmpfs_super(kernel, this, TMPFS_MAGIC, options);
    sb.flags = flags;
    return sb;
  }
}
