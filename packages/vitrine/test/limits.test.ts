import { describe, expect, it } from 'vitest';
import { Machine, type Limits } from '../src/index.ts';

const run = async (
  limits: Limits,
  script: string,
  worker = false,
): Promise<{ text: string; exit: object; reason: string | undefined }> => {
  // prettier-ignore
  const machine = await (worker ? Machine.boot({ limits, worker: true }) : Machine.boot({ limits }));
  const process = await machine.spawn(['sh', '-c', script]);
  const text = await process.stdout.text();
  const exit = await process.wait();
  const reason = machine.halted?.reason;
  await machine.close();
  return { text, exit, reason };
};
const KILLED = { status: null, signal: 'SIGKILL' };

for (const worker of [false, true])
  describe(worker ? 'limits in a worker' : 'limits', () => {
    it('bound processor time', async () => {
      const { exit, reason } = await run({ cpuSeconds: 0.2 }, 'while :; do :; done', worker);
      expect(exit).toEqual(KILLED);
      expect(reason).toBe('the machine was stopped: it used 0.2 s of processor time (limits.cpuSeconds)'); // prettier-ignore
    });

    it('bound wall time, also of who sleeps', async () => {
      const { text, exit, reason } = await run(
        { wallSeconds: 1 },
        'echo first; sleep 1000',
        worker,
      );
      expect([text, exit]).toEqual(['first\n', KILLED]);
      expect(reason).toBe('the machine was stopped: its time is over (limits.wallSeconds)');
    });

    it('bound output', async () => {
      const { text, exit, reason } = await run({ outputBytes: 100_000 }, 'yes', worker);
      expect(exit).toEqual(KILLED);
      expect(text.length).toBe(100_000);
      expect(reason).toContain('limits.outputBytes');
    });

    it('bound processes: fork is refused', async () => {
      const script =
        'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2 & done 2>&1; jobs | wc -l; echo alive';
      const { text } = await run({ processes: 5 }, script, worker);
      expect(text).toMatch(/can't fork: Resource temporarily unavailable/);
    });

    it('bound memory', async () => {
      const boot = (limits: Limits, memory: string): Promise<unknown> => (worker ? Machine.boot({ limits, memory, worker: true }) : Machine.boot({ limits, memory })); // prettier-ignore
      await expect(boot({ memory: '64m' }, '128m')).rejects.toThrow('limits.memory allows 64m');
      const { text } = await run(
        { memory: '64m' },
        "awk '/MemTotal/ { print $2 < 65537 }' /proc/meminfo",
        worker,
      );
      expect(text).toBe('1\n');
      await expect(boot({ cpuSeconds: 0 }, '64m')).rejects.toThrow('must be more than 0');
    });
  });

it('the reason of a refused fork names the limit', async () => {
  const machine = await Machine.boot({ limits: { processes: 1 } });
  const reasons: (string | null)[] = [];
  machine.on('sys_exit', ({ reason }) => void (reason !== null && reasons.push(reason)));
  await (await machine.spawn(['sh', '-c', 'true & wait'])).wait();
  expect(
    reasons.some((reason) => reason?.includes("the machine's limit is 1 processes and threads")),
  ).toBe(true);
  await machine.close();
});
