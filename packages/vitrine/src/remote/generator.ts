import type { Order, PackedRegion, RemoteGenerator, Reply } from '@vitrine/x86';
import type { Port, WorkerPort } from './protocol.ts';

interface ToGenerator {
  readonly id: number;
  readonly order: Order;
}

/** The first message says that the worker is there, and whether it makes one module of several. */
type FromGenerator = { readonly bundles: boolean } | { readonly id: number; readonly reply: Reply };

/** Regions that wait for the other thread at most: what is hot by then may be something else. */
const MOST_WAITING = 4;

/** Has a worker generate regions for all machines of this thread. */
export class WorkerGenerator implements RemoteGenerator {
  readonly #startWorker: () => WorkerPort;
  #port: WorkerPort | undefined;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #isReady = false;
  #bundles = false;
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
    this.#order({ region }, done);
  }

  get bundles(): boolean {
    return this.#bundles;
  }

  bundle(
    modules: readonly Uint8Array[],
    entries: readonly number[],
    done: (reply: Reply) => void,
  ): void {
    this.#order({ modules, entries }, done);
  }

  #order(order: Order, done: (reply: Reply) => void): void {
    const id = ++this.#last;
    this.#waiting.set(id, done);
    this.#port!.post({ id, order } satisfies ToGenerator);
  }

  #receive(message: FromGenerator): void {
    if ('bundles' in message) {
      this.#isReady = true;
      this.#bundles = message.bundles;
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

/** The worker's end. @param bundles whether it carries out orders to make one module of several */
export function serveGenerator(
  port: Port,
  carryOut: (order: Order) => Promise<Reply>,
  bundles: boolean,
): void {
  port.onMessage((message) => {
    const { id, order } = message as ToGenerator;
    void carryOut(order).then((reply) => port.post({ id, reply } satisfies FromGenerator));
  });
  port.post({ bundles } satisfies FromGenerator);
}
