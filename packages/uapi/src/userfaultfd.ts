// Constants of the Linux ABI; <linux/userfaultfd.h> of Linux 6.12, newer than the headers that packages/uapi is made from.

export const UFFD_API = 0xaa;
export const UFFD_USER_MODE_ONLY = 1;
export const UFFDIO_API = 0xc018_aa3f;
export const UFFDIO_REGISTER = 0xc020_aa00;
export const UFFDIO_UNREGISTER = 0x8010_aa01;
export const UFFDIO_WAKE = 0x8010_aa02;
export const UFFDIO_COPY = 0xc028_aa03;
export const UFFDIO_ZEROPAGE = 0xc020_aa04;
export const UFFDIO_MOVE = 0xc028_aa05;
export const UFFDIO_WRITEPROTECT = 0xc018_aa06;
export const UFFDIO_CONTINUE = 0xc020_aa07;
export const UFFDIO_POISON = 0xc020_aa08;
export const USERFAULTFD_IOC_NEW = 0xaa00;
export const UFFDIO_REGISTER_MODE_MISSING = 1;
export const UFFDIO_REGISTER_MODE_WP = 2;
export const UFFDIO_REGISTER_MODE_MINOR = 4;
export const UFFD_EVENT_PAGEFAULT = 0x12;
export const UFFD_EVENT_FORK = 0x13;
export const UFFD_EVENT_REMAP = 0x14;
export const UFFD_EVENT_REMOVE = 0x15;
export const UFFD_EVENT_UNMAP = 0x16;
export const UFFD_PAGEFAULT_FLAG_WRITE = 1;
export const UFFD_PAGEFAULT_FLAG_WP = 2;
export const UFFD_PAGEFAULT_FLAG_MINOR = 4;
export const UFFD_FEATURE_EVENT_FORK = 0x2;
export const UFFD_FEATURE_EVENT_REMAP = 0x4;
export const UFFD_FEATURE_EVENT_REMOVE = 0x8;
export const UFFD_FEATURE_EVENT_UNMAP = 0x40;
export const UFFD_FEATURE_SIGBUS = 0x80;
export const UFFD_FEATURE_THREAD_ID = 0x100;
export const UFFD_FEATURE_EXACT_ADDRESS = 0x800;
export const UFFD_FEATURE_WP_UNPOPULATED = 0x2000;
export const UFFD_FEATURE_WP_ASYNC = 0x8000;
/** All of them, up to UFFD_FEATURE_MOVE. */
export const UFFD_API_FEATURES = 0x1_ffff;
