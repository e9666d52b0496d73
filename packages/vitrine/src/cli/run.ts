import {
  existsSync,
  fstatSync,
  readFileSync,
  statSync,
  writeFileSync,
  appendFileSync,
} from 'node:fs';
import { SIG_DFL } from '@vitrine/uapi/signal.ts';
import { LinuxError } from '../errors.ts';
import {
  type BootOptions,
  LinuxMachine,
  type SpawnOptions,
  type Volume,
  type CpuModel,
} from '../machine.ts';
import type { Limits } from '../limits.ts';
import { nodePlatform } from '../node/platform.ts';
import { type Process, shellStatus, signalNumber } from '../process.ts';
import { HostTerminal } from '../terminal.ts';
import { attachStrace } from '../strace/strace.ts';
import { attachWhy } from '../strace/why.ts';
import { describeOptions, type OptionSpec, type Parsed, parseOptions, UsageError } from './options.ts'; // prettier-ignore
import { enterRawMode, terminalSize, writeAll } from './terminal.ts';

/** Docker's statuses: vitrine itself failed; the program cannot be run; it is not there. */
export const FAILED = 125;
const CANNOT_RUN = 126;
const NOT_FOUND = 127;

const OPTIONS: readonly OptionSpec[] = [
  { name: 'interactive', short: 'i', help: "attach this terminal's input (input from a pipe or file always is)" },
  { name: 'tty', short: 't', help: 'give the program a terminal' },
  { name: 'env', short: 'e', value: 'NAME[=VALUE]', many: true, help: 'set a variable, or pass on one of this shell' },
  { name: 'workdir', short: 'w', value: 'DIR', help: 'start in this folder of the machine' },
  { name: 'user', short: 'u', value: 'USER[:GROUP]', help: 'run as this user, by name or number' },
  { name: 'volume', short: 'v', value: 'HOST:GUEST[:ro]', many: true, help: "make a folder or a file of the host's visible" },
  { name: 'tmpfs', value: 'DIR[:OPTIONS]', many: true, help: 'mount a file system in memory' },
  { name: 'read-only', help: 'the root file system cannot be changed' },
  { name: 'hostname', short: 'h', value: 'NAME', help: "the machine's name" },
  { name: 'cpus', value: 'N', help: 'virtual processors, 1 to 32 (default 1)' },
  { name: 'cpu', value: 'MODEL', help: "the processor's model: x86-64-v2 (default) or x86-64-v3" },
  { name: 'memory', short: 'm', value: 'SIZE', help: 'guest RAM, like 512m or 1g (default 256m)' },
  { name: 'rootfs', value: 'DIR_OR_TAR', help: 'use this folder or archive (tar; gzip, zstd, xz) as the root file system' },
  { name: 'pull', value: 'WHEN', help: 'fetch the image always, never, or when it is missing (the default)' },
  { name: 'platform', value: 'OS/ARCH', help: 'which of an image for several platforms to fetch' },
  { name: 'entrypoint', value: 'PROGRAM', help: "run this instead of the image's own program" },
  { name: 'env-file', value: 'FILE', many: true, help: 'set the variables that a file names, one NAME=VALUE a line' },
  { name: 'group-add', value: 'GROUP', many: true, help: 'add a group, by name or number' },
  { name: 'pids-limit', value: 'N', help: 'most processes and threads' },
  { name: 'cpu-seconds', value: 'N', help: 'stop the machine when it has used so much processor time' },
  { name: 'timeout', value: 'SECONDS', help: 'stop the machine after this time' },
  { name: 'output-limit', value: 'BYTES', help: 'stop the machine when its program wrote more' },
  { name: 'name', value: 'NAME', help: 'accepted for habit: machines have no names' },
  { name: 'init', help: 'have an init that adopts orphans as PID 1, in place of the program' },
  { name: 'rm', help: 'accepted for habit: a machine never outlives its command' },
  { name: 'strace', value: 'FILE', optional: true, help: 'print every system call, to standard error or a file' },
  { name: 'why', value: 'FILE', optional: true, help: 'print the reason of each failed call and each kill' },
  { name: 'profile', value: 'FILE', help: 'write where time goes, for speedscope, and print a summary at the end' },
  { name: 'no-jit', help: 'interpret everything' },
  { name: 'no-jit-cache', help: 'neither use nor keep what earlier runs have compiled (as VITRINE_JIT_CACHE=0 does)' },
  { name: 'jit-dump', value: 'FOLDER', help: 'write the WebAssembly of hot code into a folder' },
  { name: 'help', help: 'print this page' },
]; // prettier-ignore

/** Milliseconds after which a long run's translations are kept, should it be killed. */
const KEEP_INTERVAL = 60_000;

export const RUN_HELP = `Usage: vitrine run [options] [IMAGE] [COMMAND [ARGUMENT...]]

Boots a Linux machine, runs the command in it and ends with the command's exit status (128 + N when signal N
killed it; 125 when vitrine failed, 126 when the command cannot be run, 127 when it is not there).

IMAGE is busybox (the embedded one, also the default), the name of an image (fetched when it is not here, as docker
does), or a folder or archive: an OCI layout, what \`docker save\` wrote, or a plain root file system. A first word that is
a program of the embedded busybox is that program.

Options:
${describeOptions(OPTIONS)}
`;

/** Is the first operand an image, rather than a program of the default one? */
async function isImage(operand: string): Promise<boolean> {
  if (BUSYBOX.test(operand)) return true;
  if (/\.(tar|tgz|tar\.(gz|zst|xz))$/.test(operand)) return true;
  if (operand.startsWith('/')) return existsSync(operand) && statSync(operand).isDirectory();
  if (/[/:@]/.test(operand)) return true;
  // A bare word: a program of the default image, or the name of an image.
  const { APPLET_FOLDERS, appletNames } = await import('@vitrine/image/busybox.ts');
  return !APPLET_FOLDERS.some((folder) => appletNames(folder).includes(operand));
}

const BUSYBOX = /^busybox(:[\w.-]+)?$/;

/** What the SDK boots from: a folder or archive as it is; a name as it is in the store, fetched when it is not there. */
async function resolveImage(name: string, parsed: Parsed): Promise<string> {
  const policy = last(parsed, 'pull') ?? 'missing';
  if (!['always', 'missing', 'never'].includes(policy)) throw new UsageError(`--pull ${policy}: write always, missing or never`); // prettier-ignore
  const { findImage, isPath } = await import('../node/images.ts');
  if (isPath(name) || (name.includes('/') && existsSync(name))) {
    if (!existsSync(name))
      throw new UsageError(`no image ${name}: there is no such folder or archive`);
    return name;
  }
  const found = findImage(name);
  if (found !== null && policy !== 'always') return found.name;
  if (found === null && existsSync(name) && !last(parsed, 'pull')) return name;
  if (policy === 'never') throw new UsageError(`no image ${name} is here, and --pull never`);
  return fetchMissing(name, parsed);
}

/** Neither a program nor an image. */
class NotThere extends Error {}

async function fetchMissing(name: string, parsed: Parsed): Promise<string> {
  const { fetchImage } = await import('./images.ts');
  const platform = last(parsed, 'platform');
  try {
    return (await fetchImage(name, { platform })).name;
  } catch (error) {
    const debian = /^(docker\.io\/(library\/)?)?debian(:|$)/.test(name) ? '; `vitrine image from-debs debian` makes one from Debian packages' : ''; // prettier-ignore
    const word = /[/:@]/.test(name) ? `no image ${name} is here` : `${name}: not found: no program of the default image has that name, no image here has it`; // prettier-ignore
    throw new NotThere(`${word}, and it cannot be fetched: ${(error as Error).message}${debian}`);
  }
}

const last = (parsed: Parsed, name: string): string | undefined => parsed.options.get(name)?.at(-1);

/** Node's own environment for `-e NAME`. */
function variables(given: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const entry of given) {
    const equals = entry.indexOf('=');
    if (equals > 0) env[entry.slice(0, equals)] = entry.slice(equals + 1);
    else if (equals < 0 && process.env[entry] !== undefined) env[entry] = process.env[entry];
    else if (equals === 0) throw new UsageError(`-e ${entry} names no variable`);
  }
  return env;
}

/** `NAME=VALUE` or `NAME` a line, as docker's --env-file. */
function fileVariables(files: readonly string[]): string[] {
  return files.flatMap((file) => {
    if (!existsSync(file)) throw new UsageError(`--env-file ${file}: there is no such file`);
    const lines = readFileSync(file, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  });
}

function number(parsed: Parsed, name: string): number | undefined {
  const text = last(parsed, name);
  if (text === undefined) return undefined;
  if (!(Number(text) > 0)) throw new UsageError(`--${name} ${text}: write a number above 0`);
  return Number(text);
}

function limitsOf(parsed: Parsed): Limits {
  const pids = last(parsed, 'pids-limit') === '-1' ? undefined : number(parsed, 'pids-limit');
  const all = { processes: pids, cpuSeconds: number(parsed, 'cpu-seconds'), wallSeconds: number(parsed, 'timeout'), outputBytes: number(parsed, 'output-limit') }; // prettier-ignore
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** `HOST:GUEST[:ro]`. A Windows drive's colon belongs to HOST. */
function parseVolume(spec: string): [at: string, volume: Volume] {
  const match = /^((?:[A-Za-z]:[\\/])?[^:]+):(\/[^:]*)(?::(ro|rw))?$/.exec(spec);
  if (match === null)
    throw new UsageError(`-v ${spec}: write HOST_PATH:/GUEST/PATH or HOST_PATH:/GUEST/PATH:ro`);
  const host = match[1]!;
  if (!existsSync(host)) throw new UsageError(`-v ${spec}: there is no ${host}`);
  const stat = statSync(host);
  if (!stat.isDirectory() && !stat.isFile())
    throw new UsageError(`-v ${spec}: ${host} is neither a folder nor a regular file`);
  return [match[2]!, { host, readonly: match[3] === 'ro' }];
}

/** `DIR[:OPTIONS]`, as docker's --tmpfs. */
function parseTmpfs(spec: string): [at: string, options: string] {
  const match = /^(\/[^:]*)(?::(.*))?$/.exec(spec);
  if (match === null) throw new UsageError(`--tmpfs ${spec}: write /FOLDER or /FOLDER:size=64m`);
  return [match[1]!, match[2] ?? 'mode=1777'];
}

/** A sink for --strace or --why. */
function traceSink(target: string): (text: string) => void {
  if (target === '') return (text) => void writeAll(2, Buffer.from(text, 'latin1'));
  writeFileSync(target, '');
  return (text) => appendFileSync(target, text, 'latin1');
}

export async function run(args: readonly string[]): Promise<number> {
  const parsed = parseOptions(args, OPTIONS);
  const has = (name: string): boolean => parsed.options.has(name);
  if (has('help')) {
    await writeAll(1, Buffer.from(RUN_HELP));
    return 0;
  }
  const operands = [...parsed.operands];
  const rootfs = last(parsed, 'rootfs');
  const image = rootfs ?? (operands[0] !== undefined && (await isImage(operands[0])) ? operands.shift()! : undefined); // prettier-ignore
  if (rootfs !== undefined && !existsSync(rootfs)) throw new UsageError(`no image ${rootfs}: there is no such folder or archive`); // prettier-ignore
  const tty = has('tty');
  if (tty && has('interactive') && !process.stdin.isTTY) throw new UsageError('-it: standard input is not a terminal (leave -t out for pipes)'); // prettier-ignore

  const workdir = last(parsed, 'workdir');
  if (workdir !== undefined && !workdir.startsWith('/')) throw new UsageError(`-w ${workdir}: write a path from the root on, like /work`); // prettier-ignore

  const boot: BootOptions = { init: has('init') };
  if (rootfs !== undefined) boot.image = rootfs.includes('/') ? rootfs : `./${rootfs}`;
  else if (image !== undefined && !BUSYBOX.test(image)) {
    try {
      boot.image = await resolveImage(image, parsed);
    } catch (error) {
      if (!(error instanceof NotThere) || /[/:@]/.test(image)) throw error;
      await writeAll(2, Buffer.from(`vitrine: ${error.message}\n`));
      return NOT_FOUND;
    }
  }
  const hostname = last(parsed, 'hostname');
  if (hostname !== undefined && hostname !== '') boot.hostname = hostname;
  const cpus = last(parsed, 'cpus');
  if (cpus !== undefined) boot.cpus = Number(cpus);
  const model = last(parsed, 'cpu');
  if (model !== undefined) boot.cpu = model as CpuModel;
  const memory = last(parsed, 'memory');
  if (memory !== undefined) boot.memory = memory;
  boot.limits = limitsOf(parsed);
  boot.readonly = has('read-only');
  boot.tmpfs = Object.fromEntries((parsed.options.get('tmpfs') ?? []).map(parseTmpfs));
  const volumes = parsed.options.get('volume');
  if (volumes !== undefined) boot.volumes = Object.fromEntries(volumes.map(parseVolume));
  const profile = last(parsed, 'profile');
  if (profile !== undefined) {
    boot.profile = true;
    writeFileSync(profile, ''); // what cannot be written is said before the program runs
  }
  const dump = last(parsed, 'jit-dump');
  if (has('no-jit')) {
    if (dump !== undefined) throw new UsageError('--no-jit leaves nothing for --jit-dump');
    boot.jit = false;
  } else if (dump !== undefined) boot.jit = { dump: (await import('./jit-dump.ts')).jitDump(dump) };
  boot.jitCache = !has('no-jit-cache') && process.env['VITRINE_JIT_CACHE'] !== '0';
  const machine = await LinuxMachine.boot(nodePlatform, boot);
  if (has('strace'))
    attachStrace(machine.kernel, traceSink(last(parsed, 'strace')!), last(parsed, 'strace') !== '');
  if (has('why')) attachWhy(machine.kernel, traceSink(last(parsed, 'why')!));

  const { config } = machine.image;
  const entrypoint = has('entrypoint') ? [last(parsed, 'entrypoint')!] : config.entrypoint;
  const argv = [
    ...entrypoint,
    ...(operands.length > 0 || has('entrypoint') ? operands : config.cmd),
  ];
  const options: SpawnOptions = {
    env: variables([
      ...fileVariables(parsed.options.get('env-file') ?? []),
      ...(parsed.options.get('env') ?? []),
    ]),
  };
  if (workdir !== undefined) {
    options.cwd = workdir;
    // As docker does, a folder that is not there is made.
    if (!boot.readonly) await machine.fs.mkdir(workdir, { recursive: true });
  }
  const user = last(parsed, 'user');
  if (user !== undefined) options.user = user;
  const groups = parsed.options.get('group-add');
  if (groups !== undefined) options.groups = groups;
  if (tty) options.tty = terminalSize();
  else if (has('interactive') || !process.stdin.isTTY) options.stdin = 'pipe';
  let child: Process;
  try {
    child = await machine.spawn(argv, options);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    await writeAll(2, Buffer.from(`vitrine: ${argv[0]}: ${explain(error)}\n`));
    return error.code === 'ENOENT' ? NOT_FOUND : CANNOT_RUN;
  }
  setInterval(() => machine.keepTranslations(), KEEP_INTERVAL).unref();
  const status = await attach(machine, child, tty && has('interactive'));
  machine.keepTranslations();
  if (profile !== undefined) await writeProfile(machine, profile, argv.join(' '));
  return status;
}

async function writeProfile(machine: LinuxMachine, file: string, name: string): Promise<void> {
  const recording = machine.profile();
  writeFileSync(file, JSON.stringify(recording.toSpeedscope(name)));
  await writeAll(2, Buffer.from(recording.summary()));
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'not found',
  EACCES: 'permission denied',
  ENOEXEC: 'this file is no program that Linux on x86-64 runs',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
};

function explain({ code, reason }: LinuxError): string {
  return `${WORDS[code] ?? code} (${reason})`;
}

/** Joins the process with this one's streams until it ends. */
async function attach(machine: LinuxMachine, child: Process, raw: boolean): Promise<number> {
  const lost: Error[] = [];
  child.stdout.forward((chunk) => passOn(1, chunk, lost));
  child.stderr.forward((chunk) => passOn(2, chunk, lost));
  forwardSignals(machine, child);
  let restore = (): void => {};
  if (child.terminal !== null) {
    process.on('SIGWINCH', () => {
      const { columns, rows } = terminalSize();
      child.resize(columns, rows);
    });
    if (raw) {
      restore = enterRawMode();
      process.stdin.on('data', (chunk: Buffer) => {
        const { terminal } = child;
        const signal = terminal instanceof HostTerminal ? terminal.interrupt(chunk) : null;
        if (signal !== null && isDeaf(child, signal)) endBy(machine, signal);
        child.terminal!.input(chunk);
      });
    }
  } else if (child.stdin !== null) void feedStdin(child.stdin);
  const exit = await child.wait();
  // What others still hold open does not keep the command: its own output has come by now.
  await Promise.race([
    Promise.all([child.stdout.finished(), child.stderr.finished()]),
    machine.stopped().then(() => new Promise((resolve) => setImmediate(resolve))),
    ...(child.terminal === null ? [] : [new Promise((resolve) => setTimeout(resolve, 20))]),
  ]);
  restore();
  const { halted } = machine;
  if (halted !== null && /^(?:internal error|the machine was stopped)/.test(halted.reason))
    await writeAll(2, Buffer.from(`vitrine: ${halted.reason}\n`));
  const status = shellStatus(exit);
  if (lost.length === 0) return status;
  await say(`output was lost: ${lost[0]!.message}`);
  return status || FAILED;
}

/** Tells the user; where standard error is gone, too, nobody. */
async function say(text: string): Promise<void> {
  try {
    await writeAll(2, Buffer.from(`vitrine: ${text}\n`));
  } catch {
    // The status says it.
  }
}

/** Writes what the program wrote. A reader who is gone is the program's affair (SIGPIPE); a full disk is told. */
function passOn(fd: 1 | 2, chunk: Uint8Array, lost: Error[]): Promise<void> | void {
  const failed = (error: unknown): never => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') lost.push(error as Error);
    throw error;
  };
  try {
    return writeAll(fd, chunk)?.catch(failed);
  } catch (error) {
    failed(error);
  }
}

async function feedStdin(to: NonNullable<Process['stdin']>): Promise<void> {
  try {
    // A file is read at once: simpler and faster than through a stream.
    const stat = fstatSync(0);
    if (stat.isDirectory()) await say('standard input is a folder');
    else if (stat.isFile()) await to.write(readFileSync(0));
    else for await (const chunk of process.stdin) await to.write(chunk as Buffer);
  } catch {
    // Standard input is closed, or the program does not want more of it.
  }
  to.close();
}

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR1' | 'SIGUSR2' | 'SIGALRM';

const HANDED_ON: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM']; // prettier-ignore

/** PID 1 without a handler gets no signal, though its user wants it to end. */
const isDeaf = (child: Process, signal: Signal): boolean =>
  child.pid === 1 && child.action(signal) === SIG_DFL;

function endBy(machine: LinuxMachine, signal: Signal): never {
  void machine.close();
  process.exit(128 + signalNumber(signal));
}

/** A signal to this process is for the program; one that PID 1 has no handler for ends the machine. */
function forwardSignals(machine: LinuxMachine, child: Process): void {
  for (const signal of HANDED_ON)
    process.on(signal, () => {
      if (isDeaf(child, signal)) endBy(machine, signal);
      child.kill(signal);
    });
  process.on('SIGCONT', () => child.kill('SIGCONT'));
}
