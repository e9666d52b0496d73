import { join } from 'node:path';
import * as T from '@vitrine/uapi/time.ts';
import { describe, expect, it } from 'vitest';
import { canCompile, compile } from '../../../tests/support/compile.ts';
import { runInGuest } from '../../../tests/support/guest.ts';
import type { Kernel } from '../src/include/kernel.ts';
import type { Timex } from '../src/kernel/time/ntp.ts';
import { Timekeeper } from '../src/kernel/time/timekeeping.ts';

/** A clock over a host's that the test moves. */
function clock(): { time: Timekeeper; host: { ns: number }; set(tx: Partial<Timex>): void } {
  const host = { ns: 0 };
  const time = new Timekeeper({
    host: { monotonic: () => host.ns, realtimeOffset: () => 1_700_000_000_000_000_000n },
    arch: { update_vsyscall: () => {} },
  } as unknown as Kernel);
  const none: Timex = { modes: 0, offset: 0, freq: 0, maxerror: 0, esterror: 0, status: 0, constant: 0, sec: 0, usec: 0, tick: 0 }; // prettier-ignore
  const set = (tx: Partial<Timex>): void => {
    time.ntp.adjtimex({ ...none, ...tx }, time.realtime().sec);
    time.adjusted();
  };
  return { time, host, set };
}

describe('the clock under adjtimex', () => {
  it('goes by frequency and tick, and back to the host', () => {
    const { time, host, set } = clock();
    host.ns = 1e9;
    set({ modes: T.ADJ_FREQUENCY, freq: 100 << 16 });
    host.ns = 11e9;
    expect([time.now(), time.raw(), time.steady]).toEqual([11_001_000_000, 11e9, false]);
    expect(time.hostTime(11_001_000_000)).toBe(11e9);
    set({ modes: T.ADJ_FREQUENCY | T.ADJ_TICK, tick: 9900 });
    host.ns = 12e9;
    expect(time.now()).toBe(11_991_000_000);
    set({ modes: T.ADJ_TICK, tick: 10_000 });
    host.ns = 13e9;
    expect([time.now(), time.steady]).toEqual([12_991_000_000, true]);
    time.resume(time.now());
    expect([time.now(), time.raw()]).toEqual([12_991_000_000, 13e9]);
  });

  it('gains what adjtime asks for at 500 µs a second, whenever it is looked at', () => {
    const looks = [clock(), clock()];
    for (const { set } of looks) set({ modes: T.ADJ_OFFSET_SINGLESHOT, offset: 1200 });
    for (let ns = 0; ns <= 5e9; ns += 1e7) {
      looks[0]!.host.ns = ns;
      looks[0]!.time.now();
    }
    looks[1]!.host.ns = 5e9;
    for (const { time } of looks) {
      // A second that gains 500 µs ends before the host's does.
      expect(time.now()).toBe(5_001_199_460);
      expect([time.ntp.adjust, time.steady]).toEqual([0, true]);
    }
  });

  it('makes an offset up, a quarter of the rest each second, until the clock is set', () => {
    const { time, host, set } = clock();
    set({ modes: T.ADJ_STATUS | T.ADJ_NANO | T.ADJ_TIMECONST, status: T.STA_PLL | T.STA_FREQHOLD });
    set({ modes: T.ADJ_OFFSET, offset: 4_000_000 });
    host.ns = 1e9;
    expect(time.now()).toBe(1e9);
    host.ns = 2e9;
    expect(time.now() - 2e9).toBeGreaterThan(998_000);
    expect(time.now() - 2e9).toBeLessThan(1_002_000);
    host.ns = 60e9;
    expect(time.now() - 60e9).toBeGreaterThan(3_997_000);
    time.ntp.clear();
    time.adjusted();
    expect(time.steady).toBe(true);
  });
});

describe.skipIf(!canCompile)('a machine whose clock is adjusted', () => {
  it('sleeps and tells the time by it', async () => {
    const adjtimex = compile(join(import.meta.dirname, 'adjtimex.c'));
    const { stdout } = await runInGuest(['adjtimex'], { programs: { adjtimex } });
    const line = (what: string): number[] => {
      const found = new RegExp(`^${what}: slept ([0-9.]+) ([0-9.]+) ([0-9.]+) ([0-9.]+)$`, 'm').exec(stdout); // prettier-ignore
      return (found ?? []).slice(1).map(Number);
    };
    for (const [what, rate] of [['as it is', 1], ['tick 11000', 1.1], ['tick 9000', 0.9], ['tick 10000', 1], ['at last', 1]] as const) // prettier-ignore
      for (const clock of line(what).slice(1)) expect([what, Math.abs(clock - rate) < 0.03]).toEqual([what, true]); // prettier-ignore
    expect(line('tick 11000')).toHaveLength(4);
    for (const clock of line('offset').slice(1)) expect(clock).toBeGreaterThan(1.02);
    const numbers = stdout.match(/^[-\d][-\d ]*$/gm);
    expect(numbers).toEqual([
      '32768000',
      '-2162688',
      '32768000',
      '-1',
      '-32768000',
      '-1',
      '400000000',
      '225 2 8321',
      '1600',
      '600',
      '0',
    ]);
  });
});
