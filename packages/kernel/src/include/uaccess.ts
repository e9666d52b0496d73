/**
 * The user memory of one address space, as the rest of the kernel sees it (analogous to uaccess.h). Implemented by
 * mm/uaccess.ts. Every access faults pages in as the hardware would; one that cannot throws EFAULT with the address.
 * Addresses are numbers below 2^47.
 */
export interface UserMemory {
  /** Some pages are another program's to bring: what is moved is looked at first, so that nothing is moved in part. */
  readonly served?: boolean;
  /** Physical memory, which translate() points into. */
  readonly ram: Uint8Array;

  /** A copy of `length` bytes. */
  read(address: number, length: number): Uint8Array;
  /** Copies into `to`, all of it or EFAULT. */
  readInto(address: number, to: Uint8Array): void;
  write(address: number, bytes: Uint8Array): void;
  /** Writes zeros (clear_user). */
  clear(address: number, length: number): void;

  getU8(address: number): number;
  getU16(address: number): number;
  getU32(address: number): number;
  getI32(address: number): number;
  /** A u64 as a number: exact below 2^53, rounded above. */
  getU64(address: number): number;
  /** An i64 as a number: exact within ±2^53. */
  getI64(address: number): number;
  getBig(address: number): bigint;
  putU8(address: number, value: number): void;
  putU16(address: number, value: number): void;
  /** Takes i32 or u32. */
  putU32(address: number, value: number): void;
  /** Takes any integer within ±2^53; a negative one is written in two's complement. */
  putU64(address: number, value: number): void;
  putBig(address: number, value: bigint): void;

  /**
   * A NUL-terminated string as a byte string (one char per byte, 0–255).
   * @param max longest result in bytes; null when no NUL comes within max + 1 bytes
   */
  readString(address: number, max: number): string | null;

  /**
   * Resolves the page of `address` for reading (or writing) and returns its physical address. The bytes up to the end
   * of the page follow it in RAM: callers copy with `ram.u8`. Throws EFAULT.
   */
  translate(address: number, write: boolean): number;
}
