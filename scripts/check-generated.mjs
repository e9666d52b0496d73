// Files that a script writes and that are committed must be what the script would write now.
//   node scripts/check-generated.mjs
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Generators that take `--check`: they write nothing and exit with 1 when a file is out of date. */
const GENERATORS = ['scripts/applets.mjs', 'scripts/system-calls.mts'];

let stale = 0;
for (const generator of GENERATORS) {
  if (!existsSync(join(root, generator))) continue;
  try {
    const loader = generator.endsWith('.mts') ? ['--import', 'tsx'] : [];
    execFileSync(process.execPath, [...loader, join(root, generator), '--check'], {
      cwd: root,
      stdio: 'inherit',
    });
  } catch {
    console.error(`out of date: run npx tsx ${generator}`);
    stale++;
  }
}
process.exitCode = stale > 0 ? 1 : 0;
