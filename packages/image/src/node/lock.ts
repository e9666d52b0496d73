import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isGone, type Owner, SELF } from './owner.ts';
import { ImageError } from './errors.ts';

/** A lock is held for milliseconds: one from another machine is broken after this. */
const FOREIGN_LOCK = 60_000;
const PATIENCE = 30_000;

let counter = 0;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20)); // prettier-ignore

/**
 * Runs something while no other process has the lock, a file that names its holder. A holder that was killed leaves the
 * file; the next one sees that the process is gone and takes it away.
 */
export async function withLock<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  const mine = `${file}.${SELF.pid}.${counter++}`;
  writeFileSync(mine, JSON.stringify(SELF));
  try {
    for (const end = Date.now() + PATIENCE; !acquire(file, mine); await pause())
      if (Date.now() > end)
        throw new ImageError(`the image store is locked by ${holder(file)} (${file})`);
    try {
      return await work();
    } finally {
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** A hard link comes into being with its content, or not at all. */
function acquire(file: string, mine: string): boolean {
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    breakStale(file, `${mine}.stale`);
    return false;
  }
}

function breakStale(file: string, aside: string): void {
  let text: string;
  let age: number;
  try {
    text = readFileSync(file, 'utf8');
    age = Date.now() - statSync(file).mtimeMs;
  } catch {
    return; // released meanwhile
  }
  if (!isGone(JSON.parse(text) as Owner, age, FOREIGN_LOCK)) return;
  try {
    renameSync(file, aside);
  } catch {
    return; // somebody else was faster
  }
  // Between reading and renaming another process may have broken the lock and taken it: then it is given back.
  if (readFileSync(aside, 'utf8') !== text) {
    try {
      linkSync(aside, file);
    } catch {
      // Taken again by a third one.
    }
  }
  rmSync(aside, { force: true });
}

function holder(file: string): string {
  try {
    const { pid, place } = JSON.parse(readFileSync(file, 'utf8')) as Owner;
    return `process ${pid} on ${place}`;
  } catch {
    return 'another process';
  }
}
