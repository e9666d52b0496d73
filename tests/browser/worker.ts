// Runs in a Web Worker: boots a machine, runs what the page asks for, answers with the output.
import type { Machine as Processor } from '@vitrine/x86';
import { type BootOptions, Machine } from '../../packages/vitrine/src/browser.ts';
import { bytesToByteString } from '../../packages/vitrine/src/bytes.ts';

/** What the page may ask for: a shell script, in a machine as it is booted by default but for these. */
export interface Request {
  readonly script: string;
  /** With the virtual clock, and all events. */
  readonly virtual?: boolean;
  readonly hostname?: string;
  readonly jit?: BootOptions['jit'];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Answer {
  /** Byte strings. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: { readonly status: number | null; readonly signal: string | null };
  readonly events: string;
  /** Regions that tier 1 has compiled. */
  readonly regions: number;
  readonly error?: string;
}

async function run({ script, virtual, hostname, jit, cwd, env }: Request): Promise<Answer> {
  const machine = await Machine.boot({
    memory: '128m',
    clock: virtual ? 'virtual' : 'real',
    ...(hostname === undefined ? {} : { hostname }),
    ...(jit === undefined ? {} : { jit }),
  });
  const events: string[] = [];
  if (virtual)
    for (const point of ['sys_enter', 'sys_exit', 'sched_switch'] as const)
      machine.on(point, (event) => void events.push(`${point} ${JSON.stringify(event)}`));
  const process = await machine.spawn(['sh', '-c', script], {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  });
  const output = Promise.all([process.stdout.bytes(), process.stderr.bytes()]);
  const exit = await process.wait();
  const { jit: tier1 } = machine.kernel.cpu as Processor;
  const regions = tier1?.counters.regions ?? 0;
  await machine.close();
  const [stdout, stderr] = (await output).map(bytesToByteString) as [string, string];
  return { stdout, stderr, exit, events: events.join('\n'), regions };
}

self.onmessage = ({ data }: MessageEvent<Request>) => {
  run(data).then(
    (answer) => self.postMessage(answer),
    (error: unknown) => self.postMessage({ error: String((error as Error).stack ?? error) }),
  );
};
