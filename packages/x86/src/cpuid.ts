/** CPUID (SDM vol. 2): exactly the features that exist. */
import { features } from './features.ts';
import { XCR0, XSAVE_SIZE } from './fxsave.ts';

/**
 * Not a name of our own: glibc (2.36 and others) reads the feature bits of known makers only, and its loader then refuses
 * every library for "CPU ISA level is lower than required". Undefined behaviour follows AMD's processors, too.
 */
const VENDOR = 'AuthenticAMD';
/** Family 17H, the first that has all of x86-64-v2. */
const SIGNATURE = 0x0080_0f12;
const BRAND = 'Vitrine x86-64 processor';

/** Bits of leaf 1 ECX and of leaf 80000001H ECX by feature name. */
const LEAF1_ECX: Record<string, number> = {
  sse3: 0,
  pclmulqdq: 1,
  ssse3: 9,
  cx16: 13,
  'sse4.1': 19,
  'sse4.2': 20,
  movbe: 22,
  popcnt: 23,
  aes: 25,
};
/** FPU TSC MSR CX8 CMOV CLFSH FXSR SSE SSE2, and MMX once it is there. */
const LEAF1_EDX: readonly number[] = [0, 4, 5, 8, 15, 19, 24, 25, 26];

/** AMD repeats the first leaf's; then SYSCALL, NX, MMX extensions (SSE has them), RDTSCP, long mode. */
const EXTENDED_EDX: readonly number[] = [0, 4, 5, 8, 15, 23, 24, 11, 20, 22, 27, 29];

const bits = (positions: readonly number[]): number =>
  positions.reduce((word, bit) => word | (1 << bit), 0);

function word(text: string, at: number): number {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = (value << 8) | (text.charCodeAt(at + i) || 0);
  return value;
}

/** What x86-64-v3 adds, and AES, PCLMULQDQ and SHA with it. Leaf 1 ECX: FMA, MOVBE, AES, XSAVE, OSXSAVE, AVX, F16C. */
const V3_LEAF1_ECX: readonly number[] = [1, 12, 22, 25, 26, 27, 28, 29];
/** BMI1, AVX2, BMI2, SHA. */
const V3_LEAF7_EBX: readonly number[] = [3, 5, 8, 29];
/** LZCNT. */
const V3_EXTENDED_ECX: readonly number[] = [5];

/** Leaf 0DH: the XSAVE area with x87, SSE and AVX state. */
function xsaveLeaf(subleaf: number): readonly [number, number, number, number] {
  if (subleaf === 0) return [XCR0, XSAVE_SIZE, XSAVE_SIZE, 0];
  return subleaf === 2 ? [256, 576, 0, 0] : [0, 0, 0, 0];
}

/** @returns EAX, EBX, ECX, EDX */
export function cpuid(
  leaf: number,
  subleaf: number,
  v3 = false,
): readonly [number, number, number, number] {
  // prettier-ignore
  switch (leaf >>> 0) {
    case 0:
      return [v3 ? 0xd : 7, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)];
    case 1: {
      const ecx = Object.entries(LEAF1_ECX).filter(([name]) => features.has(name));
      const edx = features.has('mmx') ? [...LEAF1_EDX, 23] : LEAF1_EDX;
      // CLFLUSH line of 8 quadwords; one logical processor.
      return [SIGNATURE, 0x0001_0800, bits([...ecx.map(([, bit]) => bit), ...(v3 ? V3_LEAF1_ECX : [])]), bits(edx)];
    }
    case 7:
      return [0, subleaf === 0 ? leaf7Ebx() | (v3 ? bits(V3_LEAF7_EBX) : 0) : 0, 0, 0];
    case 0xd:
      return v3 ? xsaveLeaf(subleaf) : [0, 0, 0, 0];
    case 0x8000_0000:
      return [0x8000_0008 | 0, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)];
    case 0x8000_0001:
      return [SIGNATURE, 0, bits([...(features.has('lahf') ? [0] : []), 8, ...(v3 ? V3_EXTENDED_ECX : [])]), bits(EXTENDED_EDX)];
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004: {
      const at = ((leaf & 7) - 2) * 16;
      return [word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12)];
    }
    // Caches, from which C libraries take the sizes where they change their way of copying: L1 32 KiB, L2 512 KiB, L3 8 MiB.
    case 0x8000_0005:
      return [0, 0, 0x2008_0140, 0x2008_0140];
    case 0x8000_0006:
      return [0, 0, 0x0200_6140, 0x0040_6140];
    case 0x8000_0008:
      return [0x3020, 0, 0, 0];
    default:
      return [0, 0, 0, 0];
  }
}

function leaf7Ebx(): number {
  const known: Record<string, number> = { fsgsbase: 0, bmi1: 3, bmi2: 8 };
  return bits(Object.entries(known).flatMap(([name, bit]) => (features.has(name) ? [bit] : [])));
}
