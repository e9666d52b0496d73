import { EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Current } from '../include/current.ts';
import { ktime_set } from '../include/ktime.ts';

/** The same as {@link timespecNs} for wall-clock points, which pass 2^53: exact, and unchecked. */
export function timespecWide(current: Current, address: number): bigint {
  const ns = current.mem.getBig(address) * 1_000_000_000n + current.mem.getBig(address + 8);
  return ns < 2n ** 63n ? ns : 2n ** 63n - 1n;
}

/** A time span or point that a program gave as struct timespec, in nanoseconds, rounded from 2^53 on. */
export function timespecNs(current: Current, address: number, call: string): number {
  const sec = current.mem.getI64(address);
  const nsec = current.mem.getI64(address + 8);
  if (sec < 0 || nsec < 0 || nsec >= 1e9)
    throw errno(EINVAL, '{}: {} s and {} ns is no valid time', call, sec, nsec);
  return ktime_set(sec, nsec);
}

export function putTimespec(current: Current, address: number, ns: number): void {
  current.mem.putU64(address, Math.floor(ns / 1e9));
  current.mem.putU64(address + 8, Math.floor(ns % 1e9));
}

/** struct timeval in nanoseconds. */
export function timevalNs(current: Current, address: number, call: string): number {
  const sec = current.mem.getI64(address);
  const usec = current.mem.getI64(address + 8);
  if (sec < 0 || usec < 0 || usec >= 1e6)
    throw errno(EINVAL, '{}: {} s and {} µs is no valid time', call, sec, usec);
  return ktime_set(sec, usec * 1e3);
}

export function putTimeval(current: Current, address: number, ns: number): void {
  current.mem.putU64(address, Math.floor(ns / 1e9));
  current.mem.putU64(address + 8, Math.floor((ns % 1e9) / 1e3));
}
