import { expect, test } from 'vitest';
import { disassemble } from '../src/disassemble.ts';
import { CODE, DATA, FlatMachine, STACK_TOP } from '../../../tests/cpu/flat.ts';
import { Random } from '../../../tests/cpu/random.ts';

test('random bytes as code never leave the machine', () => {
  const random = new Random(5);
  const machine = new FlatMachine().load(new Uint8Array(4096 + 64));
  const { cpu } = machine;
  const code = new Uint8Array(256);
  const traps = [0, 0, 0, 0];
  for (let i = 0; i < 5000; i++) {
    for (let k = 0; k < code.length; k++)
      code[k] = random.chance(6)
        ? random.pick([0x0f, 0x66, 0xf3, 0x48, 0xf0, 0x67])
        : random.byte();
    const at = random.chance(4) ? CODE + 4096 - random.below(40) : CODE + random.below(2048);
    machine.write(at, code.subarray(0, 64));
    for (let r = 0; r < 16; r++)
      cpu.gpr[r] = random.chance(2) ? BigInt(DATA + random.below(65536)) : random.u64();
    cpu.gpr[4] = BigInt(STACK_TOP - 2048 - random.below(64));
    cpu.rip = at;
    cpu.rflags = 0x202;
    for (let runs = 0; runs < 20; runs++) {
      const trap = cpu.run(random.chance(4) ? 1 : 500);
      traps[trap]!++;
      if (trap > 1) break;
    }
    expect(cpu.ram.u8[cpu.ram.base - 1]).toBe(0);
  }
  expect(traps.every((n) => n > 0)).toBe(true);
});

test('the disassembler takes any bytes', () => {
  const random = new Random(6);
  const bytes = Uint8Array.from({ length: 50_000 }, () => random.byte());
  for (let at = 0; at < bytes.length;) {
    const { text, length } = disassemble(bytes, at, 0x1000n);
    expect(text.length).toBeGreaterThan(0);
    at += length;
  }
});
