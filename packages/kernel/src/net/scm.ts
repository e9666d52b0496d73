import { EBADF, EINVAL, EPERM, ESRCH, ETOOMANYREFS } from '@vitrine/uapi/errno.ts';
import {
  CAP_SETGID,
  CAP_SETUID,
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
} from '@vitrine/uapi/capability.ts';
import { NETLINK_PKTINFO, SOL_NETLINK } from '@vitrine/uapi/netlink.ts';
import { SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from '@vitrine/uapi/net.ts';
import {
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMP_NEW,
} from '@vitrine/uapi/socket.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { concat, viewOf } from '../fs/bytes.ts';
import { fd_install, fget_raw, hold_fd } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { pidfd_prepare } from '../fs/pidfs/pidfd.ts';
import type { Pid } from '../kernel/pid.ts';
import type { Task } from '../kernel/task.ts';
import type { Ancillary, Sock, Ucred } from './sock.ts';

/** Descriptors in one message (SCM_MAX_FD). */
const SCM_MAX_FD = 253;
const CMSG_HDR = 16;
/** (uid_t)-1 and (gid_t)-1. */
const INVALID_ID = 0xffff_ffff;
/** Newer than the headers that packages/uapi is made from. */
const SCM_PIDFD = 4;
const align = (n: number): number => (n + 7) & ~7;

export function task_ucred(current: Current): Ucred {
  const { uid, gid } = current.cred;
  const process =
    (current as Task).group_leader?.thread_pid ?? current.kernel.pids.find(current.tgid);
  return { pid: current.tgid, uid, gid, process };
}

export function free_fds(kernel: Kernel, fds: readonly File[]): void {
  for (const file of fds) file.put(kernel);
}

/** Reads the control messages of sendmsg (scm_send). */
export function scm_send(current: Current, control: Uint8Array): Ancillary {
  const view = viewOf(control);
  const fds: File[] = [];
  let cred: Ucred | null = null;
  try {
    for (let at = 0; at + CMSG_HDR <= control.length;) {
      const len = Number(view.getBigUint64(at, true));
      const level = view.getInt32(at + 8, true);
      const type = view.getInt32(at + 12, true);
      if (len < CMSG_HDR || at + len > control.length) {
        throw errno(
          EINVAL,
          'control message at {} has length {}, {} bytes are left',
          at,
          len,
          control.length - at,
        );
      }
      if (level === SOL_SOCKET) {
        const data = control.subarray(at + CMSG_HDR, at + len);
        if (type === SCM_RIGHTS) scm_fp_copy(current, data, fds);
        else if (type === SCM_CREDENTIALS) cred = checkCreds(current, data);
        else throw errno(EINVAL, 'control message type {} of level SOL_SOCKET is unknown', type);
      }
      at += align(len);
    }
  } catch (error) {
    free_fds(current.kernel, fds);
    throw error;
  }
  return { fds, cred };
}

function scm_fp_copy(current: Current, data: Uint8Array, fds: File[]): void {
  const view = viewOf(data);
  const n = Math.floor(data.length / 4);
  if (fds.length + n > SCM_MAX_FD)
    throw errno(
      EINVAL,
      'a message carries at most {} descriptors, not {}',
      SCM_MAX_FD,
      fds.length + n,
    );
  for (let i = 0; i < n; i++) {
    const fd = view.getInt32(i * 4, true);
    if (fd < 0) throw errno(EBADF, 'descriptor {} in the message is not open', fd);
    hold_fd(current, fd);
    const file = fget_raw(current, fd);
    if (!file.sendable) throw errno(EINVAL, '{} cannot be sent over a socket', file.path);
    fds.push(file.get());
  }
}

/** Nobody claims to be somebody else (scm_check_creds). */
function checkCreds(current: Current, data: Uint8Array): Ucred {
  if (data.length !== 12) throw errno(EINVAL, 'SCM_CREDENTIALS has 12 bytes, not {}', data.length);
  const view = viewOf(data);
  const claim: Ucred = {
    pid: view.getInt32(0, true),
    uid: view.getUint32(4, true),
    gid: view.getUint32(8, true),
    process: current.kernel.pids.find(view.getInt32(0, true)),
  };
  if (claim.uid === INVALID_ID || claim.gid === INVALID_ID)
    throw errno(EINVAL, 'SCM_CREDENTIALS claims ids that nobody has');
  const { cred } = current;
  const pid = claim.pid === current.tgid || capable(cred, CAP_SYS_ADMIN);
  const uid = [cred.uid, cred.euid, cred.suid].includes(claim.uid) || capable(cred, CAP_SETUID);
  const gid = [cred.gid, cred.egid, cred.sgid].includes(claim.gid) || capable(cred, CAP_SETGID);
  if (!pid || !uid || !gid) {
    throw errno(EPERM, 'SCM_CREDENTIALS claims pid {}, uid {}, gid {}; the sender is pid {}, uid {}, gid {}',
      claim.pid, claim.uid, claim.gid, current.tgid, cred.uid, cred.gid); // prettier-ignore
  }
  if (claim.process === null)
    throw errno(ESRCH, 'SCM_CREDENTIALS claims pid {}, and there is no such process', claim.pid);
  return claim;
}

/** Descriptors on the way, sent by one user, are limited as open ones are (too_many_unix_fds). */
export function check_inflight(current: Current, inflight: number): void {
  const limit = current.rlimit(RLIMIT_NOFILE);
  if (inflight <= limit) return;
  if (capable(current.cred, CAP_SYS_RESOURCE) || capable(current.cred, CAP_SYS_ADMIN)) return;
  throw errno(ETOOMANYREFS, 'user {} has {} descriptors in messages nobody has received, RLIMIT_NOFILE allows {}',
    current.cred.uid, inflight, limit); // prettier-ignore
}

/** Control messages as they go to the caller, into the room that is left (put_cmsg). */
class Cmsgs {
  left: number;
  truncated = false;
  private readonly parts: Uint8Array[] = [];

  constructor(room: number) {
    this.left = room;
  }

  put(type: number, data: Uint8Array, level: number = SOL_SOCKET): void {
    if (this.left < CMSG_HDR) {
      this.truncated = true;
      return;
    }
    const length = Math.min(CMSG_HDR + data.length, this.left);
    if (length < CMSG_HDR + data.length) this.truncated = true;
    const bytes = new Uint8Array(align(CMSG_HDR + data.length));
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(length), true);
    view.setInt32(8, level, true);
    view.setInt32(12, type, true);
    bytes.set(data, CMSG_HDR);
    const part = bytes.subarray(0, Math.min(align(length), this.left));
    this.parts.push(part);
    this.left -= part.length;
  }

  get bytes(): Uint8Array {
    return concat(this.parts);
  }
}

const ints = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

/** The time of a message, in the form that the receiver chose (__sock_recv_timestamp). */
function put_timestamp(out: Cmsgs, sk: Sock, ns: bigint): void {
  if (sk.tstamp === null) return;
  const part = sk.tstamp.ns ? ns % 1_000_000_000n : (ns % 1_000_000_000n) / 1000n;
  const old = sk.tstamp.ns ? SO_TIMESTAMPNS : SO_TIMESTAMP;
  const wide = sk.tstamp.ns ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMP_NEW;
  const data = new Uint8Array(BigInt64Array.of(ns / 1_000_000_000n, part).buffer);
  out.put(sk.tstamp.wide ? wide : old, data);
}

/**
 * Control messages for recvmsg: descriptors are installed, what does not fit is closed (scm_recv).
 * @returns the bytes, at most `room`, and whether something was cut off
 */
export function scm_recv(
  current: Current,
  ancillary: Ancillary,
  sk: Sock,
  cloexec: boolean,
  room: number,
): { control: Uint8Array; truncated: boolean } {
  const out = new Cmsgs(room);
  const { cred, fds, tstamp, nl_group } = ancillary;
  if (nl_group !== undefined) out.put(NETLINK_PKTINFO, ints(nl_group), SOL_NETLINK);
  if (tstamp) put_timestamp(out, sk, tstamp);
  if (sk.passcred && cred !== null) out.put(SCM_CREDENTIALS, ints(cred.pid, cred.uid, cred.gid));
  if (fds.length > 0) {
    const fits = Math.max(0, Math.floor((out.left - CMSG_HDR) / 4));
    const numbers = installFds(current, fds, fits, cloexec);
    if (numbers.length < fds.length) out.truncated = true;
    if (numbers.length > 0) out.put(SCM_RIGHTS, ints(...numbers));
  }
  if (sk.passpidfd && cred !== null) {
    if (out.left < CMSG_HDR + 4) out.truncated = true;
    else if (cred.process !== null) out.put(SCM_PIDFD, ints(pidfdOf(current, cred.process)));
  }
  return { control: out.bytes, truncated: out.truncated };
}

/** A descriptor of the sender (SO_PASSPIDFD). @returns the negative error where there can be no descriptor */
function pidfdOf(current: Current, process: Pid): number {
  try {
    return fd_install(current, pidfd_prepare(current, process, 0), true);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return -error.code;
  }
}

function installFds(
  current: Current,
  fds: readonly File[],
  fits: number,
  cloexec: boolean,
): number[] {
  const numbers: number[] = [];
  let room = true;
  for (const file of fds) {
    if (!room || numbers.length >= fits) {
      file.put(current.kernel);
      continue;
    }
    try {
      numbers.push(fd_install(current, file, cloexec));
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      room = false;
    }
  }
  return numbers;
}
