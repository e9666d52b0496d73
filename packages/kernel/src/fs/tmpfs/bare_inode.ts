import { EOPNOTSUPP } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { TmpfsInode } from './inode.ts';

/** An inode of pages and nothing more: it has neither attributes of files (chattr) nor extended ones. */
export abstract class BareInode extends TmpfsInode {
  override fileattr_get(): number | null {
    return null;
  }
  override fileattr_set(_current: Current, flags: number): void {
    throw errno(EOPNOTSUPP, '{} has no attributes to set ({})', this, flags);
  }
  override get maybe_xattrs(): boolean {
    return false;
  }
  override listxattr(): readonly string[] {
    return [];
  }
  override getxattr(_current: Current, name: string): Uint8Array {
    throw errno(EOPNOTSUPP, '{} has no extended attributes ({})', this, name);
  }
  override setxattr(_current: Current, name: string): void {
    throw errno(EOPNOTSUPP, '{} has no extended attributes ({})', this, name);
  }
}
