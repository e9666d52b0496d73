import { EIO } from '@vitrine/uapi/errno.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { LazyBytes } from '../../include/lazy.ts';
import { serializable } from '../../include/serial.ts';

/**
 * What a file of the root file system held at boot. A machine touches few of the files it boots with, so the bytes are
 * fetched with the first page of them, or when the machine is written out: a snapshot needs nothing from outside.
 */
export class Backing {
  /** How many of the bytes the file still has: truncation takes from the end. */
  size: number;
  private bytes: Uint8Array | null = null;
  private source: LazyBytes | null = null;

  constructor(data: Uint8Array | LazyBytes) {
    if (data instanceof Uint8Array) {
      this.bytes = data;
      this.size = data.length;
    } else {
      this.source = data;
      this.size = data.size;
    }
  }

  static readonly transient: readonly string[] = ['source'];

  static {
    serializable('Backing', this);
  }

  static saving(backing: Backing): void {
    backing.fetch();
  }

  static revive(backing: Backing): void {
    backing.source = null;
  }

  /** The bytes [from, to). Throws EIO when the place they are in does not give them. */
  range(from: number, to: number): Uint8Array {
    const end = Math.min(to, this.size);
    const { source } = this;
    if (source?.slice !== undefined) return asking(() => source.slice!(from, end));
    return this.fetch().subarray(from, end);
  }

  private fetch(): Uint8Array {
    if (this.bytes !== null) return this.bytes;
    this.bytes = asking(() => this.source!.read());
    this.source = null;
    return this.bytes;
  }
}

function asking(fetch: () => Uint8Array): Uint8Array {
  try {
    return fetch();
  } catch (error) {
    if (error instanceof Errno) throw error;
    throw errno(EIO, 'the file could not be read from its image: {}', String(error));
  }
}
