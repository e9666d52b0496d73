// What the Web Worker runs that generates regions of translated code (x86's tier1/remote.ts).
import { carryOut } from '@vitrine/x86/tier1/remote.ts';
import { serveGenerator } from '../remote/generator.ts';

serveGenerator(
  {
    post: (message) => self.postMessage(message),
    onMessage(listener) {
      self.onmessage = ({ data }) => listener(data);
    },
  },
  (order) => carryOut(order, undefined),
  false,
);
