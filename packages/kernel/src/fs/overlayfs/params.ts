import { EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { ModuleParam } from '../../kernel/module.ts';

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

/** What the mount options ask for (analogous to `struct ovl_config`). */
export interface OvlConfig {
  /** As given, for /proc/mounts. */
  lowerdir: string;
  lowerdirs: string[];
  upperdir: string;
  workdir: string;
  redirect: 'on' | 'off' | 'follow' | 'nofollow' | null;
  uuid: 'auto' | 'on' | 'null' | 'off';
  defaultPermissions: boolean;
  userxattr: boolean;
  volatile: boolean;
  /** What was asked for by name; null when it was not. */
  index: boolean | null;
  nfsExport: boolean | null;
  metacopy: boolean | null;
  xino: 'on' | 'off' | 'auto';
}

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

/** `a:b::c`: after a double colon come layers for data alone, which nothing refers to without metacopy. */
function lowerdirs(value: string): string[] {
  const dirs = split(value, ':');
  if (dirs[0] === '' || dirs.at(-1) === '')
    throw errno(EINVAL, 'overlay: lowerdir={} has an empty part', value);
  return dirs;
}

/** Parses the option string of mount(2). Throws EINVAL for what is unknown, contradicts or is missing. */
export function ovl_parse_params(kernel: Kernel, data: string): OvlConfig {
  const config = empty();
  for (const option of split(data, ',')) if (option !== '') parseOption(config, option);
  if (config.lowerdirs.length === 0) throw errno(EINVAL, "overlay: missing 'lowerdir'");
  if (config.lowerdirs.length > 500)
    throw errno(EINVAL, 'overlay: too many lower directories, limit is 500');
  if (config.upperdir !== '' && config.workdir === '')
    throw errno(EINVAL, "overlay: missing 'workdir' (upperdir needs one)");
  // Linux ignores these two without an upper layer.
  if (config.upperdir === '') {
    config.workdir = '';
    config.volatile = false;
  }
  if (
    config.userxattr &&
    config.redirect !== null &&
    config.redirect !== 'nofollow' &&
    config.redirect !== 'off'
  )
    // prettier-ignore
    throw errno(EINVAL, 'overlay: userxattr excludes redirect_dir={}', config.redirect);
  verify(kernel, config);
  if (config.userxattr) config.redirect ??= 'nofollow';
  return config;
}

/** The names of the options, for fsconfig(2). */
export const OVL_OPTIONS: readonly string[] = ['lowerdir', 'lowerdir+', 'upperdir', 'workdir', 'redirect_dir', 'uuid', 'index', 'nfs_export', 'metacopy', 'xino', 'verity', 'default_permissions', 'userxattr', 'volatile']; // prettier-ignore

/** Throws EINVAL for a value that the option does not take. */
export function ovl_check_option(option: string): void {
  parseOption(empty(), option);
}

function empty(): OvlConfig {
  return { lowerdir: '', lowerdirs: [], upperdir: '', workdir: '', redirect: null, uuid: 'auto', defaultPermissions: false, userxattr: false, volatile: false, index: null, nfsExport: null, metacopy: null, xino: 'off' }; // prettier-ignore
}

const conflict = (a: string, b: string): never => {
  throw errno(EINVAL, 'overlay: conflicting options: {},{}', a, b);
};

/** Features that depend on each other (ovl_fs_params_verify), and those that are not here, which mounts do without. */
function verify(kernel: Kernel, config: OvlConfig): void {
  const info = (text: string): void => kernel.printk(6, `overlayfs: ${text}`);
  const { metacopy, redirect, index } = config;
  let nfs = config.nfsExport === true;
  const meta = metacopy === true;
  // `off` follows what is there, where the module's parameter says so; without an upper layer that is all there is.
  const follows = redirect === 'follow' || (redirect === 'off' && ovl_redirect_mode_def(kernel) !== 'nofollow'); // prettier-ignore
  const chosen = redirect === null || redirect === 'on' || (follows && config.upperdir === '');
  if (meta && !chosen) conflict('metacopy=on', `redirect_dir=${redirect}`);
  if (nfs && (index !== true || config.upperdir === '')) {
    const mode = redirect ?? ovl_redirect_mode_def(kernel);
    if (config.upperdir === '' && mode !== 'nofollow') nfs = false;
    else if (index === false) conflict('nfs_export=on', 'index=off');
  }
  if (nfs && meta) conflict('nfs_export=on', 'metacopy=on');
  if (config.userxattr && meta) conflict('userxattr', 'metacopy=on');
  if (meta && redirect === null) config.redirect = 'on';
  config.metacopy = meta;
  if (nfs && config.upperdir !== '') {
    config.index = true;
    info('files without a path cannot be looked up, falling back to nfs_export=off.');
  }
}

function parseLowerdirs(config: OvlConfig, value: string): void {
  const dirs = value === '' ? [] : lowerdirs(value);
  const data = dirs.indexOf('');
  config.lowerdirs = (data < 0 ? dirs : dirs.slice(0, data)).map(unescape);
}

function parseOption(config: OvlConfig, option: string): void {
  const eq = option.indexOf('=');
  const name = eq < 0 ? option : option.slice(0, eq);
  const value = eq < 0 ? '' : option.slice(eq + 1);
  switch (name) {
    case 'lowerdir':
      config.lowerdir = value;
      parseLowerdirs(config, value);
      break;
    case 'lowerdir+':
      config.lowerdir += `${config.lowerdir === '' ? '' : ':'}${value}`;
      config.lowerdirs.push(value);
      break;
    case 'upperdir':
    case 'workdir':
      config[name] = value;
      break;
    case 'redirect_dir':
      config.redirect = choice(name, value, ['on', 'off', 'follow', 'nofollow']);
      break;
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
      if (choice(name, value, ['on', 'off', 'require']) !== 'off')
        throw errno(EINVAL, 'overlay: verity={} needs fs-verity, which no file system here has', value); // prettier-ignore
      break;
    case 'default_permissions':
      config.defaultPermissions = true;
      break;
    case 'userxattr':
      config.userxattr = true;
      break;
    case 'volatile':
      config.volatile = true;
      break;
    default:
      throw errno(EINVAL, 'overlay has no option {}', option);
  }
}

/** A directory of an option without the backslashes that keep commas and colons apart. */
export const ovl_path_of = (value: string): string => unescape(value);
