import { describe, expect, it } from 'vitest';
import { runInGuest } from '../../../tests/support/guest.ts';

const COUNT = `count() { i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; }
  left() { sed -n 's/^nonvoluntary_ctxt_switches:.//p' /proc/$1/status; }
  ctxt() { sed -n 's/^ctxt //p' /proc/stat; }`;

const sh = async (script: string): Promise<string> =>
  (await runInGuest(['sh', '-c', `${COUNT}\n${script}`], { memory: '64m' })).stdout;

// On a real machine others run as well: only here is a task alone.
describe('context switches', () => {
  it('a task that goes on after its turn was not switched away from', async () => {
    const text = await sh(`a=$(left $$); c=$(ctxt); count; b=$(left $$); d=$(ctxt)
      [ $((b - a)) -lt 20 ] && echo few; [ $((d - c)) -lt 60 ] && echo few in all`);
    expect(text).toBe('few\nfew in all\n');
  });

  it('one that another follows was', async () => {
    const text = await sh(`count & a=$(left $$); count; b=$(left $$)
      [ $((b - a)) -gt 5 ] && echo many`);
    expect(text).toBe('many\n');
  });

  it('one that is alone waits for nobody', async () => {
    const text = await sh(`set -- $(cat /proc/$$/schedstat); a=$1 b=$2; sleep 0.3; count
      set -- $(cat /proc/$$/schedstat); [ $((($2 - b) * 3)) -lt $(($1 - a)) ] && echo little`);
    expect(text).toBe('little\n');
  });
});

describe('the processor', () => {
  it('is shared by time, whatever it is used for', async () => {
    const text = await sh(`ran() { set -- $(cat /proc/$1/schedstat); echo $(($1 / 1000)); }
      sh -c 'while :; do :; done' & spins=$!
      dd if=/dev/zero of=/dev/null bs=1M & reads=$!
      sleep 1.5; a=$(ran $spins) b=$(ran $reads); kill $spins $reads
      [ $((a * 3)) -gt $b ] && [ $((b * 3)) -gt $a ] && echo alike || echo $a $b`);
    expect(text).toBe('alike\n');
  });
});

describe('user and system time', () => {
  it('are divided by what the calls and the instructions took', async () => {
    const text = await sh(`times_of() { set -- $(cat /proc/$$/stat); echo \${16} \${17}; }
      dd if=/dev/zero of=/dev/null bs=64k count=30000 2>/dev/null
      set -- $(times_of); [ $(($2 * 10)) -gt $1 ] && echo the kernel, too; a=$1 b=$2
      sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'
      set -- $(times_of); [ $(($1 - a)) -gt $(($2 - b)) ] && echo mostly the program`);
    expect(text).toBe('the kernel, too\nmostly the program\n');
  });
});
