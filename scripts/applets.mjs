// Writes packages/image/src/applets.ts: which applets the embedded busybox has, and where their links belong.
// Runs the binary, so it needs x86-64 Linux; elsewhere `--check` has nothing to say.
//   node scripts/applets.mjs [--check]
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const busybox = join(root, 'packages/image/dist/busybox');
const file = join(root, 'packages/image/src/applets.ts');

if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(busybox)) process.exit(0);

const byFolder = new Map([
  ['bin', []],
  ['sbin', []],
  ['usr/bin', []],
  ['usr/sbin', []],
]);
for (const path of execFileSync(busybox, ['--list-full'], { encoding: 'utf8' }).trim().split('\n'))
  byFolder.get(dirname(path))?.push(path.slice(dirname(path).length + 1));

const wrapped = (names) => {
  const lines = [''];
  for (const name of names) {
    if (lines.at(-1).length + name.length > 95) lines.push('');
    lines.push(`${lines.pop()}${name} `);
  }
  return lines.map((line) => `    ${line.trimEnd()}`).join('\n');
};

let text = `// Written by scripts/applets.mjs from the output of \`busybox --list-full\`.

/** Names of the busybox applets by the folder their links are in. */
export const APPLETS: Readonly<Record<string, string>> = {
`;
for (const [folder, names] of byFolder)
  text += `  ${folder.includes('/') ? `'${folder}'` : folder}: \`\n${wrapped(names)}\n  \`,\n`;
text += '};\n';

if (process.argv.includes('--check'))
  process.exitCode = readFileSync(file, 'utf8') === text ? 0 : 1;
else writeFileSync(file, text);
