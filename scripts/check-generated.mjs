// Files that a script writes and that are committed must be what the script would write now.
//   node scripts/check-generated.mjs
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Generators that take `--check`: they write nothing and exit with 1 when a file is out of date. */
const GENERATORS = ['scripts/applets.mjs'];

let stale = 0;
for (const generator of GENERATORS) {
  if (!existsSync(join(root, generator))) continue;
  try {
    execFileSync(process.execPath, [join(root, generator), '--check'], { stdio: 'inherit' });
  } catch {
    console.error(`out of date: run node ${generator}`);
    stale++;
  }
}
process.exitCode = stale > 0 ? 1 : 0;
