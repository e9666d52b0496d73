import type { LayerProgress } from '@vitrine/image/node/registry/pull.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Docker's way of writing sizes: `12.3MB`. */
export function size(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))}${UNITS[unit]}`;
}

const short = (digest: string): string => digest.slice(7, 19);

function bar(done: number, total: number): string {
  const width = 30;
  const full = total === 0 ? width : Math.min(width, Math.floor((done / total) * width));
  return `[${'='.repeat(full)}${full < width ? '>' : ''}${' '.repeat(Math.max(0, width - full - 1))}]`;
}

const WORDS: Readonly<Record<LayerProgress['phase'], string>> = {
  waiting: 'Waiting',
  here: 'Already exists',
  downloading: 'Downloading',
  unpacking: 'Unpacking',
  done: 'Pull complete',
};

/** Shows how a pull goes: bars on a terminal, a line for each change of a layer's state elsewhere. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #layers: Map<string, LayerProgress> = new Map();
  #drawn = 0;
  #last = 0;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  update(progress: LayerProgress): void {
    const before = this.#layers.get(progress.digest)?.phase;
    this.#layers.set(progress.digest, progress);
    const changed = before !== progress.phase;
    if (this.#out.isTTY) {
      if (changed || Date.now() - this.#last > 100) this.#draw();
    } else if (changed && progress.phase !== 'waiting')
      this.#out.write(`${short(progress.digest)}: ${WORDS[progress.phase]}\n`);
  }

  /** A line above the bars. */
  say(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#drawn > 0) this.#out.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    this.#last = Date.now();
    const lines = Array.from(this.#layers.values(), (layer) =>
      line(layer, this.#out.columns || 80),
    );
    // What does not fit the screen cannot be drawn over.
    const shown = lines.slice(-Math.max(1, (this.#out.rows || 24) - 2));
    this.#clear();
    this.#out.write(shown.map((text) => `${text}\n`).join(''));
    this.#drawn = shown.length;
  }
}

function line({ digest, phase, done, total }: LayerProgress, columns: number): string {
  const moving = phase === 'downloading' || phase === 'unpacking';
  const text = `${short(digest)}: ${WORDS[phase]}${moving ? ` ${bar(done, total)} ${size(done)}/${size(total)}` : ''}`;
  return text.slice(0, columns - 1);
}
