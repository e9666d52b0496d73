import { EPOLLERR, EPOLLHUP, EPOLLRDHUP } from '@vitrine/uapi/poll.ts';
import { serializable } from './serial.ts';

/** Something that can be woken: a Task, an epoll item, a poll table. */
export interface Waiter {
  /** One of these is enough for a piece of news (WQ_FLAG_EXCLUSIVE): EPOLLEXCLUSIVE. */
  readonly exclusive?: boolean;
  /**
   * @param events EPOLL… bits that became true, or 0 for "look again"
   * @returns false: it was nothing to this waiter, and an exclusive one more is to be woken in its place
   */
  woken(queue: WaitQueue, events: number): boolean | void;
}

/** News that all must have: the end of a file or connection. */
const FOR_ALL = EPOLLERR | EPOLLHUP | EPOLLRDHUP;

/** Analogous to `wait_queue_head_t`: who wants to know when the owner's state changes. First in, first woken. */
export class WaitQueue {
  waiters: Set<Waiter> | null = null;

  static {
    serializable('WaitQueue', this);
  }

  get active(): boolean {
    return this.waiters !== null && this.waiters.size > 0;
  }

  add(waiter: Waiter): void {
    (this.waiters ??= new Set()).add(waiter);
  }

  remove(waiter: Waiter): void {
    this.waiters?.delete(waiter);
  }

  /** Wakes everybody, without a word of what happened. */
  wake_all(): void {
    for (const waiter of [...(this.waiters ?? [])]) waiter.woken(this, 0);
  }

  /**
   * Wakes up to `count` waiters (all of them by default). A woken Task runs its system call again from the top and
   * leaves every queue it is on; other waiters stay until removed.
   */
  wake(events = 0, count: number = Infinity): void {
    const waiters = this.waiters;
    if (waiters === null || waiters.size === 0) return;
    if (waiters.size === 1) {
      for (const waiter of waiters) waiter.woken(this, events);
      return;
    }
    let exclusive = (events & FOR_ALL) === 0 ? 1 : Infinity;
    for (const waiter of [...waiters]) {
      if (count-- <= 0) return;
      if (waiter.exclusive !== true) waiter.woken(this, events);
      else if (exclusive > 0 && waiter.woken(this, events) !== false) exclusive--;
    }
  }
}
