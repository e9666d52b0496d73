import { F_RDLCK, F_WRLCK } from '@vitrine/uapi/fcntl.ts';
import type { Kernel } from '../../include/kernel.ts';
import { LLONG_MAX } from '../../include/loff.ts';
import { FilesStruct } from '../fdtable.ts';
import type { Inode } from '../inode.ts';
import { MAJOR, MINOR } from '../kdev_t.ts';
import { FileLock } from '../locks.ts';
import { proc_create } from './registry.ts';

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');

function line(nr: number, inode: Inode, lock: FileLock, kind: string): string {
  const type = lock.type === F_WRLCK ? 'WRITE' : lock.type === F_RDLCK ? 'READ ' : 'UNLCK';
  const { dev } = inode.sb;
  const end = lock.end === LLONG_MAX ? 'EOF' : String(lock.end);
  return `${nr}: ${kind}  ${type} ${lock.pid} ${hex2(MAJOR(dev))}:${hex2(MINOR(dev))}:${inode.ino} ${lock.start} ${end}\n`;
}

/** Every inode that somebody has open. */
function openInodes(kernel: Kernel): Set<Inode> {
  const inodes = new Set<Inode>();
  for (const { task } of kernel.pids.pids.values()) {
    if (task === null || task.exiting || task.files === undefined) continue;
    for (const file of task.files.fd) if (file !== null) inodes.add(file.inode);
  }
  return inodes;
}

/** /proc/locks (fs/locks.c, locks_show). */
function locks(kernel: Kernel): string {
  let text = '';
  let nr = 1;
  for (const inode of openInodes(kernel)) {
    for (const lock of inode.locks?.flock ?? []) text += line(nr++, inode, lock, 'FLOCK  ADVISORY');
    for (const { type, pid, target, file } of inode.locks?.leases ?? []) {
      const lock = new FileLock(target < 0 ? type : target, 0, LLONG_MAX, file, pid);
      text += line(nr++, inode, lock, target < 0 ? 'LEASE  ACTIVE  ' : 'LEASE  BREAKING');
    }
    for (const lock of inode.locks?.posix ?? [])
      text += line(
        nr++,
        inode,
        lock,
        lock.owner instanceof FilesStruct ? 'POSIX  ADVISORY' : 'OFDLCK  ADVISORY',
      );
  }
  return text;
}

proc_create('locks', { mode: 0o444, show: (current) => locks(current.kernel) });
