import type { Loff } from '../../include/loff.ts';
import type { Current } from '../../include/current.ts';
import { Errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { type Dentry, Path } from '../dcache.ts';
import { File, seq_lseek } from '../file.ts';
import { lookup_one } from '../namei.ts';
import type { DirContext } from '../readdir.ts';
import type { OvlInode, OvlLower } from './inode.ts';
import { as_mounter, ovl_has_flag_xattr, ovl_is_whiteout, ovl_open_real, ovl_readdir_real } from './util.ts'; // prettier-ignore

const DT_CHR = 2;
const DT_REG = 8;

/** A name of a merged directory (analogous to `struct ovl_cache_entry`). */
interface OvlEntry {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  readonly upper: boolean;
  whiteout: boolean;
  /** It may be a whiteout that is a regular file: a lookup tells. */
  readonly maybe: boolean;
}

/** The real directories of an overlay directory, uppermost first. */
function layersOf(dir: OvlInode): OvlLower[] {
  const { upper, sb } = dir;
  return upper === null ? [...dir.lowers] : [{ layer: sb.upper!, dentry: upper }, ...dir.lowers];
}

function entriesOf(current: Current, dir: OvlInode, { layer, dentry: at }: OvlLower): OvlEntry[] {
  const { sb } = dir;
  const path = new Path(layer.mnt, at);
  const maybeWhiteouts = layer.xwhiteouts && dir.xwhiteouts;
  const upper = path.dentry === dir.upper;
  return ovl_readdir_real(current, path).map(({ name, ino, type }) => {
    const dentry = type === DT_CHR ? lookup_one(current, path.dentry, name) : null;
    const whiteout = dentry !== null && ovl_is_whiteout(current, sb, dentry);
    const maybe = type === DT_REG && maybeWhiteouts;
    return { name, ino: sb.map_ino(layer, ino), type, upper, whiteout, maybe };
  });
}

/**
 * The names of all layers, whiteouts included: they keep their positions (ovl_dir_read_merged). Those of the lowest layer
 * come first, so that offsets stay while upper layers change.
 */
export function ovl_dir_read_merged(current: Current, dir: OvlInode): OvlEntry[] {
  return as_mounter(current, dir.sb, () => {
    const layers = layersOf(dir);
    const upper = new Map<string, OvlEntry>();
    for (const layer of layers.slice(0, -1))
      for (const entry of entriesOf(current, dir, layer))
        if (!upper.has(entry.name)) upper.set(entry.name, entry);
    const lowest: OvlEntry[] = [];
    for (const entry of entriesOf(current, dir, layers.at(-1)!)) {
      lowest.push(upper.get(entry.name) ?? entry);
      upper.delete(entry.name);
    }
    return [...lowest, ...upper.values()];
  });
}

/** An open directory of the overlay. */
export class OvlDirFile extends File {
  declare readonly inode: OvlInode;
  /** Of a merged directory: the names as they were when reading began. */
  private entries: OvlEntry[] | null = null;
  /** Of any other: the layer's own directory. */
  private realfile: File | null = null;

  static {
    serializable('OvlDirFile', this);
  }

  /** As the directories of tmpfs: there is no end to seek from (ovl_dir_llseek). */
  override llseek(_current: Current, offset: Loff, whence: number): Loff {
    return seq_lseek(this, offset, whence);
  }

  override iterate(current: Current, ctx: DirContext): void {
    const { inode } = this;
    if (ctx.pos === 0) this.entries = null;
    if (this.entries === null && !inode.has_whiteouts(current))
      return this.iterateReal(current, ctx);
    this.entries ??= ovl_dir_read_merged(current, inode);
    const impure = this.impure(current);
    const start = ctx.pos;
    for (; ctx.pos < this.entries.length; ctx.pos++) {
      const entry = this.entries[ctx.pos]!;
      if (entry.whiteout) continue;
      let shown: number | null;
      try {
        shown = this.update(current, entry, impure);
      } catch (error) {
        // What cannot be looked up is left out from now on; who has got something hears nothing of it.
        if (!(error instanceof Errno)) throw error;
        entry.whiteout = true;
        if (ctx.pos > start) return;
        throw error;
      }
      if (shown === null) entry.whiteout = true;
      else if (!ctx.emit(entry.name, shown, entry.type, this.after(ctx.pos))) return;
    }
  }

  /** Where reading goes on after an entry: whiteouts are passed over. */
  private after(pos: number): number {
    const entries = this.entries!;
    let next = pos + 1;
    while (entries[next]?.whiteout) next++;
    return next;
  }

  /** The number to be shown of an entry, or null of one that is not there (ovl_cache_update). */
  private update(current: Current, entry: OvlEntry, impure: boolean): number | null {
    const { name, ino, upper, maybe } = entry;
    if (maybe && this.child(current, this.path.dentry, name) === null) return null;
    // Entries of a lower layer keep the number that it gives, and so does the parent of the overlay's root.
    if (!upper || (name === '..' && this.path.dentry.isRoot)) return ino;
    const { samefs, xino } = this.inode.sb;
    if (impure && (samefs || xino) && name !== '.' && name !== '..')
      return this.child(current, this.path.dentry, name)?.inode.ino ?? null;
    return this.shownIno(current, name, ino, false);
  }

  private iterateReal(current: Current, ctx: DirContext): void {
    const { inode } = this;
    if (this.realfile === null || this.realfile.inode !== inode.real.inode) {
      this.realfile?.put(current.kernel);
      this.realfile = ovl_open_real(current, inode.sb, inode.realPath, 0);
    }
    const impure = this.impure(current);
    const { layer } = layersOf(inode)[0]!;
    const translated: DirContext = {
      pos: ctx.pos,
      emit: (name, ino, type, next) =>
        ctx.emit(name, this.shownIno(current, name, inode.sb.map_ino(layer, ino), impure), type, next), // prettier-ignore
    };
    this.realfile.iterate(current, translated);
    ctx.pos = translated.pos;
  }

  private impure(current: Current): boolean {
    const { upper, sb } = this.inode;
    return upper !== null && ovl_has_flag_xattr(current, upper.inode, sb.xattr('impure'));
  }

  /** With one file system below, or xino, d_ino is st_ino; with several, the layer's own (ovl_cache_update). */
  private shownIno(current: Current, name: string, real: number, impure: boolean): number {
    const { samefs, xino } = this.inode.sb;
    if (!samefs && !xino) return real;
    const { dentry } = this.path;
    if (name === '.') return this.inode.ino;
    if (name === '..') return dentry.parent.inode.ino;
    return impure ? (this.child(current, dentry, name)?.inode.ino ?? real) : real;
  }

  private child(current: Current, dir: Dentry, name: string): Dentry | null {
    return lookup_one(current, dir, name);
  }

  override fsync(): number {
    return 0;
  }

  override release(kernel: Kernel): void {
    this.realfile?.put(kernel);
    this.realfile = null;
  }
}
