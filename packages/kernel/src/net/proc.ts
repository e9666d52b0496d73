import { SOCK_DGRAM } from '@vitrine/uapi/net.ts';
import type { Kernel } from '../include/kernel.ts';
import { PROC_NET, proc_create } from '../fs/proc/registry.ts';
import { viewOf } from '../fs/bytes.ts';
import { NetlinkSock } from './netlink/af_netlink.ts';
import { open_sockets } from './open_sockets.ts';
import { Sock } from './sock.ts';
import { UnixSock } from './unix/af_unix.ts';

/** /proc/PID/net of a kernel that has Unix sockets and no Internet protocols (net/unix/af_unix.c, net/core/net-procfs.c). */

const file = (name: string, show: (kernel: Kernel) => string): void =>
  proc_create(`${PROC_NET}/${name}`, { mode: 0o444, show: (current) => show(current.kernel) });

const SO_ACCEPTCON = 0x10000;
const SS_UNCONNECTED = 1;
const SS_CONNECTING = 2;
const SS_CONNECTED = 3;

const hex = (n: number, width: number): string => n.toString(16).toUpperCase().padStart(width, '0');

function unix(kernel: Kernel): string {
  let text = 'Num       RefCount Protocol Flags    Type St Inode Path\n';
  const add = (sk: UnixSock, flags: number, state: number, ino: number): void => {
    const refs = 2 + (sk.peer === null ? 0 : 1);
    const name = sk.name === null ? '' : ` ${sk.name.replaceAll('\0', '@')}`;
    text += `${hex(0, 16)}: ${hex(refs, 8)} ${hex(0, 8)} ${hex(flags, 8)} ${hex(sk.type, 4)} ${hex(state, 2)} ${String(ino).padStart(5)}${name}\n`;
  };
  for (const [sk, ino] of open_sockets(kernel, UnixSock)) {
    add(sk, sk.listening ? SO_ACCEPTCON : 0, sk.established && !sk.listening ? SS_CONNECTED : SS_UNCONNECTED, ino); // prettier-ignore
    // Ends that nobody has accepted have no descriptor and no inode.
    for (const { embryo } of sk.queue) if (embryo !== null) add(embryo, 0, SS_CONNECTING, 0);
  }
  return text;
}

const DEV_HEAD =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';

/** The loopback device is there, and nothing can be sent through it without an Internet protocol. */
const dev = (): string => `${DEV_HEAD}    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n`; // prettier-ignore

function protocols(kernel: Kernel): string {
  const kinds = [0, 0];
  for (const sk of open_sockets(kernel, UnixSock).keys()) kinds[sk.type === SOCK_DGRAM ? 1 : 0]!++;
  const line = (name: string, size: number, sockets: number, yes: 'y' | 'n'): string =>
    `${name.padEnd(9)} ${size} ${String(sockets).padStart(6)}      -1   NI       0   ${yes === 'y' ? 'yes' : 'no '}  kernel      ${yes}  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n\n`;
  return (
    'protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n' +
    line('UNIX-STREAM', 1152, kinds[0]!, 'y') +
    line('UNIX', 1152, kinds[1]!, 'y') +
    line('NETLINK', 1096, open_sockets(kernel, NetlinkSock).size, 'n')
  );
}

const softnet = (kernel: Kernel): string =>
  kernel.sched.rqs.map(({ cpu }) => `${Array.from({ length: 15 }, (_, i) => hex(i === 12 ? cpu : 0, 8).toLowerCase()).join(' ')}\n`).join(''); // prettier-ignore

function netlink(kernel: Kernel): string {
  let text =
    'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n';
  for (const [sk, ino] of open_sockets(kernel, NetlinkSock)) {
    const groups = viewOf(sk.getname(false)).getUint32(8, true);
    text += `${hex(0, 16)} ${String(sk.protocol).padEnd(3)} ${String(sk.portid >>> 0).padEnd(10)} ${hex(groups, 8).toLowerCase()} ${String(sk.rmem).padEnd(8)} ${'0'.padEnd(8)} 0     ${'2'.padEnd(8)} ${'0'.padEnd(8)} ${String(ino).padEnd(8)}\n`;
  }
  return text;
}

file('unix', unix);
file('netlink', netlink);
file('dev', dev);
file('protocols', protocols);
file('softnet_stat', softnet);
file('sockstat', (kernel) => `sockets: used ${open_sockets(kernel, Sock).size}\n`);
file('dev_mcast', () => '');
file('ptype', () => 'Type Device      Function\n');
