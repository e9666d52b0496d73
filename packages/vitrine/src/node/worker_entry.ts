// What a worker thread of Node runs: one machine (Machine.boot({ worker: true })).
import { parentPort, workerData } from 'node:worker_threads';
import { serve } from '../remote/server.ts';
import { nodePlatform } from './platform.ts';

const port = parentPort!;
const { module } = workerData as { module: WebAssembly.Module };
serve(
  {
    post: (message) => port.postMessage(message),
    onMessage: (listener) => void port.on('message', listener),
  },
  { ...nodePlatform, processor: () => Promise.resolve(module) },
);
