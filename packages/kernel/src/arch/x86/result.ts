import type { Cpu } from '@vitrine/x86/cpu.ts';

/** Writes a system call's result into RAX: a number within ±2^53 as a 64-bit integer, or a bigint. */
export function setResult(cpu: Cpu, value: number | bigint): void {
  if (typeof value === 'bigint') {
    cpu.gpr[0] = BigInt.asUintN(64, value);
    return;
  }
  cpu.gpr32[0] = value >>> 0;
  cpu.gpr32[1] = Math.floor(value / 2 ** 32) >>> 0;
}

/** What rt_sigreturn returns: the registers are set already, RAX too. */
export const RESTORED: number = -(2 ** 41);
