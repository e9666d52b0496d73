import type { Helper } from '../ir/node.ts';

/** Imports of a module, numbered as they are first asked for. */
export class Imports {
  readonly helpers: Map<Helper, number> = new Map();
  readonly globals: Map<string, number> = new Map();

  helper(helper: Helper): number {
    let index = this.helpers.get(helper);
    if (index === undefined) this.helpers.set(helper, (index = this.helpers.size));
    return index;
  }

  global(name: string): number {
    let index = this.globals.get(name);
    if (index === undefined) this.globals.set(name, (index = this.globals.size));
    return index;
  }
}
