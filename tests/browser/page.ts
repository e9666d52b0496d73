/** A page in Chromium from which machines can be started, with the files of the build beside it. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import type { Answer, Request } from './worker.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path)); // prettier-ignore
if (CHROMIUM === undefined) console.warn('no Chromium here: the browser tests are skipped');
export const hasChromium: boolean = CHROMIUM !== undefined;

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

export interface Opened {
  readonly page: Page;
  /** Runs a script in a machine of its own, in a worker. */
  run(request: Request): Promise<Answer>;
  close(): Promise<void>;
}

type File = readonly [type: string, body: string | Uint8Array];

const script = (name: string): File => ['text/javascript', readFileSync(join(DIST, name))];

export async function openPage(): Promise<Opened> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'worker.ts')],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  const files: Record<string, File> = {
    '/': ['text/html', PAGE],
    '/worker.js': ['text/javascript', outputFiles[0]!.contents],
    '/tier0.wasm': ['application/wasm', readFileSync(join(ROOT, 'packages/x86/dist/tier0.wasm'))],
    // The published bundles, for a machine that the page puts into a worker itself.
    '/browser.mjs': script('browser.mjs'),
    '/browser-worker.mjs': script('browser-worker.mjs'),
    '/browser-generator.mjs': script('browser-generator.mjs'),
    '/busybox': [
      'application/octet-stream',
      readFileSync(join(ROOT, 'packages/image/dist/busybox')),
    ],
  };
  const server = createServer(({ url }, response) => {
    const file = files[url ?? ''];
    if (file === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file[0] }).end(file[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'], // prettier-ignore
  });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    page,
    run: (request) => page.evaluate((r) => (window as unknown as { run(r: Request): Promise<Answer> }).run(r), request), // prettier-ignore
    async close() {
      await browser.close();
      server.close();
    },
  };
}
