// What the worker thread runs that generates regions of translated code (x86's tier1/remote.ts).
import { parentPort } from 'node:worker_threads';
import { carryOut } from '@vitrine/x86/tier1/remote.ts';
import { serveGenerator } from '../remote/generator.ts';
import { optimiser } from './native_code.ts';

const port = parentPort!;
const optimise = optimiser();
serveGenerator(
  {
    post: (message) => port.postMessage(message),
    onMessage: (listener) => void port.on('message', listener),
  },
  (order) => carryOut(order, optimise),
  optimise !== undefined,
);
