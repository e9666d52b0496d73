import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { OciConfig } from '../config.ts';
import { DIGEST } from '../reference.ts';
import { cacheFolder } from './cache_folder.ts';
import { CorruptImage } from './errors.ts';
import { publish, writeAtomically } from './files.ts';
import { withLock } from './lock.ts';
import { isGone, ownerOf, ownName } from './owner.ts';

/** An image as the store knows it: the configuration's digest names its content. */
export interface StoredImage {
  /** `docker.io/library/debian:latest` */
  readonly name: string;
  /** Digest of the configuration. */
  readonly id: string;
  /** Digest of the manifest that it came with, where there was one. */
  readonly manifest: string | null;
  /** Digests of the uncompressed layers, lowest first. */
  readonly layers: readonly string[];
  /** Bytes of the uncompressed layers. */
  readonly size: number;
  readonly platform: string;
  /** When the image was made, as its configuration says; and when it was fetched. */
  readonly created: string;
  readonly fetched: string;
}

export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Keeps what it names from being collected while a process works with it. */
export interface Pin extends Disposable {
  add(...digests: readonly string[]): void;
}

const fileOf = (digest: string): string => {
  if (!DIGEST.test(digest)) throw new CorruptImage(`${digest} is no digest`);
  return digest.replace(':', '-');
};
const digestOf = (file: string): string => file.replace('-', ':');

/**
 * Images on this disk, by content: blobs (manifests, configurations), layers (the plain tar archive and its index), names.
 * Every file is written aside, synced and renamed, so whoever reads, whoever is killed, finds whole files only. What
 * nothing refers to is collected under a lock; a process that still needs it says so with a pin.
 */
export class Store {
  readonly folder: string;
  #serial = 0;

  constructor(folder: string = cacheFolder()) {
    this.folder = folder;
    for (const name of ['blobs', 'layers', 'digests', 'images', 'partial', 'pins', 'tmp'])
      mkdirSync(join(folder, name), { recursive: true });
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** A name in the folder of unfinished files. */
  temporary(): string {
    return this.path('tmp', ownName(this.#serial++));
  }

  lock<T>(work: () => T | Promise<T>): Promise<T> {
    return withLock(this.path('lock'), work);
  }

  // Blobs.

  putBlob(bytes: Uint8Array): string {
    const digest = sha256(bytes);
    const place = this.path('blobs', fileOf(digest));
    if (!existsSync(place)) writeAtomically(this.temporary(), place, bytes);
    return digest;
  }

  blob(digest: string): Uint8Array {
    const bytes = readFileSync(this.path('blobs', fileOf(digest)));
    if (sha256(bytes) !== digest)
      throw new CorruptImage(`the stored blob ${digest} has other content`);
    return bytes;
  }

  // Layers.

  layerPaths(diffId: string): { data: string; index: string } {
    const file = fileOf(diffId);
    return { data: this.path('layers', `${file}.tar`), index: this.path('layers', `${file}.idx1`) };
  }

  hasLayer(diffId: string): boolean {
    const { data, index } = this.layerPaths(diffId);
    return existsSync(index) && existsSync(data);
  }

  layerSize(diffId: string): number {
    return statSync(this.layerPaths(diffId).data).size;
  }

  /** Moves a finished archive and its index into the store. The index comes last: it says that the layer is whole. */
  putLayer(diffId: string, archive: string, index: Uint8Array): void {
    const places = this.layerPaths(diffId);
    publish(archive, places.data);
    writeAtomically(this.temporary(), places.index, index);
  }

  /** The plain layer that a compressed one unpacks to, if it is here. */
  layerOf(digest: string): string | null {
    try {
      const diffId = readFileSync(this.path('digests', fileOf(digest)), 'utf8');
      return this.hasLayer(diffId) ? diffId : null;
    } catch {
      return null;
    }
  }

  rememberDigest(digest: string, diffId: string): void {
    if (digest !== diffId)
      writeAtomically(this.temporary(), this.path('digests', fileOf(digest)), diffId);
  }

  // Images.

  #imageFile(name: string): string {
    return this.path('images', encodeURIComponent(name));
  }

  putImage(image: StoredImage): void {
    writeAtomically(this.temporary(), this.#imageFile(image.name), JSON.stringify(image));
  }

  image(name: string): StoredImage | null {
    try {
      return JSON.parse(readFileSync(this.#imageFile(name), 'utf8')) as StoredImage;
    } catch {
      return null;
    }
  }

  images(): StoredImage[] {
    const all = readdirSync(this.path('images')).map((file) =>
      this.image(decodeURIComponent(file)),
    );
    return all.filter((image) => image !== null).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  config(image: StoredImage): OciConfig {
    return JSON.parse(Buffer.from(this.blob(image.id)).toString()) as OciConfig;
  }

  removeImage(name: string): boolean {
    const file = this.#imageFile(name);
    if (!existsSync(file)) return false;
    rmSync(file);
    return true;
  }

  // Collection.

  /** Until it is disposed of (or this process ends), what it names stays. */
  pin(): Pin {
    const file = this.path('pins', ownName(this.#serial++));
    const digests: string[] = [];
    return {
      add: (...more) => {
        digests.push(...more);
        writeAtomically(this.temporary(), file, JSON.stringify(digests));
      },
      [Symbol.dispose]: () => rmSync(file, { force: true }),
    };
  }

  #pinned(): Set<string> {
    const kept = new Set<string>();
    for (const name of readdirSync(this.path('pins'))) {
      const file = this.path('pins', name);
      try {
        const age = Date.now() - statSync(file).mtimeMs;
        const owner = ownerOf(name);
        if (owner === null || isGone(owner, age)) rmSync(file, { force: true });
        else
          for (const digest of JSON.parse(readFileSync(file, 'utf8')) as string[]) kept.add(digest);
      } catch {
        // It was released just now.
      }
    }
    return kept;
  }

  /**
   * Removes what no image and no process needs, under the lock.
   * @param partial the beginnings of downloads too, which are kept for a day otherwise
   * @returns bytes freed
   */
  collect({ partial = false }: { readonly partial?: boolean } = {}): Promise<number> {
    return this.lock(() => {
      const kept = this.#pinned();
      for (const { id, manifest, layers } of this.images())
        for (const digest of [id, ...(manifest === null ? [] : [manifest]), ...layers])
          kept.add(digest);
      let freed = 0;
      for (const folder of ['blobs', 'layers'])
        for (const name of readdirSync(this.path(folder)))
          if (!kept.has(digestOf(name.replace(/\.\w+$/, ''))))
            freed += remove(this.path(folder, name));
      for (const name of readdirSync(this.path('digests'))) {
        const diffId = readFileSync(this.path('digests', name), 'utf8');
        if (!this.hasLayer(diffId)) remove(this.path('digests', name));
      }
      return freed + this.#sweep() + this.#sweepPartial(partial);
    });
  }

  /** The file for a download, with what an earlier attempt left of it, also one that was killed. */
  claimPartial(digest: string): string {
    const name = fileOf(digest);
    const mine = this.path('partial', `${name}.${ownName(this.#serial++)}`);
    for (const other of readdirSync(this.path('partial'))) {
      if (!other.startsWith(name) || this.#inUse(other)) continue;
      try {
        renameSync(this.path('partial', other), mine);
        break;
      } catch {
        // Another process was faster.
      }
    }
    return mine;
  }

  /** Leaves a download for the next attempt. */
  releasePartial(file: string, digest: string): void {
    renameSync(file, this.path('partial', fileOf(digest)));
  }

  /** Does a process work at this download? */
  #inUse(name: string): boolean {
    const dot = name.indexOf('.');
    const owner = dot < 0 ? null : ownerOf(name.slice(dot + 1));
    const age =
      Date.now() - (statSync(this.path('partial', name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return owner !== null && !isGone(owner, age);
  }

  #sweepPartial(all: boolean): number {
    let freed = 0;
    for (const name of readdirSync(this.path('partial'))) {
      const file = this.path('partial', name);
      const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
      if ((all || age > 86_400_000) && !this.#inUse(name)) freed += remove(file);
    }
    return freed;
  }

  /** Unfinished files of processes that are gone. */
  #sweep(): number {
    let freed = 0;
    // Who waited for the lock, or broke one, and was killed.
    for (const name of readdirSync(this.folder)) {
      const age =
        Date.now() - (statSync(this.path(name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (/^lock\.\d+\./.test(name) && age > 3_600_000) freed += remove(this.path(name));
    }
    for (const name of readdirSync(this.path('tmp'))) {
      const file = this.path('tmp', name);
      const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      const owner = ownerOf(name);
      if (owner === null ? age > 7 * 86_400_000 : isGone(owner, age)) freed += remove(file);
    }
    return freed;
  }
}

function remove(path: string): number {
  try {
    const { size } = statSync(path);
    rmSync(path);
    return size;
  } catch {
    return 0;
  }
}

/** The digest of what is there must be the one that was asked for. */
export function verify(bytes: Uint8Array, digest: string, what: string): void {
  if (!DIGEST.test(digest))
    throw new CorruptImage(`${what} is named by ${digest}, which is no digest`);
  const [algorithm, hex] = digest.split(':') as [string, string];
  const actual = createHash(algorithm).update(bytes).digest('hex');
  if (actual !== hex)
    throw new CorruptImage(`${what} has digest ${algorithm}:${actual}, not ${digest}`);
}
