import { serializable } from './serial.ts';

/** Something to do outside of any system call. */
export interface Work {
  run(): void;
}

/** Analogous to a workqueue: what is queued runs before the next task does. */
export class WorkQueue {
  private queued: Set<Work> = new Set();

  static {
    serializable('WorkQueue', this);
  }

  get empty(): boolean {
    return this.queued.size === 0;
  }

  queue(work: Work): void {
    this.queued.add(work);
  }

  cancel(work: Work): void {
    this.queued.delete(work);
  }

  /** Runs what is queued now; what that queues in turn waits for the next time. */
  run(): void {
    const now = this.queued;
    this.queued = new Set();
    for (const work of now) work.run();
  }
}
