import { E2BIG, EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from './errno.ts';
import type { UserMemory } from './uaccess.ts';

/**
 * Reads a structure that newer programs may know longer and older ones shorter: what the program leaves out is 0, and
 * what the kernel does not know must be 0 (copy_struct_from_user). Throws EFAULT, EINVAL, E2BIG.
 * @param least bytes of its first version
 * @param known bytes of the version that the kernel knows
 */
export function copy_struct_from_user(
  mem: UserMemory,
  what: string,
  address: number,
  size: number,
  least: number,
  known: number,
): DataView<ArrayBuffer> {
  if (size < least) throw errno(EINVAL, '{} of {} bytes is shorter than {}', what, size, least);
  if (size > 4096) throw errno(E2BIG, '{} of {} bytes is longer than a page', what, size);
  const bytes = new Uint8Array(known);
  if (size > known && mem.read(address + known, size - known).some((byte) => byte !== 0))
    throw errno(E2BIG, '{} has members that are not known here and not 0', what);
  bytes.set(mem.read(address, Math.min(size, known)));
  return new DataView(bytes.buffer);
}
