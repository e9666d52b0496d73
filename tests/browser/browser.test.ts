import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../packages/vitrine/src/index.ts';
import { hasChromium, type Opened, openPage } from './page.ts';
import type { Answer, Request } from './worker.ts';

describe.skipIf(!hasChromium)('in Chromium', () => {
  let opened: Opened;
  let page: Page;

  beforeAll(async () => {
    opened = await openPage();
    ({ page } = opened);
  });
  afterAll(() => opened?.close());

  const run = (request: Request): Promise<Answer> => opened.run(request);

  it('boots busybox in a worker and runs a pipeline', async () => {
    const script =
      "seq 1000 | grep 7 | sort -rn | awk '{ s += $1 } END { print NR, s }'; uname -s; exit 3";
    const answer = await run({ script });
    expect(answer.error).toBeUndefined();
    expect(answer.stdout).toBe('271 157842\nLinux\n');
    expect(answer.exit.status).toBe(3);
  });

  it('compiles what is hot, most of it on another thread', async () => {
    const script = 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i';
    const answer = await run({ script });
    expect(answer.stdout).toBe('100000\n');
    expect(answer.regions).toBeGreaterThan(8);
  });

  it('runs a machine in a worker of its own behind the same API, and the page stays responsive', async () => {
    const answer = await page.evaluate(async () => {
      const { Machine } = await (window as unknown as { bundle: Promise<typeof import('../../packages/vitrine/src/browser.ts')> }).bundle; // prettier-ignore
      const machine = await Machine.boot({
        worker: true,
        memory: '128m',
        limits: { processes: 20 },
      });
      await machine.fs.writeFile('/tmp/x', '3\n1\n2\n');
      const loop = await machine.spawn(['sh', '-c', 'while :; do :; done']);
      const sort = await machine.spawn(['sort', '/tmp/x']);
      const stdout = await sort.stdout.text();
      let longest = 0;
      for (let i = 0, last = performance.now(); i < 20; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }
      loop.kill('SIGKILL');
      const exit = await loop.wait();
      await machine.close();
      return { stdout, exit, longest };
    });
    expect(answer).toMatchObject({
      stdout: '1\n2\n3\n',
      exit: { status: null, signal: 'SIGKILL' },
    });
    expect(answer.longest).toBeLessThan(1000);
  });

  it('runs a machine with the virtual clock exactly as Node does', async () => {
    const script = 'for i in 3 1 2; do (sleep $i; echo $i $RANDOM) & done; wait; date; head -c 8 /dev/urandom | od -x'; // prettier-ignore
    const answer = await run({ script, virtual: true });
    expect(answer.error).toBeUndefined();
    const machine = await Machine.boot({ memory: '128m', clock: 'virtual' });
    const events: string[] = [];
    for (const point of ['sys_enter', 'sys_exit', 'sched_switch'] as const)
      machine.on(point, (event) => void events.push(`${point} ${JSON.stringify(event)}`));
    const process = await machine.spawn(['sh', '-c', script]);
    const stdout = await process.stdout.text();
    await process.wait();
    await machine.close();
    expect(answer.stdout).toBe(stdout);
    expect(answer.events).toBe(events.join('\n'));
  });
});
