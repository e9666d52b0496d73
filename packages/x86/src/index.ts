export * from './cpu.ts';
export { createCpu, Machine, type CpuOptions } from './machine.ts';
export { createRam, MAX_RAM, MIN_RAM } from './ram.ts';
export { generateTier0, generateTier0V3 } from './tier0/generate.ts';
export { type NativeCode, type TranslationStorage, Translations } from './tier1/store.ts';
export type { Jit } from './tier1/jit.ts';
export type { Optimise, Order, RemoteGenerator, Reply } from './tier1/remote.ts';
export type { PackedRegion } from './tier1/packed.ts';
