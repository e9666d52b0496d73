import { EBADF, EINVAL, EPERM, ESRCH, ETOOMANYREFS } from '@vitrine/uapi/errno.ts';
import {
  CAP_SETGID,
  CAP_SETUID,
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
} from '@vitrine/uapi/capability.ts';
import { SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from '@vitrine/uapi/net.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { fd_install, fget_raw } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { pidfd_prepare } from '../fs/pidfs/pidfd.ts';
import type { Pid } from '../kernel/pid.ts';
import type { Task } from '../kernel/task.ts';
import type { Ancillary, Sock, Ucred } from './sock.ts';

/** Descriptors in one message (SCM_MAX_FD). */
const SCM_MAX_FD = 253;
const CMSG_HDR = 16;
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
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
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
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
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
    const file = fget_raw(current, fd);
    if (!file.sendable) throw errno(EINVAL, '{} cannot be sent over a socket', file.path);
    fds.push(file.get());
  }
}

/** Nobody claims to be somebody else (scm_check_creds). */
function checkCreds(current: Current, data: Uint8Array): Ucred {
  if (data.length !== 12) throw errno(EINVAL, 'SCM_CREDENTIALS has 12 bytes, not {}', data.length);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const claim: Ucred = {
    pid: view.getInt32(0, true),
    uid: view.getUint32(4, true),
    gid: view.getUint32(8, true),
    process: current.kernel.pids.find(view.getInt32(0, true)),
  };
  const { cred } = current;
  const pid = claim.pid === current.tgid || capable(cred, CAP_SYS_ADMIN);
  const uid = [cred.uid, cred.euid, cred.suid].includes(claim.uid) || capable(cred, CAP_SETUID);
  const gid = [cred.gid, cred.egid, cred.sgid].includes(claim.gid) || capable(cred, CAP_SETGID);
  if (!pid || !uid || !gid) {
    throw errno(EPERM, 'SCM_CREDENTIALS claims pid {}, uid {}, gid {}; the sender is pid {}, uid {}, gid {}',
      claim.pid, claim.uid, claim.gid, current.tgid, cred.uid, cred.gid); // prettier-ignore
  }
  return claim;
}

/** Descriptors on the way, sent by one user, are limited as open ones are (too_many_unix_fds). */
export function check_inflight(current: Current, inflight: number, more: number): void {
  const limit = current.rlimit(RLIMIT_NOFILE);
  if (inflight + more <= limit) return;
  if (capable(current.cred, CAP_SYS_RESOURCE) || capable(current.cred, CAP_SYS_ADMIN)) return;
  throw errno(ETOOMANYREFS, 'user {} has {} descriptors in messages nobody has received, RLIMIT_NOFILE allows {}',
    current.cred.uid, inflight, limit); // prettier-ignore
}

function header(bytes: Uint8Array, length: number, type: number): DataView {
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(length), true);
  view.setInt32(8, SOL_SOCKET, true);
  view.setInt32(12, type, true);
  return view;
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
  const parts: Uint8Array[] = [];
  let left = room;
  let truncated = false;
  if (sk.passcred && ancillary.cred !== null) {
    if (left < CMSG_HDR) truncated = true;
    else {
      const bytes = new Uint8Array(CMSG_HDR + 16);
      const view = header(bytes, CMSG_HDR + 12, SCM_CREDENTIALS);
      view.setInt32(16, ancillary.cred.pid, true);
      view.setUint32(20, ancillary.cred.uid, true);
      view.setUint32(24, ancillary.cred.gid, true);
      if (left < CMSG_HDR + 12) truncated = true;
      parts.push(bytes.subarray(0, Math.min(left, bytes.length)));
      left -= parts[0]!.length;
    }
  }
  if (ancillary.fds.length > 0) {
    const fits = Math.max(0, Math.floor((left - CMSG_HDR) / 4));
    const numbers = installFds(current, ancillary.fds, fits, cloexec);
    if (numbers.length < ancillary.fds.length) truncated = true;
    if (numbers.length > 0) {
      const length = CMSG_HDR + numbers.length * 4;
      const bytes = new Uint8Array(align(length));
      const view = header(bytes, length, SCM_RIGHTS);
      numbers.forEach((fd, i) => view.setInt32(CMSG_HDR + i * 4, fd, true));
      parts.push(bytes.subarray(0, Math.min(left, bytes.length)));
    }
  }
  if (sk.passpidfd && ancillary.cred !== null) {
    const had = parts.reduce((n, part) => n + part.length, 0);
    const bytes = scm_pidfd_recv(current, ancillary.cred, room - had);
    if (bytes === null) truncated = true;
    else parts.push(bytes);
  }
  return { control: concat(parts), truncated };
}

/** A descriptor of the sender (SO_PASSPIDFD); null when there is no room to tell its number. */
function scm_pidfd_recv(current: Current, cred: Ucred, room: number): Uint8Array | null {
  if (room < CMSG_HDR + 4) return null;
  const bytes = new Uint8Array(CMSG_HDR + 8);
  const view = header(bytes, CMSG_HDR + 4, SCM_PIDFD);
  view.setInt32(CMSG_HDR, pidfdOf(current, cred.process), true);
  return bytes.subarray(0, Math.min(room, bytes.length));
}

/** @returns the negative error where there can be no descriptor */
function pidfdOf(current: Current, process: Pid | null): number {
  try {
    if (process === null) throw errno(ESRCH, 'the sender of the message is gone');
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

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
