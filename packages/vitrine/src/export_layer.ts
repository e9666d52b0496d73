import type { Current } from '@vitrine/kernel/include/current.ts';
import { Path, type Dentry } from '@vitrine/kernel/fs/dcache.ts';
import { fput } from '@vitrine/kernel/fs/fdtable.ts';
import { type Inode, S_ISCHR, S_ISDIR, S_ISLNK, S_ISREG } from '@vitrine/kernel/fs/inode.ts';
import { MAJOR, MINOR } from '@vitrine/kernel/fs/kdev_t.ts';
import { OvlSuperBlock } from '@vitrine/kernel/fs/overlayfs/super.ts';
import { vfs_open } from '@vitrine/kernel/fs/open.ts';
import { kernel_read } from '@vitrine/kernel/fs/read_write.ts';
import { S_IFREG, S_IFSOCK } from '@vitrine/uapi/stat.ts';
import { type TarEntry, writeTar, writeTarEnd } from '@vitrine/image/tar_write.ts';

const seconds = ({ mtime }: Inode): number => mtime.sec + mtime.nsec / 1e9;

function content(current: Current, path: Path): Uint8Array {
  const file = vfs_open(current, path, 0);
  try {
    const bytes = new Uint8Array(file.inode.size);
    for (let at = 0; at < bytes.length;) {
      const n = kernel_read(current, file, at, bytes.subarray(at));
      if (n <= 0) break;
      at += n;
    }
    return bytes;
  } finally {
    fput(current, file);
  }
}

/** A file of the upper layer as an image's layer has it: whiteouts and opaque folders by their names. */
function* entriesOf(
  current: Current,
  sb: OvlSuperBlock,
  dentry: Dentry,
  path: string,
  links: Map<Inode, string>,
): Generator<TarEntry> {
  const { inode } = dentry;
  const slash = path.lastIndexOf('/') + 1;
  if (S_ISCHR(inode.mode) && inode.rdev === 0) {
    yield { name: `${path.slice(0, slash)}.wh.${path.slice(slash)}`, mode: S_IFREG | 0o600 };
    return;
  }
  const first = links.get(inode);
  if (first !== undefined) {
    yield { name: path, mode: inode.mode, hardLink: first };
    return;
  }
  if ((inode.mode & 0o170000) === S_IFSOCK) return;
  const own = sb.xattr('');
  const names = inode.listxattr(current).filter((name) => !name.startsWith(own));
  const xattrs = new Map(names.map((name) => [name, inode.getxattr(current, name)]));
  if (!S_ISDIR(inode.mode) && inode.nlink > 1) links.set(inode, path);
  yield {
    name: path === '' ? '.' : path, mode: inode.mode, uid: inode.uid, gid: inode.gid, mtime: seconds(inode),
    ...(xattrs.size === 0 ? {} : { xattrs }),
    ...(S_ISLNK(inode.mode) ? { target: inode.readlink(current, dentry) } : {}),
    ...(S_ISREG(inode.mode) ? { data: content(current, sb.upperPath(dentry)) } : {}),
    ...(inode.rdev === 0 ? {} : { rdev: { major: MAJOR(inode.rdev), minor: MINOR(inode.rdev) } }),
  }; // prettier-ignore
  if (!S_ISDIR(inode.mode)) return;
  if (inode.listxattr(current).includes(sb.xattr('opaque')))
    yield { name: `${path === '' ? '' : `${path}/`}.wh..wh..opq`, mode: S_IFREG | 0o600 };
  const children = [...(dentry.children ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, child] of children)
    yield* entriesOf(current, sb, child, path === '' ? name : `${path}/${name}`, links);
}

/**
 * What a machine that was booted from an image changed of it, as the archive of one more layer (`docker commit`).
 * @param current the kernel's own task
 */
export function* exportUpper(current: Current): Generator<Uint8Array> {
  const sb = current.fs.root.mnt.sb;
  if (!(sb instanceof OvlSuperBlock) || sb.upper === null) throw new Error('the machine was not booted from an image with layers'); // prettier-ignore
  yield* writeTar(entriesOf(current, sb, sb.upper.root, '', new Map()));
  yield writeTarEnd();
}
