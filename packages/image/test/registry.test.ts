import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pull, type PullOptions } from '../src/node/registry/pull.ts';
import { parseChallenges } from '../src/node/registry/auth.ts';
import { credentialsFor } from '../src/node/registry/credentials.ts';
import { Store, type StoredImage } from '../src/node/store.ts';
import { type Built, buildImage, digest, file, tar } from './support.ts';

let work: string;
let store: Store;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'vitrine-registry-'));
  store = new Store(join(work, 'store'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** Bytes that do not compress. */
function big(): Uint8Array {
  let seed = 1;
  return Uint8Array.from({ length: 300_000 }, () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 24); // prettier-ignore
}
const image = buildImage([tar(file('a', 'one'), file('big', big())), tar(file('b', 'two'))], {
  Cmd: ['sh'],
});

const kept = (): string[] => ['layers', 'blobs', 'tmp', 'pins', 'images'].flatMap((name) => readdirSync(join(work, 'store', name))); // prettier-ignore

const REGISTRY = ['docker-registry', 'registry'].find((name) => spawnSync(name, ['--version']).status === 0); // prettier-ignore
if (REGISTRY === undefined)
  console.warn(
    "no registry server here (Debian's package docker-registry): pulls from one are skipped",
  );

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.skipIf(REGISTRY === undefined)('a real registry', () => {
  let folder: string;
  let server: ChildProcess;
  let host: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vitrine-registry-server-'));
    const port = await freePort();
    host = `127.0.0.1:${port}`;
    writeFileSync(join(folder, 'config.yml'), `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/data}}\nhttp: {addr: '${host}'}\n`); // prettier-ignore
    server = spawn(REGISTRY!, ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
    for (let i = 0; i < 100; i++) {
      try {
        if ((await fetch(`http://${host}/v2/`)).ok) break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    await push(host, 'team/app', 'v1', image);
    const list = { schemaVersion: 2, mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json', manifests: [
      { ...image.manifest, platform: { os: 'linux', architecture: 'amd64' } },
    ] }; // prettier-ignore
    await put(
      `http://${host}/v2/team/app/manifests/list`,
      list.mediaType,
      Buffer.from(JSON.stringify(list)),
    );
  });
  afterAll(async () => {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill();
    await gone;
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives an image by tag, digest and list', async () => {
    for (const name of ['team/app:v1', `team/app@${image.manifest.digest}`, 'team/app:list']) {
      const pulled = await pull(store, `${host}/${name}`);
      expect(pulled).toMatchObject({ id: image.config.digest, layers: image.diffIds });
    }
    expect(store.images()).toHaveLength(3);
    await expect(pull(store, `${host}/team/app:list`, { platform: 'linux/s390x' })).rejects.toThrow('not there for linux/s390x; there is linux/amd64'); // prettier-ignore
    await expect(pull(store, `${host}/team/app:nothing`)).rejects.toThrow(
      /is not there: .*unknown/,
    );
    await expect(pull(store, `${host}/team/nothing`)).rejects.toThrow(/is not there/);
  });
});

const put = async (url: string, type: string, body: Uint8Array): Promise<void> => {
  const response = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: body as BodyInit,
  });
  if (!response.ok) throw new Error(`PUT ${url}: ${response.status} ${await response.text()}`);
};

async function push(host: string, repository: string, tag: string, built: Built): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  for (const [name, bytes] of built.blobs) {
    if (name === built.manifest.digest) continue;
    const start = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const place = new URL(start.headers.get('location')!, base);
    place.searchParams.set('digest', name);
    await put(place.href, 'application/octet-stream', bytes);
  }
  await put(`${base}/manifests/${tag}`, built.manifest.mediaType!, built.blobs.get(built.manifest.digest)!); // prettier-ignore
}

/** A registry that misbehaves as it is told. */
describe('a registry with faults', () => {
  let server: Server;
  let host: string;
  let requests: IncomingMessage[];
  let fault: (request: IncomingMessage, response: ServerResponse) => boolean;
  let served: Built;

  beforeEach(async () => {
    requests = [];
    fault = () => false;
    served = image;
    server = createServer((request, response) => {
      requests.push(request);
      if (fault(request, response)) return;
      answer(request, response);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => void server.close().closeAllConnections());

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const name = request.url!.split('/').at(-1)!;
    const bytes = served.blobs.get(name === 'latest' ? served.manifest.digest : name);
    if (bytes === undefined) {
      response
        .writeHead(404)
        .end(
          JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }),
        );
      return;
    }
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from > 0)
      response.writeHead(206, {
        'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
      });
    response.end(bytes.subarray(from));
  }

  const get = (options: PullOptions = {}): Promise<StoredImage> => pull(store, `${host}/app`, { backoff: 1, credentials: null, ...options }); // prettier-ignore
  const isLayer = ({ url }: IncomingMessage): boolean => url!.endsWith(image.layers[0]!.digest);

  it('is tried again after errors of the server', async () => {
    let failures = 3;
    fault = (_, response) => {
      if (failures-- <= 0) return false;
      response.writeHead(failures === 1 ? 429 : 503, { 'retry-after': '0' }).end();
      return true;
    };
    const retries: string[] = [];
    await get({ onRetry: (reason) => retries.push(reason) });
    expect(retries).toHaveLength(3);
  });

  it('goes on where a connection broke', async () => {
    let broken = 2;
    fault = (request, response) => {
      if (!isLayer(request) || broken-- <= 0) return false;
      const bytes = image.blobs.get(image.layers[0]!.digest)!;
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from, ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}) });
      response.write(bytes.subarray(from, from + 50_000), () => setTimeout(() => response.destroy(), 30));
      return true;
    }; // prettier-ignore
    expect((await get()).layers).toEqual(image.diffIds);
    const ranges = requests.filter(isLayer).map(({ headers }) => headers.range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[2]).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('starts over where the server does not know ranges', async () => {
    let broken = 1;
    fault = (request, response) => {
      if (!isLayer(request)) return false;
      delete request.headers.range;
      if (broken-- <= 0) return false;
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write(image.blobs.get(image.layers[0]!.digest)!.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 30));
      return true;
    }; // prettier-ignore
    expect((await get()).layers).toEqual(image.diffIds);
  });

  it('keeps what came for the next pull', async () => {
    fault = (request, response) => {
      if (!isLayer(request)) return false;
      if (request.headers.range !== undefined) return response.writeHead(500).end(), true;
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write(image.blobs.get(image.layers[0]!.digest)!.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 30));
      return true;
    }; // prettier-ignore
    await expect(get()).rejects.toThrow('could not be fetched in 6 attempts');
    fault = () => false;
    requests = [];
    await get();
    expect(requests.find(isLayer)!.headers.range).toMatch(/^bytes=[1-9]/);
  });

  it('is refused when its bytes are not what it says', async () => {
    const wrong = new Map(image.blobs);
    wrong.set(
      image.layers[0]!.digest,
      buildImage([tar(file('evil'))])
        .blobs.values()
        .next()
        .value!.slice(),
    );
    served = { ...image, blobs: wrong };
    await expect(get()).rejects.toThrow(/could not be fetched|digest/);
    const swapped = Uint8Array.from(image.blobs.get(image.layers[0]!.digest)!);
    swapped[100]! ^= 1;
    wrong.set(image.layers[0]!.digest, swapped);
    await expect(get()).rejects.toThrow(/damaged|digest/);
    expect(kept()).toEqual([]);
  });

  it('gets a token with the name and password of the configuration', async () => {
    const seen: string[] = [];
    fault = (request, response) => {
      if (request.url!.startsWith('/token')) {
        seen.push(`${request.url} ${request.headers.authorization}`);
        response.end(JSON.stringify({ token: 'T0' }));
        return true;
      }
      if (request.headers.authorization === 'Bearer T0') return false;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="reg, istry",scope="repository:app:pull"` }).end(); // prettier-ignore
      return true;
    };
    await get({ credentials: { username: 'u', password: 'p:w' } });
    expect(seen).toEqual([`/token?service=reg%2C+istry&scope=repository%3Aapp%3Apull Basic ${btoa('u:p:w')}`]); // prettier-ignore
  });

  it('gets the name and password where it asks for them', async () => {
    fault = (request, response) => {
      if (request.headers.authorization === `Basic ${btoa('u:p')}`) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return true;
    };
    await expect(get()).rejects.toThrow('docker login');
    await expect(get({ credentials: { username: 'u', password: 'wrong' } })).rejects.toThrow(
      'refused',
    );
    await get({ credentials: { username: 'u', password: 'p' } });
  });

  it('is asked through an index for the platform', async () => {
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [
      { ...image.manifest, digest: digest('other'), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...image.manifest, platform: { os: 'linux', architecture: 'amd64' } },
      { ...image.manifest, digest: digest('attestation'), platform: { os: 'unknown', architecture: 'unknown' }, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } },
    ] })); // prettier-ignore
    served = { ...image, manifest: { ...image.manifest, digest: digest(index) }, blobs: new Map([...image.blobs, [digest(index), index]]) }; // prettier-ignore
    expect((await get()).manifest).toBe(image.manifest.digest);
    await expect(get({ platform: 'windows/amd64' })).rejects.toThrow('there is linux/arm64/v8, linux/amd64'); // prettier-ignore
  });
});

describe('credentials', () => {
  it('come from the configuration file and from helpers', async () => {
    const folder = join(work, 'docker');
    mkdirSync(folder);
    writeFileSync(join(folder, 'docker-credential-fake'), '#!/bin/sh\nread server; [ "$server" = none.example ] && { echo "credentials not found in native keychain"; exit 1; }\necho "{\\"Username\\":\\"helped\\",\\"Secret\\":\\"$server\\"}"\n'); // prettier-ignore
    chmodSync(join(folder, 'docker-credential-fake'), 0o755);
    const env = { ...process.env, DOCKER_CONFIG: folder };
    const path = process.env['PATH'];
    process.env['PATH'] = `${folder}:${path}`;
    try {
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { 'reg.example': { auth: btoa('me:pa:ss') }, 'https://index.docker.io/v1/': { auth: btoa('hub:x') } }, credHelpers: { 'other.example': 'fake', 'none.example': 'fake' } })); // prettier-ignore
      expect(await credentialsFor('reg.example', env)).toEqual({
        username: 'me',
        password: 'pa:ss',
      });
      expect(await credentialsFor('docker.io', env)).toEqual({ username: 'hub', password: 'x' });
      expect(await credentialsFor('nobody.example', env)).toBeNull();
      if (process.platform === 'win32') return;
      expect(await credentialsFor('other.example', env)).toEqual({ username: 'helped', password: 'other.example' }); // prettier-ignore
      expect(await credentialsFor('none.example', env)).toBeNull();
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ credsStore: 'fake' }));
      expect(await credentialsFor('reg.example', env)).toMatchObject({ username: 'helped' });
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('are asked for in challenges of any form', () => {
    expect(parseChallenges('Bearer realm="https://a/b?c=d",service="x, y", scope="s" , Basic realm=z')).toEqual([
      { scheme: 'bearer', parameters: { realm: 'https://a/b?c=d', service: 'x, y', scope: 's' } },
      { scheme: 'basic', parameters: { realm: 'z' } },
    ]); // prettier-ignore
  });
});
