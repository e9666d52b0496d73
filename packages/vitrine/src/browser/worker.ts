import type { WorkerPort } from '../remote/protocol.ts';

function portOf(worker: Worker): WorkerPort {
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

/** Starts a Web Worker for one machine: the build's `browser-worker.mjs`, beside the bundle. */
export const startWorker = (): WorkerPort =>
  portOf(new Worker(new URL('./browser-worker.mjs', import.meta.url), { type: 'module' }));

/** Starts the one that generates regions for all machines of this thread. */
export const startGenerator = (): WorkerPort =>
  portOf(new Worker(new URL('./browser-generator.mjs', import.meta.url), { type: 'module' }));
