/** System calls, start-up and memory. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNative } from './native.ts';
import type { BenchRoot } from './setup.ts';
import { median, printTable, ratio } from './table.ts';
import type { Api } from './vitrine.ts';

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, '../../packages/vitrine/bin/vitrine.cjs');
const dist = join(here, '../../packages/vitrine/dist/index.mjs');

/** One line of the result. Times are in the unit named; lower is better unless it is a rate. */
export interface KernelRow {
  readonly name: string;
  readonly unit: string;
  native?: number;
  qemu?: number;
  vitrine?: number;
  /** What the project aims for. */
  readonly target?: string;
}

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

async function timedAsync(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function parseKernel(text: string): Map<string, number> {
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => /^(.*) (\d+)$/.exec(line)!)
      .map(([, name, ns]) => [name!, Number(ns)]),
  );
}

const TARGETS: Record<string, string> = {
  getpid: '500',
  'pipe round trip': '10000',
  'fork+exec+wait': '1200000',
  '64 MiB by pipe': '2x',
  '64 MiB by socket': '2x',
  'create+unlink': '15000',
  stat: '1500',
  'git status, 5,000 files': '6x',
  'python3 start': '8x',
};

const START = 'python3 start';

/** Programs that time from inside what their lines name. */
const PROGRAMS = ['/bench/kernel', '/bench/commands'];

export async function kernelRows(
  { Machine }: Api,
  bench: BenchRoot,
  jit: boolean,
): Promise<KernelRow[]> {
  const rows: KernelRow[] = [];
  for (const program of PROGRAMS) rows.push(...(await timedInside(Machine, bench, program, jit)));
  const start = rows.find(({ name }) => name === START)!;
  if (jit) rows.push({ ...start, name: `${START}, settled`, vitrine: await settledStart(Machine, bench) }); // prettier-ignore
  return rows;
}

/** Machines that have used a folder of translations before, and how often each starts Python. */
const SETTLING = 4;
const STARTS = 40;

/** The quickest of the last ten starts in a machine that finds what earlier ones have translated, in nanoseconds. */
async function settledStart(Machine: Api['Machine'], bench: BenchRoot): Promise<number> {
  const jitCache = mkdtempSync(join(tmpdir(), 'vitrine-bench-'));
  let last: number[] = [];
  for (let i = 0; i <= SETTLING; i++) {
    const machine = await Machine.boot({ image: bench.root, memory: '512m', jitCache });
    last = [];
    for (let start = 0; start < STARTS; start++)
      last.push(
        await timedAsync(async () => {
          const python = await machine.spawn(['/usr/bin/python3.11', '-c', 'pass']);
          await python.wait();
        }),
      );
    await machine.close();
  }
  rmSync(jitCache, { recursive: true });
  return Math.min(...last.slice(-10)) * 1e6;
}

async function timedInside(
  Machine: Api['Machine'],
  bench: BenchRoot,
  program: string,
  jit: boolean,
): Promise<KernelRow[]> {
  const native = parseKernel(runNative(bench, [program]).output);
  const emulated = bench.qemu
    ? parseKernel(runNative(bench, [bench.qemu, program]).output)
    : undefined;
  const machine = await Machine.boot({ image: bench.root, jit, memory: '512m' });
  const guest = async (): Promise<Map<string, number>> => {
    const process = await machine.spawn([program]);
    const [text, exit] = await Promise.all([process.stdout.text(), process.wait()]);
    if (exit.status !== 0) throw new Error(`${program}: ${JSON.stringify(exit)}`);
    return parseKernel(text);
  };
  await guest();
  const ours = await guest();
  await machine.close();
  return [...native].map(([name, ns]): KernelRow => {
    const row: KernelRow = { name, unit: 'ns', native: ns, vitrine: ours.get(name)!, ...(TARGETS[name] ? { target: TARGETS[name] } : {}) }; // prettier-ignore
    if (emulated) row.qemu = emulated.get(name)!;
    return row;
  });
}

export async function startRows({ Machine }: Api, jit: boolean): Promise<KernelRow[]> {
  const boots: number[] = [];
  for (let i = 0; i < 12; i++) {
    boots.push(
      await timedAsync(async () => {
        const machine = await Machine.boot({ jit });
        const process = await machine.spawn(['true']);
        await process.wait();
        await machine.close();
      }),
    );
  }
  const command = [0, 1, 2, 3, 4].map(() =>
    timed(() => execFileSync(process.execPath, [cli, 'run', 'true'])),
  );
  const node = [0, 1, 2, 3, 4].map(() => timed(() => spawnSync(process.execPath, ['-e', '0'])));
  const idle = idleMemory();
  return [
    {
      name: 'boot + true + close, SDK, warm',
      unit: 'ms',
      vitrine: median(boots.slice(2)),
      target: '30',
    },
    { name: 'node -e 0', unit: 'ms', native: median(node) },
    { name: 'vitrine run true', unit: 'ms', vitrine: median(command), target: '250' },
    { name: 'idle machine above node, resident', unit: 'MiB', vitrine: idle, target: '60' },
  ];
}

/** Resident memory of a process with an idle shell, less that of a bare one. */
function idleMemory(): number {
  const script = (body: string): number => {
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', `${body}; console.log(process.memoryUsage().rss / 2 ** 20); process.exit(0)`], { encoding: 'utf8', cwd: join(here, '../..') }); // prettier-ignore
    if (result.status !== 0) throw new Error(result.stderr);
    return Number(result.stdout);
  };
  const machine = `const { Machine } = await import(${JSON.stringify(dist)}); const m = await Machine.boot(); await m.spawn(['sh', '-c', 'sleep 100']); await new Promise((r) => setTimeout(r, 300))`; // prettier-ignore
  return script(machine) - script('await new Promise((r) => setTimeout(r, 300))');
}

export function printKernelRows(rows: readonly KernelRow[]): void {
  const cell = (n: number | undefined): string => (n === undefined ? '' : n >= 100 ? n.toFixed(0) : n.toFixed(2)); // prettier-ignore
  const head = ['', 'unit', 'native', 'qemu-user', 'vitrine', 'of native', 'of qemu', 'target'];
  const lines = rows.map((r) => [
    r.name,
    r.unit,
    cell(r.native),
    cell(r.qemu),
    cell(r.vitrine),
    ratio(r.vitrine, r.native),
    ratio(r.vitrine, r.qemu),
    r.target ?? '',
  ]);
  printTable([head, ...lines]);
}
