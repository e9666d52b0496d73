import type { Kernel } from './kernel.ts';

/** A random UUID of version 4 (lib/uuid.c). */
export function uuid_gen(kernel: Kernel): Uint8Array {
  const uuid = new Uint8Array(16);
  kernel.get_random_bytes(uuid);
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}
