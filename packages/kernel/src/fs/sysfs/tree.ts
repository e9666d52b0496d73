import type { Kernel } from '../../include/kernel.ts';

/**
 * What sysfs shows: a tree made from the kernel's own objects whenever somebody looks, so nothing has to be kept in step.
 * (Linux keeps a kernfs node for each kobject instead.)
 */

/** An attribute: one value a file, made when it is read. */
export interface SysAttribute {
  readonly kind: 'attribute';
  show(): string;
  /** Only a device's `uevent` takes values. */
  readonly writable?: boolean;
}

export interface SysLink {
  readonly kind: 'link';
  readonly target: string;
}

export interface SysDirectory {
  readonly kind: 'directory';
  readonly children: Map<string, SysNode>;
}

export type SysNode = SysAttribute | SysLink | SysDirectory;

/** Part of a tree in writing: text is an attribute's value, a function makes one, `-> path` is a link. */
export interface SysSpec {
  readonly [name: string]: string | (() => string) | SysSpec;
}

export function directory(spec: SysSpec): SysDirectory {
  const children = new Map<string, SysNode>();
  for (const [name, value] of Object.entries(spec)) children.set(name, node(name, value));
  return { kind: 'directory', children };
}

function node(name: string, value: SysSpec[string]): SysNode {
  if (typeof value === 'object') return directory(value);
  const writable = name === 'uevent';
  if (typeof value === 'function') return { kind: 'attribute', show: value, writable };
  if (value.startsWith('-> ')) return { kind: 'link', target: value.slice(3) };
  return { kind: 'attribute', show: () => value, writable };
}

export type SysMaker = (kernel: Kernel) => SysSpec;

export function walk(root: SysDirectory, path: string): SysNode | null {
  let at: SysNode = root;
  for (const name of path.split('/')) {
    if (name === '') continue;
    const next: SysNode | undefined = at.kind === 'directory' ? at.children.get(name) : undefined;
    if (next === undefined) return null;
    at = next;
  }
  return at;
}
