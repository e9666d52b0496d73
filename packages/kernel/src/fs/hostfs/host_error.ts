import * as E from '@vitrine/uapi/errno.ts';
import { Errno, errno } from '../../include/errno.ts';

/** Turns the host's error into Linux's. */
export function asking<T>(what: unknown, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Errno) throw error;
    const code = (error as { code?: unknown }).code;
    const known = typeof code === 'string' ? (E as Record<string, unknown>)[code] : undefined;
    if (typeof known !== 'number')
      throw errno(E.EIO, 'the host failed at {}: {}', what, String(error));
    throw errno(known, 'the host says {} for {} in a folder that it granted', code, what);
  }
}
