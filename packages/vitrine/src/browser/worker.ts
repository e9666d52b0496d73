import type { WorkerPort } from '../remote/protocol.ts';

/** Starts a Web Worker for one machine: the build's `browser-worker.mjs`, beside the bundle. */
export function startWorker(): WorkerPort {
  const worker = new Worker(new URL('./browser-worker.mjs', import.meta.url), { type: 'module' });
  return {
    post: (message) => worker.postMessage(message),
    onMessage(listener) {
      worker.addEventListener('message', ({ data }) => listener(data));
    },
    onExit(listener) {
      worker.addEventListener('error', (event) => listener(event.message));
    },
    hold() {},
    async terminate() {
      worker.terminate();
    },
  };
}
