// Writes the published package's declarations: those of every workspace package, with the imports between them made
// relative, so that they stand alone. `npm pack` runs it.
//   node scripts/types.mjs
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'packages/vitrine/dist/types');

rmSync(out, { recursive: true, force: true });
execFileSync(process.execPath, [join(root, 'node_modules/typescript/lib/tsc.js'), '-p', join(root, 'tsconfig.types.json')], { stdio: 'inherit' }); // prettier-ignore

/** `@vitrine/kernel/fs/pipe.ts` seen from a declaration file, and `./pipe.ts`, as `.js` paths that TypeScript resolves. */
function standalone(file, specifier) {
  const match = /^@vitrine\/([a-z0-9]+)(?:\/(.*))?$/.exec(specifier);
  if (match === null) return specifier.replace(/\.ts$/, '.js');
  const target = join(out, match[1], 'src', (match[2] ?? 'index.ts').replace(/\.ts$/, '.js'));
  const path = relative(dirname(file), target).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}

for (const name of readdirSync(out, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const file = join(out, name);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/(from |import\(|module |import )(['"])([^'"]+)\2/g, (_, word, quote, specifier) => `${word}${quote}${standalone(file, specifier)}${quote}`)); // prettier-ignore
}
for (const name of ['LICENSE', 'NOTICE', 'README.md'])
  copyFileSync(join(root, name), join(root, 'packages/vitrine', name));
