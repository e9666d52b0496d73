import { serializable } from '../include/serial.ts';

/** The release as <linux/version.h> packs it: 6.12.0. */
export const LINUX_VERSION_CODE: number = (6 << 16) | (12 << 8);

/** Analogous to `struct new_utsname`: what uname(2) reports. Byte strings of at most 64 bytes. */
export class Uts {
  readonly sysname = 'Linux';
  nodename: string;
  readonly release = '6.12.0-vitrine';
  readonly version = '#1 SMP PREEMPT_DYNAMIC';
  readonly machine = 'x86_64';
  domainname = '(none)';
  constructor(nodename: string) {
    this.nodename = nodename;
  }
  static {
    serializable('Uts', this);
  }
}
