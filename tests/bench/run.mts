/**
 * The benchmarks: native, qemu-user and Vitrine in turn, in one run, as a table and, with --json FILE, as JSON.
 *
 *     npm run bench [-- --json FILE] [-- --jit]
 *
 * Needs a C compiler; qemu-x86_64-static where it is there. Uses the built package (npm run build).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LinuxMachine } from '../../packages/vitrine/src/index.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { Machine } = (await import('../../packages/vitrine/dist/index.mjs' as string)) as typeof import('../../packages/vitrine/src/index.ts'); // prettier-ignore
const cli = join(here, '../../packages/vitrine/bin/vitrine.cjs');
const work = mkdtempSync(join(tmpdir(), 'bench-'));
/** `--jit`: with tier 1 of the processor. */
const jit = process.argv.includes('--jit');
const qemu = existsSync('/usr/bin/qemu-x86_64-static') ? '/usr/bin/qemu-x86_64-static' : null;

/** One line of the result. Times are in the unit named; lower is better unless it is a rate. */
interface Row {
  readonly name: string;
  readonly unit: string;
  native?: number;
  qemu?: number;
  vitrine?: number;
  /** What the project aims for. */
  readonly target?: string;
}

function compile(name: string): string {
  const out = join(work, name);
  execFileSync('gcc', ['-O2', '-static', '-o', out, join(here, 'programs', `${name}.c`)]);
  return out;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

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

/** Boots a machine with the programs in it. */
async function bootWith(...programs: string[]): Promise<LinuxMachine> {
  const machine = await Machine.boot({ jit });
  for (const path of programs) {
    const name = `/tmp/${path.slice(path.lastIndexOf('/') + 1)}`;
    await machine.fs.writeFile(name, readFileSync(path), { mode: 0o755 });
  }
  return machine;
}

async function guest(machine: LinuxMachine, argv: string[]): Promise<string> {
  const process = await machine.spawn(argv);
  const [text, exit] = await Promise.all([process.stdout.text(), process.wait()]);
  if (exit.status !== 0) throw new Error(`${argv.join(' ')}: ${JSON.stringify(exit)}`);
  return text;
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
};

async function kernelRows(program: string): Promise<Row[]> {
  const native = parseKernel(execFileSync(program, { encoding: 'utf8' }));
  const emulated = qemu
    ? parseKernel(execFileSync(qemu, [program], { encoding: 'utf8' }))
    : undefined;
  const machine = await bootWith(program);
  await guest(machine, ['/tmp/kernel']);
  const ours = parseKernel(await guest(machine, ['/tmp/kernel']));
  await machine.close();
  return [...native].map(([name, ns]): Row => {
    const row: Row = { name, unit: 'ns', native: ns, vitrine: ours.get(name)!, ...(TARGETS[name] ? { target: TARGETS[name] } : {}) }; // prettier-ignore
    if (emulated) row.qemu = emulated.get(name)!;
    return row;
  });
}

async function integerRows(program: string): Promise<Row[]> {
  const rounds = '2000';
  const native = [0, 1, 2].map(() => timed(() => execFileSync(program, [rounds])));
  const emulated = qemu ? [0, 1, 2].map(() => timed(() => execFileSync(qemu, [program, rounds]))) : []; // prettier-ignore
  const machine = await bootWith(program);
  const expected = execFileSync(program, [rounds], { encoding: 'utf8' });
  const times: number[] = [];
  let instructions = 0;
  for (let i = 0; i < 3; i++) {
    const before = machine.kernel.cpu.retired;
    times.push(
      await timedAsync(async () => {
        const text = await guest(machine, ['/tmp/integer', rounds]);
        if (text !== expected) throw new Error(`integer: ${text} is not ${expected}`);
      }),
    );
    instructions = machine.kernel.cpu.retired - before;
  }
  await machine.close();
  const ms = median(times);
  return [
    {
      name: 'integer loop',
      unit: 'ms',
      native: median(native),
      ...(qemu ? { qemu: median(emulated) } : {}),
      vitrine: ms,
    },
    { name: 'processor speed', unit: 'M instr/s', vitrine: instructions / ms / 1e3, target: '150' },
  ];
}

async function startRows(): Promise<Row[]> {
  const boots: number[] = [];
  for (let i = 0; i < 12; i++) {
    boots.push(
      await timedAsync(async () => {
        const machine = await Machine.boot({ jit });
        await guest(machine, ['true']);
        await machine.close();
      }),
    );
  }
  const command = [0, 1, 2, 3, 4].map(() =>
    timed(() => execFileSync(process.execPath, [cli, 'run', 'true'])),
  );
  const node = [0, 1, 2, 3, 4].map(() => timed(() => spawnSync(process.execPath, ['-e', '0'])));
  const idle = await idleMemory();
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
async function idleMemory(): Promise<number> {
  const script = (body: string): number => {
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', `${body}; console.log(process.memoryUsage().rss / 2 ** 20); process.exit(0)`], { encoding: 'utf8', cwd: join(here, '../..') }); // prettier-ignore
    if (result.status !== 0) throw new Error(result.stderr);
    return Number(result.stdout);
  };
  const machine = `const { Machine } = await import(${JSON.stringify(join(here, '../../packages/vitrine/dist/index.mjs'))}); const m = await Machine.boot(); await m.spawn(['sh', '-c', 'sleep 100']); await new Promise((r) => setTimeout(r, 300))`; // prettier-ignore
  return script(machine) - script('await new Promise((r) => setTimeout(r, 300))');
}

function show(rows: readonly Row[]): void {
  const cell = (n: number | undefined): string => (n === undefined ? '' : n >= 100 ? n.toFixed(0) : n.toFixed(2)); // prettier-ignore
  const lines = rows.map((r) => [
    r.name,
    r.unit,
    cell(r.native),
    cell(r.qemu),
    cell(r.vitrine),
    r.native && r.vitrine ? `${(r.vitrine / r.native).toFixed(2)}×` : '',
    r.qemu && r.vitrine ? `${(r.vitrine / r.qemu).toFixed(2)}×` : '',
    r.target ?? '',
  ]);
  const head = ['', 'unit', 'native', 'qemu-user', 'vitrine', 'of native', 'of qemu', 'target'];
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i]!.length)));
  for (const line of [head, ...lines]) {
    console.log(
      line.map((c, i) => (i === 0 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join('  '),
    );
  }
}

const rows = [
  ...(await startRows()),
  ...(await integerRows(compile('integer'))),
  ...(await kernelRows(compile('kernel'))),
];
show(rows);
const json = process.argv.indexOf('--json');
if (json >= 0)
  writeFileSync(process.argv[json + 1]!, JSON.stringify({ node: process.version, rows }, null, 2));
