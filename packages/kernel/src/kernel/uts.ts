import { EPOLLERR, EPOLLPRI } from '@vitrine/uapi/poll.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';

/** The release as <linux/version.h> packs it: 6.12.0. */
export const LINUX_VERSION_CODE: number = (6 << 16) | (12 << 8);

/** The names that can be set. */
export type UtsName = 'nodename' | 'domainname';

/** Analogous to `struct new_utsname`: what uname(2) reports. Byte strings of at most 64 bytes. */
export class Uts {
  readonly sysname = 'Linux';
  nodename: string;
  readonly release = '6.12.0-vitrine';
  readonly version = '#1 SMP PREEMPT_DYNAMIC';
  readonly machine = 'x86_64';
  domainname = '(none)';
  /** Counts changes of each name, for who polls its file below /proc/sys (proc_sys_poll_notify). */
  readonly events: Record<UtsName, number> = { nodename: 0, domainname: 0 };
  readonly poll: Readonly<Record<UtsName, WaitQueue>> = {
    nodename: new WaitQueue(),
    domainname: new WaitQueue(),
  };
  constructor(nodename: string) {
    this.nodename = nodename;
  }
  static {
    serializable('Uts', this);
  }

  setName(which: UtsName, name: string): void {
    this[which] = name;
    this.events[which]++;
    this.poll[which].wake(EPOLLERR | EPOLLPRI);
  }
}
