import { EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Mm } from '../mm/mm.ts';

/**
 * membarrier(2). Virtual processors run in turn, and each has passed every barrier when it does not run: what remains are
 * the commands' rules (kernel/sched/membarrier.c).
 */

const GLOBAL = 1;
const GLOBAL_EXPEDITED = 2;
const REGISTER_GLOBAL_EXPEDITED = 4;
const PRIVATE_EXPEDITED_RSEQ = 128;
const GET_REGISTRATIONS = 512;
const FLAG_CPU = 1;

/** Expedited commands, each with the one that announces it. */
const REGISTRATION: ReadonlyMap<number, number> = new Map([
  [8, 16],
  [32, 64],
  [PRIVATE_EXPEDITED_RSEQ, 256],
]);
const REGISTERS: readonly number[] = [REGISTER_GLOBAL_EXPEDITED, ...REGISTRATION.values()];
const ALL = 0x3ff;

export function membarrier(mm: Mm, command: number, flags: number): number {
  const known = command === PRIVATE_EXPEDITED_RSEQ ? FLAG_CPU : 0;
  if (flags & ~known) throw errno(EINVAL, 'membarrier: flags {} are not known', flags);
  if (command === 0) return ALL;
  if (command === GLOBAL || command === GLOBAL_EXPEDITED) return 0;
  if (command === GET_REGISTRATIONS) return mm.membarrier;
  if (REGISTERS.includes(command)) {
    mm.membarrier |= command;
    return 0;
  }
  const needed = REGISTRATION.get(command);
  if (needed === undefined) throw errno(EINVAL, 'membarrier: there is no command {}', command);
  if (!(mm.membarrier & needed))
    throw errno(EPERM, 'membarrier: command {} needs the process registered with {}', command, needed); // prettier-ignore
  return 0;
}
