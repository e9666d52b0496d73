/** CPUID features that exist; rows of the opcode table with `gate=NAME` need theirs. */
export const features: ReadonlySet<string> = new Set([
  'mmx',
  'sse3',
  'ssse3',
  'sse4.1',
  'sse4.2',
  'lahf',
  'popcnt',
  'cx16',
]);
