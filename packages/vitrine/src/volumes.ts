import type { HostSuperBlock } from '@vitrine/kernel/fs/hostfs/super.ts';
import type { HostDirectory } from '@vitrine/kernel/include/host.ts';

/** Mappings of the host's files are compared with them so often, in milliseconds, while programs run. */
const INTERVAL = 200;

/** The folders of the host that a machine has. */
export class Volumes {
  readonly #granted: readonly HostDirectory[];
  readonly #mounted: readonly HostSuperBlock[];
  #last = 0;

  constructor(granted: readonly HostDirectory[], mounted: readonly HostSuperBlock[]) {
    this.#granted = granted;
    this.#mounted = mounted;
  }

  /** Nobody tells of a store into a mapped page, nor of what another program writes: now and then it is looked for. */
  sync(now: number, idle: boolean): void {
    const due = now - this.#last >= INTERVAL;
    if (idle || due) for (const sb of this.#mounted) sb.sync();
    if (!due) return;
    this.#last = now;
    for (const sb of this.#mounted) sb.look();
  }

  /** Nothing of the host stays open. */
  release(): void {
    this.sync(0, true);
    for (const directory of this.#granted) directory.release();
  }
}
