// Runs in a Web Worker: boots a machine, runs what the page asks for, answers with the output.
import { Machine } from '../../packages/vitrine/src/browser.ts';

interface Request {
  readonly script: string;
  readonly virtual?: boolean;
}

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  try {
    const started = performance.now();
    const machine = await Machine.boot({
      memory: '128m',
      clock: data.virtual ? 'virtual' : 'real',
    });
    const events: string[] = [];
    if (data.virtual)
      for (const point of ['sys_enter', 'sys_exit', 'sched_switch'] as const)
        machine.on(point, (event) => void events.push(`${point} ${JSON.stringify(event)}`));
    const process = await machine.spawn(['sh', '-c', data.script]);
    const [stdout, stderr, exit] = await Promise.all([process.stdout.text(), process.stderr.text(), process.wait()]); // prettier-ignore
    await machine.close();
    self.postMessage({
      stdout,
      stderr,
      exit,
      events: events.join('\n'),
      took: performance.now() - started,
    });
  } catch (error) {
    self.postMessage({ error: String((error as Error).stack ?? error) });
  }
};
