/** Guest instructions per second of tier 0 on a mixed integer loop: `npx tsx tests/bench/cpu-loop.ts`. */
import { TRAP_FUEL, TRAP_SYSCALL } from '@vitrine/x86/cpu.ts';
import { compileC, FlatMachine } from '../cpu/flat.ts';

const SOURCE = `
typedef unsigned long u64; typedef unsigned int u32; typedef unsigned char u8;
static u32 table[1024]; static u8 text[4096];
static u32 hash(const u8 *p, u32 n) { u32 h = 2166136261u; while (n--) { h ^= *p++; h *= 16777619u; } return h; }
static void sort(u32 *a, int n) {
  for (int gap = n / 2; gap; gap /= 2)
    for (int i = gap; i < n; i++) { u32 t = a[i]; int j = i; for (; j >= gap && a[j - gap] > t; j -= gap) a[j] = a[j - gap]; a[j] = t; }
}
__attribute__((section(".text.start"))) void _start(void) {
  u64 sum = 0, seed = 88172645463325252ul;
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < 1024; i++) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; table[i] = (u32)seed; text[i * 3] = (u8)(seed >> 32); }
    sort(table, 1024);
    sum += hash(text, 4096) + table[512];
    for (int i = 1; i < 1024; i++) if (table[i] % 7 == 3) sum += table[i - 1]; else sum ^= i;
  }
  asm volatile("syscall" :: "a"(60), "D"(sum));
}`;

function measure(rounds: number): { mips: number; sum: bigint } {
  const machine = new FlatMachine().load(compileC(SOURCE, ['-O2', `-DROUNDS=${rounds}`]));
  const { cpu } = machine;
  const start = performance.now();
  let trap = TRAP_FUEL;
  while (trap === TRAP_FUEL) trap = cpu.run(1_000_000);
  const seconds = (performance.now() - start) / 1000;
  if (trap !== TRAP_SYSCALL)
    throw new Error(`trap ${trap} vector ${cpu.vector} at ${cpu.rip.toString(16)}`);
  return { mips: cpu.retired / seconds / 1e6, sum: cpu.gpr[7]! };
}

for (const rounds of [10, 1000, 1000, 2000]) {
  const { mips, sum } = measure(rounds);
  console.log(
    `${rounds} rounds: ${mips.toFixed(1)} million instructions/s, sum ${sum.toString(16)}`,
  );
}
