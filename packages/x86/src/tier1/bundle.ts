/** Modules of several regions. */
import { linkModules } from '@vitrine/wasm/link.ts';
import type { Generated } from './generate.ts';

/**
 * One module of modules with a region each. Exports and globals that are named by the number of their region (generate.ts) get
 * its number in the whole; all others mean the same everywhere.
 */
export function bundle(modules: readonly Uint8Array[]): Generated {
  const globals = new Set<string>();
  const bytes = linkModules(modules, {
    global(name, number) {
      const renamed = name.replace(/^([nh])0/, `$1${number}`);
      globals.add(renamed);
      return renamed;
    },
    exported: (name, number) => name.replace(/^([re])0/, `$1${number}`),
  });
  return { bytes, globals: [...globals] };
}
