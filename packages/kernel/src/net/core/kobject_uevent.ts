import { EINVAL, ENOMEM, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { NETLINK_KOBJECT_UEVENT, NLMSG_HDRLEN } from '@vitrine/uapi/netlink.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { bytesOf, concat } from '../../fs/bytes.ts';
import { type Reply, netlink_rcv_skb } from '../netlink/message.ts';
import type { Ucred } from '../sock.ts';
import { task_ucred } from '../scm.ts';

/** News of devices, which whoever has a NETLINK_KOBJECT_UEVENT socket in group 1 gets (lib/kobject_uevent.c). */
const UEVENT_GROUP = 1;
const UEVENT_BUFFER_SIZE = 2048;
const UEVENT_NUM_ENVP = 64;

const ACTIONS: readonly string[] = ['add', 'remove', 'change', 'move', 'online', 'offline', 'bind', 'unbind']; // prettier-ignore
/** What may follow the action: an identification, and names with values. */
const ARGUMENTS =
  /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})((?: [0-9a-z]+=[0-9a-z]+)*)$/i;

/** A device as its events tell of it. */
export interface KObject {
  /** Below /sys, with a slash in front. */
  readonly path: string;
  /** Null for those that nobody is told of. */
  readonly subsystem: string | null;
  /** What its `uevent` file shows. */
  readonly env: readonly string[];
}

function arguments_of(text: string): string[] {
  const found = ARGUMENTS.exec(text);
  if (found === null) throw errno(EINVAL, 'uevent: {} is not a UUID and names with values', text);
  const [, uuid, rest] = found;
  const pairs = rest!.split(' ').slice(1);
  const vars = [`SYNTH_UUID=${uuid}`, ...pairs.map((pair) => `SYNTH_ARG_${pair}`)];
  if (too_much(vars)) throw errno(EINVAL, 'uevent: {} values are too much', pairs.length);
  return vars;
}

/** Variables and their bytes have bounds (add_uevent_var). */
const too_much = (vars: readonly string[]): boolean =>
  vars.length > UEVENT_NUM_ENVP ||
  vars.reduce((sum, each) => sum + each.length + 1, 0) > UEVENT_BUFFER_SIZE;

/** Somebody wrote to the device's `uevent` file: tells of what is said to have happened (kobject_synth_uevent). */
export function kobject_synth_uevent(kernel: Kernel, object: KObject, text: string): void {
  const line = text.replace(/[\n\0]$/, '');
  const space = line.indexOf(' ');
  const action = space < 0 ? line : line.slice(0, space);
  if (!ACTIONS.includes(action)) throw errno(EINVAL, 'uevent: there is no action {}', action);
  const extra = space < 0 ? ['SYNTH_UUID=0'] : arguments_of(line.slice(space + 1));
  if (object.subsystem !== null) kobject_uevent_env(kernel, object, action, extra);
}

function kobject_uevent_env(
  kernel: Kernel,
  { path, subsystem, env }: KObject,
  action: string,
  extra: readonly string[],
): void {
  const { netlink } = kernel.vfs;
  const all = [`ACTION=${action}`, `DEVPATH=${path}`, `SUBSYSTEM=${subsystem}`, ...extra, ...env];
  if (too_much(all)) throw errno(ENOMEM, 'uevent: {} variables are too much', all.length);
  all.push(`SEQNUM=${++netlink.uevent_seqnum}`);
  if (too_much(all)) throw errno(ENOMEM, 'uevent: there is no room for its number');
  const data = bytesOf(`${action}@${path}\0${all.map((each) => `${each}\0`).join('')}`);
  send(kernel, data, null);
}

function send(kernel: Kernel, data: Uint8Array, cred: Ucred | null): void {
  kernel.vfs.netlink.broadcast(NETLINK_KOBJECT_UEVENT, UEVENT_GROUP, data, cred);
}

/** A program tells of news itself: they go to all as if they came from the kernel, with the next number (uevent_net_rcv). */
export function uevent_net_rcv(
  current: Current,
  data: Uint8Array,
  portid: number,
  reply: Reply,
): void {
  const { kernel } = current;
  netlink_rcv_skb(data, portid, reply, ({ payload }) => {
    if (!capable(current.cred, CAP_SYS_ADMIN))
      throw errno(EPERM, 'uevent: sending to all needs CAP_SYS_ADMIN');
    const number = bytesOf(`SEQNUM=${++kernel.vfs.netlink.uevent_seqnum}\0`);
    if (NLMSG_HDRLEN + payload.length + number.length > UEVENT_BUFFER_SIZE)
      throw errno(EINVAL, 'uevent: a message of {} bytes is too long', payload.length);
    send(kernel, concat([payload, number]), task_ucred(current));
    return 'done';
  });
}
