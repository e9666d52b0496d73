// <linux/io_uring.h>: what the kernel's side needs.

export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_CQ_RING = 0x800_0000;
export const IORING_OFF_SQES = 0x1000_0000;

export const IORING_SETUP_IOPOLL: number = 1 << 0;
export const IORING_SETUP_SQPOLL: number = 1 << 1;
export const IORING_SETUP_SQ_AFF: number = 1 << 2;
export const IORING_SETUP_CQSIZE: number = 1 << 3;
export const IORING_SETUP_CLAMP: number = 1 << 4;
export const IORING_SETUP_ATTACH_WQ: number = 1 << 5;
export const IORING_SETUP_R_DISABLED: number = 1 << 6;
export const IORING_SETUP_SUBMIT_ALL: number = 1 << 7;
export const IORING_SETUP_COOP_TASKRUN: number = 1 << 8;
export const IORING_SETUP_TASKRUN_FLAG: number = 1 << 9;
export const IORING_SETUP_SQE128: number = 1 << 10;
export const IORING_SETUP_CQE32: number = 1 << 11;
export const IORING_SETUP_SINGLE_ISSUER: number = 1 << 12;
export const IORING_SETUP_DEFER_TASKRUN: number = 1 << 13;

export const IORING_FEAT_SINGLE_MMAP: number = 1 << 0;
export const IORING_FEAT_NODROP: number = 1 << 1;
export const IORING_FEAT_SUBMIT_STABLE: number = 1 << 2;
export const IORING_FEAT_RW_CUR_POS: number = 1 << 3;
export const IORING_FEAT_CUR_PERSONALITY: number = 1 << 4;
export const IORING_FEAT_FAST_POLL: number = 1 << 5;
export const IORING_FEAT_POLL_32BITS: number = 1 << 6;
export const IORING_FEAT_EXT_ARG: number = 1 << 8;
export const IORING_FEAT_NATIVE_WORKERS: number = 1 << 9;
export const IORING_FEAT_CQE_SKIP: number = 1 << 11;

export const IOSQE_FIXED_FILE: number = 1 << 0;
export const IOSQE_IO_DRAIN: number = 1 << 1;
export const IOSQE_IO_LINK: number = 1 << 2;
export const IOSQE_IO_HARDLINK: number = 1 << 3;
export const IOSQE_ASYNC: number = 1 << 4;
export const IOSQE_BUFFER_SELECT: number = 1 << 5;
export const IOSQE_CQE_SKIP_SUCCESS: number = 1 << 6;

export const IORING_ENTER_GETEVENTS: number = 1 << 0;
export const IORING_ENTER_SQ_WAKEUP: number = 1 << 1;
export const IORING_ENTER_SQ_WAIT: number = 1 << 2;
export const IORING_ENTER_EXT_ARG: number = 1 << 3;

export const IORING_SQ_CQ_OVERFLOW: number = 1 << 1;
export const IORING_CQE_F_BUFFER: number = 1 << 0;
export const IORING_CQE_F_MORE: number = 1 << 1;
export const IORING_CQE_BUFFER_SHIFT = 16;

export const IORING_TIMEOUT_ABS: number = 1 << 0;
export const IORING_TIMEOUT_UPDATE: number = 1 << 1;
export const IORING_TIMEOUT_BOOTTIME: number = 1 << 2;
export const IORING_TIMEOUT_REALTIME: number = 1 << 3;
export const IORING_LINK_TIMEOUT_UPDATE: number = 1 << 4;
export const IORING_TIMEOUT_ETIME_SUCCESS: number = 1 << 5;
export const IORING_TIMEOUT_MULTISHOT: number = 1 << 6;

export const IORING_POLL_ADD_MULTI: number = 1 << 0;
export const IORING_ASYNC_CANCEL_ALL: number = 1 << 0;
export const IORING_ASYNC_CANCEL_FD: number = 1 << 1;
export const IORING_ASYNC_CANCEL_ANY: number = 1 << 2;
export const IORING_ACCEPT_MULTISHOT: number = 1 << 0;
export const IORING_RECV_MULTISHOT: number = 1 << 1;

export const IORING_OP_NOP = 0;
export const IORING_OP_READV = 1;
export const IORING_OP_WRITEV = 2;
export const IORING_OP_FSYNC = 3;
export const IORING_OP_READ_FIXED = 4;
export const IORING_OP_WRITE_FIXED = 5;
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_POLL_REMOVE = 7;
export const IORING_OP_SYNC_FILE_RANGE = 8;
export const IORING_OP_SENDMSG = 9;
export const IORING_OP_RECVMSG = 10;
export const IORING_OP_TIMEOUT = 11;
export const IORING_OP_TIMEOUT_REMOVE = 12;
export const IORING_OP_ACCEPT = 13;
export const IORING_OP_ASYNC_CANCEL = 14;
export const IORING_OP_LINK_TIMEOUT = 15;
export const IORING_OP_CONNECT = 16;
export const IORING_OP_FALLOCATE = 17;
export const IORING_OP_OPENAT = 18;
export const IORING_OP_CLOSE = 19;
export const IORING_OP_FILES_UPDATE = 20;
export const IORING_OP_STATX = 21;
export const IORING_OP_READ = 22;
export const IORING_OP_WRITE = 23;
export const IORING_OP_FADVISE = 24;
export const IORING_OP_MADVISE = 25;
export const IORING_OP_SEND = 26;
export const IORING_OP_RECV = 27;
export const IORING_OP_OPENAT2 = 28;
export const IORING_OP_EPOLL_CTL = 29;
export const IORING_OP_SPLICE = 30;
export const IORING_OP_PROVIDE_BUFFERS = 31;
export const IORING_OP_REMOVE_BUFFERS = 32;
export const IORING_OP_TEE = 33;
export const IORING_OP_SHUTDOWN = 34;
export const IORING_OP_RENAMEAT = 35;
export const IORING_OP_UNLINKAT = 36;
export const IORING_OP_MKDIRAT = 37;
export const IORING_OP_SYMLINKAT = 38;
export const IORING_OP_LINKAT = 39;
export const IORING_OP_MSG_RING = 40;
export const IORING_OP_SOCKET = 45;
export const IORING_OP_FTRUNCATE = 55;
