/** Call stacks of guest programs by their frame pointers. */
import type { Vma } from '@vitrine/kernel/mm/vma.ts';
import { VM_EXEC } from '@vitrine/kernel/mm/vma.ts';
import type { Mm } from '@vitrine/kernel/mm/mm.ts';
import { RBP, RSP, type Cpu } from '@vitrine/x86/cpu.ts';

const MOST_FRAMES = 100;

/** Physical address of a mapped page's byte, or -1. Looks only: nothing is faulted in or marked. */
function physical({ ram, cr3 }: Cpu, va: number): number {
  let table = cr3 - (cr3 % 4096);
  for (const shift of [39, 30, 21, 12]) {
    const place = table + (Math.floor(va / 2 ** shift) % 512) * 8;
    if (place + 8 > ram.size) return -1;
    const low = ram.u32[place >> 2]!;
    if ((low & 1) === 0) return -1;
    table = (low & 0xffff_f000) >>> 0;
    if (shift !== 12 && (low & 0x80) !== 0) {
      const size = 2 ** shift;
      return table - (table % size) + (va % size);
    }
  }
  return table + (va % 4096);
}

/** Eight bytes of the current address space, or 0. */
function peek(cpu: Cpu, va: number): number {
  const at = va % 8 === 0 ? physical(cpu, va) : -1;
  if (at < 0 || at + 8 > cpu.ram.size) return 0;
  return cpu.ram.u32[at >> 2]! + cpu.ram.u32[(at >> 2) + 1]! * 2 ** 32;
}

function byte(cpu: Cpu, va: number): number {
  const at = physical(cpu, va);
  return at < 0 ? -1 : cpu.ram.u8[at]!;
}

/** A CALL ends right before the address: what looks like a return address is one. */
function followsCall(cpu: Cpu, va: number): boolean {
  if (byte(cpu, va - 5) === 0xe8) return true;
  for (let length = 2; length <= 7; length++)
    if (byte(cpu, va - length) === 0xff && ((byte(cpu, va - length + 1) >> 3) & 7) === 2)
      return true;
  return false;
}

const inCode = (vma: Vma | null): boolean => vma !== null && (vma.flags & VM_EXEC) !== 0;

/**
 * The instruction pointer, and the return addresses of the callers as far as frame pointers lead; without them, the
 * caller of a leaf function if its return address is on top of the stack.
 */
export function unwind(cpu: Cpu, mm: Mm): number[] {
  const stack = [cpu.rip];
  const returns = (va: number): boolean =>
    va > 4096 && inCode(mm.vmas.at(va)) && followsCall(cpu, va);
  let frame = Number(cpu.gpr[RBP]!);
  const top = Number(cpu.gpr[RSP]!);
  const range = mm.vmas.at(top);
  if (range === null) return stack;
  const leaf = peek(cpu, top);
  if (returns(leaf)) stack.push(leaf);
  let below = top - 1;
  while (stack.length < MOST_FRAMES && frame > below && frame + 16 <= range.end) {
    const back = peek(cpu, frame + 8);
    if (!returns(back)) break;
    if (back !== stack.at(-1)) stack.push(back);
    below = frame;
    frame = peek(cpu, frame);
  }
  return stack;
}
