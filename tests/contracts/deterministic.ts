import type { BootOptions, LinuxMachine } from '../../packages/vitrine/src/index.ts';

/** Processes, pipes, signals, timers, randomness, the clock: what could differ from run to run. */
const SCRIPT = `
date +%s; head -c 8 /dev/urandom | od -An -tx1
(i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo a) &
(sleep 0.01; echo b) &
wait
trap 'echo usr' USR1; (sleep 0.02; kill -USR1 $$) & wait $!
seq 1 200 | sort -r | head -3
awk 'BEGIN { for (i = 0; i < 500; i++) s += sin(i) * sqrt(i); print s }'
cat /proc/uptime /proc/self/stat | md5sum
`;

const POINTS = ['sys_enter', 'sys_exit', 'sched_switch', 'sched_wakeup', 'sched_process_fork', 'sched_process_exec', 'sched_process_exit', 'signal_generate', 'signal_deliver', 'page_fault_user', 'printk'] as const; // prettier-ignore

/** Boots on the virtual clock and runs the script with every tracepoint recorded. */
export async function traceScript(
  boot: (options: BootOptions) => Promise<LinuxMachine>,
  hash: (text: string) => string | Promise<string>,
): Promise<{ events: string[]; digest: string; output: string }> {
  const machine = await boot({ clock: 'virtual', seed: 7, memory: '64m' });
  const events: string[] = [];
  for (const point of POINTS)
    machine.on(point, (event) => void events.push(`${point} ${JSON.stringify(event)}`));
  const process = await machine.spawn(['sh', '-c', SCRIPT]);
  const output = await process.stdout.text();
  await process.wait();
  await machine.close();
  return { events, digest: await hash(events.join('\n')), output };
}
