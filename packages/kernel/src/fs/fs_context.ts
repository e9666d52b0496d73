import { EBUSY, EINVAL, EMSGSIZE, ENODATA } from '@vitrine/uapi/errno.ts';
import { O_RDWR } from '@vitrine/uapi/fcntl.ts';
import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_RDONLY,
  MS_RMT_MASK,
  MS_SYNCHRONOUS,
} from '@vitrine/uapi/mount.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { anon_inode_path } from './anon_inodes.ts';
import { bytesOf } from './bytes.ts';
import { StreamFile } from './file.ts';
import type { Mount } from './mount.ts';
import { security_sb_mount } from './security.ts';
import { BadOption, type FileSystemType, reconfigure_super, type SuperBlock } from './super.ts';

/** A file system that is being configured (analogous to `struct fs_context`; fsopen(2), fspick(2)). */

/** Where a context is on its way (enum fs_context_phase). */
export type FsContextPhase = 'create' | 'mount' | 'reconfigure' | 'done' | 'failed';

/** Options that every file system has: flags of the super block, set or cleared (fs/fs_context.c). */
export const SB_FLAG_NAMES: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  dirsync: [MS_DIRSYNC, 0],
  lazytime: [MS_LAZYTIME, 0],
  mand: [MS_MANDLOCK, 0],
  ro: [MS_RDONLY, 0],
  sync: [MS_SYNCHRONOUS, 0],
  async: [0, MS_SYNCHRONOUS],
  nolazytime: [0, MS_LAZYTIME],
  nomand: [0, MS_MANDLOCK],
  rw: [0, MS_RDONLY],
};

/** Messages that a context keeps. */
const LOG_LENGTH = 8;

/** An open context: fsconfig sets it up, reading it gives the messages that came up. */
export class FsContextFile extends StreamFile {
  readonly type: FileSystemType;
  phase: FsContextPhase;
  source: string | null = null;
  sb_flags = 0;
  /** Which of them were set or cleared. Outlives fsmount(2), unlike the flags (vfs_clean_context). */
  private sb_flags_mask = 0;
  /** Options of the type's own, as mount(2) would have them. */
  private readonly options: string[] = [];
  /** What was made, or is reconfigured. */
  sb: SuperBlock | null;
  /** Messages with their level: `e` error, `w` warning, `i` information. */
  private readonly log: string[] = [];

  constructor(current: Current, type: FileSystemType, picked: Mount | null) {
    super(current, anon_inode_path(current.kernel, '[fscontext]'), O_RDWR);
    this.type = type;
    this.sb = picked === null ? null : picked.sb;
    this.phase = picked === null ? 'create' : 'reconfigure';
    if (this.sb !== null) this.sb.active++;
  }

  static {
    serializable('FsContextFile', this);
  }

  override get pollable(): boolean {
    return false;
  }
  override get splice_read(): boolean {
    return false;
  }

  /** A flag of the super block, whatever value it comes with (vfs_parse_sb_flag). */
  private set_sb_flag(key: string): boolean {
    const flag = SB_FLAG_NAMES[key];
    if (flag === undefined) return false;
    this.sb_flags = (this.sb_flags | flag[0]) & ~flag[1];
    this.sb_flags_mask |= flag[0] | flag[1];
    return true;
  }

  /** FSCONFIG_SET_FLAG (value null) and FSCONFIG_SET_STRING. */
  set(current: Current, key: string, value: string | null): void {
    this.open();
    if (this.set_sb_flag(key)) return;
    if (key === 'source') {
      if (value === null) throw this.failed(errno(EINVAL, 'Non-string source'));
      if (this.source !== null) {
        this.logfc('e Multiple sources');
        throw errno(EINVAL, 'fsconfig: several sources are given');
      }
      this.source = value;
      return;
    }
    this.checkKnown(key);
    const option = value === null ? key : `${key}=${value.replaceAll(',', String.raw`\,`)}`;
    try {
      this.type.check_option(current.kernel, option, current, this.options);
    } catch (error) {
      if (error instanceof BadOption)
        for (const message of error.messages) this.logfc(`e ${message}`); // prettier-ignore
      else if (error instanceof Errno && error.code === EINVAL) this.badValue(key);
      throw error;
    }
    this.options.push(option);
  }

  /** FSCONFIG_SET_BINARY, FSCONFIG_SET_PATH and FSCONFIG_SET_FD: no parameter of a type here is of such a kind. */
  set_other(key: string, what: string): void {
    this.open();
    if (this.set_sb_flag(key)) return;
    if (key === 'source') throw this.failed(errno(EINVAL, 'Non-string source'));
    this.checkKnown(key);
    this.badValue(key);
    throw errno(EINVAL, "fsconfig: parameter '{}' does not take {}", key, what);
  }

  private checkKnown(key: string): void {
    const known = this.type.options;
    if (known !== null && !known.includes(key)) throw this.failed(errno(EINVAL, `${this.type.name}: Unknown parameter '{}'`, key)); // prettier-ignore
  }

  private badValue(key: string): void {
    this.logfc(`e ${this.type.name}: Bad value for '${key}'`);
  }

  /** A message; only the last few are kept. */
  private logfc(message: string): void {
    if (this.log.length === LOG_LENGTH) this.log.shift();
    this.log.push(message);
  }

  /** Throws unless options may be set now. */
  private open(): void {
    if (this.phase !== 'create' && this.phase !== 'reconfigure')
      throw errno(EBUSY, 'fsconfig: the context is past its configuration ({})', this.phase);
  }

  /** FSCONFIG_CMD_CREATE. */
  create(current: Current): void {
    if (this.phase !== 'create')
      throw errno(EBUSY, 'fsconfig: the file system is made already ({})', this.phase);
    try {
      this.sb = this.type.mount(
        current,
        this.sb_flags,
        this.source ?? 'none',
        this.options.join(','),
      );
      this.sb.active++;
      this.phase = 'mount';
    } catch (error) {
      this.phase = 'failed';
      throw error;
    }
  }

  /** FSCONFIG_CMD_RECONFIGURE. */
  reconfigure(current: Current): void {
    if (this.phase !== 'reconfigure')
      throw errno(EBUSY, 'fsconfig: the context is not one of fspick ({})', this.phase);
    const mask = this.sb_flags_mask;
    if ((mask & ~MS_RMT_MASK) !== 0) {
      this.phase = 'failed';
      throw errno(EINVAL, 'flags 0x{} of a super block cannot be changed', mask.toString(16));
    }
    try {
      security_sb_mount(current, 'remounting');
      const sb = this.sb!;
      const next = (sb.flags & ~mask) | (this.sb_flags & mask);
      reconfigure_super(current, sb, next, this.options.join(','));
      this.clean();
    } catch (error) {
      this.phase = 'failed';
      if (error instanceof Errno) throw this.failed(error);
      throw error;
    }
  }

  /** Ready to be reconfigured: what was made forgets how (vfs_clean_context). */
  clean(): void {
    this.phase = 'reconfigure';
    this.sb_flags = 0;
    this.source = null;
    this.options.length = 0;
  }

  private failed(error: Errno): Errno {
    this.logfc(`e ${error.reason}`);
    return error;
  }

  override read_iter(_current: Current, to: IovIter): number {
    const line = this.log[0];
    if (line === undefined) throw errno(ENODATA, 'there are no messages about the file system');
    const bytes = bytesOf(`${line}\n`);
    if (bytes.length > to.count)
      throw errno(EMSGSIZE, 'a message of {} bytes does not fit {}', bytes.length, to.count);
    this.log.shift();
    return to.copyTo(bytes, 0, bytes.length);
  }

  override release(_kernel: Kernel): void {
    if (this.sb !== null && --this.sb.active === 0) this.sb.kill();
    this.sb = null;
  }
}
