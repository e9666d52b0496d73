/** Runs one row in Vitrine: a machine of its own, the program once or more often in it. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LinuxMachine } from '../../packages/vitrine/src/index.ts';
import type { BenchRow } from './rows.ts';

export type Api = typeof import('../../packages/vitrine/src/index.ts');

/** One run of a program, wherever. */
export interface Run {
  /** Seconds from start to exit. */
  readonly wall: number;
  /** Seconds of CPU, of all threads of the process that executed it. */
  readonly cpu: number;
  readonly status: number;
  readonly output: string;
  /** Guest instructions. */
  readonly instructions?: number;
}

export const digest = (output: Uint8Array): string =>
  output.length <= 200 ? Buffer.from(output).toString('latin1') : `${output.length} bytes, sha256 ${createHash('sha256').update(output).digest('hex')}`; // prettier-ignore

export interface GuestOptions {
  readonly root: string;
  readonly jit: boolean;
  readonly runs: number;
  /** A folder in which translations are kept for other processes. */
  readonly jitCache?: string | undefined;
  /** A folder for what `Machine.boot({ profile: true })` finds in all runs together. */
  readonly profile?: string | undefined;
}

export async function runGuest(
  { Machine }: Api,
  row: BenchRow,
  options: GuestOptions,
): Promise<Run[]> {
  const machine = await Machine.boot({
    image: options.root,
    memory: '768m',
    jit: options.jit,
    jitCache: options.jitCache ?? false,
    profile: options.profile !== undefined,
  });
  const runs: Run[] = [];
  for (let i = 0; i < options.runs; i++) runs.push(await runOnce(machine, row));
  if (options.profile !== undefined) {
    const recording = machine.profile();
    mkdirSync(options.profile, { recursive: true });
    const place = join(options.profile, row.name);
    writeFileSync(`${place}.speedscope.json`, JSON.stringify(recording.toSpeedscope(row.name)));
    writeFileSync(`${place}.txt`, recording.summary());
  }
  await machine.close();
  return runs;
}

async function runOnce(machine: LinuxMachine, row: BenchRow): Promise<Run> {
  const before = machine.kernel.cpu.retired;
  const usage = process.cpuUsage();
  const start = performance.now();
  const guest = await machine.spawn(row.argv);
  const [output, errors, exit] = await Promise.all([guest.stdout.bytes(), guest.stderr.text(), guest.wait()]); // prettier-ignore
  const wall = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(usage);
  if (errors !== '') console.error(errors);
  return {
    wall,
    cpu: (user + system) / 1e6,
    status: exit.status ?? 128,
    output: digest(output),
    instructions: machine.kernel.cpu.retired - before,
  };
}
