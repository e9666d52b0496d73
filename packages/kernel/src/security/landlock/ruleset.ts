import * as E from '@vitrine/uapi/errno.ts';
import { O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { anon_inode_path } from '../../fs/anon_inodes.ts';
import { StreamFile } from '../../fs/file.ts';
import { type HeldInode, type Inode, ihold, iput } from '../../fs/inode.ts';
import type { SuperBlock } from '../../fs/super.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { KMEM_INODE, KMEM_RULE } from '../../include/kmem.ts';
import { serializable } from '../../include/serial.ts';

/** An inode that rules are tied to: it stays as long as there are any (struct landlock_object). */
export class LandlockObject implements HeldInode {
  private inode: Inode | null;
  /** Rules, in rulesets and in domains. */
  private users = 0;

  constructor(inode: Inode) {
    this.inode = inode;
    ihold(inode);
    (inode.sb.landlock ??= new Set()).add(this);
  }
  static {
    serializable('LandlockObject', this);
  }

  get(): void {
    this.users++;
  }
  put(): void {
    if (--this.users === 0) this.forget();
  }

  forget(): void {
    const { inode } = this;
    if (inode === null) return;
    this.inode = null;
    inode.landlock = null;
    inode.sb.landlock!.delete(this);
    iput(inode);
  }

  /** What each rule keeps of the kernel's memory beside itself. */
  get kmem(): number {
    return this.inode?.nlink === 0 ? KMEM_INODE / this.users : 0;
  }
}

/** What a rule is tied to: a file, or the number of one that is made anew whenever it is looked up. */
export type RuleKey = LandlockObject | string;

/** What rules on the file are found by; null when there are none. */
export const rule_key = (inode: Inode): RuleKey | null =>
  inode.dynamic ? `${inode.sb.dev}:${inode.ino}` : (inode.landlock as LandlockObject | null);

/** Rules, with the files that they hold. */
export class LandlockRules {
  private readonly kernel: Kernel;
  private readonly rules: Map<RuleKey, number> = new Map();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }
  static {
    serializable('LandlockRules', this);
  }

  /** The accesses that a rule on the file allows. */
  allowed(key: RuleKey): number {
    return this.rules.get(key) ?? 0;
  }

  add(key: RuleKey, access: number): void {
    if (!this.rules.has(key)) {
      this.kernel.kmem.charge(KMEM_RULE);
      if (typeof key !== 'string') key.get();
    }
    this.rules.set(key, this.allowed(key) | access);
  }

  /** Throws ENOMEM. */
  copy(): LandlockRules {
    this.kernel.kmem.need(this.rules.size * KMEM_RULE, 'the rules of another Landlock domain');
    const copy = new LandlockRules(this.kernel);
    for (const [key, access] of this.rules) copy.add(key, access);
    return copy;
  }

  /** Nobody goes by them any more. */
  free(): void {
    const keys = [...this.rules.keys()];
    this.rules.clear();
    this.kernel.kmem.charge(-keys.length * KMEM_RULE);
    for (const key of keys) if (typeof key !== 'string') key.put();
  }

  get kmem(): number {
    let bytes = this.rules.size * KMEM_RULE;
    for (const key of this.rules.keys()) if (typeof key !== 'string') bytes += key.kmem;
    return bytes;
  }
}

/** Files of the kernel's own mounts, which no path leads to, are nobody's to restrict (SB_NOUSER). */
export const is_nouser = (sb: SuperBlock): boolean => sb.pseudo || sb === sb.kernel.vfs.shm_mnt?.sb;

/** Analogous to `struct landlock_ruleset`, before it is enforced: accesses that are denied, and where they are not. */
export class LandlockRuleset {
  readonly fs: number;
  readonly net: number;
  readonly scoped: number;
  readonly rules: LandlockRules;
  constructor(kernel: Kernel, fs: number, net: number, scoped: number) {
    this.rules = new LandlockRules(kernel);
    this.fs = fs;
    this.net = net;
    this.scoped = scoped;
  }
  static {
    serializable('LandlockRuleset', this);
  }

  allow(inode: Inode, access: number): void {
    inode.sb.kernel.kmem.need(KMEM_RULE, 'more rules of Landlock');
    if (!inode.dynamic) inode.landlock ??= new LandlockObject(inode);
    this.rules.add(rule_key(inode)!, access);
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

  override release(): void {
    this.ruleset.rules.free();
  }

  override get kmem(): number {
    return this.ruleset.rules.kmem;
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
