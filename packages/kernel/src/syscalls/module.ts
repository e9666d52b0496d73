import * as E from '@vitrine/uapi/errno.ts';
import { CAP_SYS_MODULE } from '@vitrine/uapi/capability.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable, describe_cred } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { fget } from '../fs/fdtable.ts';
import { FMODE_READ, wantMode } from '../fs/file.ts';
import { S_ISREG } from '../fs/inode.ts';
import { kernel_read } from '../fs/read_write.ts';
import { load_module, unload_module } from '../kernel/module.ts';
import { parse_module, vermagic } from '../kernel/module_elf.ts';
import type { Task } from '../kernel/task.ts';
import { fd, flags, inBuf, int, size, str } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** init_module(2), finit_module(2), delete_module(2). */

const MODULE_INIT_IGNORE_MODVERSIONS = 1;
const MODULE_INIT_IGNORE_VERMAGIC = 2;
const MODULE_INIT_COMPRESSED_FILE = 4;
/** Larger files are no modules. */
const MAX_MODULE = 64 << 20;

function mayLoad(task: Task, call: string): void {
  if (!capable(task.cred, CAP_SYS_MODULE) || task.kernel.sysctl.modules_disabled !== 0)
    throw errno(E.EPERM, '{} needs CAP_SYS_MODULE, and kernel.modules_disabled to be 0; the process has {}', call, describe_cred(task.cred)); // prettier-ignore
}

function load(task: Task, bytes: Uint8Array, args: number, mflags: number): number {
  const { kernel } = task;
  const module = parse_module(bytes);
  const wanted = vermagic(kernel.uts.release);
  if ((mflags & MODULE_INIT_IGNORE_VERMAGIC) === 0 && module.vermagic !== wanted) {
    kernel.printk(3, `${module.name}: version magic '${module.vermagic}' should be '${wanted}'`);
    throw errno(
      E.ENOEXEC,
      "module {} was built for '{}', this kernel is '{}'",
      module.name,
      module.vermagic,
      wanted,
    );
  }
  load_module(kernel, module.name, moduleArgs(task, args), bytes.length);
  return 0;
}

function moduleArgs(task: Task, address: number): string {
  const text = task.mem.readString(address, 65535);
  if (text === null) throw errno(E.ENOMEM, 'module parameters have at most 65535 bytes');
  return text;
}

function sys_init_module(task: Task, image: number, length: number, args: number): number {
  mayLoad(task, 'init_module');
  if (length < 64) throw errno(E.ENOEXEC, 'init_module: {} bytes are no module', length);
  if (length > MAX_MODULE)
    throw errno(E.ENOMEM, 'init_module: there is no room for {} bytes', length);
  const bytes = task.mem.read(image, length);
  return load(task, bytes, args, 0);
}

function sys_finit_module(task: Task, descriptor: number, args: number, mflags: number): number {
  mayLoad(task, 'finit_module');
  const known =
    MODULE_INIT_IGNORE_MODVERSIONS | MODULE_INIT_IGNORE_VERMAGIC | MODULE_INIT_COMPRESSED_FILE;
  if ((mflags & ~known) !== 0)
    throw errno(E.EINVAL, 'finit_module: flags {} are not known', mflags);
  const file = fget(task, descriptor);
  wantMode(file, FMODE_READ);
  if (!S_ISREG(file.inode.mode))
    throw errno(E.EINVAL, 'finit_module: {} is no regular file', file.path);
  if (file.inode.writecount > 0)
    throw errno(E.ETXTBSY, 'finit_module: {} is open for writing', file.path);
  if (file.inode.size === 0)
    throw errno(E.EINVAL, 'finit_module: {} is empty and no module', file.path);
  if (file.inode.size > MAX_MODULE)
    throw errno(E.EFBIG, 'finit_module: {} is too large for a module', file.path);
  if ((mflags & MODULE_INIT_COMPRESSED_FILE) !== 0)
    throw errno(E.EOPNOTSUPP, 'finit_module: compressed modules are not there');
  const bytes = new Uint8Array(file.inode.size);
  for (let done = 0; done < bytes.length;) {
    const n = kernel_read(task, file, done, bytes.subarray(done));
    if (n <= 0) throw errno(E.ENOEXEC, 'finit_module: {} ends early', file.path);
    done += n;
  }
  return load(task, bytes, args, mflags);
}

function sys_delete_module(task: Task, name: number, mflags: number): number {
  mayLoad(task, 'delete_module');
  const text = task.mem.readString(name, 55);
  if (text === null) throw errno(E.ENOENT, 'delete_module: a module name has at most 55 bytes');
  unload_module(task.kernel, text, mflags);
  return 0;
}

export const MODULE: readonly SyscallRow[] = [
  row(NR.__NR_init_module, 'init_module', [inBuf(1), size, str], FULL, sys_init_module),
  row(
    NR.__NR_finit_module,
    'finit_module',
    [fd, str, int],
    partial('no compressed modules'),
    sys_finit_module,
  ),
  row(NR.__NR_delete_module, 'delete_module', [str, flags('open')], FULL, sys_delete_module),
];
