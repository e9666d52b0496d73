import { EINVAL } from '@vitrine/uapi/errno.ts';
import { BPF_MAXINSNS } from '@vitrine/uapi/seccomp.ts';
import { viewOf } from '../fs/bytes.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { SOCK_FILTER_SIZE, bpf_check_classic, bpf_run_packet, sock_filters } from '../kernel/cbpf.ts'; // prettier-ignore
import type { Sock } from './sock.ts';

/** Filters of sockets: a program of classic BPF says how much of each message is kept (analogous to net/core/filter.c). */

/** SO_ATTACH_FILTER. @param fprog `struct sock_fprog`. Throws EFAULT, EINVAL. */
export function sk_attach_filter(current: Current, sock: Sock, fprog: Uint8Array): void {
  const view = viewOf(fprog);
  const length = view.getUint16(0, true);
  const at = Number(view.getBigUint64(8, true));
  if (at === 0 || length === 0 || length > BPF_MAXINSNS)
    throw errno(EINVAL, 'a filter has 1 to {} instructions, not {}', BPF_MAXINSNS, length);
  const program = sock_filters(current.mem.read(at, length * SOCK_FILTER_SIZE));
  bpf_check_classic(program, null);
  sock.filter = program;
}

/** SO_GET_FILTER: lengths count instructions. @returns how many there are */
export function sk_get_filter(current: Current, sock: Sock, to: number, room: number): number {
  const { filter } = sock;
  if (filter === null) return 0;
  if (room === 0) return filter.length;
  if (room < filter.length)
    throw errno(EINVAL, 'the filter of {} has {} instructions', sock, filter.length);
  const bytes = new Uint8Array(filter.length * SOCK_FILTER_SIZE);
  const view = viewOf(bytes);
  filter.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(i * SOCK_FILTER_SIZE, code, true);
    bytes[i * SOCK_FILTER_SIZE + 2] = jt;
    bytes[i * SOCK_FILTER_SIZE + 3] = jf;
    view.setUint32(i * SOCK_FILTER_SIZE + 4, k, true);
  });
  current.mem.write(to, bytes);
  return filter.length;
}

/** What the receiver's filter leaves of a message; null drops it (sk_filter). */
export function sk_filter(sock: Sock, data: Uint8Array): Uint8Array | null {
  if (sock.filter === null) return data;
  const keep = bpf_run_packet(sock.filter, data);
  if (keep === 0) return null;
  return keep < data.length ? data.subarray(0, keep) : data;
}
