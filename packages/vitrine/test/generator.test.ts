/** The worker that generates regions (remote/generator.ts), and machines without one. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PackedRegion, RemoteGenerator, Reply } from '@vitrine/x86';
import { describe, expect, it } from 'vitest';
import { Machine } from '../src/index.ts';
import { startGenerator } from '../src/node/worker.ts';
import { WorkerGenerator } from '../src/remote/generator.ts';
import type { WorkerPort } from '../src/remote/protocol.ts';

const LOOP = 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo $i';

/** Runs the loop some times, or until the other thread has replied; returns the replies so far. */
async function run(startWorker: () => WorkerPort, most: number): Promise<Reply[]> {
  const worker = new WorkerGenerator(startWorker);
  const replies: Reply[] = [];
  const generator: RemoteGenerator = {
    get state() {
      return worker.state;
    },
    start: () => worker.start(),
    generate: (region: PackedRegion, done) =>
      worker.generate(region, (reply) => {
        replies.push(reply);
        done(reply);
      }),
  };
  const machine = await Machine.boot({ jit: { threshold: 1, advance: 100_000, generator } });
  for (let i = 0; i < most && replies.length === 0; i++) {
    const shell = await machine.spawn(['sh', '-c', LOOP]);
    expect(await shell.stdout.text()).toBe('30000\n');
  }
  await machine.close();
  return [...replies];
}

/** On a busy host it takes the worker some of them to be there. */
const PATIENT = 100;

describe('the generator', () => {
  it('makes regions that the machine goes on with', async () => {
    let port: WorkerPort | undefined;
    const replies = await run(() => (port = startGenerator()), PATIENT);
    await port!.terminate();
    expect(replies.length).toBeGreaterThan(0);
    expect(replies.filter((reply) => !('module' in reply))).toEqual([]);
  });

  it('may not be there', async () => {
    const replies = await run(() => {
      throw new Error('workers are forbidden');
    }, 3);
    expect(replies).toEqual([]);
  });

  it('may end with orders that it has not carried out', async () => {
    let end: ((reason: string) => void) | undefined;
    let listener: ((message: unknown) => void) | undefined;
    const replies = await run(() => {
      setTimeout(() => listener!({ bundles: false }));
      return {
        post: () => void setTimeout(() => end!('worker exit 1')),
        onMessage: (to) => void (listener = to),
        onExit: (to) => void (end = to),
        hold() {},
        terminate: () => Promise.resolve(),
      };
    }, PATIENT);
    expect(replies.length).toBeGreaterThan(0);
    for (const reply of replies) expect(reply).toEqual({ failure: 'worker exit 1' });
  });

  it('lets the process end', async () => {
    const sdk = new URL('../dist/index.mjs', import.meta.url);
    const program = `
      import { Machine } from ${JSON.stringify(sdk.href)};
      const machine = await Machine.boot({ jit: { threshold: 1, advance: 100_000 } });
      const shell = await machine.spawn(['sh', '-c', ${JSON.stringify(LOOP)}]);
      console.log(await shell.stdout.text());`;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { timeout: 50_000 }); // prettier-ignore
    expect(stdout.trim()).toBe('30000');
  });
});
