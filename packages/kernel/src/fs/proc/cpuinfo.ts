import type { Kernel } from '../../include/kernel.ts';

/** /proc/cpuinfo (arch/x86/kernel/cpu/proc.c): what CPUID says of the processor, in the kernel's names. */

type Names = Readonly<Record<number, string>>;

/** Names by bit, one table for each CPUID word that Linux prints (arch/x86/include/asm/cpufeatures.h). */
const LEAF_1_EDX: Names = {
  0: 'fpu', 1: 'vme', 2: 'de', 3: 'pse', 4: 'tsc', 5: 'msr', 6: 'pae', 7: 'mce', 8: 'cx8', 9: 'apic', 11: 'sep',
  12: 'mtrr', 13: 'pge', 14: 'mca', 15: 'cmov', 16: 'pat', 17: 'pse36', 18: 'pn', 19: 'clflush', 21: 'dts',
  22: 'acpi', 23: 'mmx', 24: 'fxsr', 25: 'sse', 26: 'sse2', 27: 'ss', 28: 'ht', 29: 'tm', 31: 'pbe',
}; // prettier-ignore
const EXTENDED_1_EDX: Names = {
  11: 'syscall', 19: 'mp', 20: 'nx', 22: 'mmxext', 25: 'fxsr_opt', 26: 'pdpe1gb', 27: 'rdtscp', 29: 'lm',
}; // prettier-ignore
const LEAF_1_ECX: Names = {
  0: 'pni', 1: 'pclmulqdq', 2: 'dtes64', 3: 'monitor', 9: 'ssse3', 12: 'fma', 13: 'cx16', 17: 'pcid', 19: 'sse4_1',
  20: 'sse4_2', 21: 'x2apic', 22: 'movbe', 23: 'popcnt', 25: 'aes', 26: 'xsave', 28: 'avx', 29: 'f16c', 30: 'rdrand',
  31: 'hypervisor',
}; // prettier-ignore
const EXTENDED_1_ECX: Names = {
  0: 'lahf_lm',
  5: 'abm',
  6: 'sse4a',
  7: 'misalignsse',
  8: '3dnowprefetch',
};
const LEAF_7_EBX: Names = {
  0: 'fsgsbase', 3: 'bmi1', 5: 'avx2', 7: 'smep', 8: 'bmi2', 9: 'erms', 18: 'rdseed', 19: 'adx', 29: 'sha_ni',
}; // prettier-ignore

const flagsOf = (word: number, names: Names): string[] =>
  Object.entries(names).flatMap(([bit, name]) => ((word >>> Number(bit)) & 1 ? [name] : []));

function text(words: readonly number[]): string {
  const bytes = words.flatMap((w) => [w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24]);
  return String.fromCharCode(...bytes).replace(/\0+$/, '');
}

export function cpuinfo(kernel: Kernel): string {
  return kernel.sched.rqs.map((rq) => processor(kernel, rq.cpu)).join('');
}

function processor(kernel: Kernel, cpu: number): string {
  const cpus = kernel.sched.rqs.length;
  const leaf = (n: number): readonly number[] => kernel.cpu.cpuid(n, 0);
  const [highest, ebx, ecx, edx] = leaf(0) as [number, number, number, number];
  const [signature, , features, old] = leaf(1) as [number, number, number, number];
  const extended = leaf(0x8000_0001);
  const sizes = leaf(0x8000_0008)[0]!;
  const family = (signature >>> 8) & 15;
  const flags = [
    ...flagsOf(old, LEAF_1_EDX),
    ...flagsOf(extended[3]!, EXTENDED_1_EDX),
    ...['constant_tsc', 'rep_good', 'nopl', 'cpuid'], // Linux's own: the first two need no bit on this family
    ...flagsOf(features, LEAF_1_ECX),
    ...flagsOf(extended[2]!, EXTENDED_1_ECX),
    ...flagsOf(leaf(7)[1]!, LEAF_7_EBX),
  ];
  const rows: readonly (readonly [name: string, value: string | number])[] = [
    ['processor', cpu],
    ['vendor_id', text([ebx, edx, ecx])],
    ['cpu family', family === 15 ? family + ((signature >>> 20) & 0xff) : family],
    ['model\t', ((signature >>> 4) & 15) | (family >= 6 ? (signature >>> 12) & 0xf0 : 0)],
    ['model name', text([0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap(leaf))],
    ['stepping', signature & 15],
    ['cpu MHz\t', '1000.000'],
    ['cache size', `${leaf(0x8000_0006)[2]! >>> 16} KB`],
    ['physical id', 0],
    ['siblings', cpus],
    ['core id\t', cpu],
    ['cpu cores', cpus],
    ['apicid\t', cpu],
    ['initial apicid', cpu],
    ['fpu\t', 'yes'],
    ['fpu_exception', 'yes'],
    ['cpuid level', highest],
    ['wp\t', 'yes'],
    ['flags\t', flags.join(' ')],
    ['bugs\t', ''],
    ['bogomips', '2000.00'],
    ['clflush size', 64],
    ['cache_alignment', 64],
    ['address sizes', `${sizes & 0xff} bits physical, ${(sizes >>> 8) & 0xff} bits virtual`],
    ['power management', ''],
  ];
  return `${rows.map(([name, value]) => `${name}\t: ${value}`.replace('power management\t: ', 'power management:')).join('\n')}\n\n`; // prettier-ignore
}
