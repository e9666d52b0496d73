import type { PackedRegion, RemoteGenerator, Reply } from '@vitrine/x86';
import type { Port, WorkerPort } from './protocol.ts';

interface Order {
  readonly id: number;
  readonly region: PackedRegion;
}

/** The first message says that the worker is there. */
type FromGenerator = 'ready' | { readonly id: number; readonly reply: Reply };

/** Regions that wait for the other thread at most: what is hot by then may be something else. */
const MOST_WAITING = 4;

/** Has a worker generate regions for all machines of this thread. */
export class WorkerGenerator implements RemoteGenerator {
  readonly #startWorker: () => WorkerPort;
  #port: WorkerPort | undefined;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #isReady = false;
  #isStarted = false;
  #last = 0;

  constructor(startWorker: () => WorkerPort) {
    this.#startWorker = startWorker;
  }

  get state(): RemoteGenerator['state'] {
    if (!this.#port) return 'away';
    if (!this.#isReady) return 'coming';
    return this.#waiting.size < MOST_WAITING ? 'idle' : 'busy';
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    try {
      const port = this.#startWorker();
      port.onMessage((message) => this.#receive(message as FromGenerator));
      port.onExit((reason) => this.#lose(reason));
      port.hold(false);
      this.#port = port;
    } catch {
      // A page may forbid workers: machines generate by themselves.
    }
  }

  generate(region: PackedRegion, done: (reply: Reply) => void): void {
    const id = ++this.#last;
    this.#waiting.set(id, done);
    this.#port!.post({ id, region } satisfies Order);
  }

  #receive(message: FromGenerator): void {
    if (message === 'ready') {
      this.#isReady = true;
      return;
    }
    const done = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    done?.(message.reply);
  }

  #lose(failure: string): void {
    this.#isReady = false;
    this.#port = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const done of waiting) done({ failure });
  }
}

/** The worker's end. */
export function serveGenerator(port: Port, makeRegion: (region: PackedRegion) => Reply): void {
  port.onMessage((message) => {
    const { id, region } = message as Order;
    port.post({ id, reply: makeRegion(region) } satisfies FromGenerator);
  });
  port.post('ready' satisfies FromGenerator);
}
