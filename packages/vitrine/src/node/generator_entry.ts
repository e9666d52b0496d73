// What the worker thread runs that generates regions of translated code (x86's tier1/remote.ts).
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { makeRegion } from '@vitrine/x86';
import { serveGenerator } from '../remote/generator.ts';

/** Guests come first where there are fewer processors than threads. On Linux 0 is this thread, elsewhere the process. */
const BEHIND = 10;
if (process.platform === 'linux') setPriority(0, BEHIND);

const port = parentPort!;
serveGenerator(
  {
    post: (message) => port.postMessage(message),
    onMessage: (listener) => void port.on('message', listener),
  },
  makeRegion,
);
