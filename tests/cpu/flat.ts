/** Runs flat pieces of machine code on the bare processor: no kernel, a few mapped pages. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PTE_A, PTE_D, PTE_NX_HI, PTE_P, PTE_U, PTE_W } from '@vitrine/x86/cpu.ts';
import { createCpu, type CpuOptions, type Machine } from '@vitrine/x86/machine.ts';
import { generateTier0, generateTier0V3 } from '@vitrine/x86/tier0/generate.ts';

export const CODE = 0x40_0000;
export const DATA = 0x60_0000;
export const STACK_TOP = 0x80_0000;

let compiled: WebAssembly.Module | undefined;

/** The interpreter, compiled once per process. */
export function tier0Module(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(generateTier0(process.env['NAMES'] === '1') as BufferSource);
  return compiled;
}

let beyond: WebAssembly.Module | undefined;

/** The handlers beyond x86-64-v2, compiled once per process. */
export function v3Module(): WebAssembly.Module {
  beyond ??= new WebAssembly.Module(generateTier0V3(process.env['NAMES'] === '1') as BufferSource);
  return beyond;
}

/** V3=1: processors have them. */
export const V3: boolean = process.env['V3'] === '1';

/** JIT=1 compiles what is hot; JIT=force everything. */
export const FORCED: boolean = process.env['JIT'] === 'force';

const JIT: CpuOptions['jit'] = FORCED
  ? { threshold: 0 }
  : process.env['JIT'] === '1' && { advance: 10_000 };

/** A machine with page tables of its own, and a bump allocator of frames. */
export class FlatMachine {
  readonly cpu: Machine;
  #nextFrame: number;
  readonly root: number;

  /** @param coreAfter when frequent records are executed by one function together; from the first unless given */
  constructor(ramSize: number = 64 * 2 ** 20, jit: CpuOptions['jit'] = JIT, coreAfter = 0) {
    const v3 = V3 ? v3Module() : undefined;
    this.cpu = createCpu({ ramSize, module: tier0Module(), jit, v3, coreAfter });
    this.#nextFrame = this.cpu.ram.base;
    this.root = this.frame();
    this.cpu.cr3 = this.root;
  }

  frame(): number {
    const at = this.#nextFrame;
    this.#nextFrame += 4096;
    return at;
  }

  /** Physical address of the leaf entry for a page, making tables on the way. */
  entry(va: number, root: number = this.root): number {
    const { u32 } = this.cpu.ram;
    let table = root;
    for (const shift of [39, 30, 21]) {
      const at = table + (Math.floor(va / 2 ** shift) % 512) * 8;
      if (!(u32[at >> 2]! & PTE_P)) u32[at >> 2] = this.frame() | PTE_P | PTE_W | PTE_U;
      table = (u32[at >> 2]! & ~0xfff) >>> 0;
    }
    return table + (Math.floor(va / 4096) % 512) * 8;
  }

  /** Maps one page to a frame (a new one unless given); returns the frame. */
  map(
    va: number,
    { writable = true, executable = true, frame = this.frame(), root = this.root } = {},
  ): number {
    const { u32 } = this.cpu.ram;
    const at = this.entry(va, root);
    u32[at >> 2] = frame | PTE_P | PTE_U | PTE_A | PTE_D | (writable ? PTE_W : 0);
    u32[(at >> 2) + 1] = executable ? 0 : PTE_NX_HI;
    return frame;
  }

  unmap(va: number): void {
    const at = this.entry(va);
    this.cpu.ram.u32.fill(0, at >> 2, (at >> 2) + 2);
    this.cpu.invlpg(va);
  }

  /** Copies bytes to mapped virtual memory. */
  write(va: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const frame = (this.cpu.ram.u32[this.entry(va + i) >> 2]! & ~0xfff) >>> 0;
      if (this.cpu.hasCode(frame >>> 12)) this.cpu.dropCode(frame >>> 12);
      this.cpu.ram.u8[frame + ((va + i) & 0xfff)] = bytes[i]!;
    }
  }

  read(va: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => {
      const frame = (this.cpu.ram.u32[this.entry(va + i) >> 2]! & ~0xfff) >>> 0;
      return this.cpu.ram.u8[frame + ((va + i) & 0xfff)]!;
    });
  }

  /** Maps code, data and a stack, and starts at the code. */
  load(code: Uint8Array, dataPages = 16): this {
    for (let at = 0; at <= code.length; at += 4096) this.map(CODE + at);
    for (let i = 0; i < dataPages; i++) this.map(DATA + i * 4096, { executable: false });
    for (let i = 1; i <= 16; i++) this.map(STACK_TOP - i * 4096, { executable: false });
    this.write(CODE, code);
    this.cpu.rip = CODE;
    this.cpu.gpr[4] = BigInt(STACK_TOP - 4096);
    return this;
  }
}

/** Assembles Intel-syntax source to flat bytes at CODE. */
export function assemble(source: string): Uint8Array {
  return build('s', `.intel_syntax noprefix\n.globl _start\n_start:\n${source}\n`, []);
}

/** Compiles C whose entry is `_start` to flat bytes at CODE. */
export function compileC(source: string, flags: readonly string[] = ['-O2']): Uint8Array {
  return build('c', source, flags);
}

function build(extension: string, source: string, flags: readonly string[]): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'flat-'));
  try {
    const input = join(dir, `in.${extension}`);
    writeFileSync(input, source);
    const script = `SECTIONS { . = ${CODE}; .all : { *(.text.start) *(.text*) *(.rodata*) . = ALIGN(4096); *(.data*) *(.bss*) *(COMMON) } /DISCARD/ : { *(.comment) *(.eh_frame*) *(.note*) } }`;
    writeFileSync(join(dir, 'l.ld'), script);
    const common = [
      '-nostdlib',
      '-static',
      '-ffreestanding',
      '-fno-pic',
      '-no-pie',
      '-fno-stack-protector',
    ];
    execFileSync(
      'gcc',
      [...common, ...flags, '-Wl,-T,l.ld', '-Wl,--build-id=none', '-o', 'out.elf', input],
      {
        cwd: dir,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    execFileSync('objcopy', ['-O', 'binary', 'out.elf', 'out.bin'], { cwd: dir });
    return readFileSync(join(dir, 'out.bin'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
