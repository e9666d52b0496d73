// What the worker thread runs that generates regions of translated code (x86's tier1/remote.ts).
import { parentPort } from 'node:worker_threads';
import { makeRegion } from '@vitrine/x86/tier1/remote.ts';
import { serveGenerator } from '../remote/generator.ts';

const port = parentPort!;
serveGenerator(
  {
    post: (message) => port.postMessage(message),
    onMessage: (listener) => void port.on('message', listener),
  },
  makeRegion,
);
