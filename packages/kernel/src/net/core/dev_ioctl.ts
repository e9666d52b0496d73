import { ENODEV, ENOTTY, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_NET_ADMIN } from '@vitrine/uapi/capability.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { untilNul } from '../../include/string.ts';
import { byteString, bytesOf, viewOf } from '../../fs/bytes.ts';
import { ARPHRD_LOOPBACK, IFF_LOOPBACK, LOOPBACK, LOOPBACK_IFINDEX, LOOPBACK_MTU, LOOPBACK_TXQLEN } from './loopback.ts'; // prettier-ignore

/** Requests about network devices that every socket takes (net/core/dev_ioctl.c; netdevice(7)). */
const SIOCGIFNAME = 0x8910;
const SIOCGIFCONF = 0x8912;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFMETRIC = 0x891d;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFTXQLEN = 0x8942;
/** SIOCSIFFLAGS, SIOCSIFMETRIC, SIOCSIFMTU, SIOCSIFNAME, SIOCSIFHWADDR, SIOCSIFTXQLEN. */
const SETTERS: readonly number[] = [0x8914, 0x891e, 0x8922, 0x8923, 0x8924, 0x8943];
const IFNAMSIZ = 16;
const IFREQ = 40;

export const is_dev_ioctl = (cmd: number): boolean => cmd >>> 8 === 0x89;

/** What a request puts behind the name: the width in bytes, and the number. */
const TOLD: ReadonlyMap<number, readonly [width: 2 | 4, value: number]> = new Map([
  [SIOCGIFFLAGS, [2, IFF_LOOPBACK]],
  [SIOCGIFMETRIC, [4, 0]],
  [SIOCGIFMTU, [4, LOOPBACK_MTU]],
  [SIOCGIFHWADDR, [2, ARPHRD_LOOPBACK]],
  [SIOCGIFINDEX, [4, LOOPBACK_IFINDEX]],
  [SIOCGIFTXQLEN, [4, LOOPBACK_TXQLEN]],
]);

export function dev_ioctl(current: Current, cmd: number, arg: number): number {
  const { mem } = current;
  if (cmd === SIOCGIFCONF) {
    // Devices with an address are listed: none has one.
    mem.getU64(arg + 8);
    mem.putU32(arg, 0);
    return 0;
  }
  const request = mem.read(arg, IFREQ);
  const view = viewOf(request);
  if (cmd === SIOCGIFNAME) {
    const index = view.getInt32(IFNAMSIZ, true);
    if (index !== LOOPBACK_IFINDEX) throw errno(ENODEV, 'there is no interface {}', index);
    request.set(bytesOf(`${LOOPBACK}\0`));
    mem.write(arg, request);
    return 0;
  }
  const told = TOLD.get(cmd);
  const setter = SETTERS.includes(cmd);
  if (told === undefined && !setter) throw errno(ENOTTY, 'sockets have no ioctl {}', '0x' + cmd.toString(16)); // prettier-ignore
  if (setter && !capable(current.cred, CAP_NET_ADMIN)) throw errno(EPERM, 'changing a network device needs CAP_NET_ADMIN; uid {} has not', current.cred.euid); // prettier-ignore
  const name = untilNul(byteString(request.subarray(0, IFNAMSIZ - 1)));
  if (name !== LOOPBACK) throw errno(ENODEV, 'there is no interface {}', name);
  if (told === undefined) throw errno(EOPNOTSUPP, 'the loopback device of this kernel cannot be changed'); // prettier-ignore
  if (told[0] === 2) view.setUint16(IFNAMSIZ, told[1], true);
  else view.setInt32(IFNAMSIZ, told[1], true);
  mem.write(arg, request);
  return 0;
}
