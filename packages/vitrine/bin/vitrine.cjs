#!/usr/bin/env node
'use strict';
// The command: one script, compiled with V8's code cache so that starting takes no time to speak of. CommonJS, because
// loading an ES module costs Node another ten milliseconds.
const { readFileSync, writeFileSync, renameSync } = require('node:fs');
const { join } = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { Script } = require('node:vm');

const dist = join(__dirname, '../dist');
const filename = join(dist, 'cli.cjs');

function read(path, encoding) {
  try {
    return readFileSync(path, encoding);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The bundle is ASCII, which makes latin1 the fastest way to read it. */
const source = read(filename, 'latin1');
if (source === undefined) {
  process.stderr.write(
    'vitrine: this checkout is not built yet; run `npm install` (or `npm run build`)\n',
  );
  process.exit(125);
}
// V8 takes a cache only with the settings that it was made with, and machines change one (src/node/platform.ts). It is taken
// back before the cache is written; in Node 22 that is no use, so it is set before the script is compiled. (Elsewhere Node's
// own scripts would lose their caches.)
const SETTING = 'experimental-wasm-branch-hinting';
const isSetFirst = process.versions.node.startsWith('22.');
if (isSetFirst) setFlagsFromString(`--${SETTING}`);

// A cache belongs to one build: V8 itself would take one of another source of the same length.
const build = source.slice(source.lastIndexOf('//') + 2);
const cacheFile = join(dist, `cli-${build}-${process.version}-${process.arch}.cache`);
const cachedData = read(cacheFile);
const script = new Script(`(function (require, __filename) {${source}\n})`, {
  filename,
  cachedData,
});

// Written when the command ends: by then what it uses is compiled.
if (cachedData === undefined || script.cachedDataRejected)
  process.on('exit', () => {
    try {
      if (!isSetFirst) setFlagsFromString(`--no-${SETTING}`);
      writeFileSync(`${cacheFile}.${process.pid}`, script.createCachedData());
      renameSync(`${cacheFile}.${process.pid}`, cacheFile);
    } catch {
      // A read-only installation: the next start compiles again.
    }
  });

script.runInThisContext()(require, filename);
