import type { Host, HostDirectory, HostLayer } from '@vitrine/kernel/include/host.ts';
import type { Image } from '@vitrine/image';
import type { RemoteGenerator, Translations } from '@vitrine/x86';

/** What the surroundings of the SDK offer: Node, a browser, or a test. */
export interface Platform {
  /** Clock and entropy for a new machine. */
  makeHost(): Host;
  /** Calls back soon, after what else waits for the thread. */
  soon(callback: () => void): void;
  /** Calls back after some nanoseconds. @returns a function that cancels it */
  later(nanoseconds: number, callback: () => void): () => void;
  /** A folder of the host's. */
  directory?(path: string, readonly: boolean): HostDirectory;
  /** Keeps this process from ending while nothing else does. @returns a function that lets it end */
  hold(): () => void;
  /** The processor's interpreter, compiled; the same module every time. */
  processor(): Promise<WebAssembly.Module>;
  /** What it has beyond x86-64-v2. */
  processorV3(): Promise<WebAssembly.Module>;
  /**
   * Where machines share what tier 1 has translated.
   * @param kept a folder in which it outlives the process, or true for the user's
   */
  translations(kept: string | boolean): Translations;
  /** Who generates tier 1's code beside this thread. */
  generator?: RemoteGenerator;
  /** Finds layers of this host's image store by their digests. */
  layers?(): Promise<(id: string) => HostLayer | undefined>;
  /** The image of that name; without a name, the embedded one. */
  image(name: string | undefined): Promise<Image>;
}
