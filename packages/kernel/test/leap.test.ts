import * as T from '@vitrine/uapi/time.ts';
import { describe, expect, it } from 'vitest';
import { Ntp, type Timex } from '../src/kernel/time/ntp.ts';

const MIDNIGHT = 20_000 * 86_400;

function asked(status: number): Ntp {
  const ntp = new Ntp();
  const tx: Timex = { modes: T.ADJ_STATUS, offset: 0, freq: 0, maxerror: 0, esterror: 0, status, constant: 0, sec: 0, usec: 0, tick: 0 }; // prettier-ignore
  ntp.adjtimex(tx);
  return ntp;
}

/** What each second from `from` on brings, until four seconds after the leap. */
function seconds(ntp: Ntp, from: number): [number, number, number][] {
  const list: [number, number, number][] = [];
  for (let second = from; second < MIDNIGHT + 3; second++) {
    const jump = ntp.second_overflow(second);
    list.push([second - MIDNIGHT, jump, ntp.state]);
    second += jump;
  }
  return list;
}

describe('leap seconds (second_overflow)', () => {
  it('inserts one at midnight', () => {
    expect(seconds(asked(T.STA_INS), MIDNIGHT - 2)).toEqual([
      [-2, 0, T.TIME_INS],
      [-1, 0, T.TIME_INS],
      [0, -1, T.TIME_OOP],
      [0, 0, T.TIME_WAIT],
      [1, 0, T.TIME_WAIT],
      [2, 0, T.TIME_WAIT],
    ]);
  });

  it('leaves the last second of a day out', () => {
    expect(seconds(asked(T.STA_DEL), MIDNIGHT - 3)).toEqual([
      [-3, 0, T.TIME_DEL],
      [-2, 0, T.TIME_DEL],
      [-1, 1, T.TIME_WAIT],
      [1, 0, T.TIME_WAIT],
      [2, 0, T.TIME_WAIT],
    ]);
  });

  it('is over when nobody asks any more, and forgotten when the clock is set', () => {
    const ntp = asked(T.STA_INS);
    ntp.second_overflow(MIDNIGHT - 5);
    ntp.status &= ~T.STA_INS;
    ntp.second_overflow(MIDNIGHT - 4);
    expect([ntp.state, ntp.leaping]).toEqual([T.TIME_OK, false]);
    ntp.clear();
    expect(ntp.state).toBe(T.TIME_ERROR);
  });
});
