import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LinuxMachine } from '../../packages/vitrine/src/index.ts';
import { Machine } from '../../packages/vitrine/src/index.ts';

/** Compiles a program of programs/ statically. */
export function build(name: string): Uint8Array {
  const out = join(mkdtempSync(join(tmpdir(), 'hostile-')), name);
  execFileSync('gcc', ['-O1', '-static', '-w', '-o', out, join(import.meta.dirname, 'programs', `${name}.c`)]); // prettier-ignore
  return readFileSync(out);
}

/** A machine on a virtual clock, and what its kernel reported of bugs of its own. */
export async function victim(): Promise<{ machine: LinuxMachine; oopses: string[] }> {
  const machine = await Machine.boot({ clock: 'virtual', memory: '64m' });
  const oopses: string[] = [];
  machine.on('printk', ({ level, text }) => {
    if (level === 0) oopses.push(text);
  });
  return { machine, oopses };
}

/** Runs a program to its end, or kills it after `limit` milliseconds of real time. @returns its exit, for reports */
export async function runBounded(
  machine: LinuxMachine,
  argv: string[],
  options: { user?: string; limit?: number } = {},
): Promise<string> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), options.limit ?? 3000);
  try {
    const process = await machine.spawn(argv, { signal: abort.signal, ...(options.user ? { user: options.user } : {}) }); // prettier-ignore
    const drain = Promise.all([process.stdout.bytes(), process.stderr.bytes()]);
    const exit = await process.wait();
    void drain;
    return JSON.stringify(exit);
  } catch (error) {
    return String(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends what the last program left running: children that outlived it. */
export function killAll(machine: LinuxMachine): void {
  for (const { pid } of machine.processes()) if (pid !== 1) machine.kernel.pids.find(pid)?.task?.force_or_send_sig(9, 'the test is over'); // prettier-ignore
}

/** xorshift32, so that a seed names a run. */
export function randomOf(seed: number): () => number {
  let x = (seed * 2654435761) >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>>= 0);
  };
}

/** A copy with a few bytes changed: most of them in the headers, some anywhere; now and then truncated. */
export function mutate(program: Uint8Array, random: () => number): Uint8Array {
  const copy = program.slice();
  for (let n = 1 + (random() % 6); n > 0; n--) {
    const at =
      random() % 4 ? random() % 64 : random() % 3 ? random() % 1024 : random() % copy.length;
    copy[at] = random() % 3 ? random() & 0xff : [0, 0xff, 0x7f, 0x80][random() % 4]!;
  }
  return random() % 16 === 0 ? copy.slice(0, random() % copy.length) : copy;
}

/** `count` mutations of a program, each run once. @returns what went wrong */
export async function mutations(
  program: Uint8Array,
  count: number,
  seed: number,
): Promise<string[]> {
  const { machine, oopses } = await victim();
  const random = randomOf(seed);
  const problems: string[] = [];
  for (let i = 0; i < count && problems.length < 10; i++) {
    const path = `/tmp/m${i % 8}`;
    await machine.fs.rm(path, { force: true });
    await machine.fs.writeFile(path, mutate(program, random), { mode: 0o755 });
    await runBounded(machine, [path, '1']);
    killAll(machine);
    for (const oops of oopses.splice(0)) problems.push(`mutation ${i} of seed ${seed}: ${oops}`);
    if (machine.halted !== null)
      problems.push(`mutation ${i} of seed ${seed}: ${machine.halted.reason}`);
    if (machine.halted !== null) break;
  }
  await machine.close();
  return problems;
}

/** `count` random sequences of system calls. @returns what went wrong */
export async function sequences(
  program: Uint8Array,
  count: number,
  first: number,
): Promise<string[]> {
  const problems: string[] = [];
  for (let seed = first; seed < first + count && problems.length < 10;) {
    // A fresh machine now and then: what one sequence leaves behind is another's surroundings, but not for ever.
    const { machine, oopses } = await victim();
    await machine.fs.writeFile('/tmp/calls', program, { mode: 0o755 });
    for (let i = 0; i < 250 && seed < first + count; i++, seed++) {
      await runBounded(machine, ['/tmp/calls', String(seed)], seed % 2 ? { user: '1000' } : {});
      killAll(machine);
      for (const oops of oopses.splice(0)) problems.push(`seed ${seed}: ${oops}`);
      if (machine.halted === null) continue;
      if (!/called reboot/.test(machine.halted.reason))
        problems.push(`seed ${seed}: ${machine.halted.reason}`);
      seed++;
      break;
    }
    await machine.close();
  }
  return problems;
}
