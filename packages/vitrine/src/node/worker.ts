import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { WorkerPort } from '../remote/protocol.ts';

/** The worker's bundle: beside this one, or in the build when the sources run. */
function script(): URL {
  const beside = new URL('./worker.mjs', import.meta.url);
  return existsSync(fileURLToPath(beside))
    ? beside
    : new URL('../../dist/worker.mjs', import.meta.url);
}

/** Starts a worker thread for one machine; the interpreter is compiled once for all. */
export function startWorker(module: WebAssembly.Module): WorkerPort {
  const worker = new Worker(script(), { workerData: { module } });
  let error = '';
  worker.on('error', (failure: Error) => (error = failure.message));
  worker.unref();
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => void worker.on('message', listener),
    onExit: (listener) =>
      void worker.on('exit', (code) => listener(error || `worker exit ${code}`)),
    hold: (on) => (on ? worker.ref() : worker.unref()),
    async terminate() {
      await worker.terminate();
    },
  };
}
