import { syscall_name } from '@vitrine/kernel/arch/x86/syscall_table.ts';
import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import { errnoName } from '../errors.ts';
import { signalText } from './values.ts';

/**
 * Prints one line for each refusal that a program was given and for each kill: who, what, and the rule that was applied.
 * @returns a function that stops it
 */
export function attachWhy(kernel: Kernel, write: (text: string) => void): () => void {
  const who = (pid: number): string => `${kernel.pids.find(pid)?.task?.comm ?? '?'}[${pid}]`;
  const stops = [
    kernel.trace.sys_exit.on(({ pid, nr, ret, reason }) => {
      // Numbers from 512 on stay inside the kernel: the call is made again.
      if (ret >= 0 || ret <= -512) return;
      const name = syscall_name(nr) ?? `syscall ${nr}`;
      write(`${who(pid)} ${name}: ${errnoName(-ret)}: ${reason ?? 'no reason was given'}\n`);
    }),
    kernel.trace.signal_deliver.on(({ pid, sig, action, info }) => {
      if (action !== 'kill' && action !== 'core') return;
      write(`${who(pid)} killed by ${signalText(sig)}: ${info.reason ?? 'no reason was given'}\n`);
    }),
    kernel.trace.oom_kill.on(({ pid, comm, reason }) => write(`${comm}[${pid}] killed for memory: ${reason}\n`)), // prettier-ignore
  ];
  return () => stops.forEach((stop) => stop());
}
