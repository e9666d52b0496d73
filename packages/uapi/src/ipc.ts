// Constants of the Linux ABI, x86-64; written by scripts/uapi.mjs from the headers named below.

// <linux/ipc.h>
export const IPC_EXCL = 0x400;
export const IPC_NOWAIT = 0x800;
export const IPC_DIPC = 0x1000;
export const IPC_OWN = 0x2000;
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;
export const IPC_OLD = 0;
export const IPC_64 = 0x100;
export const SEMOP = 1;
export const SEMGET = 2;
export const SEMCTL = 3;
export const SEMTIMEDOP = 4;
export const MSGSND = 11;
export const MSGRCV = 12;
export const MSGGET = 13;
export const MSGCTL = 14;
export const SHMAT = 21;
export const SHMDT = 22;
export const SHMGET = 23;
export const SHMCTL = 24;

// <linux/sem.h>
export const SEM_UNDO = 0x1000;
export const GETPID = 11;
export const GETVAL = 12;
export const GETALL = 13;
export const GETNCNT = 14;
export const GETZCNT = 15;
export const SETVAL = 16;
export const SETALL = 17;
export const SEM_STAT = 18;
export const SEM_INFO = 19;
export const SEM_STAT_ANY = 20;
export const SEMMNI = 0x7d00;
export const SEMMSL = 0x7d00;
export const SEMMNS = 0x3d090000;
export const SEMOPM = 0x1f4;
export const SEMVMX = 0x7fff;
export const SEMAEM = 0x7fff;
export const SEMUME = 0x1f4;
export const SEMMNU = 0x3d090000;
export const SEMMAP = 0x3d090000;
export const SEMUSZ = 20;

// <linux/msg.h>
export const MSG_STAT = 11;
export const MSG_INFO = 12;
export const MSG_STAT_ANY = 13;
export const MSG_NOERROR = 0x1000;
export const MSG_EXCEPT = 0x2000;
export const MSG_COPY = 0x4000;
export const MSGMNI = 0x7d00;
export const MSGMAX = 0x2000;
export const MSGMNB = 0x4000;
export const MSGPOOL = 0x7d000;
export const MSGTQL = 0x4000;
export const MSGMAP = 0x4000;
export const MSGSSZ = 16;
export const MSGSEG = 0xffff;

// <linux/shm.h>
export const SHMMIN = 1;
export const SHMMNI = 0x1000;
export const SHMSEG = 0x1000;
export const SHM_R = 0x100;
export const SHM_W = 128;
export const SHM_HUGETLB = 0x800;
export const SHM_NORESERVE = 0x1000;
export const SHM_HUGE_SHIFT = 26;
export const SHM_HUGE_MASK = 63;
export const SHM_HUGE_64KB = 0x40000000;
export const SHM_HUGE_512KB = 0x4c000000;
export const SHM_HUGE_1MB = 0x50000000;
export const SHM_HUGE_2MB = 0x54000000;
export const SHM_HUGE_8MB = 0x5c000000;
export const SHM_HUGE_16MB = 0x60000000;
export const SHM_HUGE_32MB = 0x64000000;
export const SHM_HUGE_256MB = 0x70000000;
export const SHM_HUGE_512MB = 0x74000000;
export const SHM_HUGE_1GB = 0x78000000;
export const SHM_HUGE_2GB = 0x7c000000;
export const SHM_HUGE_16GB = 0x88000000;
export const SHM_RDONLY = 0x1000;
export const SHM_RND = 0x2000;
export const SHM_REMAP = 0x4000;
export const SHM_EXEC = 0x8000;
export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;

// <linux/mqueue.h>
export const MQ_PRIO_MAX = 0x8000;
export const MQ_BYTES_MAX = 0xc8000;
