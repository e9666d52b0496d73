import { describe, expect, it } from 'vitest';
import { runInGuest } from '../../../tests/support/guest.ts';

const sh = async (script: string): Promise<string> =>
  (await runInGuest(['sh', '-c', script], { memory: '64m' })).stdout;

describe('vm.overcommit_memory', () => {
  it('2 promises no more than the limit, whose halves take each other back', async () => {
    const text = await sh(`cd /proc/sys/vm
      echo 40 > overcommit_kbytes; cat overcommit_ratio overcommit_kbytes
      grep CommitLimit /proc/meminfo
      sh -c 'echo 2 > overcommit_memory; (echo child); echo not here'; echo $?
      echo 0 > overcommit_memory
      (echo child)
      echo 50 > overcommit_ratio; cat overcommit_kbytes`);
    expect(text).toBe('0\n40\nCommitLimit:          40 kB\n2\nchild\n0\n');
  });
});
