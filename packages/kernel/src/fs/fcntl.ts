import type { LandlockDomain } from '../include/cred.ts';
import { serializable } from '../include/serial.ts';

/** Analogous to `struct fown_struct`: who gets SIGIO or SIGURG about a file. */
export class FownStruct {
  /** F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP. */
  type = 0;
  pid = 0;
  uid = 0;
  euid = 0;
  /** F_SETSIG: 0 is SIGIO. */
  signum = 0;
  /** The Landlock domain of who chose it, where that forbids signals, and the process. */
  landlock: LandlockDomain | null = null;
  chooser = 0;
  static {
    serializable('FownStruct', this);
  }
}
