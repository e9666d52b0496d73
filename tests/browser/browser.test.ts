import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../packages/vitrine/src/index.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path)); // prettier-ignore
if (CHROMIUM === undefined) console.warn('no Chromium here: the browser tests are skipped');

const ROOT = join(import.meta.dirname, '../..');
const DIST = join(ROOT, 'packages/vitrine/dist');
const PAGE = `<!doctype html><title>Vitrine</title><script>
  window.bundle = import('/browser.mjs');
  window.run = (request) => new Promise((resolve) => {
    const worker = new Worker('worker.js', { type: 'module' });
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.onerror = (event) => resolve({ error: event.message });
    worker.postMessage(request);
  });
</script>`;

interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: { status: number | null };
  readonly events: string;
  readonly error?: string;
}

describe.skipIf(CHROMIUM === undefined)('in Chromium', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const { outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, 'worker.ts')],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      write: false,
    });
    const files: Record<string, readonly [type: string, body: string | Uint8Array]> = {
      '/': ['text/html', PAGE],
      '/worker.js': ['text/javascript', outputFiles[0]!.contents],
      '/tier0.wasm': ['application/wasm', readFileSync(join(ROOT, 'packages/x86/dist/tier0.wasm'))],
      // The published bundles, for a machine that the page puts into a worker itself.
      '/browser.mjs': ['text/javascript', readFileSync(join(DIST, 'browser.mjs'))],
      '/browser-worker.mjs': ['text/javascript', readFileSync(join(DIST, 'browser-worker.mjs'))],
      '/busybox': [
        'application/octet-stream',
        readFileSync(join(ROOT, 'packages/image/dist/busybox')),
      ],
    };
    server = createServer(({ url }, response) => {
      const file = files[url ?? ''];
      if (file === undefined) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-type': file[0] }).end(file[1]);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({
      executablePath: CHROMIUM!,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'], // prettier-ignore
    });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const run = (request: object): Promise<Answer> =>
    page.evaluate(
      (r) => (window as unknown as { run(r: object): Promise<Answer> }).run(r),
      request,
    );

  it('boots busybox in a worker and runs a pipeline', async () => {
    const script =
      "seq 1000 | grep 7 | sort -rn | awk '{ s += $1 } END { print NR, s }'; uname -s; exit 3";
    const answer = await run({ script });
    expect(answer.error).toBeUndefined();
    expect(answer.stdout).toBe('271 157842\nLinux\n');
    expect(answer.exit.status).toBe(3);
  });

  it('runs a machine in a worker of its own behind the same API, and the page stays responsive', async () => {
    const answer = await page.evaluate(async () => {
      const { Machine } = await (window as unknown as { bundle: Promise<typeof import('../../packages/vitrine/src/browser.ts')> }).bundle; // prettier-ignore
      const machine = await Machine.boot({
        worker: true,
        memory: '128m',
        limits: { processes: 20 },
      });
      await machine.fs.writeFile('/tmp/x', '3\n1\n2\n');
      const loop = await machine.spawn(['sh', '-c', 'while :; do :; done']);
      const sort = await machine.spawn(['sort', '/tmp/x']);
      const stdout = await sort.stdout.text();
      let longest = 0;
      for (let i = 0, last = performance.now(); i < 20; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }
      loop.kill('SIGKILL');
      const exit = await loop.wait();
      await machine.close();
      return { stdout, exit, longest };
    });
    expect(answer).toMatchObject({
      stdout: '1\n2\n3\n',
      exit: { status: null, signal: 'SIGKILL' },
    });
    expect(answer.longest).toBeLessThan(1000);
  });

  it('runs a machine with the virtual clock exactly as Node does', async () => {
    const script = 'for i in 3 1 2; do (sleep $i; echo $i $RANDOM) & done; wait; date; head -c 8 /dev/urandom | od -x'; // prettier-ignore
    const answer = await run({ script, virtual: true });
    expect(answer.error).toBeUndefined();
    const machine = await Machine.boot({ memory: '128m', clock: 'virtual' });
    const events: string[] = [];
    for (const point of ['sys_enter', 'sys_exit', 'sched_switch'] as const)
      machine.on(point, (event) => void events.push(`${point} ${JSON.stringify(event)}`));
    const process = await machine.spawn(['sh', '-c', script]);
    const stdout = await process.stdout.text();
    await process.wait();
    await machine.close();
    expect(answer.stdout).toBe(stdout);
    expect(answer.events).toBe(events.join('\n'));
  });
});
