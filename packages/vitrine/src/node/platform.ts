import { randomFillSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { busyboxImage } from '@vitrine/image/busybox.ts';
import type { Image } from '@vitrine/image/entry.ts';
import type { Host } from '@vitrine/kernel/include/host.ts';
import { Translations } from '@vitrine/x86';
import { NodeDirectory } from './directory.ts';
import type { Platform } from '../platform.ts';
import { WorkerGenerator } from '../remote/generator.ts';
import { storageIn, userFolder } from './jit_cache.ts';
import { nativeCode } from './native_code.ts';
import { startGenerator } from './worker.ts';

/** Time since some start; hrtime is a BigInt too slow to ask this often. */
const monotonic = (): number => Math.floor(performance.now() * 1e6);

const nodeHost = (): Host => ({
  monotonic,
  realtimeOffset: () => BigInt(Math.round((Date.now() - performance.now()) * 1e6)),
  entropy: (into) => void randomFillSync(into),
});

/** A file of the build: beside the bundle, or in its package when the sources run. */
function asset(name: string, source: string): Uint8Array {
  const built = fileURLToPath(new URL(`./${name}`, import.meta.url));
  const path = existsSync(built) ? built : fileURLToPath(new URL(source, import.meta.url));
  if (!existsSync(path))
    throw new Error(`${path} is missing: run \`npm run build\` in the checkout`);
  return readFileSync(path);
}

let module: WebAssembly.Module | undefined;
let beyond: WebAssembly.Module | undefined;
let embedded: Image | undefined;

/**
 * V8 puts branches that a module calls unlikely out of the way. Where that is an experiment still (Node 20 and 22), it has to
 * be asked to; modules without such a section are compiled as ever.
 */
const heedBranchHints = (): void => setFlagsFromString('--experimental-wasm-branch-hinting');

/**
 * Optimising JavaScript takes most of the second processor in a machine's first seconds, and regions wait for it. So where V8 has
 * nothing between its baseline compiler and the optimising one (Node 20), functions have to execute twice as much before it begins, as
 * soon as there are regions: booting is over then, which takes half as long again with that.
 */
function optimiseLater(): void {
  if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=270336');
}

/** Of this thread's machines, by the folder that keeps them. */
const translations = new Map<string, Translations>();

export const nodePlatform: Platform = {
  makeHost: nodeHost,
  soon: (callback) => void setImmediate(callback),
  later(nanoseconds, callback) {
    // A timer of Node's takes at least a millisecond; what comes sooner is waited for in turns of the event loop.
    if (nanoseconds < 1e6) {
      const soon = setImmediate(callback);
      return () => clearImmediate(soon);
    }
    const timer = setTimeout(callback, Math.min(Math.ceil(nanoseconds / 1e6), 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
  translations(kept) {
    const folder = kept === true ? userFolder() : kept || '';
    let shared = translations.get(folder);
    if (!shared) {
      const storage = storageIn(folder);
      shared = new Translations({ storage, native: storage && nativeCode() });
      translations.set(folder, shared);
    }
    return shared;
  },
  generator: new WorkerGenerator(() => {
    optimiseLater();
    return startGenerator();
  }),
  directory: (path, readonly) => new NodeDirectory(path, readonly),
  hold() {
    const timer = setInterval(() => {}, 2 ** 30);
    return () => clearInterval(timer);
  },
  async processorV3() {
    return (beyond ??= new WebAssembly.Module(
      asset('tier0-v3.wasm', '../../../x86/dist/tier0-v3.wasm') as BufferSource,
    ));
  },
  async processor() {
    if (!module) {
      heedBranchHints();
      module = new WebAssembly.Module(
        asset('tier0.wasm', '../../../x86/dist/tier0.wasm') as BufferSource,
      );
    }
    return module;
  },
  async image(name) {
    if (name === undefined || name === 'busybox') return (embedded ??= busyboxImage(asset('busybox', '../../../image/dist/busybox'))); // prettier-ignore
    const { loadImage } = await import('./images.ts');
    return loadImage(name);
  },
  async layers() {
    const { storedLayer } = await import('./images.ts');
    return storedLayer;
  },
};
