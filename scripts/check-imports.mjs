// Imports point one way only (Documentation/architecture.md, "Which way imports point"). This lists every one that does not.
//   node scripts/check-imports.mjs
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Which packages of the workspace each package may import. */
const PACKAGES = {
  uapi: [],
  lib: [],
  wasm: [],
  x86: ['uapi', 'lib', 'wasm'],
  kernel: ['uapi', 'lib'],
  image: ['uapi', 'lib', 'kernel'],
  vitrine: ['uapi', 'lib', 'wasm', 'x86', 'kernel', 'image'],
};

/** The one file of the processor that the kernel knows: its interface. */
const SEAM = '@vitrine/x86/cpu.ts';

/** Packages without anything of Node, the DOM or npm. */
const PURE = new Set(['uapi', 'lib', 'wasm', 'x86', 'kernel']);

/** Layers of the kernel, lowest first; a file may import its own layer and those below. */
const LAYERS = [
  /^include\//,
  /^fs\/[^/]+\.ts$/,
  /^mm\//,
  /^kernel\//,
  /^(ipc|net|block|drivers|security|fs\/[^/]+)\//,
  /^(arch|syscalls)\//,
  /^init\//,
];

/** Files whose types layers below may name (`import type` only): the objects that everything hangs on. */
const NAMED_FROM_BELOW = new Set(['kernel/task.ts', 'mm/mm.ts', 'mm/vma.ts', 'syscalls/row.ts']);
/** …except here: the VFS core never knows Task. */
const NEVER = (from, to) => /^fs\/[^/]+\.ts$/.test(from) && to === 'kernel/task.ts';

/** Single imports upward that have a reason. */
const EXCEPTIONS = new Set([
  'kernel/exec.ts security/commoncap.ts', // exec computes the new capabilities, where Linux calls its security hook
  'kernel/fork.ts security/keys/process_keys.ts', // keyrings are inherited with credentials,
  'kernel/exec.ts security/keys/process_keys.ts', // dropped by exec
  'kernel/exit.ts security/keys/process_keys.ts', // and by exit
  'mm/oom_kill.ts kernel/signal.ts', // the OOM killer sends a signal
]);

/** Files of the vitrine package that may use Node; the rest also runs in a browser. */
const NODE_ONLY = /^(src\/(node|cli)\/|src\/(index|cli)\.ts$)/;

const problems = [];

function* sources(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

function* imports(text) {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statement =
    /^\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
  for (const match of code.matchAll(statement))
    yield { type: match[2] !== undefined, target: match[3] ?? match[4] };
}

const layerOf = (path) => LAYERS.findIndex((layer) => layer.test(path));

function checkWithinKernel(from, target, type, report) {
  const to = posix.join(posix.dirname(from), target);
  if (from === 'index.ts') return;
  const here = layerOf(from);
  const there = layerOf(to);
  if (here < 0)
    return report('lies in no layer of the kernel (scripts/check-imports.mjs lists them)');
  if (there <= here || EXCEPTIONS.has(`${from} ${to}`)) return;
  if (type && NAMED_FROM_BELOW.has(to) && !NEVER(from, to)) return;
  report(`imports ${to}, which lies above it`);
}

function checkImport(pkg, file, { target, type }) {
  const report = (what) => problems.push(`packages/${pkg}/${file} ${what}`);
  if (target.startsWith('.')) {
    if (!target.endsWith('.ts')) report(`imports ${target} without its .ts extension`);
    if (pkg === 'kernel') checkWithinKernel(file.replace(/^src\//, ''), target, type, report);
    return;
  }
  const mine = /^@vitrine\/([^/]+)/.exec(target);
  if (mine) {
    if (pkg === 'kernel' && target === SEAM) return;
    if (mine[1] !== pkg && !PACKAGES[pkg].includes(mine[1])) report(`may not import ${target}`);
    return;
  }
  if (PURE.has(pkg)) return report(`imports ${target}: this package depends on nothing outside`);
  if (target.startsWith('node:') && pkg === 'vitrine' && !type && !NODE_ONLY.test(file))
    report(`imports ${target}: only src/node and src/cli may use Node`);
}

for (const pkg of Object.keys(PACKAGES)) {
  const base = join(root, 'packages', pkg);
  for (const path of sources(join(base, 'src'))) {
    const file = path.slice(base.length + 1).replaceAll('\\', '/');
    for (const found of imports(readFileSync(path, 'utf8'))) checkImport(pkg, file, found);
  }
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error(`${problems.length} imports point the wrong way`);
  process.exitCode = 1;
}
