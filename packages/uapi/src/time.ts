// Constants of the Linux ABI, x86-64; written by scripts/uapi.mjs from the headers named below.

// <linux/time.h>
export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_SGI_CYCLE = 10;
export const CLOCK_TAI = 11;
export const TIMER_ABSTIME = 1;

// <linux/timerfd.h>
export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;
export const TFD_CLOEXEC = 0x80000;
export const TFD_NONBLOCK = 0x800;
export const TFD_IOC_SET_TICKS = 0x40085400;

// <linux/timex.h>
export const ADJ_OFFSET = 1;
export const ADJ_FREQUENCY = 2;
export const ADJ_MAXERROR = 4;
export const ADJ_ESTERROR = 8;
export const ADJ_STATUS = 16;
export const ADJ_TIMECONST = 32;
export const ADJ_TAI = 128;
export const ADJ_SETOFFSET = 0x100;
export const ADJ_MICRO = 0x1000;
export const ADJ_NANO = 0x2000;
export const ADJ_TICK = 0x4000;
export const ADJ_OFFSET_SINGLESHOT = 0x8001;
export const ADJ_OFFSET_SS_READ = 0xa001;
export const MOD_OFFSET = 1;
export const MOD_FREQUENCY = 2;
export const MOD_MAXERROR = 4;
export const MOD_ESTERROR = 8;
export const MOD_STATUS = 16;
export const MOD_TIMECONST = 32;
export const MOD_TAI = 128;
export const MOD_MICRO = 0x1000;
export const MOD_NANO = 0x2000;
export const STA_PLL = 1;
export const STA_PPSFREQ = 2;
export const STA_PPSTIME = 4;
export const STA_FLL = 8;
export const STA_INS = 16;
export const STA_DEL = 32;
export const STA_UNSYNC = 64;
export const STA_FREQHOLD = 128;
export const STA_PPSSIGNAL = 0x100;
export const STA_PPSJITTER = 0x200;
export const STA_PPSWANDER = 0x400;
export const STA_PPSERROR = 0x800;
export const STA_CLOCKERR = 0x1000;
export const STA_NANO = 0x2000;
export const STA_MODE = 0x4000;
export const STA_CLK = 0x8000;
export const STA_RONLY = 0xff00;
export const TIME_OK = 0;
export const TIME_INS = 1;
export const TIME_DEL = 2;
export const TIME_OOP = 3;
export const TIME_WAIT = 4;
export const TIME_ERROR = 5;
export const TIME_BAD = 5;
