import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';

describe.skipIf(!canCompile)('request_key', () => {
  it('has /sbin/request-key make what is not there', async () => {
    const ask = compile(join(import.meta.dirname, 'requestkey.c'));
    const script = 'cp $(which ask) /sbin/request-key; ask; cat /tmp/log; grep -c _req /proc/keys';
    const { stdout, stderr } = await runInGuest(['sh', '-c', script], { programs: { ask } });
    expect(stderr).toBe('');
    const [asked, log] = [stdout.split('\n').slice(0, 18), stdout.split('\n').slice(18)];
    expect(asked).toEqual([
      'make: made',
      'syscall(SYS_request_key, "user", "k:make", 0, 0) == made: 1',
      'vector: from vector',
      'CTL(KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, "user", "k:vector", 0) > 0: 1',
      'CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "k:vector", 0): Required key not available',
      'again: 1',
      'reject: Key was rejected by service',
      'reject: Key was rejected by service',
      'negate: Required key not available',
      'die: Required key not available',
      'nothing: Required key not available',
      'secret: hidden',
      'CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "extra", 0) > 0: 1',
      'deep: made',
      'CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "k:deep", 0) > 0: 1',
      'CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "deeper", 0) > 0: 1',
      'slow: slow',
      'slow: slow',
    ]);
    const environment = '/ /sbin:/bin:/usr/sbin:/usr/bin 0 /';
    expect(log[0]).toBe(
      `create 8 1000 100 - - 1: make; user;1000;100;3f010000;k:make; ${environment}`,
    );
    expect(log[1]).toBe(
      `create 8 1000 100 - process 1: vector; user;1000;100;3f010000;k:vector; ${environment}`,
    );
    expect(log[10]).toBe(`create 8 0 0 - - 1: make; user;0;0;3f010000;deeper; ${environment}`);
    // The second that asks for a slow key finds it being made; nothing is left of helpers.
    expect(log.slice(11).map((line) => line.slice(0, 40))).toEqual(['create 8 1000 100 - process 1: slow; use', '0', '']); // prettier-ignore
  });
});
