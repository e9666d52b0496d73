import { EPOLLERR, EPOLLIN, EPOLLPRI, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue } from '../../include/wait.ts';
import type { UtsName } from '../../kernel/uts.ts';
import type { Path } from '../dcache.ts';
import { DEFAULT_POLLMASK } from '../file.ts';
import { type ProcStaticFile, ProcStaticTextFile } from './inode.ts';
import { proc_create } from './registry.ts';
import { mayWrite } from './sysctl.ts';

/** /proc/sys/kernel/hostname and domainname (kernel/utsname_sysctl.c). */
const NAMES = { hostname: 'nodename', domainname: 'domainname' } as const;

const fileOf = (name: string): string => `sys/kernel/${name}`;

/** Polling tells of changes since the file was opened or last polled (proc_sys_poll). */
class UtsFile extends ProcStaticTextFile {
  private event: number;
  constructor(current: Current, path: Path, flags: number) {
    super(current, path, flags);
    this.event = current.kernel.uts.events[this.which];
  }
  static {
    serializable('ProcUtsFile', this);
  }
  private get which(): UtsName {
    const { path } = this.inode as ProcStaticFile;
    return path === fileOf('hostname') ? 'nodename' : 'domainname';
  }
  override poll(current: Current, collect: WaitQueue[] | null): number {
    const { uts } = current.kernel;
    collect?.push(uts.poll[this.which]);
    if (uts.events[this.which] === this.event) return DEFAULT_POLLMASK;
    this.event = uts.events[this.which];
    return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLPRI;
  }
}

for (const [name, which] of Object.entries(NAMES))
  proc_create(fileOf(name), {
    mode: 0o644,
    show: (current) => `${current.kernel.uts[which]}\n`,
    write: (current, text) => {
      mayWrite(current, `kernel/${name}`);
      current.kernel.uts.setName(which, text.replace(/\n[^]*$/, '').slice(0, 64));
    },
    open: (current, path, flags) => new UtsFile(current, path, flags),
  });
