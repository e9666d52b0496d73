import { EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Current } from '../include/current.ts';

/** A time span or point that a program gave as struct timespec, in nanoseconds; what passes 2^53 counts as for ever. */
export function timespecNs(current: Current, address: number, call: string): number {
  const sec = current.mem.getI64(address);
  const nsec = current.mem.getI64(address + 8);
  if (sec < 0 || nsec < 0 || nsec >= 1e9)
    throw errno(EINVAL, '{}: {} s and {} ns is no valid time', call, sec, nsec);
  const ns = sec * 1e9 + nsec;
  return ns > Number.MAX_SAFE_INTEGER ? Infinity : ns;
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
  return sec * 1e9 + usec * 1e3;
}

export function putTimeval(current: Current, address: number, ns: number): void {
  current.mem.putU64(address, Math.floor(ns / 1e9));
  current.mem.putU64(address + 8, Math.floor((ns % 1e9) / 1e3));
}
