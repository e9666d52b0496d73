import { EINVAL, ENOMEM } from '@vitrine/uapi/errno.ts';
import { BPF_MAXINSNS } from '@vitrine/uapi/seccomp.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { type SockFilter, bpf_check_classic, bpf_run_packet } from '../kernel/cbpf.ts';
import type { Sock } from './sock.ts';

/** Filters of sockets: a program of classic BPF says how much of each message is kept (analogous to net/core/filter.c). */

const INSTRUCTION = 8;
/** net.core.optmem_max: a filter is kept with the socket's options. */
const OPTMEM_MAX = 131072;

/** SO_ATTACH_FILTER. @param fprog `struct sock_fprog`. Throws EFAULT, EINVAL, ENOMEM. */
export function sk_attach_filter(current: Current, sock: Sock, fprog: Uint8Array): void {
  const view = new DataView(fprog.buffer, fprog.byteOffset, fprog.length);
  const length = view.getUint16(0, true);
  const at = Number(view.getBigUint64(8, true));
  if (at === 0 || length === 0 || length > BPF_MAXINSNS)
    throw errno(EINVAL, 'a filter has 1 to {} instructions, not {}', BPF_MAXINSNS, length);
  const bytes = current.mem.read(at, length * INSTRUCTION);
  const code = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const program = Array.from({ length }, (_, i): SockFilter => {
    const from = i * INSTRUCTION;
    return {
      code: code.getUint16(from, true),
      jt: bytes[from + 2]!,
      jf: bytes[from + 3]!,
      k: code.getUint32(from + 4, true),
    };
  });
  bpf_check_classic(program, null);
  if (length * INSTRUCTION > OPTMEM_MAX)
    throw errno(ENOMEM, 'a filter of {} instructions is more than net.core.optmem_max', length);
  sock.filter = program;
}

/** SO_GET_FILTER: lengths count instructions. @returns how many there are */
export function sk_get_filter(current: Current, sock: Sock, to: number, room: number): number {
  const { filter } = sock;
  if (filter === null) return 0;
  if (room === 0) return filter.length;
  if (room < filter.length)
    throw errno(EINVAL, 'the filter of {} has {} instructions', sock, filter.length);
  const bytes = new Uint8Array(filter.length * INSTRUCTION);
  const view = new DataView(bytes.buffer);
  filter.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(i * INSTRUCTION, code, true);
    bytes[i * INSTRUCTION + 2] = jt;
    bytes[i * INSTRUCTION + 3] = jf;
    view.setUint32(i * INSTRUCTION + 4, k, true);
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
