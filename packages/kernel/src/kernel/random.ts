import type { Host } from '../include/host.ts';
import { serializable } from '../include/serial.ts';

const SIGMA = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/**
 * The kernel's random generator (analogous to drivers/char/random.c): ChaCha20 (RFC 8439) under a key that the host
 * seeds once; each read replaces the key, so that what was handed out cannot be worked out later.
 */
export class RandomPool {
  private readonly key: Uint32Array = new Uint32Array(8);

  static {
    serializable('RandomPool', this);
  }

  constructor(host: Host) {
    const seed = new Uint8Array(32);
    host.entropy(seed);
    this.key.set(new Uint32Array(seed.buffer));
  }

  read(into: Uint8Array): void {
    let counter = 0;
    const first = block(this.key, counter++);
    const key = first.slice(0, 8);
    let stream = new Uint8Array(first.buffer, 32);
    for (let done = 0; done < into.length;) {
      const n = Math.min(stream.length, into.length - done);
      into.set(stream.subarray(0, n), done);
      done += n;
      if (done < into.length) stream = new Uint8Array(block(this.key, counter++).buffer);
    }
    this.key.set(key);
  }

  /** Mixes bytes in that somebody wrote to /dev/random. */
  mix(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.key[(i >> 2) & 7]! ^= bytes[i]! << ((i & 3) * 8);
    this.key.set(block(this.key, 0).subarray(0, 8));
  }
}

/** One ChaCha20 block with an empty nonce. */
function block(key: Uint32Array, counter: number): Uint32Array {
  const state = new Uint32Array(16);
  state.set(SIGMA);
  state.set(key, 4);
  state[12] = counter;
  const x = state.slice();
  for (let i = 0; i < 10; i++) {
    quarter(x, 0, 4, 8, 12);
    quarter(x, 1, 5, 9, 13);
    quarter(x, 2, 6, 10, 14);
    quarter(x, 3, 7, 11, 15);
    quarter(x, 0, 5, 10, 15);
    quarter(x, 1, 6, 11, 12);
    quarter(x, 2, 7, 8, 13);
    quarter(x, 3, 4, 9, 14);
  }
  for (let i = 0; i < 16; i++) x[i]! += state[i]!;
  return x;
}

function quarter(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  x[a]! += x[b]!;
  x[d] = rotate(x[d]! ^ x[a]!, 16);
  x[c]! += x[d]!;
  x[b] = rotate(x[b]! ^ x[c]!, 12);
  x[a]! += x[b]!;
  x[d] = rotate(x[d]! ^ x[a]!, 8);
  x[c]! += x[d]!;
  x[b] = rotate(x[b]! ^ x[c]!, 7);
}

const rotate = (n: number, by: number): number => (n << by) | (n >>> (32 - by));
