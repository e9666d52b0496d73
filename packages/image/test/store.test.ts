import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageConfig } from '../src/config.ts';
import { importArchive } from '../src/node/archive.ts';
import { withLock } from '../src/node/lock.ts';
import { ingestLayer } from '../src/node/ingest.ts';
import { openImage } from '../src/node/open.ts';
import { cacheFolder } from '../src/node/cache_folder.ts';
import { Store } from '../src/node/store.ts';
import { canonical, familiar, parseReference } from '../src/reference.ts';
import { writeTar } from '../src/tar_write.ts';
import { buildImage, digest, file, tar, writeLayout } from './support.ts';

let work: string;
let store: Store;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'vitrine-store-'));
  store = new Store(join(work, 'store'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const kept = (): string[] => ['layers', 'blobs', 'digests', 'images', 'tmp', 'pins'].flatMap((name) => readdirSync(join(work, 'store', name))); // prettier-ignore
const image = buildImage([tar(file('a', 'one')), tar(file('b', 'two'))], { Cmd: ['sh'], Env: ['A=b=c', 'PATH=/x'], User: 'u:g', WorkingDir: '/w', StopSignal: 'SIGQUIT', ExposedPorts: { '80/tcp': {} } }); // prettier-ignore

describe('names', () => {
  for (const [name, full, short] of [
    ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['debian:12', 'docker.io/library/debian:12', 'debian:12'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['docker.io/debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['localhost:5000/a/b:v1', 'localhost:5000/a/b:v1', 'localhost:5000/a/b:v1'],
    ['localhost/a', 'localhost/a:latest', 'localhost/a:latest'],
    [`ghcr.io/o/n@sha256:${'a'.repeat(64)}`, `ghcr.io/o/n@sha256:${'a'.repeat(64)}`, `ghcr.io/o/n@sha256:${'a'.repeat(64)}`],
  ] as const) {
    it(name, () => {
      expect(canonical(parseReference(name))).toBe(full);
      expect(familiar(full)).toBe(short);
    });
  } // prettier-ignore
  for (const name of ['', 'UPPER', 'a//b', 'a:b:c', 'a@sha256:12', '-a', 'a/../b', 'x'.repeat(300), 'a b'])
    it(`${name.slice(0, 20)} is none`, () => void expect(() => parseReference(name)).toThrow('is no image name')); // prettier-ignore
});

describe('an image archive', () => {
  const layout = (built = image, annotations = {}): string => {
    writeLayout(join(work, 'layout'), built, annotations);
    return join(work, 'layout');
  };

  it('may be a folder', async () => {
    const [stored] = await importArchive(store, layout(image, { 'org.opencontainers.image.ref.name': 'me/app:v1' })); // prettier-ignore
    expect(stored).toMatchObject({
      name: 'docker.io/me/app:v1',
      id: image.config.digest,
      layers: image.diffIds,
    });
    expect(store.images()).toEqual([stored]);
    const opened = openImage(store, stored!);
    expect(opened.layers!.map(({ id }) => id)).toEqual(image.diffIds);
    expect(opened.config).toMatchObject({ cmd: ['sh'], env: { A: 'b=c', PATH: '/x' }, user: 'u:g', workdir: '/w', stopSignal: 'SIGQUIT', exposedPorts: ['80/tcp'] }); // prettier-ignore
  });

  it('may be a tar, compressed too', async () => {
    layout();
    execFileSync('tar', ['-cf', '../a.tar', '.'], { cwd: join(work, 'layout') });
    execFileSync('gzip', ['-k', 'a.tar'], { cwd: work });
    for (const name of ['a.tar', 'a.tar.gz'])
      expect(await importArchive(store, join(work, name), { name: `docker.io/x/${name}:1` })).toHaveLength(1); // prettier-ignore
    if (spawnSync('zstd', ['-q', 'a.tar'], { cwd: work }).status === 0)
      expect(await importArchive(store, join(work, 'a.tar.zst'))).toHaveLength(1);
    if (spawnSync('xz', ['-k', 'a.tar'], { cwd: work }).status === 0)
      expect(await importArchive(store, join(work, 'a.tar.xz'))).toHaveLength(1);
  });

  it("may be docker's", async () => {
    const layers = [tar(file('a', 'one')), tar(file('b', 'two'))];
    const config = image.blobs.get(image.config.digest)!;
    const hex = image.config.digest.slice(7);
    const members = [
      file(`${hex}.json`, config),
      file('1/layer.tar', layers[0]),
      file('2/layer.tar', layers[1]),
      { name: '3/layer.tar', mode: 0o120777, target: '../2/layer.tar' },
      file('manifest.json', JSON.stringify([{ Config: `${hex}.json`, RepoTags: ['app:v2', 'app:latest'], Layers: ['1/layer.tar', '3/layer.tar'] }])),
    ]; // prettier-ignore
    writeFileSync(join(work, 'd.tar'), tar(...members));
    expect((await importArchive(store, join(work, 'd.tar'))).map(({ name }) => name)).toEqual(['docker.io/library/app:v2', 'docker.io/library/app:latest']); // prettier-ignore
    for (const [target, reason] of [['../../etc/passwd', /leads out/], ['layer.tar', /circle/], ['/etc/passwd', /has no layer/]] as const) {
      members[3] = { name: '3/layer.tar', mode: 0o120777, target };
      store.removeImage('docker.io/library/app:v2');
      store.removeImage('docker.io/library/app:latest');
      await store.collect();
      writeFileSync(join(work, 'd.tar'), tar(...members));
      await expect(importArchive(store, join(work, 'd.tar'))).rejects.toThrow(reason);
      expect(kept()).toEqual([]);
    } // prettier-ignore
  });

  it('is refused whole when a part of it is wrong', async () => {
    const refused = async (
      change: (blobs: Map<string, Uint8Array>) => void,
      reason: RegExp,
    ): Promise<void> => {
      // prettier-ignore
      const blobs = new Map(image.blobs);
      change(blobs);
      rmSync(join(work, 'layout'), { recursive: true, force: true });
      await expect(importArchive(store, layout({ ...image, blobs }))).rejects.toThrow(reason);
      expect(kept()).toEqual([]);
    };
    const last = image.layers[1]!.digest;
    await refused((blobs) => blobs.set(last, gzipSync(tar(file('c')))), /digest|bytes/);
    await refused((blobs) => blobs.set(last, brotliCompressSync(Buffer.from('x'))), /no tar header|bytes|cut short/); // prettier-ignore
    await refused((blobs) => blobs.delete(last), /has no layer/);
    await refused((blobs) => blobs.set(image.config.digest, Buffer.from('{}')), /bytes|digest/);
    await refused(
      (blobs) => blobs.set(image.manifest.digest, Buffer.alloc(image.manifest.size)),
      /digest/,
    );
    for (const [config, reason] of [
      [{ Env: 'A=b' }, /field config.Env of the wrong type/],
      [{ User: 5 }, /field config.User/],
      [{ Cmd: [1] }, /field config.Cmd/],
    ] as const)
      await expect(importArchive(store, layout(buildImage([tar(file('a'))], config)))).rejects.toThrow(reason); // prettier-ignore
    writeFileSync(join(work, 'd.tar'), tar(file('manifest.json', '[null]')));
    await expect(importArchive(store, join(work, 'd.tar'))).rejects.toThrow('without Config or Layers'); // prettier-ignore
    const evil = buildImage([tar(file('a')), tar(file('../../evil'))]);
    await expect(importArchive(store, layout(evil))).rejects.toThrow('leads out of the layer');
    expect(kept()).toEqual([]);
    rmSync(join(work, 'layout/index.json'));
    symlinkSync('/etc/passwd', join(work, 'layout/index.json'));
    await expect(importArchive(store, join(work, 'layout'))).rejects.toThrow(
      'leads out of the archive',
    );
  });
});

describe('the store', () => {
  it("is in the user's cache", () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/c' })).toBe(join('/c', 'vitrine'));
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toBe(cacheFolder({}));
  });

  it('collects what nothing needs, and nothing else', async () => {
    writeLayout(join(work, 'layout'), image);
    await importArchive(store, join(work, 'layout'), { name: 'docker.io/library/a:1' });
    const other = tar(file('other'));
    using pin = store.pin();
    pin.add(digest(other));
    await ingestLayer(store, (async function* () { yield other; })()); // prettier-ignore
    await store.collect();
    expect(store.hasLayer(digest(other))).toBe(true);
    pin[Symbol.dispose]();
    await store.collect();
    expect(store.hasLayer(digest(other))).toBe(false);
    expect(image.diffIds.map((id) => store.hasLayer(id))).toEqual([true, true]);
    store.removeImage('docker.io/library/a:1');
    await store.collect();
    expect(kept()).toEqual([]);
  });

  it('is locked for one at a time', async () => {
    let inside = 0;
    let most = 0;
    const lock = join(work, 'lock');
    await Promise.all(
      Array.from({ length: 10 }, () =>
        withLock(lock, async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setTimeout(resolve, 2));
          inside--;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it('survives processes that are killed at any moment', async () => {
    const script = join(work, 'child.mts');
    const source = join(import.meta.dirname, '../src/node');
    const layer = join(work, 'layer.tar');
    writeFileSync(layer, Buffer.concat([...writeTar(Array.from({ length: 300 }, (_, i) => file(`f${i}`, 'x'.repeat(5000))))])); // prettier-ignore
    writeFileSync(script, `
      import { createReadStream } from 'node:fs';
      import { Store } from '${source}/store.ts';
      import { ingestLayer } from '${source}/ingest.ts';
      const store = new Store('${join(work, 'store')}');
      console.log('started');
      for (;;) { using pin = store.pin(); pin.add('sha256:${'0'.repeat(64)}'); await ingestLayer(store, createReadStream('${layer}')); await store.collect(); }
    `); // prettier-ignore
    const tsx = join(import.meta.dirname, '../../../node_modules/tsx/dist/cli.mjs');
    await Promise.all([1, 2, 3].map(async (n) => {
      const child = spawn(process.execPath, [tsx, script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 40 * n + Math.random() * 50));
      const gone = new Promise((resolve) => child.once('close', resolve));
      process.kill(-child.pid!, 'SIGKILL');
      await gone;
    })); // prettier-ignore
    // On a busy computer a killed process takes a moment to be gone.
    for (let i = 0; i < 50 && (i === 0 || kept().length > 0); i++) {
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      await store.collect({ partial: true });
    }
    expect(kept()).toEqual([]);
  });
});

describe('a configuration', () => {
  it('has defaults for what is missing', () => {
    expect(imageConfig({})).toMatchObject({ cmd: ['sh'], workdir: '/', user: '' });
    expect(imageConfig({ config: { Entrypoint: ['e'], Cmd: null, Env: null } })).toMatchObject({
      entrypoint: ['e'],
      cmd: [],
    });
    expect(imageConfig({ config: { Cmd: 'echo $HOME' } }).cmd).toEqual([
      '/bin/sh',
      '-c',
      'echo $HOME',
    ]);
  });
});
