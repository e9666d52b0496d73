import { EBUSY, EEXIST, ENOENT, ENOEXEC, EWOULDBLOCK } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';

/**
 * Loadable modules (analogous to kernel/module): parts of the kernel that are not there until they are loaded. Their code is
 * part of the program; a `.ko` file names it and carries what modinfo(8) shows (kernel/module_elf.ts).
 */

/** One parameter, as MODULE_PARM_DESC and module_param have it. */
export interface ModuleParam {
  readonly name: string;
  readonly type: 'bool' | 'uint' | 'ushort' | 'charp';
  readonly description: string;
  readonly initial: string;
  /** Of /sys/module/NAME/parameters/PARAM. */
  readonly mode: number;
}

/** What a part of the kernel is made of as a module. The same in every machine: registered once, at module level. */
export interface ModuleSpec {
  readonly name: string;
  /** Below /lib/modules/RELEASE. */
  readonly file: string;
  readonly description: string;
  readonly author: string;
  readonly license: string;
  readonly aliases: readonly string[];
  readonly depends: readonly string[];
  readonly params: readonly ModuleParam[];
  init(kernel: Kernel): void;
  exit(kernel: Kernel): void;
  /** What uses it now, besides other modules. */
  users(kernel: Kernel): number;
}

const specs = new Map<string, ModuleSpec>();

export function module_register(spec: ModuleSpec): void {
  specs.set(spec.name, spec);
}

export const module_specs = (): readonly ModuleSpec[] => [...specs.values()];

/** Module names and aliases know no difference between dashes and underscores. */
const canonical = (name: string): string => name.replaceAll('-', '_');

export function module_spec(name: string): ModuleSpec | undefined {
  return specs.get(name) ?? specs.get(canonical(name));
}

/** A module that is loaded. */
export class Module {
  readonly name: string;
  /** Bytes of its file, for lsmod. */
  readonly size: number;
  readonly params: Map<string, string>;
  /** Modules that need it. */
  readonly holders: Set<string> = new Set();

  static {
    serializable('Module', this);
  }

  constructor(name: string, size: number, params: Map<string, string>) {
    this.name = name;
    this.size = size;
    this.params = params;
  }

  get spec(): ModuleSpec {
    return specs.get(this.name)!;
  }
}

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly modules: Map<string, Module>;
    /** Loads the module that goes by an alias, with what it needs, if there is one (request_module). */
    request_module(alias: string): void;
  }
}

export function module_refcount(kernel: Kernel, module: Module): number {
  return module.spec.users(kernel) + module.holders.size;
}

/** `a=1 b="two words"` (parse_args). */
export function parse_args(text: string): [string, string | null][] {
  const found = text.match(/[^\s"=]+(?:=(?:"[^"]*"|\S*))?/g) ?? [];
  return found.map((word) => {
    const at = word.indexOf('=');
    return at < 0
      ? [word, null]
      : [word.slice(0, at), word.slice(at + 1).replace(/^"(.*)"$/, '$1')];
  });
}

function paramValue(param: ModuleParam, value: string | null): string | null {
  if (param.type === 'bool')
    return value === null || /^[yY1]/.test(value) ? 'Y' : /^[nN0]/.test(value) ? 'N' : null;
  if (value === null) return null;
  if (param.type === 'charp') return value;
  return /^(?:\d+|0x[0-9a-f]+)$/i.test(value) ? String(Number(value)) : null;
}

/** Checks what a module is loaded with; unknown parameters are told of and ignored. */
function parameters(kernel: Kernel, spec: ModuleSpec, args: string): Map<string, string> {
  const values = new Map(spec.params.map((param) => [param.name, param.initial]));
  for (const [name, text] of parse_args(args)) {
    const param = spec.params.find((known) => known.name === canonical(name));
    if (param === undefined) {
      kernel.printk(4, `${spec.name}: unknown parameter '${name}' ignored`);
      continue;
    }
    const value = paramValue(param, text);
    if (value === null)
      throw errno(ENOENT, "module {}: parameter {} does not take '{}'", spec.name, name, text);
    values.set(param.name, value);
  }
  return values;
}

/** Loads a module that the kernel has the code of (load_module). */
export function load_module(kernel: Kernel, name: string, args: string, size: number): Module {
  const spec = module_spec(name);
  if (spec === undefined)
    throw errno(ENOEXEC, 'module {}: this kernel has no code of that name', name);
  if (kernel.modules.has(spec.name)) throw errno(EEXIST, 'module {} is loaded already', name);
  for (const needed of spec.depends)
    if (!kernel.modules.has(needed))
      throw errno(ENOENT, 'module {} needs module {}, which is not loaded', name, needed);
  const module = new Module(spec.name, size, parameters(kernel, spec, args));
  spec.init(kernel);
  kernel.modules.set(spec.name, module);
  for (const needed of spec.depends) kernel.modules.get(needed)!.holders.add(spec.name);
  return module;
}

const O_NONBLOCK = 0o4000;
const O_TRUNC = 0o1000;

/** delete_module(2). A module in use stays: a forced removal is not configured (CONFIG_MODULE_FORCE_UNLOAD). */
export function unload_module(kernel: Kernel, name: string, flags: number): void {
  const module = kernel.modules.get(canonical(name));
  if (module === undefined) throw errno(ENOENT, 'module {} is not loaded', name);
  if (module.holders.size > 0) throw errno(EWOULDBLOCK, 'module {} is needed by {}', name, [...module.holders].join(', ')); // prettier-ignore
  const users = module.spec.users(kernel);
  if (users > 0) throw errno((flags & (O_NONBLOCK | O_TRUNC)) === O_TRUNC ? EBUSY : EWOULDBLOCK, 'module {} is in use {} times', name, users); // prettier-ignore
  module.spec.exit(kernel);
  kernel.modules.delete(module.name);
  for (const needed of module.spec.depends) kernel.modules.get(needed)?.holders.delete(module.name);
}

/** Loads what an alias stands for, with what that needs; nothing happens when there is no such module. */
export function request_module(
  kernel: Kernel,
  alias: string,
  sizeOf: (spec: ModuleSpec) => number,
): void {
  const spec = module_specs().find((known) => known.aliases.includes(alias)) ?? module_spec(alias);
  if (spec === undefined || kernel.modules.has(spec.name)) return;
  for (const needed of spec.depends) request_module(kernel, needed, sizeOf);
  load_module(kernel, spec.name, '', sizeOf(spec));
}
