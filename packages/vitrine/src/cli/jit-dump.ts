import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printWat } from '@vitrine/wasm/wat.ts';

/** Writes what tier 1 generates into a folder: a module for each region, as bytes and as text. */
export function jitDump(folder: string): (va: number, bytes: Uint8Array) => void {
  mkdirSync(folder, { recursive: true });
  let count = 0;
  return (va, bytes) => {
    const name = `${String(++count).padStart(5, '0')}-${va.toString(16)}`;
    writeFileSync(join(folder, `${name}.wasm`), bytes);
    writeFileSync(join(folder, `${name}.wat`), printWat(bytes));
  };
}
