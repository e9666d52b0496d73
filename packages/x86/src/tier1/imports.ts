import type { ModuleWriter } from '@vitrine/wasm/module.ts';
import type { Helper } from '../ir/node.ts';
import { LINKS } from '../layout.ts';
import { helperExport } from '../tier0/generate.ts';

/** Of what is known to be there V8 does not look whether it is, and an instruction may have it as its operand: all of extents.ts. */
export const MEMORY_LIMITS: { readonly min: number; readonly max: number } = { min: LINKS >> 16, max: 65536 }; // prettier-ignore

/**
 * Imports of a module, numbered as they are first asked for. Of globals the code sees copies that could be written, though nobody does:
 * V8 reads those where they are used, and what is constant where a function is entered, needed or not.
 */
export class Imports {
  readonly helpers: Map<Helper, number> = new Map();
  readonly globals: Map<string, number> = new Map();
  /** How far behind the number of an imported global its copy's is. */
  #copies = 0;

  helper(helper: Helper): number {
    let index = this.helpers.get(helper);
    if (index === undefined) this.helpers.set(helper, (index = this.helpers.size));
    return index;
  }

  global(name: string): number {
    let index = this.globals.get(name);
    if (index === undefined) this.globals.set(name, (index = this.globals.size));
    return index + this.#copies;
  }

  /** Declares all that has been asked for; there is nothing else from now on. */
  declare(module: ModuleWriter): void {
    module.importMemory('env', 'memory', MEMORY_LIMITS);
    for (const { name, params, result } of this.helpers.keys())
      module.importFunc('tier0', helperExport(name), params, result ? [result] : []);
    for (const name of this.globals.keys()) module.importGlobal('globals', name, 'i32', false);
    for (const index of this.globals.values()) module.copyOfGlobal('i32', index);
    this.#copies = this.globals.size;
  }
}
