import { expect, it } from 'vitest';
import { Machine } from '../src/index.ts';

/** Runs a script in a machine with four processors. */
async function run(script: string): Promise<string> {
  const machine = await Machine.boot({ memory: '64m', cpus: 4 });
  const process = await machine.spawn(['sh', '-c', script]);
  const text = await process.stdout.text();
  expect(await process.stderr.text()).toBe('');
  await machine.close();
  return text;
}

it('tells of every processor', async () => {
  const text = await run(`
    nproc
    grep -c '^processor' /proc/cpuinfo
    grep -c '^cpu[0-9]' /proc/stat
    head -1 /proc/interrupts
    cat /sys/devices/system/cpu/online /sys/devices/system/cpu/cpu3/topology/core_id
    cat /sys/devices/system/cpu/cpu2/cache/index3/shared_cpu_list
    grep Cpus_allowed /proc/self/status
  `);
  expect(text.split('\n')).toEqual(['4', '4', '4', '           CPU0       CPU1       CPU2       CPU3       ', '0-3', '3', '0-3', 'Cpus_allowed:\tf', 'Cpus_allowed_list:\t0-3', '']); // prettier-ignore
});

it('keeps tasks where their masks allow', async () => {
  const text = await run(`
    taskset -p $$
    taskset 4 nproc
    taskset 4 grep Cpus_allowed_list /proc/self/status
    taskset 8 cut -d' ' -f39 /proc/self/stat
    taskset 100 true 2>/dev/null || echo none
  `);
  expect(text.split('\n').slice(1)).toEqual(['1', 'Cpus_allowed_list:\t2', '3', 'none', '']);
});

it('gives every processor something to do', async () => {
  const text = await run(`
    for i in 1 2 3 4; do (while :; do :; done) & pids="$pids $!"; done
    sleep 0.5
    for pid in $pids; do cut -d' ' -f39 /proc/$pid/stat; done | sort
    kill $pids
  `);
  expect(text).toBe('0\n1\n2\n3\n');
});

it('refuses a number of processors that it cannot have', async () => {
  await expect(Machine.boot({ cpus: 33 })).rejects.toThrow('1 to 32 processors');
  await expect(Machine.boot({ cpus: 1.5 })).rejects.toThrow('1 to 32 processors');
});
