/** CPUID features that exist; rows of the opcode table with `gate=NAME` need theirs. */
export const features: ReadonlySet<string> = new Set(['mmx', 'lahf', 'popcnt', 'cx16']);
