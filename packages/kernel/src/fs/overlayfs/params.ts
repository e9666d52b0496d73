import { EINVAL } from '@vitrine/uapi/errno.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { MS_RDONLY } from '@vitrine/uapi/mount.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { ModuleParam } from '../../kernel/module.ts';
import type { Path } from '../dcache.ts';
import { S_ISDIR } from '../inode.ts';
import { LOOKUP_FOLLOW, path_lookupat } from '../namei.ts';
import { fs_param_is_flag } from '../super.ts';

/** Parameters of the module: what mounts do that say nothing of it. */
export const OVL_PARAMS: readonly ModuleParam[] = [
  { name: 'redirect_dir', type: 'bool', description: 'Default to on or off for the redirect_dir feature', initial: 'N', mode: 0o644 }, // prettier-ignore
  { name: 'metacopy', type: 'bool', description: 'Default to on or off for the metadata only copy up feature', initial: 'N', mode: 0o644 }, // prettier-ignore
  { name: 'redirect_always_follow', type: 'bool', description: 'Follow redirects even if redirect_dir feature is turned off', initial: 'Y', mode: 0o644 }, // prettier-ignore
];

const isOn = (kernel: Kernel, name: string, initial: string): boolean =>
  /^[1yY]/.test(kernel.modules.get('overlay')?.params.get(name) ?? initial);

/** The redirect mode of a mount without the option (ovl_redirect_mode_def). */
export function ovl_redirect_mode_def(kernel: Kernel): 'on' | 'follow' | 'nofollow' {
  if (isOn(kernel, 'redirect_dir', 'N')) return 'on';
  return isOn(kernel, 'redirect_always_follow', 'Y') ? 'follow' : 'nofollow';
}

/** A layer as it was asked for (analogous to `struct ovl_fs_context_layer`). */
export interface OvlLayerParam {
  /** As it was written. */
  readonly name: string;
  readonly path: Path;
  /** For data alone: files of other layers refer to what is in it. */
  readonly data: boolean;
}

/** What the mount options ask for (analogous to `struct ovl_config` with `struct ovl_fs_context`). */
export interface OvlConfig {
  /** `lowerdir=` as given, for /proc/mounts; null when layers were added one by one. */
  lowerdir: string | null;
  lower: OvlLayerParam[];
  upper: OvlLayerParam | null;
  work: OvlLayerParam | null;
  redirect: 'on' | 'follow' | 'nofollow';
  uuid: 'auto' | 'on' | 'null' | 'off';
  defaultPermissions: boolean;
  userxattr: boolean;
  fsync: 'auto' | 'strict' | 'volatile';
  verity: 'off' | 'on' | 'require';
  index: boolean;
  nfsExport: boolean;
  metacopy: boolean;
  xino: 'on' | 'off' | 'auto';
  /** What was asked for by name. */
  readonly set: Set<string>;
}

/** Most lower layers. */
const OVL_MAX_STACK = 500;

/** Splits at a separator that no backslash stands before. */
function split(text: string, separator: string): string[] {
  const parts = [''];
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\' && i + 1 < text.length) parts[parts.length - 1] += c + text[++i]!;
    else if (c === separator) parts.push('');
    else parts[parts.length - 1] += c;
  }
  return parts;
}

const unescape = (text: string): string => text.replace(/\\(.)/gs, '$1');

function choice<const T extends string>(name: string, value: string, known: readonly T[]): T {
  const found = known.find((k) => k === value);
  if (found === undefined)
    throw errno(EINVAL, 'overlay: {}={} is none of {}', name, value, known.join(', '));
  return found;
}

/** Parses the option string of mount(2). Throws EINVAL for what is unknown, contradicts or is missing. */
export function ovl_parse_params(current: Current, data: string): OvlConfig {
  const config = empty(current.kernel);
  for (const option of split(data, ','))
    if (option !== '') parseOption(current, config, option, false);
  verify(current.kernel, config);
  if (config.lower.length === 0) throw errno(EINVAL, "overlay: missing 'lowerdir'");
  if (config.upper !== null && config.work === null)
    throw errno(EINVAL, "overlay: missing 'workdir' (upperdir needs one)");
  return config;
}

/** The names of the options, for fsconfig(2). */
export const OVL_OPTIONS: readonly string[] = ['lowerdir', 'lowerdir+', 'datadir+', 'upperdir', 'workdir', 'redirect_dir', 'uuid', 'index', 'nfs_export', 'metacopy', 'xino', 'verity', 'fsync', 'default_permissions', 'userxattr', 'volatile']; // prettier-ignore

/** Throws for a value that the option does not take after the others. */
export function ovl_check_option(
  current: Current,
  option: string,
  before: readonly string[],
): void {
  const config = empty(current.kernel);
  for (const one of [...before, option]) parseOption(current, config, one, true);
}

function empty(kernel: Kernel): OvlConfig {
  const metacopy = isOn(kernel, 'metacopy', 'N');
  return { lowerdir: null, lower: [], upper: null, work: null, redirect: ovl_redirect_mode_def(kernel), uuid: 'auto', defaultPermissions: false, userxattr: false, fsync: 'auto', verity: 'off', index: false, nfsExport: false, metacopy, xino: 'off', set: new Set() }; // prettier-ignore
}

const conflict = (a: string, b: string): never => {
  throw errno(EINVAL, 'overlay: conflicting options: {},{}', a, b);
};

/** Features that depend on each other (ovl_fs_params_verify). */
function verify(kernel: Kernel, config: OvlConfig): void {
  const info = (text: string): void => kernel.printk(6, `overlayfs: ${text}`);
  const set = new Set(config.set);
  if (config.upper === null) {
    if (config.work !== null)
      info(`option "workdir=${config.work.name}" is useless in a non-upper mount, ignore`);
    config.work = null;
    if (config.index) set.delete('index');
    config.index = false;
    if (config.fsync === 'volatile') config.fsync = 'auto';
    if (config.uuid === 'on') config.uuid = 'null';
  }
  if (config.verity !== 'off' && !config.metacopy) {
    if (set.has('metacopy')) conflict('metacopy=off', `verity=${config.verity}`);
    config.metacopy = true;
  }
  if (config.upper === null && config.redirect === 'follow') config.redirect = 'on';
  if (config.metacopy && config.redirect !== 'on') {
    const mode = `redirect_dir=${config.redirect}`;
    if (set.has('redirect_dir')) {
      if (set.has('metacopy')) conflict('metacopy=on', mode);
      if (config.verity !== 'off') conflict(`verity=${config.verity}`, mode);
      info(`disabling metacopy due to ${mode}`);
      config.metacopy = false;
    } else config.redirect = 'on';
  }
  if (config.nfsExport && !config.index) {
    if (config.upper === null && config.redirect !== 'nofollow') {
      info('NFS export requires "redirect_dir=nofollow" on non-upper mount, falling back to nfs_export=off.'); // prettier-ignore
      config.nfsExport = false;
    } else if (set.has('index')) {
      if (set.has('nfs_export')) conflict('nfs_export=on', 'index=off');
      config.nfsExport = false;
    } else config.index = true;
  }
  if (config.nfsExport && config.metacopy) {
    if (set.has('nfs_export') && set.has('metacopy')) conflict('nfs_export=on', 'metacopy=on');
    if (set.has('metacopy') || config.verity !== 'off') config.nfsExport = false;
    else config.metacopy = false;
  }
  if (config.userxattr) {
    if (set.has('redirect_dir') && config.redirect !== 'nofollow')
      conflict('userxattr', `redirect_dir=${config.redirect}`);
    if (config.metacopy && set.has('metacopy')) conflict('userxattr', 'metacopy=on');
    if (config.verity !== 'off') conflict('userxattr', `verity=${config.verity}`);
    config.redirect = 'nofollow';
    config.metacopy = false;
  }
  if (config.lower.some(({ data }) => data) && !config.metacopy)
    throw errno(EINVAL, 'overlay: layers for data alone need metacopy=on');
}

/** A directory that is to be a layer (ovl_parse_layer). */
function layer(
  current: Current,
  config: OvlConfig,
  option: string,
  name: string,
  as: 'upper' | 'lower' | 'data',
): OvlLayerParam {
  const added = option.endsWith('+');
  const at = added ? name.replaceAll('\\,', ',') : unescape(name);
  if (at === '') throw errno(EINVAL, 'overlay: {} is empty', option);
  const path = path_lookupat(current, AT_FDCWD, at, LOOKUP_FOLLOW);
  if (!S_ISDIR(path.dentry.inode.mode))
    throw errno(EINVAL, 'overlay: {}={} is no directory', option, name);
  if (as === 'upper') {
    if (path.mnt.sb.type.name === 'overlay')
      throw errno(EINVAL, 'overlay: filesystem {} on {} is not supported as {}', path.mnt.sb, path, option); // prettier-ignore
    if ((path.mnt.flags | path.mnt.sb.flags) & MS_RDONLY)
      throw errno(EINVAL, 'overlay: filesystem on {} is read-only', name);
  } else {
    if (config.lowerdir !== null && added)
      throw errno(EINVAL, 'overlay: lowerdir+ and datadir+ cannot follow lowerdir');
    if (option === 'lowerdir+' && config.lower.some(({ data }) => data))
      throw errno(EINVAL, 'overlay: regular lower layers cannot follow data layers');
    if (config.lower.length === OVL_MAX_STACK)
      throw errno(EINVAL, 'overlay: too many lower directories, limit is {}', OVL_MAX_STACK);
  }
  return { name, path, data: as === 'data' };
}

/** `lowerdir=a:b::c`: in place of all layers before; after a double colon come layers for data alone. */
function lowerdirs(current: Current, config: OvlConfig, value: string): void {
  config.lower = [];
  config.lowerdir = null;
  if (value === '') return;
  if (value.startsWith(':')) throw errno(EINVAL, 'overlay: cannot append lower layer');
  const parts = split(value, ':');
  const empty = (i: number): boolean => parts[i] === '';
  if (parts.some((_, i) => empty(i) && (i === parts.length - 1 || empty(i + 1))))
    throw errno(EINVAL, 'overlay: lowerdir={} has an empty part', value);
  config.lowerdir = value;
  for (const [i, part] of parts.entries()) {
    if (part === '') continue;
    const data = i > 0 && empty(i - 1);
    if (!data && config.lower.some((before) => before.data))
      throw errno(EINVAL, 'overlay: regular lower layers cannot follow data lower layers');
    config.lower.push(layer(current, config, 'lowerdir', part, data ? 'data' : 'lower'));
  }
}

/** @param alone the option is by itself, as fsconfig(2) takes it: a value must not be empty */
function parseOption(current: Current, config: OvlConfig, option: string, alone: boolean): void {
  const eq = option.indexOf('=');
  const name = eq < 0 ? option : option.slice(0, eq);
  const value = eq < 0 ? '' : option.slice(eq + 1);
  config.set.add(name);
  switch (name) {
    case 'lowerdir':
      lowerdirs(current, config, value);
      break;
    case 'lowerdir+':
    case 'datadir+':
      config.lower.push(
        layer(current, config, name, value, name === 'datadir+' ? 'data' : 'lower'),
      );
      break;
    case 'upperdir':
      config.upper = layer(current, config, name, value, 'upper');
      break;
    case 'workdir':
      config.work = layer(current, config, name, value, 'upper');
      break;
    case 'redirect_dir': {
      const mode = choice(name, value, ['on', 'off', 'follow', 'nofollow']);
      // `off` follows what is there, where the module's parameter says so.
      const off = isOn(current.kernel, 'redirect_always_follow', 'Y') ? 'follow' : 'nofollow';
      config.redirect = mode === 'off' ? off : mode;
      break;
    }
    case 'uuid':
      config.uuid = choice(name, value, ['auto', 'on', 'null', 'off']);
      break;
    case 'index':
    case 'metacopy':
      config[name] = choice(name, value, ['on', 'off']) === 'on';
      break;
    case 'nfs_export':
      config.nfsExport = choice(name, value, ['on', 'off']) === 'on';
      break;
    case 'xino':
      config.xino = choice(name, value, ['on', 'off', 'auto']);
      break;
    case 'verity':
      config.verity = choice(name, value, ['off', 'on', 'require']);
      break;
    case 'fsync':
      config.fsync = choice(name, value, ['auto', 'strict', 'volatile']);
      break;
    case 'default_permissions':
    case 'userxattr':
    case 'volatile':
      if (alone) fs_param_is_flag('overlay', name, eq < 0 ? null : value);
      if (name === 'default_permissions') config.defaultPermissions = true;
      else if (name === 'userxattr') config.userxattr = true;
      else config.fsync = 'volatile';
      break;
    default:
      throw errno(EINVAL, 'overlay has no option {}', option);
  }
}
