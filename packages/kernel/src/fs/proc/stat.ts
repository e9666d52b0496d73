import type { Kernel } from '../../include/kernel.ts';
import type { RunQueue } from '../../kernel/sched/rq.ts';
import { proc_create } from './registry.ts';

/** What the processors did: stat, uptime, loadavg, interrupts, softirqs, schedstat (analogous to fs/proc/stat.c). */

const file = (path: string, show: (kernel: Kernel) => string): void =>
  proc_create(path, { mode: 0o444, show: (current) => show(current.kernel) });

interface CpuTime {
  readonly user: number;
  readonly nice: number;
  readonly system: number;
  readonly idle: number;
}

function times(kernel: Kernel, rq: RunQueue): CpuTime {
  const { user, nice, system } = rq;
  const { sched, clock } = kernel;
  const now = clock.boottime();
  // The turn that goes on counts when it is over; it is no idle time meanwhile.
  const turn = sched.current?.cpu === rq.cpu ? now - sched.rq_clock : 0;
  return { user, nice, system, idle: Math.max(0, now - turn - user - nice - system) };
}

const ticks = (ns: number): number => Math.floor(ns / 1e7);

const cpuLine = (name: string, t: CpuTime): string =>
  `${name} ${ticks(t.user)} ${ticks(t.nice)} ${ticks(t.system)} ${ticks(t.idle)} 0 0 0 0 0 0\n`;

const sum = (kernel: Kernel, of: (rq: RunQueue) => number): number =>
  kernel.sched.rqs.reduce((total, rq) => total + of(rq), 0);

/** Interrupts of this machine: a turn that used its time up is a tick, a wakeup on another processor an IPI. */
const INTERRUPTS: readonly (readonly [string, string, (rq: RunQueue) => number])[] = [
  ['NMI', 'Non-maskable interrupts', () => 0],
  ['LOC', 'Local timer interrupts', (rq) => rq.ticks],
  ['SPU', 'Spurious interrupts', () => 0],
  ['PMI', 'Performance monitoring interrupts', () => 0],
  ['IWI', 'IRQ work interrupts', () => 0],
  ['RTR', 'APIC ICR read retries', () => 0],
  ['RES', 'Rescheduling interrupts', (rq) => rq.ipis],
  ['CAL', 'Function call interrupts', () => 0],
  ['TLB', 'TLB shootdowns', () => 0],
  ['TRM', 'Thermal event interrupts', () => 0],
  ['THR', 'Threshold APIC interrupts', () => 0],
  ['DFR', 'Deferred Error APIC interrupts', () => 0],
  ['MCE', 'Machine check exceptions', () => 0],
  ['MCP', 'Machine check polls', () => 0],
];

/** Soft interrupts by name, in the order of their numbers. */
const SOFTIRQS: readonly (readonly [string, (rq: RunQueue) => number])[] = [
  ['HI', () => 0],
  ['TIMER', () => 0],
  ['NET_TX', () => 0],
  ['NET_RX', () => 0],
  ['BLOCK', () => 0],
  ['IRQ_POLL', () => 0],
  ['TASKLET', () => 0],
  ['SCHED', (rq) => rq.balances],
  ['HRTIMER', (rq) => rq.hrtimers],
  ['RCU', () => 0],
];

function stat(kernel: Kernel): string {
  const all = kernel.sched.rqs.map((rq) => times(kernel, rq));
  const total = (key: keyof CpuTime): number => all.reduce((n, t) => n + t[key], 0);
  const whole = { user: total('user'), nice: total('nice'), system: total('system'), idle: total('idle') }; // prettier-ignore
  const intr = INTERRUPTS.reduce((n, [, , of]) => n + sum(kernel, of), 0);
  const soft = SOFTIRQS.map(([, of]) => sum(kernel, of));
  return (
    cpuLine('cpu ', whole) +
    all.map((t, cpu) => cpuLine(`cpu${cpu}`, t)).join('') +
    `intr ${intr}\nctxt ${kernel.sched.nr_switches}\nbtime ${kernel.time.offset_real / 1_000_000_000n}\n` +
    `processes ${kernel.total_forks}\nprocs_running ${kernel.sched.nr_running}\nprocs_blocked ${blocked(kernel)}\n` +
    `softirq ${soft.reduce((a, b) => a + b, 0)} ${soft.join(' ')}\n`
  );
}

function blocked(kernel: Kernel): number {
  let n = 0;
  for (const pid of kernel.pids.pids.values()) if (pid.task?.state === 'D') n++;
  return n;
}

function loadavg(kernel: Kernel): string {
  kernel.sched.calc_load(kernel.clock.now(), kernel.sched.nr_running);
  const loads = kernel.sched.avenrun.map((load) => load.toFixed(2)).join(' ');
  return `${loads} ${kernel.sched.nr_running}/${kernel.nr_threads} ${kernel.pids.last}\n`;
}

/** Seconds with two decimals, the rest cut off. */
const centiseconds = (ns: number): string => (Math.floor(ns / 1e7) / 100).toFixed(2);

function uptime(kernel: Kernel): string {
  const idle = sum(kernel, (rq) => times(kernel, rq).idle);
  return `${centiseconds(kernel.clock.boottime())} ${centiseconds(idle)}\n`;
}

/** One column of ten for each processor. */
const columns = (kernel: Kernel, of: (rq: RunQueue) => number): string =>
  kernel.sched.rqs.map((rq) => `${String(of(rq)).padStart(10)} `).join('');

function interrupts(kernel: Kernel): string {
  const head = kernel.sched.rqs.map((rq) => `CPU${rq.cpu}`.padEnd(11)).join('');
  const lines = INTERRUPTS.map(([name, text, of]) => `${name}: ${columns(kernel, of)}  ${text}\n`);
  return `${' '.repeat(11)}${head}\n${lines.join('')}ERR: ${'0'.padStart(10)}\nMIS: ${'0'.padStart(10)}\n`;
}

function softirqs(kernel: Kernel): string {
  const head = kernel.sched.rqs.map((rq) => `CPU${rq.cpu}`.padEnd(11)).join('');
  const lines = SOFTIRQS.map(
    ([name, of]) => `${name.padStart(12)}:${kernel.sched.rqs.map((rq) => ` ${String(of(rq)).padStart(10)}`).join('')}\n`, // prettier-ignore
  );
  return `${' '.repeat(20)}${head}\n${lines.join('')}`;
}

/** Version 17: yield, legacy, schedule and wakeup counts, then run time, time waited and turns. */
function schedstat(kernel: Kernel): string {
  const lines = kernel.sched.rqs.map((rq) => {
    const run = rq.user + rq.nice + rq.system;
    return `cpu${rq.cpu} 0 0 ${rq.nr_switches} 0 0 0 ${Math.floor(run)} ${Math.floor(rq.run_delay)} ${rq.pcount}\n`;
  });
  return `version 17\ntimestamp ${4294892296 + Math.floor(kernel.clock.now() / 4e6)}\n${lines.join('')}`;
}

file('stat', stat);
file('loadavg', loadavg);
file('uptime', uptime);
file('interrupts', interrupts);
file('softirqs', softirqs);
file('schedstat', schedstat);
