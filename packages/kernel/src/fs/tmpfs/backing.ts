import { EIO } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';

/** Bytes fetched when they are first needed. */
export interface LazyBytes {
  readonly size: number;
  read(): Uint8Array;
}

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
    return this.fetch().subarray(from, Math.min(to, this.size));
  }

  private fetch(): Uint8Array {
    if (this.bytes !== null) return this.bytes;
    try {
      this.bytes = this.source!.read();
    } catch (error) {
      throw errno(EIO, 'the file could not be read from its image: {}', String(error));
    }
    this.source = null;
    return this.bytes;
  }
}
