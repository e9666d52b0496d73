import { readFileSync } from 'node:fs';
import { TRAP_FUEL, TRAP_SYSCALL } from '@vitrine/x86/cpu.ts';
import { CODE, FlatMachine } from './flat.ts';

export interface FloodOptions {
  /** Physical pages that the code goes round in: the same frames, with other code each time. */
  readonly frames?: number;
  readonly threshold?: number;
  /** How often each page is executed. */
  readonly loops?: number;
}

export interface Flood {
  /** Most bytes that regions took. */
  readonly most: number;
  readonly regions: number;
  readonly shrinks: number;
}

/**
 * Runs `bytes` of code that is different everywhere, each page hot enough to be compiled, and looks whether what is kept of
 * it stays bounded.
 */
export function flood(
  bytes: number,
  { frames: count = 64, threshold = 1, loops = 40 }: FloodOptions = {},
): Flood {
  const machine = new FlatMachine(64 * 2 ** 20, { threshold, advance: 10_000 });
  const { cpu } = machine;
  const frames = Array.from({ length: count }, (_, i) => machine.map(CODE + i * 4096));
  let most = 0;
  for (let round = 0; round < bytes / (count * 4096); round++) {
    frames.forEach((frame, i) => {
      cpu.dropCode(frame >>> 12);
      fill(cpu.ram.u8, frame, [i, round], loops);
      if (i === count - 1) cpu.ram.u8.set([0x0f, 0x05], frame + 4093);
    });
    cpu.gpr[1] = BigInt(loops);
    cpu.rip = CODE;
    let trap = TRAP_FUEL;
    while (trap === TRAP_FUEL) {
      trap = cpu.run(100_000);
      most = Math.max(most, cpu.jit!.bytes);
    }
    if (trap !== TRAP_SYSCALL) throw new Error(`trap ${trap} in round ${round}`);
  }
  const { regions, shrinks } = cpu.jit!.counters;
  return { most, regions, shrinks };
}

/** add rax, imm32, as often as fits; dec ecx; jnz to the start of the page; then on to the next page. */
function fill(u8: Uint8Array, frame: number, [i, round]: [number, number], loops: number): void {
  for (let at = 0; at < 4080; at += 6) {
    u8.set([0x48, 0x05], frame + at);
    u8.set([at & 0xff, i & 0xff, i >> 8, round & 0x7f], frame + at + 2);
  }
  const end = [
    0xff,
    0xc9,
    0x0f,
    0x85,
    0x08,
    0xf0,
    0xff,
    0xff,
    0xb9,
    loops & 0xff,
    loops >> 8,
    0,
    0,
  ];
  u8.set(end, frame + 4080);
  u8.fill(0x90, frame + 4093, frame + 4096);
}

/** Bytes of machine code that V8 holds, where Linux tells: memory that is executable and of no file. */
export function nativeCode(): number | undefined {
  let bytes = 0;
  let counts = false;
  let lines: string[];
  try {
    lines = readFileSync('/proc/self/smaps', 'latin1').split('\n');
  } catch {
    return undefined;
  }
  for (const line of lines) {
    const mapping = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ (\d+)/.exec(line);
    if (mapping) counts = mapping[1]!.includes('x') && mapping[2] === '0';
    else if (counts && line.startsWith('Rss:')) bytes += parseInt(line.slice(4), 10) * 1024;
  }
  return bytes;
}
