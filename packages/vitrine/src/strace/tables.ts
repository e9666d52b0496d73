import * as FCNTL from '@vitrine/uapi/fcntl.ts';
import * as FUTEX from '@vitrine/uapi/futex.ts';
import * as INOTIFY from '@vitrine/uapi/inotify.ts';
import * as MMAN from '@vitrine/uapi/mman.ts';
import * as MOUNT from '@vitrine/uapi/mount.ts';
import * as POLL from '@vitrine/uapi/poll.ts';
import * as PRCTL from '@vitrine/uapi/prctl.ts';
import * as REBOOT from '@vitrine/uapi/reboot.ts';
import * as RESOURCE from '@vitrine/uapi/resource.ts';
import * as SCHED from '@vitrine/uapi/sched.ts';
import * as SIGNAL from '@vitrine/uapi/signal.ts';
import * as SOCKET from '@vitrine/uapi/socket.ts';
import * as STAT from '@vitrine/uapi/stat.ts';
import * as TERMIOS from '@vitrine/uapi/termios.ts';
import * as TIME from '@vitrine/uapi/time.ts';
import * as WAIT from '@vitrine/uapi/wait.ts';
import * as XATTR from '@vitrine/uapi/xattr.ts';

type Names = Readonly<Record<string, unknown>>;
/** Names by value, lowest value first. */
export type Table = readonly (readonly [value: number, name: string])[];

/** The constants of a header whose names match; of several names for a value the first counts. */
function from(names: Names, pattern: RegExp, except?: RegExp): Table {
  const seen = new Map<number, string>();
  for (const [name, value] of Object.entries(names)) {
    if (!pattern.test(name) || except?.test(name)) continue;
    const n = Number(value);
    if (!seen.has(n)) seen.set(n, name);
  }
  return [...seen].toSorted(([a], [b]) => a - b);
}

/** A table is made when it is first used: most runs need few. */
function lazily(make: () => Table): () => Table {
  let table: Table | undefined;
  return () => (table ??= make());
}

/** In strace's order, which is not that of the values. */
const open = (): Table => [
  [0x40, 'O_CREAT'],
  [0x80, 'O_EXCL'],
  [0x100, 'O_NOCTTY'],
  [0x200, 'O_TRUNC'],
  [0x400, 'O_APPEND'],
  [0x800, 'O_NONBLOCK'],
  [0x101000, 'O_SYNC'],
  [0x2000, 'O_ASYNC'],
  [0x1000, 'O_DSYNC'],
  [0x4000, 'O_DIRECT'],
  [0x8000, 'O_LARGEFILE'],
  [0x20000, 'O_NOFOLLOW'],
  [0x40000, 'O_NOATIME'],
  [0x80000, 'O_CLOEXEC'],
  [0x200000, 'O_PATH'],
  [0x410000, 'O_TMPFILE'],
  [0x10000, 'O_DIRECTORY'],
];
const at = lazily(() => from(FCNTL, /^AT_(SYMLINK_NOFOLLOW|SYMLINK_FOLLOW|NO_AUTOMOUNT|EMPTY_PATH|EACCESS)$/, /EACCESS/)); // prettier-ignore
const bits = (names: Names, pattern: RegExp, except?: RegExp): (() => Table) => lazily(() => from(names, pattern, except)); // prettier-ignore

/** Sets of bits. */
export const FLAGS: Readonly<Record<string, () => Table>> = {
  open,
  at,
  access: () => [
    [1, 'X_OK'],
    [2, 'W_OK'],
    [4, 'R_OK'],
  ],
  clone: bits(SCHED, /^CLONE_/, /ARGS|LEGACY|INTO|CLEAR/),
  close_range: bits(FCNTL, /^CLOSE_RANGE_/),
  epoll_create: () => [[0x80000, 'EPOLL_CLOEXEC']],
  epoll: bits(POLL, /^EPOLL(IN|PRI|OUT|ERR|HUP|NVAL|RDNORM|RDBAND|WRNORM|WRBAND|MSG|RDHUP|EXCLUSIVE|WAKEUP|ONESHOT|ET)$/), // prettier-ignore
  eventfd: () => [
    [1, 'EFD_SEMAPHORE'],
    [0x800, 'EFD_NONBLOCK'],
    [0x80000, 'EFD_CLOEXEC'],
  ],
  fallocate: bits(FCNTL, /^FALLOC_FL_/),
  fanotify_init: bits(INOTIFY, /^FAN_(CLOEXEC|NONBLOCK|CLASS_.*|UNLIMITED_.*|ENABLE_AUDIT|REPORT_(PIDFD|TID|FID|DIR_FID|NAME|TARGET_FID))$/, /NOTIF/), // prettier-ignore
  fanotify_mark: bits(INOTIFY, /^FAN_MARK_/, /FAN_MARK_(INODE|IGNORE_SURV)/),
  fanotify_event: bits(INOTIFY, /^FAN_(ACCESS|MODIFY|ATTRIB|CLOSE_.*|OPEN.*|MOVED_.*|CREATE|DELETE.*|MOVE_SELF|FS_ERROR|ACCESS_PERM|EVENT_ON_CHILD|RENAME|ONDIR)$/), // prettier-ignore
  flock: bits(FCNTL, /^LOCK_(SH|EX|NB|UN)$/),
  getrandom: bits(REBOOT, /^GRND_/),
  inotify: bits(INOTIFY, /^IN_/, /IN_(ALL_EVENTS|CLOSE|MOVE|CLOEXEC|NONBLOCK)$/),
  inotify_init: () => [
    [0x800, 'IN_NONBLOCK'],
    [0x80000, 'IN_CLOEXEC'],
  ],
  memfd: bits(MMAN, /^MFD_(CLOEXEC|ALLOW_SEALING|HUGETLB|NOEXEC_SEAL|EXEC)$/),
  mlock2: bits(MMAN, /^MLOCK_/),
  mlockall: bits(MMAN, /^MCL_/),
  mmap: bits(MMAN, /^MAP_/, /MAP_(FILE|TYPE|SHARED|PRIVATE|SHARED_VALIDATE|HUGE_.*)$/),
  mount: bits(MOUNT, /^MS_/, /MS_(RMT_MASK|MGC.*|VERBOSE)$/),
  mremap: bits(MMAN, /^MREMAP_/),
  msg: bits(SOCKET, /^MSG_/),
  msync: bits(MMAN, /^MS_/),
  pidfd_open: () => [
    [0x80, 'PIDFD_THREAD'],
    [0x800, 'PIDFD_NONBLOCK'],
  ],
  pidfd_send_signal: () => [
    [1, 'PIDFD_SIGNAL_THREAD'],
    [2, 'PIDFD_SIGNAL_THREAD_GROUP'],
    [4, 'PIDFD_SIGNAL_PROCESS_GROUP'],
  ],
  poll: bits(POLL, /^POLL(IN|PRI|OUT|ERR|HUP|NVAL|RDNORM|RDBAND|WRNORM|WRBAND|MSG|REMOVE|RDHUP)$/),
  prot: bits(MMAN, /^PROT_/, /PROT_(NONE|SEM)$/),
  rename: bits(FCNTL, /^RENAME_/),
  rwf: bits(FCNTL, /^RWF_/),
  sa: bits(SIGNAL, /^SA_/, /SA_(NOMASK|ONESHOT|UNSUPPORTED|EXPOSE_TAGBITS)$/),
  signalfd: () => [
    [0x800, 'SFD_NONBLOCK'],
    [0x80000, 'SFD_CLOEXEC'],
  ],
  splice: () => [
    [1, 'SPLICE_F_MOVE'],
    [2, 'SPLICE_F_NONBLOCK'],
    [4, 'SPLICE_F_MORE'],
    [8, 'SPLICE_F_GIFT'],
  ],
  ss: () => [
    [1, 'SS_ONSTACK'],
    [2, 'SS_DISABLE'],
    [0x80000000, 'SS_AUTODISARM'],
  ],
  statx: lazily(() => [...at(), [0x2000, 'AT_STATX_FORCE_SYNC'], [0x4000, 'AT_STATX_DONT_SYNC']]),
  statx_mask: bits(STAT, /^STATX_/, /ATTR|BASIC|ALL|RESERVED/),
  sync_file_range: bits(FCNTL, /^SYNC_FILE_RANGE_/, /WRITE_AND_WAIT/),
  timer: () => [[1, 'TIMER_ABSTIME']],
  timerfd: () => [
    [0x800, 'TFD_NONBLOCK'],
    [0x80000, 'TFD_CLOEXEC'],
  ],
  timerfd_settime: () => [
    [1, 'TFD_TIMER_ABSTIME'],
    [2, 'TFD_TIMER_CANCEL_ON_SET'],
  ],
  umount: () => [
    [1, 'MNT_FORCE'],
    [2, 'MNT_DETACH'],
    [4, 'MNT_EXPIRE'],
    [8, 'UMOUNT_NOFOLLOW'],
  ],
  unlinkat: () => [[0x200, 'AT_REMOVEDIR']],
  wait: bits(WAIT, /^(WNOHANG|WUNTRACED|WCONTINUED|__WNOTHREAD|__WALL|__WCLONE)$/),
  waitid: bits(WAIT, /^(WNOHANG|WSTOPPED|WEXITED|WCONTINUED|WNOWAIT|__WNOTHREAD|__WALL|__WCLONE)$/),
  xattr: bits(XATTR, /^XATTR_(CREATE|REPLACE)$/),
  socket_type: () => [
    [0x800, 'SOCK_NONBLOCK'],
    [0x80000, 'SOCK_CLOEXEC'],
  ],
};

/** One of several values. */
export const ENUMS: Readonly<Record<string, () => Table>> = {
  arch_prctl: bits(PRCTL, /^ARCH_/),
  clockid: bits(TIME, /^CLOCK_/, /CLOCKS_/),
  epoll_ctl: bits(POLL, /^EPOLL_CTL_/),
  fadvise: () => [
    [0, 'POSIX_FADV_NORMAL'],
    [1, 'POSIX_FADV_RANDOM'],
    [2, 'POSIX_FADV_SEQUENTIAL'],
    [3, 'POSIX_FADV_WILLNEED'],
    [4, 'POSIX_FADV_DONTNEED'],
    [5, 'POSIX_FADV_NOREUSE'],
  ],
  fcntl: bits(FCNTL, /^F_(DUPFD|GETFD|SETFD|GETFL|SETFL|GETLK|SETLK|SETLKW|SETOWN|GETOWN|SETSIG|GETSIG|OFD_GETLK|OFD_SETLK|OFD_SETLKW|SETLEASE|GETLEASE|NOTIFY|DUPFD_CLOEXEC|SETPIPE_SZ|GETPIPE_SZ|ADD_SEALS|GET_SEALS|SETOWN_EX|GETOWN_EX)$/), // prettier-ignore
  futex: bits(FUTEX, /^FUTEX_(WAIT|WAKE|FD|REQUEUE|CMP_REQUEUE|WAKE_OP|LOCK_PI|UNLOCK_PI|TRYLOCK_PI|WAIT_BITSET|WAKE_BITSET|WAIT_REQUEUE_PI|CMP_REQUEUE_PI|LOCK_PI2)$/), // prettier-ignore
  idtype: bits(WAIT, /^P_/),
  ioctl: lazily(() => [...from(TERMIOS, /^(TC[GSFXI]|TCSBRK|TIOC|FIO)/, /TIOC(M_|PKT_|SER_)/)]),
  itimer: bits(TIME, /^ITIMER_/),
  madvise: bits(MMAN, /^MADV_/),
  membarrier: bits(REBOOT, /^MEMBARRIER_CMD_/),
  prctl: bits(PRCTL, /^PR_(SET|GET|CAPBSET|CAP_AMBIENT$|MCE|TASK|SVE|PAC|SPEC|SCHED)/, /SET_MM_|SPEC_(NOT|PRCTL|EN|DIS|FORCE|STORE|IND|L1D)/), // prettier-ignore
  prio: bits(RESOURCE, /^PRIO_(PROCESS|PGRP|USER)$/),
  reboot: bits(REBOOT, /^LINUX_REBOOT_CMD/),
  rlimit: bits(RESOURCE, /^RLIMIT_/),
  rusage: bits(RESOURCE, /^RUSAGE_/, /BOTH/),
  sched: bits(SCHED, /^SCHED_(NORMAL|FIFO|RR|BATCH|IDLE|DEADLINE)$/),
  sigprocmask: () => [
    [0, 'SIG_BLOCK'],
    [1, 'SIG_UNBLOCK'],
    [2, 'SIG_SETMASK'],
  ],
  syslog: () => ['CLOSE', 'OPEN', 'READ', 'READ_ALL', 'READ_CLEAR', 'CLEAR', 'CONSOLE_OFF', 'CONSOLE_ON', 'CONSOLE_LEVEL', 'SIZE_UNREAD', 'SIZE_BUFFER'].map((name, i) => [i, `SYSLOG_ACTION_${name}`] as const), // prettier-ignore
  whence: () => [
    [0, 'SEEK_SET'],
    [1, 'SEEK_CUR'],
    [2, 'SEEK_END'],
    [3, 'SEEK_DATA'],
    [4, 'SEEK_HOLE'],
  ],
  family: () => [
    [0, 'AF_UNSPEC'],
    [1, 'AF_UNIX'],
    [2, 'AF_INET'],
    [10, 'AF_INET6'],
    [16, 'AF_NETLINK'],
    [17, 'AF_PACKET'],
  ],
  socket_type: () => [
    [1, 'SOCK_STREAM'],
    [2, 'SOCK_DGRAM'],
    [3, 'SOCK_RAW'],
    [5, 'SOCK_SEQPACKET'],
  ],
  iflag: bits(TERMIOS, /^(IGNBRK|BRKINT|IGNPAR|PARMRK|INPCK|ISTRIP|INLCR|IGNCR|ICRNL|IUCLC|IXON|IXANY|IXOFF|IMAXBEL|IUTF8)$/), // prettier-ignore
  oflag: bits(TERMIOS, /^(OPOST|OLCUC|ONLCR|OCRNL|ONOCR|ONLRET|OFILL|OFDEL)$/),
  cflag: bits(TERMIOS, /^(CSTOPB|CREAD|PARENB|PARODD|HUPCL|CLOCAL|CRTSCTS)$/),
  lflag: bits(TERMIOS, /^(ISIG|ICANON|XCASE|ECHO|ECHOE|ECHOK|ECHONL|NOFLSH|TOSTOP|ECHOCTL|ECHOPRT|ECHOKE|FLUSHO|PENDIN|IEXTEN|EXTPROC)$/), // prettier-ignore
};

/** `A|B|0x40`. @param zero what no bit at all is called */
export function formatFlags(value: number, table: Table, zero = '0'): string {
  let left = value >>> 0;
  const names: string[] = [];
  // The names with more bits first, where one holds another (O_SYNC and O_DSYNC).
  for (const [bit, name] of table.toSorted(([a], [b]) => popcount(b) - popcount(a)))
    if (bit !== 0 && (left & bit) >>> 0 === bit >>> 0) {
      names.push(name);
      left = (left & ~bit) >>> 0;
    }
  const order = new Map(table.map(([, name], i) => [name, i]));
  names.sort((a, b) => order.get(a)! - order.get(b)!);
  if (left !== 0) names.push(`0x${left.toString(16)}`);
  return names.length > 0 ? names.join('|') : zero;
}

const popcount = (n: number): number => (n >>> 0).toString(2).replaceAll('0', '').length;

export function formatEnum(value: number, table: Table, prefix: string): string {
  const unsigned = value >>> 0;
  const found = table.find(([known]) => known === value || known >>> 0 === unsigned);
  return found?.[1] ?? `0x${unsigned.toString(16)} /* ${prefix}??? */`;
}
