import type { Host } from '@vitrine/kernel/include/host.ts';

/** Virtual nanoseconds per instruction and per system call. */
const INSTRUCTION = 1;
const CALL = 200;
/** 2026-01-01T00:00:00Z. */
const EPOCH = 1_767_225_600_000_000_000n;

/**
 * A host without surroundings: time passes by what the machine executes and jumps ahead when all sleep, and entropy is
 * a sequence that the seed determines. The same inputs give the same run, on every engine.
 */
export class VirtualHost implements Host {
  #now = 0;
  #state: number;

  constructor(seed = 1) {
    this.#state = seed >>> 0 || 1;
  }

  monotonic(): number {
    return this.#now;
  }

  realtimeOffset(): bigint {
    return EPOCH;
  }

  /** xorshift32 (Marsaglia 2003). */
  entropy(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) {
      let x = this.#state;
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      this.#state = x >>> 0;
      into[i] = x & 0xff;
    }
  }

  idleUntil(ns: number): boolean {
    if (ns > this.#now) this.#now = ns;
    return true;
  }

  advance(instructions: number, calls: number): void {
    this.#now += instructions * INSTRUCTION + calls * CALL;
  }
}
