import type { Dentry, Path } from '../../fs/dcache.ts';
import type { Mount } from '../../fs/mount.ts';

/** The way from a file up to the root of the tree of mounts. */
export class PathWalk {
  private mnt: Mount;
  dentry: Dentry;
  /** It ended at the root of a file system that only the kernel mounts. */
  internal = false;

  constructor(path: Path) {
    this.mnt = path.mnt;
    this.dentry = path.dentry;
  }

  static fromMountRoot(mnt: Mount): PathWalk {
    return new PathWalk({ mnt, dentry: mnt.root } as Path);
  }

  /** One up; mount points that are hidden are not looked at. False at the end. */
  up(): boolean {
    while (this.dentry === this.mnt.root) {
      if (this.mnt.parent === null) return false;
      this.dentry = this.mnt.mountpoint!;
      this.mnt = this.mnt.parent;
    }
    if (!this.dentry.isRoot) this.dentry = this.dentry.parent;
    else if (this.mnt.internal) {
      this.internal = true;
      return false;
    } else {
      // A directory that was moved out of the bind mount through which it is seen: what is above the mount still counts.
      this.dentry = this.mnt.root;
    }
    return true;
  }
}
