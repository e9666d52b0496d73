import { hexDigits } from './bytes.ts';
import type { Inode } from './inode.ts';

/** What tmpfs says; Linux's number has no name of its own for it. */
export const FILEID_TMPFS = 1;
/** A handle that tells files apart and opens none, on file systems that give no others. */
const FILEID_INO64_GEN = 0x81;
/** Inode numbers are not given again, so any generation will do. */
export const GENERATION = 1;

export interface FileHandle {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** What /proc/PID/fdinfo shows of a marked file (show_mark_fhandle). */
export function show_fhandle(inode: Inode): string {
  const { type, bytes } = encode_fh(inode);
  return `fhandle-bytes:${bytes.length.toString(16)} fhandle-type:${type.toString(16)} f_handle:${hexDigits(bytes)}`;
}

/** The file as a number of bytes that name it (exportfs_encode_inode_fh). */
export function encode_fh(inode: Inode): FileHandle {
  const own = inode.sb.encode_fh(inode);
  if (own !== null) return own;
  const idOnly = !inode.sb.exported;
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  const at = idOnly ? 0 : 4;
  view.setUint32(at, inode.ino >>> 0, true);
  view.setUint32(at + 4, Math.floor(inode.ino / 2 ** 32), true);
  view.setUint32(idOnly ? 8 : 0, GENERATION, true);
  return { type: idOnly ? FILEID_INO64_GEN : FILEID_TMPFS, bytes };
}
