import type { Loff } from '../include/loff.ts';

/**
 * The kinds of system call arguments. A kind says how the register is read and what it means; the row's kinds give the
 * handler its parameter types and strace its way of printing.
 */

/** How the 64-bit register becomes a JavaScript value. */
export type Decode =
  | 'i32' // the low 32 bits, signed
  | 'u32'
  | 'u64' // a number; exact below 2^53, beyond that rounded, never wrapped
  | 'i64' // a number, likewise
  | 'loff' // a number where that is exact, a bigint beyond
  | 'big'; // u64 as bigint

export interface Kind<T extends Loff> {
  readonly decode: Decode;
  /** What strace prints: see strace/format.ts, which has a printer per name. */
  readonly print: string;
  /** For print 'flags' and 'enum': the uapi names, as a table of value by name and a prefix to strip none. */
  readonly names?: Readonly<Record<string, number | bigint>>;
  /** For buffers: index of the argument that holds the length; -1 when the result does. */
  readonly length?: number;
  /** Type marker; never set. */
  readonly type?: T;
}

const kind = <T extends Loff>(decode: Decode, print: string, more: Partial<Kind<T>> = {}): Kind<T> => ({ decode, print, ...more }); // prettier-ignore

type Num = Kind<number>;

export const int: Num = kind('i32', 'int');
export const uint: Num = kind('u32', 'uint');
export const long: Num = kind('i64', 'long');
export const ulong: Num = kind('u64', 'ulong');
export const size: Num = kind('u64', 'ulong');
export const off: Num = kind('i64', 'long');
export const loff: Kind<Loff> = kind('loff', 'long');
export const u64: Kind<bigint> = kind('big', 'ulong');
export const hex: Num = kind('u64', 'hex');
export const hex32: Num = kind('u32', 'hex');
export const ptr: Num = kind('u64', 'ptr');
/** A number of 32 bits or an address, as the command says: `arg | 0` is exact for small negative ones. */
export const arg: Num = kind('i64', 'ulong');
export const ptrOrInt: Num = kind('i64', 'ptr');
export const pid: Num = kind('i32', 'int');
export const uid: Num = kind('i32', 'int');
export const sig: Num = kind('i32', 'signal');
export const fd: Num = kind('i32', 'fd');
/** The same, of which the call itself knows whether to keep the file while it waits. */
export const ringfd: Num = kind('i32', 'fd');
/** A message queue's. */
export const mqd: Num = kind('i32', 'int');
export const dirfd: Num = kind('i32', 'dirfd');
export const path: Num = kind('u64', 'path');
/** A NUL-terminated string that is not a path. */
export const str: Num = kind('u64', 'path');
export const mode: Num = kind('u32', 'mode');
export const dev: Num = kind('u32', 'dev');
/** Bytes the call reads: their number is argument `length`. */
export const inBuf = (length: number): Num => kind('u64', 'inbuf', { length });
/** Bytes the call writes: their number is the result (−1), or argument `length`. */
export const outBuf = (length = -1): Num => kind('u64', 'outbuf', { length });
/** A structure the call reads / writes, by its printer's name (timespec, stat, sigset, …). */
export const inStruct = (name: string): Num => kind('u64', `in:${name}`);
export const outStruct = (name: string): Num => kind('u64', `out:${name}`);
export const inOutStruct = (name: string): Num => kind('u64', `inout:${name}`);
/** An array of structures, its length in argument `length`. */
export const inArray = (name: string, length: number): Num =>
  kind('u64', `in[]:${name}`, { length });
export const outArray = (name: string, length: number): Num =>
  kind('u64', `out[]:${name}`, { length });
/** argv or envp. */
export const strv: Num = kind('u64', 'strv');
/** A set of bits by name: `flags('open')` prints with the table of that name in strace/flags.ts. */
export const flags = (table: string): Num => kind('i32', `flags:${table}`);
export const flags64 = (table: string): Num => kind('u64', `flags:${table}`);
/** One of several values by name. */
export const choice = (table: string): Num => kind('i32', `enum:${table}`);
