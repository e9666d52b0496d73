// What a Web Worker runs: one machine (Machine.boot({ worker: true })).
import { serve } from '../remote/server.ts';
import { browserPlatform } from './platform.ts';

serve(
  {
    post: (message) => self.postMessage(message),
    onMessage(listener) {
      self.onmessage = ({ data }) => listener(data);
    },
  },
  browserPlatform,
);
