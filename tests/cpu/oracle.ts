/** The host's processor as the reference: batches of cases go through oracle.c. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const WINDOW = 1024;
/** Where the window of data is: across the boundary of two pages. */
export const WINDOW_VA: number = 0x60_0000 + 4096 - WINDOW / 2;
/** Bytes that are mapped around it, and how many of them a state has at either end. */
export const DATA_BYTES = 8192;
export const EDGE = 64;
export const CODE_BYTES = 256;
const GPR = 0;
const RIP = 128;
const RFLAGS = 136;
const SIGNAL = 144;
const ADDRESS = 152;
const FXSAVE = 160;
const DATA = FXSAVE + 512;
const YMM = DATA + WINDOW;
const EDGES = YMM + 256;
export const STATE_BYTES: number = EDGES + 2 * EDGE;
export const CASE_BYTES: number = CODE_BYTES + STATE_BYTES;

/** A register state and the data window, as views into one buffer laid out as oracle.c's `struct state`. */
export class State {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly gpr: BigUint64Array;
  readonly #view: DataView;
  readonly fxsave: Uint8Array;
  readonly data: Uint8Array;
  /** Upper halves of the YMM registers. */
  readonly ymm: Uint8Array;
  /** The first and the last bytes that are mapped around the window. */
  readonly edges: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array(STATE_BYTES)) {
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, STATE_BYTES / 4);
    this.gpr = new BigUint64Array(bytes.buffer, bytes.byteOffset + GPR, 16);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, STATE_BYTES);
    this.fxsave = bytes.subarray(FXSAVE, FXSAVE + 512);
    this.data = bytes.subarray(DATA, DATA + WINDOW);
    this.ymm = bytes.subarray(YMM, YMM + 256);
    this.edges = bytes.subarray(EDGES, EDGES + 2 * EDGE);
  }

  get rip(): number {
    return Number(this.#view.getBigUint64(RIP, true));
  }
  set rip(value: number) {
    this.#view.setBigUint64(RIP, BigInt(value), true);
  }
  get rflags(): number {
    return this.#view.getUint32(RFLAGS, true);
  }
  set rflags(value: number) {
    this.#view.setUint32(RFLAGS, value, true);
  }
  get signal(): number {
    return this.#view.getUint32(SIGNAL, true);
  }
  set signal(value: number) {
    this.#view.setUint32(SIGNAL, value, true);
  }
  get address(): bigint {
    return this.#view.getBigUint64(ADDRESS, true);
  }
  set address(value: bigint) {
    this.#view.setBigUint64(ADDRESS, value, true);
  }
}

/** The maker of the processors that ours does as: what makers differ in would be seen on others. */
const MAKER = 'AuthenticAMD';

let program: string | undefined;

/** Whether the host can tell what is right: x86-64 Linux with a compiler, on a processor of {@link MAKER}'s. */
export function hasOracle(): boolean {
  if (!existsSync('/proc/cpuinfo')) return false;
  return readFileSync('/proc/cpuinfo', 'latin1').includes(MAKER) && oracleProgram() !== undefined;
}

/** Builds oracle.c once; undefined where there is no x86-64 Linux host with a compiler. */
export function oracleProgram(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  if (program) return program;
  const source = fileURLToPath(new URL('oracle.c', import.meta.url));
  const dir = join(tmpdir(), `vitrine-oracle-${process.getuid?.() ?? 0}`);
  mkdirSync(dir, { recursive: true });
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex');
  const out = join(dir, digest.slice(0, 16));
  const unfinished = `${out}.${process.pid}`;
  try {
    if (!existsSync(out)) {
      execFileSync('gcc', ['-O1', '-o', unfinished, source], { stdio: 'ignore' });
      renameSync(unfinished, out);
    }
  } catch {
    return undefined;
  }
  program = out;
  return out;
}

/** Runs a batch of cases (code followed by state each) and returns the states they ended in. */
export function runOracle(cases: Uint8Array): Uint8Array {
  const count = cases.length / CASE_BYTES;
  const { stdout, status } = spawnSync(oracleProgram()!, { input: cases, maxBuffer: 2 ** 30 });
  if (stdout.length !== count * STATE_BYTES)
    throw new Error(
      `the oracle stopped with status ${status} after case ${Math.floor(stdout.length / STATE_BYTES)}`,
    );
  return new Uint8Array(stdout.buffer, stdout.byteOffset, stdout.length).slice();
}
