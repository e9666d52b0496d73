import { serializable } from '../../include/serial.ts';
import type { Timer, Timers } from '../../include/time.ts';

/** Some 36 years. */
const FOR_EVER: number = 2 ** 60;

/** Pending timers in a binary heap by expiry, then by order of start (analogous to hrtimer bases). */
export class TimerQueue implements Timers {
  private readonly heap: Timer[] = [];
  private seq = 0;
  /** Timers that have fired. */
  events = 0;

  static {
    serializable('TimerQueue', this);
  }

  /** When the first is due; a machine that does nothing else does not wait for the end of time. */
  get next(): number {
    const expires = this.heap[0]?.expires ?? Infinity;
    return expires < FOR_EVER ? expires : Infinity;
  }

  /** What runs, next first. */
  list(): Timer[] {
    return [...this.heap].sort((a, b) => (this.less(a, b) ? -1 : 1));
  }

  start(timer: Timer, expires: number): void {
    if (timer.queued) this.cancel(timer);
    timer.expires = expires;
    timer.seq = ++this.seq;
    timer.slot = this.heap.length;
    this.heap.push(timer);
    this.up(timer.slot);
  }

  cancel(timer: Timer): void {
    const { slot } = timer;
    if (slot < 0) return;
    const last = this.heap.pop()!;
    timer.slot = -1;
    if (last === timer) return;
    this.heap[slot] = last;
    last.slot = slot;
    this.up(slot);
    this.down(last.slot);
  }

  /** Fires every timer that is due. @returns how many were */
  run(now: number): number {
    let fired = 0;
    while (this.heap.length > 0 && this.heap[0]!.expires <= now) {
      const timer = this.heap[0]!;
      this.cancel(timer);
      timer.owner.timerFired(timer);
      fired++;
      this.events++;
    }
    return fired;
  }

  private less(a: Timer, b: Timer): boolean {
    return a.expires < b.expires || (a.expires === b.expires && a.seq < b.seq);
  }

  private swap(i: number, j: number): void {
    const { heap } = this;
    const a = heap[i]!;
    const b = heap[j]!;
    heap[i] = b;
    heap[j] = a;
    b.slot = i;
    a.slot = j;
  }

  private up(start: number): void {
    for (let i = start; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!this.less(this.heap[i]!, this.heap[parent]!)) return;
      this.swap(i, parent);
      i = parent;
    }
  }

  private down(start: number): void {
    for (let i = start; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.heap.length && this.less(this.heap[child]!, this.heap[least]!))
          least = child;
      }
      if (least === i) return;
      this.swap(i, least);
      i = least;
    }
  }
}
