import type { Loff } from '../include/loff.ts';
import type { Task } from '../kernel/task.ts';
import { type Decode, type Kind, fd, mqd } from './kinds.ts';

/** How much of Linux's behaviour a system call has. */
export type Support =
  | { readonly level: 'full' }
  | { readonly level: 'partial'; readonly note: string }
  | { readonly level: 'none' };

export const FULL: Support = { level: 'full' };
/** @param note what is missing, in words a user understands */
export const partial = (note: string): Support => ({ level: 'partial', note });

export interface SyscallRow {
  readonly nr: number;
  readonly name: string;
  readonly kinds: readonly Kind<number | bigint>[];
  readonly decode: readonly Decode[];
  /** Which arguments are descriptors whose files the call keeps while it waits. */
  readonly fds: readonly number[];
  readonly support: Support;
  readonly call: (task: Task, ...args: never[]) => Loff;
}

type Args<K extends readonly Kind<number | bigint>[]> = {
  [I in keyof K]: K[I] extends Kind<infer T> ? T : never;
};

/**
 * One row of the table. The handler returns a result of 0 or more (or a number below 2^63 as the call defines it),
 * throws an Errno, or returns BLOCKED after parking the task, and is then called again with the same arguments.
 */
export function row<const K extends readonly Kind<number | bigint>[]>(
  nr: number,
  name: string,
  kinds: K,
  support: Support,
  call: (task: Task, ...args: Args<K>) => Loff,
): SyscallRow {
  return {
    nr,
    name,
    kinds,
    decode: kinds.map((k) => k.decode),
    fds: kinds.flatMap((k, i) => (k === fd || k === mqd ? [i] : [])),
    support,
    call: call as SyscallRow['call'],
  };
}
