import type { Ram } from './cpu.ts';
import { ARENA, RAM_SIZE_CELL } from './layout.ts';
import { wasm, type WasmMemory } from './wasm-api.ts';

export const MIN_RAM: number = 64 * 2 ** 20;
export const MAX_RAM: number = 3.5 * 2 ** 30;

/** RAM with the WebAssembly.Memory behind it. The host commits a page of it when it is first touched. */
export interface MemoryRam extends Ram {
  readonly memory: WasmMemory;
}

/** Room for decoded records, which are most of the processor's own part: a C++ compiler's take 40 MiB. */
function arenaOf(size: number): number {
  if (size < 256 * 2 ** 20) return 0x57_0000;
  if (size < 512 * 2 ** 20) return 0x197_0000;
  return size < 2 ** 30 ? 0x297_0000 : 0x397_0000;
}

/** @param size bytes, a multiple of 64 KiB from {@link MIN_RAM} to {@link MAX_RAM} */
export function createRam(size: number): MemoryRam {
  if (size < MIN_RAM || size > MAX_RAM || size % 0x1_0000 !== 0)
    throw new RangeError(`RAM size ${size} is not a multiple of 64 KiB between 64 MiB and 3.5 GiB`);
  const pages = size / 0x1_0000;
  const memory = new wasm.Memory({ initial: pages, maximum: pages });
  const { buffer } = memory;
  const ram: MemoryRam = {
    memory,
    base: ARENA + arenaOf(size),
    size,
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    u64: new BigUint64Array(buffer),
  };
  ram.u32[RAM_SIZE_CELL >> 2] = size;
  return ram;
}
