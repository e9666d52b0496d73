import type { PackedRegion, RemoteGenerator, Reply } from '@vitrine/x86';
import type { Port, WorkerPort } from './protocol.ts';

interface Order {
  readonly id: number;
  readonly region: PackedRegion;
}

interface Delivery {
  readonly id: number;
  readonly reply: Reply;
}

/** Regions that wait for the other thread at most: what is hot by then may be something else. */
const MOST_WAITING = 4;

/** Has a worker generate regions for all machines of this thread. It is started by the first one. */
export class WorkerGenerator implements RemoteGenerator {
  readonly #start: () => WorkerPort;
  #port: WorkerPort | undefined;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #isGone = false;
  #last = 0;

  constructor(start: () => WorkerPort) {
    this.#start = start;
  }

  get state(): 'idle' | 'busy' | 'gone' {
    if (this.#isGone) return 'gone';
    return this.#waiting.size < MOST_WAITING ? 'idle' : 'busy';
  }

  generate(region: PackedRegion, done: (reply: Reply) => void): void {
    const id = ++this.#last;
    this.#waiting.set(id, done);
    try {
      this.#port ??= this.#begin();
      this.#port.post({ id, region } satisfies Order);
    } catch (error) {
      this.#lose(String(error));
    }
  }

  #begin(): WorkerPort {
    const port = this.#start();
    port.onMessage((message) => {
      const { id, reply } = message as Delivery;
      const done = this.#waiting.get(id);
      this.#waiting.delete(id);
      done?.(reply);
    });
    port.onExit((reason) => this.#lose(reason));
    return port;
  }

  /** Without a worker (a page may forbid them), machines generate by themselves. */
  #lose(failure: string): void {
    this.#isGone = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const done of waiting) done({ failure });
  }
}

/** The worker's end. */
export function serveGenerator(port: Port, makeRegion: (region: PackedRegion) => Reply): void {
  port.onMessage((message) => {
    const { id, region } = message as Order;
    port.post({ id, reply: makeRegion(region) } satisfies Delivery);
  });
}
