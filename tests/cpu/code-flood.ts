import { TRAP_FUEL, TRAP_SYSCALL } from '@vitrine/x86/cpu.ts';
import { CODE, FlatMachine } from './flat.ts';

/** Physical pages that the code goes round in: the same frames, with other code each time. */
const FRAMES = 64;

/**
 * Runs `bytes` of code that is different everywhere, each page hot enough to be compiled, and looks whether what is kept of
 * it stays bounded.
 */
export function flood(bytes: number): { most: number; regions: number } {
  const machine = new FlatMachine(64 * 2 ** 20, { threshold: 1 });
  const { cpu } = machine;
  const frames = Array.from({ length: FRAMES }, (_, i) => machine.map(CODE + i * 4096));
  const { u8 } = cpu.ram;
  let most = 0;
  for (let round = 0; round < bytes / (FRAMES * 4096); round++) {
    frames.forEach((frame, i) => {
      cpu.dropCode(frame >>> 12);
      // add rax, imm32, as often as fits; dec ecx; jnz to the start of the page; then on to the next page.
      for (let at = 0; at < 4080; at += 6) {
        u8.set([0x48, 0x05], frame + at);
        u8.set([at & 0xff, i, round & 0xff, 0], frame + at + 2);
      }
      u8.set([0xff, 0xc9, 0x0f, 0x85, 0x08, 0xf0, 0xff, 0xff, 0xb1, 40], frame + 4080);
      u8.fill(0x90, frame + 4090, frame + 4096);
      if (i === FRAMES - 1) u8.set([0x0f, 0x05], frame + 4090);
    });
    cpu.gpr[1] = 40n;
    cpu.rip = CODE;
    let trap = TRAP_FUEL;
    while (trap === TRAP_FUEL) trap = cpu.run(100_000);
    if (trap !== TRAP_SYSCALL) throw new Error(`trap ${trap} in round ${round}`);
    most = Math.max(most, cpu.jit!.bytes);
  }
  return { most, regions: cpu.jit!.counters.regions };
}
