import { Errno } from '@vitrine/kernel/include/errno.ts';
import * as E from '@vitrine/uapi/errno.ts';

const NAMES = new Map<number, string>();
for (const [name, code] of Object.entries(E))
  if (typeof code === 'number' && !NAMES.has(code)) NAMES.set(code, name);

/** `ENOENT` for 2. */
export function errnoName(code: number): string {
  return NAMES.get(code) ?? `errno ${code}`;
}

/** A call on a machine was refused by its kernel. */
export class LinuxError extends Error {
  override readonly name = 'LinuxError';
  /** `ENOENT`, as Node's own errors have it. */
  readonly code: string;
  readonly errno: number;
  /** The rule that was applied, with its subject and object. */
  readonly reason: string;

  constructor(error: Errno, doing: string) {
    super(`${errnoName(error.code)}: ${doing}: ${error.reason}`);
    this.code = errnoName(error.code);
    this.errno = error.code;
    this.reason = error.reason;
  }
}

/** Runs a piece of the kernel; its errors come out as {@link LinuxError}. */
export function asking<T>(doing: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Errno) throw new LinuxError(error, doing);
    throw error;
  }
}
