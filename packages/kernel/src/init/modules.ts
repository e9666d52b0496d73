import { EEXIST, ENOENT } from '@vitrine/uapi/errno.ts';
import { AT_FDCWD, O_CREAT, O_TRUNC, O_WRONLY } from '@vitrine/uapi/fcntl.ts';
import { MS_NODEV, MS_NOSUID } from '@vitrine/uapi/mount.ts';
import { fput } from '../fs/fdtable.ts';
import { S_ISDIR } from '../fs/inode.ts';
import { path_lookupat } from '../fs/namei.ts';
import { path_mount } from '../fs/namespace.ts';
import { HostfsType } from '../fs/hostfs/super.ts';
import { LayerfsType } from '../fs/layerfs/super.ts';
import { do_mkdirat } from '../fs/namei_ops.ts';
import { do_filp_open } from '../fs/open.ts';
import { OVL_PARAMS } from '../fs/overlayfs/params.ts';
import { OvlType } from '../fs/overlayfs/super.ts';
import { kernel_write } from '../fs/read_write.ts';
import type { FileSystemType } from '../fs/super.ts';
import { Errno } from '../include/errno.ts';
import { type ModuleParam, module_register, module_specs } from '../kernel/module.ts';
import { module_image, module_index } from '../kernel/module_elf.ts';
import type { Task } from '../kernel/task.ts';

const LOOKUP_FOLLOW = 1;

/** Which parts of this kernel are modules, and their files below /lib/modules. */

function fsModule(
  dir: string,
  name: string,
  description: string,
  make: () => FileSystemType,
  params: readonly ModuleParam[] = [],
): void {
  module_register({
    name,
    file: `kernel/fs/${dir}/${name}.ko`,
    description,
    author: 'Vitrine',
    license: 'Apache-2.0',
    aliases: [`fs-${name}`],
    depends: [],
    params,
    init: (kernel) => kernel.vfs.register_filesystem(make()),
    exit: (kernel) => kernel.vfs.unregister_filesystem(name),
    users: (kernel) => kernel.vfs.fileSystems.get(name)?.mounts ?? 0,
  });
}

fsModule('overlayfs', 'overlay', 'Overlay filesystem', () => new OvlType(), OVL_PARAMS);
fsModule('layerfs', 'layerfs', 'Image layers, read-only', () => new LayerfsType());
fsModule('hostfs', 'hostfs', 'Folders of the host', () => new HostfsType());

/** File systems that are always there: modules.builtin. */
const BUILTIN = ['kernel/fs/ramfs/ramfs.ko', 'kernel/ipc/mqueue.ko', 'kernel/net/unix/unix.ko'];

/** Files of /lib/modules/RELEASE, as depmod(8) would have them. */
function moduleFiles(release: string): [path: string, bytes: Uint8Array][] {
  const specs = module_specs();
  const text = (lines: readonly string[]): Uint8Array => Uint8Array.from(lines.map((line) => `${line}\n`).join(''), (c) => c.charCodeAt(0)); // prettier-ignore
  const fileOf = (name: string): string => specs.find((spec) => spec.name === name)!.file;
  const deps = specs.map(
    (spec) => `${spec.file}:${spec.depends.map((name) => ` ${fileOf(name)}`).join('')}`,
  );
  const aliases = specs.flatMap((spec) => spec.aliases.map((alias) => [alias, spec.name] as const));
  const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1).replace('.ko', '');
  return [
    ...specs.map((spec): [string, Uint8Array] => [spec.file, module_image(spec, release)]),
    ['modules.order', text(specs.map((spec) => spec.file))],
    ['modules.builtin', text(BUILTIN)],
    ['modules.builtin.bin', module_index(BUILTIN.map((path) => [base(path), path]))],
    ['modules.builtin.modinfo', new Uint8Array(0)],
    ['modules.builtin.alias.bin', module_index([])],
    ['modules.dep', text(deps)],
    ['modules.dep.bin', module_index(specs.map((spec, i) => [spec.name, deps[i]!]))],
    ['modules.alias', text(['# Aliases extracted from modules themselves.', ...aliases.map(([alias, name]) => `alias ${alias} ${name}`)])], // prettier-ignore
    ['modules.alias.bin', module_index(aliases.map(([alias, name]) => [alias.replaceAll('-', '_'), name]))], // prettier-ignore
    ['modules.softdep', text(['# Soft dependencies extracted from modules themselves.'])],
    ['modules.symbols', text(['# Aliases for symbols, used by symbol_request().'])],
    ['modules.symbols.bin', module_index([])],
    ['modules.devname', new Uint8Array(0)],
  ];
}

const made = new Map<string, [string, Uint8Array][]>();

function files(release: string): [string, Uint8Array][] {
  let list = made.get(release);
  if (list === undefined) made.set(release, (list = moduleFiles(release)));
  return list;
}

/** Bytes of a module's file, as lsmod tells. */
export function module_size(release: string, file: string): number {
  return files(release).find(([path]) => path === file)?.[1].length ?? 0;
}

/** Makes the folder, with those above it. */
function mkdirs(boot: Task, path: string): void {
  const parts = path.split('/').filter((part) => part !== '');
  for (let i = 1; i <= parts.length; i++) {
    try {
      do_mkdirat(boot, AT_FDCWD, `/${parts.slice(0, i).join('/')}`, 0o755);
    } catch (error) {
      if (!(error instanceof Errno) || error.code !== EEXIST) throw error;
    }
  }
}

/**
 * Mounts a small file system with the modules' files, so that they are no change to the image. An image without /lib has no
 * program that would read them.
 */
export function mount_modules(boot: Task): void {
  const { release } = boot.kernel.uts;
  const root = `/lib/modules/${release}`;
  try {
    if (!S_ISDIR(path_lookupat(boot, AT_FDCWD, '/lib', LOOKUP_FOLLOW).dentry.inode.mode)) return;
  } catch (error) {
    if (error instanceof Errno && error.code === ENOENT) return;
    throw error;
  }
  mkdirs(boot, root);
  const at = path_lookupat(boot, AT_FDCWD, root, LOOKUP_FOLLOW);
  path_mount(boot, 'modules', at, 'tmpfs', MS_NOSUID | MS_NODEV, 'mode=755,size=1m');
  const dirs = new Set<string>();
  for (const [path, bytes] of files(release)) {
    const full = `${root}/${path}`;
    const dir = full.slice(0, full.lastIndexOf('/'));
    if (!dirs.has(dir)) mkdirs(boot, dir);
    dirs.add(dir);
    const file = do_filp_open(boot, AT_FDCWD, full, O_CREAT | O_WRONLY | O_TRUNC, 0o644);
    kernel_write(boot, file, 0, bytes);
    fput(boot, file);
  }
}
