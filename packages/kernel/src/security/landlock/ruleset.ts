import * as E from '@vitrine/uapi/errno.ts';
import { O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { anon_inode_path } from '../../fs/anon_inodes.ts';
import { StreamFile } from '../../fs/file.ts';
import type { Inode } from '../../fs/inode.ts';
import type { SuperBlock } from '../../fs/super.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';

/** What a rule is tied to: a file, or the number of one that is made anew whenever it is looked up. */
export type RuleKey = Inode | string;

export const rule_key = (inode: Inode): RuleKey => inode.dynamic ? `${inode.sb.dev}:${inode.ino}` : inode; // prettier-ignore

/** Files of the kernel's own mounts, which no path leads to, are nobody's to restrict (SB_NOUSER). */
export const is_nouser = (sb: SuperBlock): boolean => sb.pseudo || sb === sb.kernel.vfs.shm_mnt?.sb;

/** Analogous to `struct landlock_ruleset`, before it is enforced: accesses that are denied, and where they are not. */
export class LandlockRuleset {
  readonly fs: number;
  readonly net: number;
  readonly scoped: number;
  readonly rules: Map<RuleKey, number> = new Map();
  constructor(fs: number, net: number, scoped: number) {
    this.fs = fs;
    this.net = net;
    this.scoped = scoped;
  }
  static {
    serializable('LandlockRuleset', this);
  }

  allow(inode: Inode, access: number): void {
    const key = rule_key(inode);
    this.rules.set(key, (this.rules.get(key) ?? 0) | access);
  }
}

/** The descriptor with which a ruleset is built, then enforced. */
export class LandlockRulesetFile extends StreamFile {
  readonly ruleset: LandlockRuleset;
  constructor(current: Current, ruleset: LandlockRuleset) {
    super(current, anon_inode_path(current.kernel, '[landlock-ruleset]'), O_RDWR);
    this.ruleset = ruleset;
  }
  static {
    serializable('LandlockRulesetFile', this);
  }

  override read_iter(): number {
    throw errno(E.EINVAL, 'a Landlock ruleset is not read: it is enforced');
  }

  override write_iter(): number {
    throw errno(
      E.EINVAL,
      'a Landlock ruleset is not written: rules are added with landlock_add_rule',
    );
  }

  override get pollable(): boolean {
    return false;
  }
}
