import { type AnyClass, serialClass, serialName } from '../include/serial.ts';

/**
 * Writes and reads a graph of data: plain objects, arrays, Maps, Sets, typed arrays, bigints and instances of classes
 * registered with `serializable`. Cycles and shared objects come back as they were. A function or an unregistered
 * class is an error that names the path to it: state is data.
 */

const NULL = 0;
const UNDEFINED = 1;
const TRUE = 2;
const FALSE = 3;
const INT = 4;
const DOUBLE = 5;
const STRING = 6;
const STRING_REF = 7;
const BIGINT = 8;
const REF = 9;
const ARRAY = 10;
const OBJECT = 11;
const MAP = 12;
const SET = 13;
const TYPED = 14;
const INSTANCE = 15;

const TYPED_ARRAYS = [Uint8Array, Uint16Array, Uint32Array, Int8Array, Int16Array, Int32Array, Float64Array, BigUint64Array] as const; // prettier-ignore

interface Special {
  readonly transient?: readonly string[];
  readonly saving?: (self: object) => void;
  readonly revive?: (self: object, root: unknown) => void;
}

/** Bytes that grow. */
class Writer {
  private bytes = new Uint8Array(1 << 16);
  private view = new DataView(this.bytes.buffer);
  length = 0;

  private room(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.room(1);
    this.bytes[this.length++] = value;
  }

  /** An unsigned LEB128 number. */
  uint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  f64(value: number): void {
    this.room(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** UTF-16 code units: byte strings and lone surrogates survive. */
  text(value: string): void {
    this.uint(value.length);
    for (let i = 0; i < value.length; i++) this.uint(value.charCodeAt(i));
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

class Serializer {
  readonly out = new Writer();
  private readonly objects = new Map<object, number>();
  private readonly strings = new Map<string, number>();
  /** Objects met but not yet written: a queue, so that long chains do not overflow the stack. */
  private readonly queue: { value: object; path: string }[] = [];

  write(root: object): Uint8Array {
    this.value(root, 'root');
    for (let next = this.queue.pop(); next !== undefined; next = this.queue.pop()) {
      this.out.uint(this.objects.get(next.value)!);
      this.body(next.value, next.path);
    }
    return this.out.done();
  }

  private value(value: unknown, path: string): void {
    const { out } = this;
    switch (typeof value) {
      case 'undefined':
        return out.u8(UNDEFINED);
      case 'boolean':
        return out.u8(value ? TRUE : FALSE);
      case 'number':
        if (
          Number.isInteger(value) &&
          value >= 0 &&
          value <= Number.MAX_SAFE_INTEGER &&
          !Object.is(value, -0)
        ) {
          out.u8(INT);
          return out.uint(value);
        }
        out.u8(DOUBLE);
        return out.f64(value);
      case 'string':
        return this.string(value);
      case 'bigint':
        out.u8(BIGINT);
        return out.text(value.toString(16));
      case 'object':
        if (value === null) return out.u8(NULL);
        return this.reference(value, path);
      default:
        throw new TypeError(`${path} is a ${typeof value}: kernel state must be data`);
    }
  }

  private string(value: string): void {
    const known = this.strings.get(value);
    if (known !== undefined) {
      this.out.u8(STRING_REF);
      return this.out.uint(known);
    }
    this.strings.set(value, this.strings.size);
    this.out.u8(STRING);
    this.out.text(value);
  }

  private reference(value: object, path: string): void {
    let id = this.objects.get(value);
    if (id === undefined) {
      id = this.objects.size;
      this.objects.set(value, id);
      this.queue.push({ value, path });
    }
    this.out.u8(REF);
    this.out.uint(id);
  }

  private body(value: object, path: string): void {
    const { out } = this;
    if (Array.isArray(value)) {
      out.u8(ARRAY);
      out.uint(value.length);
      for (let i = 0; i < value.length; i++) this.value(value[i], `${path}[${i}]`);
    } else if (value instanceof Map) {
      out.u8(MAP);
      out.uint(value.size);
      for (const [key, item] of value) {
        this.value(key, `${path} key`);
        this.value(item, `${path}.get(${String(typeof key === 'object' ? 'object' : key)})`);
      }
    } else if (value instanceof Set) {
      out.u8(SET);
      out.uint(value.size);
      for (const item of value) this.value(item, `${path} member`);
    } else if (ArrayBuffer.isView(value)) {
      const kind = TYPED_ARRAYS.findIndex((type) => Object.getPrototypeOf(value) === type.prototype || (type === Uint8Array && value instanceof Uint8Array)); // prettier-ignore
      if (kind < 0)
        throw new TypeError(`${path} is a ${value.constructor.name}, which is not serializable`);
      out.u8(TYPED);
      out.u8(kind);
      out.uint(value.byteLength);
      out.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else this.fields(value, path);
  }

  private fields(value: object, path: string): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    let skip: readonly string[] = [];
    if (prototype === Object.prototype || prototype === null) this.out.u8(OBJECT);
    else {
      const type = value.constructor as AnyClass & Special;
      const name = serialName(type);
      if (name === undefined)
        throw new TypeError(
          `${path} is a ${type.name}, which is not registered with serializable()`,
        );
      this.out.u8(INSTANCE);
      this.string(name);
      skip = type.transient ?? [];
      type.saving?.(value);
    }
    const keys = Object.keys(value).filter((key) => !skip.includes(key));
    this.out.uint(keys.length);
    for (const key of keys) {
      this.string(key);
      this.value((value as Record<string, unknown>)[key], `${path}.${key}`);
    }
  }
}

/** @returns the graph below `root` as bytes. Throws TypeError for what is not data. */
export function serialize(root: object): Uint8Array {
  return new Serializer().write(root);
}

class Deserializer {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;
  private readonly strings: string[] = [];
  private readonly objects: object[] = [];
  private readonly instances: { object: object; type: Special }[] = [];
  /** Bodies whose object is made when its bytes are reached: references to it wait here. */
  private readonly waiting = new Map<number, ((object: object) => void)[]>();

  constructor(bytes: Uint8Array) {
    // A plain view: in subclasses slice() may not copy (Node's Buffer).
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Reads all; `prepare` may fill the root's transient fields before anything is revived. */
  read(prepare: (root: object) => void): object {
    let root!: object;
    this.value((value) => (root = value as object));
    const order: (() => void)[] = [];
    while (this.at < this.bytes.length) {
      const id = this.uint();
      const fill = this.body();
      const object = fill.object;
      this.objects[id] = object;
      for (const resolve of this.waiting.get(id) ?? []) resolve(object);
      this.waiting.delete(id);
      order.push(fill.finish);
    }
    if (this.waiting.size > 0) throw new RangeError('the snapshot ends within its object graph');
    for (const finish of order) finish();
    prepare(root);
    for (const { object, type } of this.instances) type.revive?.(object, root);
    return root;
  }

  private u8(): number {
    if (this.at >= this.bytes.length)
      throw new RangeError('the snapshot ends within its object graph');
    return this.bytes[this.at++]!;
  }

  private uint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  private text(): string {
    let text = '';
    for (let n = this.uint(); n > 0; n--) text += String.fromCharCode(this.uint());
    return text;
  }

  private string(): string {
    const tag = this.u8();
    if (tag === STRING_REF) return this.strings[this.uint()]!;
    if (tag !== STRING) throw new RangeError(`the snapshot has tag ${tag} where a name belongs`);
    const text = this.text();
    this.strings.push(text);
    return text;
  }

  /** Reads a value and gives it to `use`, at once or when the object it refers to is made. */
  private value(use: (value: unknown) => void): void {
    const tag = this.u8();
    switch (tag) {
      case NULL:
        return use(null);
      case UNDEFINED:
        return use(undefined);
      case TRUE:
        return use(true);
      case FALSE:
        return use(false);
      case INT:
        return use(this.uint());
      case DOUBLE:
        this.at += 8;
        return use(this.view.getFloat64(this.at - 8, true));
      case STRING:
      case STRING_REF:
        this.at--;
        return use(this.string());
      case BIGINT: {
        const text = this.text();
        return use(text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`));
      }
      case REF: {
        const id = this.uint();
        const known = this.objects[id];
        if (known !== undefined) return use(known);
        const list = this.waiting.get(id);
        if (list === undefined) this.waiting.set(id, [use]);
        else list.push(use);
        return;
      }
      default:
        throw new RangeError(`the snapshot has an unknown tag ${tag}`);
    }
  }

  /** Makes one object. What depends on order (Map and Set members) is put in by `finish`, when all objects exist. */
  private body(): { object: object; finish: () => void } {
    const tag = this.u8();
    const nothing = (): void => {};
    switch (tag) {
      case ARRAY: {
        const array: unknown[] = [];
        array.length = this.uint();
        for (let i = 0; i < array.length; i++) this.value((value) => (array[i] = value));
        return { object: array, finish: nothing };
      }
      case MAP: {
        const map = new Map<unknown, unknown>();
        const pairs: [unknown, unknown][] = [];
        for (let n = this.uint(); n > 0; n--) {
          const pair: [unknown, unknown] = [undefined, undefined];
          pairs.push(pair);
          this.value((value) => (pair[0] = value));
          this.value((value) => (pair[1] = value));
        }
        return { object: map, finish: () => pairs.forEach(([key, value]) => map.set(key, value)) };
      }
      case SET: {
        const set = new Set<unknown>();
        const members: unknown[] = [];
        members.length = this.uint();
        for (let i = 0; i < members.length; i++) this.value((value) => (members[i] = value));
        return { object: set, finish: () => members.forEach((value) => set.add(value)) };
      }
      case TYPED: {
        const type = TYPED_ARRAYS[this.u8()]!;
        const length = this.uint();
        const copy = this.bytes.slice(this.at, this.at + length);
        this.at += length;
        return { object: new type(copy.buffer), finish: nothing };
      }
      case OBJECT:
        return { object: this.fields({}), finish: nothing };
      case INSTANCE: {
        const name = this.string();
        const type = serialClass(name);
        if (type === undefined)
          throw new RangeError(
            `the snapshot has an instance of ${name}, which this version does not know`,
          );
        const object = Object.create(type.prototype as object) as object;
        this.instances.push({ object, type: type as Special });
        return { object: this.fields(object as Record<string, unknown>), finish: nothing };
      }
      default:
        throw new RangeError(`the snapshot has an object with unknown tag ${tag}`);
    }
  }

  private fields(object: Record<string, unknown> | object): object {
    const target = object as Record<string, unknown>;
    for (let n = this.uint(); n > 0; n--) {
      const key = this.string();
      target[key] = undefined; // keeps the order of fields
      this.value((value) => (target[key] = value));
    }
    return object;
  }
}

/**
 * Reads what {@link serialize} wrote.
 * @param prepare gives the root its transient fields before the objects' `revive` functions run
 */
export function deserialize(bytes: Uint8Array, prepare: (root: object) => void): object {
  return new Deserializer(bytes).read(prepare);
}
