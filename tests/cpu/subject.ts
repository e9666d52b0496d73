/** The processor under test, as oracle.c has the host's. */
import {
  TRAP_EXCEPTION,
  TRAP_FUEL,
  TRAP_PAGE_FAULT,
  VECTOR_AC,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_DE,
  VECTOR_MF,
  VECTOR_SS,
  VECTOR_UD,
  VECTOR_XM,
} from '@vitrine/x86/cpu.ts';
import { REGION_NOTES, YMM_HIGH } from '@vitrine/x86/layout.ts';
import { NOTES_EXECUTED } from '@vitrine/x86/tier1/exits.ts';
import type { JitOptions } from '@vitrine/x86/tier1/jit.ts';
import type { Code } from './cases.ts';
import { SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP } from './compare.ts';
import { CODE, DATA, FlatMachine, FORCED } from './flat.ts';
import { CODE_BYTES, DATA_BYTES, EDGE, type State, WINDOW, WINDOW_VA } from './oracle.ts';

/** Instructions after which a case is given up. */
const MOST = 100_000;

/** Where code has executed: in a region of tier 1; in tier 0, to which a region has left it; or there from the first. */
export type Where = 'region' | 'left' | 'tier0';

/** How a machine executes. */
export interface Kind {
  readonly jit?: Partial<JitOptions>;
  readonly coreAfter: number;
}

/**
 * What is compiled expects tame numbers, or any (insn/sse-usual.ts), and accesses have extents at hand, or have not; what is not is executed
 * in the core where it can be, or never.
 */
const MACHINES: readonly Kind[] = FORCED
  ? [
      { jit: { threshold: 0, extents: true }, coreAfter: 0 },
      { jit: { threshold: 0, wild: true }, coreAfter: Infinity },
    ]
  : [{ coreAfter: 0 }, { coreAfter: Infinity }];

/** Runs cases on one machine, or batches of them on two by turns. */
export class Subject {
  readonly #machines: readonly FlatMachine[];
  #machine: FlatMachine;
  readonly #code: number;
  readonly #data: number;
  #loaded: Uint8Array = new Uint8Array(CODE_BYTES);
  #at = 0;
  #turn = 0;

  constructor(kinds: readonly Kind[] = MACHINES) {
    this.#machines = kinds.map(({ jit, coreAfter }) => new FlatMachine(undefined, jit, coreAfter));
    this.#machine = this.#machines[0]!;
    const places = this.#machines.map((machine) => [
      mapFrames(machine, CODE, 2, true),
      mapFrames(machine, DATA, DATA_BYTES / 4096, false),
    ]);
    // They are made alike.
    [this.#code, this.#data] = places[0] as [number, number];
  }

  /** The host starts every batch with clear pages. */
  clear(): void {
    this.#machine = this.#machines[this.#turn++ % this.#machines.length]!;
    const { u8 } = this.#machine.cpu.ram;
    u8.fill(0, this.#data, this.#data + DATA_BYTES);
    u8.fill(0, this.#code, this.#code + 8192);
    this.#dropCode();
  }

  load({ bytes, at }: Code): void {
    this.#loaded = bytes;
    this.#at = this.#code + at - CODE;
    this.#write();
  }

  #write(): void {
    this.#machine.cpu.ram.u8.set(this.#loaded, this.#at);
    this.#dropCode();
  }

  #dropCode(): void {
    this.#machine.cpu.dropCode(this.#code >>> 12);
    this.#machine.cpu.dropCode((this.#code >>> 12) + 1);
  }

  /** A case before has written over the code. */
  get #isChanged(): boolean {
    const { u8 } = this.#machine.cpu.ram;
    for (let i = 0; i < CODE_BYTES; i++) if (u8[this.#at + i] !== this.#loaded[i]) return true;
    return false;
  }

  /**
   * Runs the code that is loaded from a state, and leaves there what comes of it.
   * @param fuel instructions that the processor is given at once
   * @param cold no translation of an address is known
   */
  run(state: State, fuel: number, cold: boolean): Where {
    const { cpu } = this.#machine;
    const { u8, u32 } = cpu.ram;
    if (this.#isChanged) this.#write();
    if (cold) cpu.flushTlb();
    const window = this.#data + WINDOW_VA - DATA;
    const end = this.#data + DATA_BYTES - EDGE;
    u8.set(state.data, window);
    u8.set(state.edges.subarray(0, EDGE), this.#data);
    u8.set(state.edges.subarray(EDGE), end);
    cpu.reset();
    cpu.fxrstor(state.fxsave);
    u8.set(state.ymm, YMM_HIGH);
    cpu.gpr.set(state.gpr);
    cpu.rip = state.rip;
    cpu.rflags = state.rflags;
    u32[REGION_NOTES >> 2] = 0;
    let trap = TRAP_FUEL;
    for (let i = 0; i < MOST && trap === TRAP_FUEL; i += fuel) trap = cpu.run(fuel);
    state.gpr.set(cpu.gpr);
    state.rip = cpu.rip;
    state.rflags = cpu.rflags;
    state.signal = signalOf(trap, cpu.vector);
    state.address = trap === TRAP_PAGE_FAULT ? BigInt.asUintN(64, BigInt(cpu.faultAddress)) : 0n;
    cpu.fxsave(state.fxsave);
    state.data.set(u8.subarray(window, window + WINDOW));
    state.edges.set(u8.subarray(this.#data, this.#data + EDGE));
    state.edges.set(u8.subarray(end, end + EDGE), EDGE);
    state.ymm.set(u8.subarray(YMM_HIGH, YMM_HIGH + 256));
    return this.#where(state.signal);
  }

  #where(signal: number): Where {
    const { u32 } = this.#machine.cpu.ram;
    const notes = u32[REGION_NOTES >> 2]!;
    if (notes === 0) return 'tier0';
    const executed = (notes + NOTES_EXECUTED) >> 2;
    // Nothing counts as executed when the first instruction faults.
    const isLeft = u32[executed] === 0 && signal === SIGTRAP;
    u32[executed] = 0;
    return isLeft ? 'left' : 'region';
  }
}

/** Maps pages to frames behind one another. */
function mapFrames(machine: FlatMachine, va: number, pages: number, executable: boolean): number {
  const frames = Array.from({ length: pages }, () => machine.frame());
  frames.forEach((frame, i) => machine.map(va + i * 4096, { frame, executable }));
  return frames[0]!;
}

function signalOf(trap: number, vector: number): number {
  if (trap === TRAP_PAGE_FAULT) return SIGSEGV;
  if (trap !== TRAP_EXCEPTION) return 0;
  if (vector === VECTOR_BP) return SIGTRAP;
  if (vector === VECTOR_UD) return SIGILL;
  if (vector === VECTOR_DB) return SIGTRAP;
  if (vector === VECTOR_SS || vector === VECTOR_AC) return SIGBUS;
  return vector === VECTOR_DE || vector === VECTOR_MF || vector === VECTOR_XM ? SIGFPE : SIGSEGV;
}
