/**
 * State is data (architecture.md): the kernel is one graph of plain objects, arrays, Maps, Sets, typed arrays and
 * instances of registered classes, without closures or host handles. This table is what the serializer needs to know.
 */

// oxlint-disable-next-line typescript/no-explicit-any -- any class can be registered
export type AnyClass = abstract new (...args: any[]) => object;

const byName = new Map<string, AnyClass>();
const byClass = new Map<AnyClass, string>();

/**
 * Registers a class under a name that is stable across builds. Call it in a static block:
 *
 *     static { serializable('Pipe', this); }
 *
 * A class may name fields that are not state (host handles, caches, listeners) in `static readonly transient: string[]`;
 * they are left out, and on restore they hold what the class's `static revive(object, kernel)` gives them, or undefined.
 * Before an object is written, its class's `static saving(object)` may move what those fields hold into others.
 */
export function serializable(name: string, type: AnyClass): void {
  if (byName.has(name) && byName.get(name) !== type)
    throw new Error(`two serializable classes named ${name}`);
  byName.set(name, type);
  byClass.set(type, name);
}

export function serialName(type: AnyClass): string | undefined {
  return byClass.get(type);
}

export function serialClass(name: string): AnyClass | undefined {
  return byName.get(name);
}
