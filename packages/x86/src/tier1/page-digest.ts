/** Two rounds of MurmurHash3's finaliser mix a word well. */
function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

/**
 * A name for what a page holds: 128 bits. It only finds candidates; whoever uses one compares its bytes.
 * @param at its first word
 */
export function pageDigest(u32: Uint32Array, at: number): string {
  let [a, b, c, d] = [0x9e37_79b9, 0x243f_6a88, 0xb7e1_5162, 0x9216_d5d9];
  for (let i = at; i < at + 1024; i += 4) {
    a = Math.imul(a ^ u32[i]!, 0xcc9e_2d51) + d;
    b = Math.imul(b ^ u32[i + 1]!, 0x1b87_3593) + (a ^ (a >>> 15));
    c = Math.imul(c ^ u32[i + 2]!, 0x85eb_ca6b) + (b ^ (b >>> 13));
    d = Math.imul(d ^ u32[i + 3]!, 0xc2b2_ae35) + (c ^ (c >>> 16));
  }
  const words = [a + b, b + c, c + d, d + a];
  return words.map((word, i) => hex(mix(word + i))).join('');
}
