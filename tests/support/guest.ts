import { type BootOptions, LinuxMachine, Machine } from '../../packages/vitrine/src/index.ts';
import { bytesToByteString } from '../../packages/vitrine/src/bytes.ts';
import { shellStatus } from '../../packages/vitrine/src/process.ts';
import { ENV, type Outcome } from './native.ts';

/** A refusal that a program was given, as the tracepoints show it. */
export interface Refusal {
  readonly nr: number;
  readonly ret: number;
  readonly reason: string | null;
}

export interface GuestOptions {
  /** Files to put into /usr/local/bin. */
  readonly programs?: Readonly<Record<string, Uint8Array>>;
  readonly timeout?: number;
  readonly memory?: string;
  /** Called with every failed system call. */
  readonly refused?: (refusal: Refusal) => void;
}

/** JIT=off interprets, JIT=force compiles every block when it is first executed, JIT=N after N samples in its page. */
function jitOption(): BootOptions['jit'] {
  const choice = process.env['JIT'];
  if (choice === undefined) return true;
  if (choice === 'off') return false;
  return { threshold: choice === 'force' ? 0 : Number(choice), advance: 10_000, extents: true };
}

const TIMEOUT = process.env['JIT'] === 'force' ? 120_000 : 30_000;

/** Runs a program in a fresh machine with the embedded image, as NativeLinux does on this one. */
export async function runInGuest(
  argv: readonly string[],
  options: GuestOptions = {},
): Promise<Outcome> {
  const machine: LinuxMachine = await Machine.boot({
    memory: options.memory ?? '256m',
    hostname: 'vitrine',
    jit: jitOption(),
  });
  try {
    for (const [name, bytes] of Object.entries(options.programs ?? {}))
      await machine.fs.writeFile(`/usr/local/bin/${name}`, bytes, { mode: 0o755 });
    const { refused } = options;
    if (refused !== undefined)
      machine.on('sys_exit', ({ nr, ret, reason }) => {
        if (ret < 0 && ret > -512) refused({ nr, ret, reason });
      });
    const process = await machine.spawn(argv, {
      cwd: '/tmp',
      env: { ...ENV, HOSTNAME: undefined },
      signal: AbortSignal.timeout(options.timeout ?? TIMEOUT),
    });
    const output = Promise.all([process.stdout.bytes(), process.stderr.bytes()]);
    const exit = await process.wait();
    // What still runs in the background ends with the program, as it does natively with the namespace.
    await machine.close();
    const [stdout, stderr] = await output;
    return { status: shellStatus(exit), stdout: bytesToByteString(stdout), stderr: bytesToByteString(stderr) }; // prettier-ignore
  } finally {
    await machine.close();
  }
}

/** Collects refusals whose reason says nothing. */
export function unexplained(): { readonly list: string[]; refused: (refusal: Refusal) => void } {
  const list: string[] = [];
  return {
    list,
    refused: ({ nr, ret, reason }) => {
      const words = reason?.match(/[A-Za-z_]{2,}/g)?.length ?? 0;
      if (words < 3) list.push(`system call ${nr}: ${ret}: ${reason}`);
    },
  };
}
