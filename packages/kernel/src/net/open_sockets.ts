import type { Kernel } from '../include/kernel.ts';
import type { Sock } from './sock.ts';
import { SocketFile } from './socket.ts';

/** Sockets of a kind that a descriptor refers to, with their inode numbers. */
export function open_sockets<T extends Sock>(
  kernel: Kernel,
  kind: abstract new (...args: never[]) => T,
): Map<T, number> {
  const sockets = new Map<T, number>();
  for (const { task } of kernel.pids.pids.values()) {
    if (task === null || task.exiting || task.files === undefined) continue;
    for (const open of task.files.fd)
      if (open instanceof SocketFile && open.sk instanceof kind) sockets.set(open.sk, open.ino);
  }
  return sockets;
}
