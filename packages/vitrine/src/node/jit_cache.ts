import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TranslationStorage } from '@vitrine/x86';
import { cacheFolder } from '@vitrine/image/node/cache_folder.ts';

/** Put in by the build: stands for the code of this processor. Sources that run unbuilt keep nothing. */
declare const VITRINE_TRANSLATIONS: string | undefined;
const built = typeof VITRINE_TRANSLATIONS === 'undefined' ? undefined : VITRINE_TRANSLATIONS;

/** Bytes of all files, of every version; who was not used for the longest time goes first. */
const LIMIT = 256 * 2 ** 20;
const LARGEST_FILE = 64 * 2 ** 20;
/** A file whose time of use is not older is not marked as used once more. */
const RECENT = 3_600_000;
const DIGEST = 32;
const NAME = /^[\w-]{1,80}$/;
const UNFINISHED = '.unfinished';

export interface KeepOptions {
  readonly limit?: number;
  /** Stands for all that decides what is generated. */
  readonly version?: string | undefined;
}

/** Where `vitrine run` keeps translations; '' when this user has no folder at all. */
export function userFolder(): string {
  try {
    return join(cacheFolder(), 'jit');
  } catch {
    return '';
  }
}

/** A storage in a folder; undefined without one, and where nothing can be kept. */
export const storageIn = (
  folder: string,
  { limit = LIMIT, version = built }: KeepOptions = {},
): TranslationStorage | undefined =>
  folder === '' || version === undefined ? undefined : new JitCache(folder, version, limit);

/**
 * Translations in files, one for each page of code: a SHA-256 of name and content, then the content. A file that is
 * damaged, foreign or of another version is never looked into; at worst code is compiled again. Any number of
 * processes may use a folder: files are written aside and renamed, and the last one to write a page wins.
 *
 * What is in the folder is executed, as WebAssembly within the machine. So a folder counts only if it is the user's own
 * and nobody else may write to it.
 */
class JitCache implements TranslationStorage {
  readonly #root: string;
  readonly #folder: string;
  readonly #limit: number;
  /** What was there when it was first looked at, and what was added; undefined before. */
  #names: Set<string> | undefined;
  #usable = true;
  #wrote = false;
  #count = 0;

  constructor(root: string, version: string, limit: number) {
    this.#root = root;
    this.#folder = join(root, version);
    this.#limit = limit;
  }

  load(name: string): Uint8Array | undefined {
    if (!this.#known().has(name)) return undefined;
    try {
      return this.#read(name);
    } catch {
      this.discard(name);
      return undefined;
    }
  }

  #known(): Set<string> {
    if (this.#names) return this.#names;
    this.#names = new Set();
    try {
      for (const folder of [this.#root, this.#folder]) if (!isPrivate(folder)) this.#usable = false;
      if (this.#usable) this.#names = new Set(readdirSync(this.#folder));
    } catch {
      // It is not there yet.
    }
    return this.#names;
  }

  #read(name: string): Uint8Array | undefined {
    const path = join(this.#folder, name);
    const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)); // prettier-ignore
    try {
      const { size, mtimeMs } = regular(fd);
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size;) {
        const count = readSync(fd, bytes, at, size - at, at);
        if (count === 0) throw new Error('it became shorter');
        at += count;
      }
      const content = bytes.subarray(DIGEST);
      if (!digestOf(name, content).equals(bytes.subarray(0, DIGEST))) throw new Error('damaged');
      if (Date.now() - mtimeMs > RECENT) markUsed(fd);
      return content;
    } finally {
      closeSync(fd);
    }
  }

  save(name: string, content: Uint8Array): void {
    if (!NAME.test(name) || content.length > LARGEST_FILE - DIGEST) return;
    const known = this.#known();
    if (!this.#usable) return;
    const aside = join(this.#folder, `${process.pid}-${++this.#count}-${Date.now()}${UNFINISHED}`);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(aside, Buffer.concat([digestOf(name, content), content]), { mode: 0o600, flag: 'wx' }); // prettier-ignore
      renameSync(aside, join(this.#folder, name));
      known.add(name);
      this.#wrote = true;
    } catch {
      // No room, or not allowed to: nothing is kept any more.
      this.#usable = false;
      remove(aside);
    }
  }

  discard(name: string): void {
    if (!this.#known().delete(name) || !NAME.test(name)) return;
    remove(join(this.#folder, name));
  }

  close(): void {
    if (!this.#wrote) return;
    this.#wrote = false;
    try {
      prune(this.#root, this.#limit);
    } catch {
      // Another process prunes at the same time.
    }
  }
}

function digestOf(name: string, content: Uint8Array): Buffer {
  return createHash('sha256').update(name).update('\0').update(content).digest();
}

/** A folder of the user's that nobody else may write to. Throws when there is none. */
function isPrivate(folder: string): boolean {
  const stat = lstatSync(folder);
  if (process.geteuid === undefined) return stat.isDirectory();
  return stat.isDirectory() && stat.uid === process.geteuid() && (stat.mode & 0o022) === 0;
}

function regular(fd: number): { size: number; mtimeMs: number } {
  const stat = fstatSync(fd);
  if (!stat.isFile() || stat.size < DIGEST || stat.size > LARGEST_FILE)
    throw new Error('no file of translations');
  return stat;
}

function markUsed(fd: number): void {
  try {
    const now = Date.now() / 1000;
    futimesSync(fd, now, now);
  } catch {
    // Read-only: it ages.
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It stays, and is not looked at again by this process.
  }
}

/** Removes what has not been used for the longest time, and what a killed process left unfinished. */
function prune(root: string, limit: number): void {
  const files: { path: string; size: number; mtimeMs: number }[] = [];
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const { size, mtimeMs } = statSync(path);
    if (entry.name.endsWith(UNFINISHED) && Date.now() - mtimeMs > RECENT) remove(path);
    else files.push({ path, size, mtimeMs });
  }
  let total = files.reduce((sum, { size }) => sum + size, 0);
  if (total <= limit) return;
  for (const { path, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (total <= limit * 0.8) return;
    remove(path);
    total -= size;
  }
}
