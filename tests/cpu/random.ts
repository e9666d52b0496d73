/** A small deterministic generator (xorshift128), so that a seed names a run. */
export class Random {
  readonly #s: Uint32Array;

  constructor(seed: number) {
    this.#s = Uint32Array.of(seed ^ 0x9e3779b9, seed * 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f);
    for (let i = 0; i < 16; i++) this.u32();
  }

  u32(): number {
    const s = this.#s;
    let t = s[3]!;
    t ^= t << 11;
    t ^= t >>> 8;
    s[3] = s[2]!;
    s[2] = s[1]!;
    s[1] = s[0]!;
    t ^= s[0]! ^ (s[0]! >>> 19);
    s[0] = t;
    return t >>> 0;
  }

  below(n: number): number {
    return this.u32() % n;
  }

  byte(): number {
    return this.u32() & 0xff;
  }

  /** True once in `n` times. */
  chance(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** 64 bits, with a taste for the values where carries and signs change. */
  u64(): bigint {
    switch (this.below(6)) {
      case 0:
        return BigInt(this.below(300));
      case 1:
        return BigInt.asUintN(64, -BigInt(this.below(300)));
      case 2:
        return BigInt.asUintN(64, (1n << BigInt(this.below(64))) + BigInt(this.below(3)) - 1n);
      default:
        return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
    }
  }
}
