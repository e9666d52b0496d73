import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { WorkerPort } from '../remote/protocol.ts';

/** A worker's bundle: beside this one, or in the build when the sources run. */
function script(name: string): URL {
  const beside = new URL(`./${name}`, import.meta.url);
  return existsSync(fileURLToPath(beside))
    ? beside
    : new URL(`../../dist/${name}`, import.meta.url);
}

function start(name: string, workerData?: unknown): WorkerPort {
  // What says how to read a program given with -e is refused for a worker's file, and V8's options where options are named at all.
  const isInline = process.execArgv.some((option) => option.startsWith('--input-type'));
  const worker = new Worker(script(name), { workerData, ...(isInline && { execArgv: [] }) });
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
      // Who waits for it is not to end before.
      worker.ref();
      await worker.terminate();
    },
  };
}

/** Starts a worker thread for one machine; the interpreter is compiled once for all. */
export const startWorker = (module: WebAssembly.Module): WorkerPort =>
  start('worker.mjs', { module });

/** Starts the thread that generates regions for all machines of this one. */
export const startGenerator = (): WorkerPort => start('generator.mjs');
