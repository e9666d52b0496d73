/**
 * The host seam (architecture.md): everything non-deterministic enters the kernel here and nowhere else. Node, the
 * browser and tests implement it. Streams, directories and sockets that the caller grants are attached as devices and
 * file systems of their own; this is what every machine needs.
 */
export interface Host {
  /** Nanoseconds since an arbitrary start; never goes back. An integer below 2^53. */
  monotonic(): number;
  /** The wall clock: nanoseconds since 1970-01-01T00:00:00Z minus monotonic(). Read once at boot. */
  realtimeOffset(): bigint;
  /** Fills the array with unpredictable bytes. */
  entropy(into: Uint8Array): void;
  /**
   * Virtual hosts only: called when every task sleeps until `ns` (monotonic); a virtual clock jumps there and returns
   * true. A real host returns false and the kernel gives the thread back.
   */
  idleUntil?(ns: number): boolean;
  /** Virtual hosts only: `instructions` were executed and `calls` system calls made; a virtual clock advances by their cost. */
  advance?(instructions: number, calls: number): void;
}
