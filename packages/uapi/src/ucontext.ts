// Constants of the Linux ABI, x86-64; written by scripts/uapi.mjs from the headers named below.

// <asm/sigcontext.h>
export const FP_XSTATE_MAGIC1 = 0x46505853;
export const FP_XSTATE_MAGIC2 = 0x46505845;
export const FP_XSTATE_MAGIC2_SIZE = 4;
export const X86_FXSR_MAGIC = 0;

// <asm/ucontext.h>
export const UC_FP_XSTATE = 1;
export const UC_SIGCONTEXT_SS = 2;
export const UC_STRICT_RESTORE_SS = 4;
