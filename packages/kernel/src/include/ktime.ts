/** Times in nanoseconds, which end with the last moment that 64 bits hold (include/linux/ktime.h). */

/** The last moment there is, rounded, and the second it lies in. */
export const KTIME_MAX: number = 2 ** 63;
const KTIME_SEC_MAX = 9_223_372_036;

/** What is later than the last moment is that moment. */
export const ktime_set = (sec: number, nsec: number): number =>
  sec >= KTIME_SEC_MAX ? KTIME_MAX : sec * 1e9 + nsec;

/** A sum ends there, too (ktime_add_safe). */
export const ktime_add = (a: number, b: number): number => Math.min(a + b, KTIME_MAX);
