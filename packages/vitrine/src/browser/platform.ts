import { busyboxImage } from '@vitrine/image/busybox.ts';
import type { Image } from '@vitrine/image/entry.ts';
import type { Host } from '@vitrine/kernel/include/host.ts';
import { Translations } from '@vitrine/x86';
import type { Platform } from '../platform.ts';
import { WorkerGenerator } from '../remote/generator.ts';
import { startGenerator } from './worker.ts';

const browserHost = (): Host => ({
  monotonic: () => Math.floor(performance.now() * 1e6),
  realtimeOffset: () => BigInt(Math.round(performance.timeOrigin * 1e6)),
  entropy(into) {
    // getRandomValues takes at most 65536 bytes at once, and none of shared memory.
    for (let at = 0; at < into.length; at += 65536)
      crypto.getRandomValues(into.subarray(at, at + 65536) as Uint8Array<ArrayBuffer>);
  },
});

// setTimeout is slowed down to 4 ms when it nests; a message is delivered at once.
const queue: (() => void)[] = [];
const channel = new MessageChannel();
channel.port1.onmessage = () => queue.shift()?.();

async function asset(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(`./${name}`, import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

const translations = new Translations();
let module: Promise<WebAssembly.Module> | undefined;
let beyond: Promise<WebAssembly.Module> | undefined;
let embedded: Promise<Image> | undefined;

/** The build's files `tier0.wasm` (`tier0-v3.wasm` with `cpu`) and `busybox` are expected beside the bundle. */
export const browserPlatform: Platform = {
  makeHost: browserHost,
  soon(callback) {
    queue.push(callback);
    channel.port2.postMessage(null);
  },
  later(nanoseconds, callback) {
    const timer = setTimeout(
      callback,
      Math.min(Math.max(0, Math.ceil(nanoseconds / 1e6)), 2 ** 31 - 1),
    );
    return () => clearTimeout(timer);
  },
  hold: () => () => {},
  processorV3: () =>
    (beyond ??= asset('tier0-v3.wasm').then((bytes) => WebAssembly.compile(bytes))),
  processor: () => (module ??= asset('tier0.wasm').then((bytes) => WebAssembly.compile(bytes))),
  translations: () => translations,
  generator: new WorkerGenerator(startGenerator),
  image(name) {
    if (name !== undefined && name !== 'busybox') return Promise.reject(new Error(`no image ${name}: in a browser, give the image itself`)); // prettier-ignore
    return (embedded ??= asset('busybox').then(busyboxImage));
  },
};
