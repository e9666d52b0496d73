import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { boot, run } from './machine.ts';

const busybox = existsSync(join(import.meta.dirname, '../../../image/dist/busybox'));

describe.skipIf(!busybox)('a shell on the console', () => {
  it('echoes what is typed, edits lines and ends at ^D', () => {
    const { output, status } = run(boot({ memory: 64 << 20 }), ['/bin/cat'], {
      input: 'helo\x7f\x7fllo\nkill me\x15gone\n\x04',
    });
    expect(status).toBe(0);
    expect(output).toContain('hello\r\n');
    expect(output).toContain('gone\r\n');
    expect(output).not.toContain('kill megone');
  });

  it('has job control', () => {
    // The job ignores SIGTERM, as its shell does, until it has been running for a while.
    const { output } = run(boot({ memory: 64 << 20 }), ['/bin/sh', '-i'], {
      input: 'echo $$; set -m; sleep 100 &\nsleep 1; jobs\nkill %1; wait\ntty\nexit\n',
    });
    expect(output).not.toContain("can't access tty");
    expect(output).toMatch(/\[1\]\+ {2}Running +sleep 100/);
    expect(output).toMatch(/\[1\]\+ {2}Terminated +sleep 100/);
    expect(output).toContain('/dev/hvc0');
  });
});
