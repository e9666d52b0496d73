import * as N from '@vitrine/uapi/netlink.ts';
import { viewOf } from '../../fs/bytes.ts';
import { Errno } from '../../include/errno.ts';

/** Messages of netlink: a header of 16 bytes, what the type lays down, attributes (netlink(7), include/net/netlink.h). */
export interface NlMsg {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** All of it, header included. */
  readonly bytes: Uint8Array;
  readonly payload: Uint8Array;
}

const align = (n: number): number => (n + 3) & ~3;

export function nlmsg(
  type: number,
  flags: number,
  seq: number,
  portid: number,
  payload: Uint8Array,
): Uint8Array {
  const length = N.NLMSG_HDRLEN + payload.length;
  const bytes = new Uint8Array(align(length));
  const view = viewOf(bytes);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, seq, true);
  view.setUint32(12, portid >>> 0, true);
  bytes.set(payload, N.NLMSG_HDRLEN);
  return bytes;
}

/** An attribute: length, type, value, and what makes its length a multiple of 4. */
export function nla(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(4 + value.length));
  const view = viewOf(bytes);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

/** The value of an attribute among those that begin at `at`, or null. */
export function nla_find(bytes: Uint8Array, at: number, type: number): Uint8Array | null {
  const view = viewOf(bytes);
  for (let i = at; i + 4 <= bytes.length;) {
    const length = view.getUint16(i, true);
    if (length < 4 || i + length > bytes.length) return null;
    if ((view.getUint16(i + 2, true) & 0x3fff) === type) return bytes.subarray(i + 4, i + length);
    i += align(length);
  }
  return null;
}

/** What a request is answered with: each part is one message of the socket. */
export type Reply = (bytes: Uint8Array) => void;

/** Runs the requests of one message that went to the kernel, and acknowledges them (netlink_rcv_skb). */
export function netlink_rcv_skb(
  data: Uint8Array,
  portid: number,
  reply: Reply,
  request: (message: NlMsg) => 'answered' | 'done',
): void {
  const view = viewOf(data);
  for (let at = 0; data.length - at >= N.NLMSG_HDRLEN;) {
    const length = view.getUint32(at, true);
    if (length < N.NLMSG_HDRLEN || length > data.length - at) return;
    const bytes = data.subarray(at, at + length);
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const message = { type, flags, seq: view.getUint32(at + 8, true), bytes, payload: bytes.subarray(N.NLMSG_HDRLEN) }; // prettier-ignore
    let code = 0;
    let answered = false;
    if (flags & N.NLM_F_REQUEST && type >= N.NLMSG_MIN_TYPE) {
      try {
        answered = request(message) === 'answered';
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        ({ code } = error);
      }
    }
    if (!answered && (flags & N.NLM_F_ACK || code !== 0)) reply(ack(message, code, portid));
    at += align(length);
  }
}

/** NLMSG_ERROR: the error, 0 for none, and the request; of one that went well its header only. */
function ack(message: NlMsg, code: number, portid: number): Uint8Array {
  const of = code === 0 ? message.bytes.subarray(0, N.NLMSG_HDRLEN) : message.bytes;
  const payload = new Uint8Array(4 + of.length);
  viewOf(payload).setInt32(0, -code, true);
  payload.set(of, 4);
  return nlmsg(N.NLMSG_ERROR, code === 0 ? N.NLM_F_CAPPED : 0, message.seq, portid, payload);
}
