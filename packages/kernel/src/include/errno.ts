/**
 * Every refusal has a reason (architecture.md, "Every refusal has a reason").
 *
 * A system call fails by throwing an {@link Errno}: the number that the guest sees and the rule that was applied, with
 * its subject, object and limit. It is a light object without a stack trace, and its text is made only when somebody
 * looks: `--why`, strace, the lab.
 */
export class Errno {
  readonly code: number;
  readonly template: string;
  readonly args: readonly unknown[];
  constructor(code: number, template: string, args: readonly unknown[]) {
    this.code = code;
    this.template = template;
    this.args = args;
  }

  /** The reason as a sentence: each `{}` of the template is replaced by the next argument. */
  get reason(): string {
    let i = 0;
    return this.template.replace(/\{\}/g, () => String(this.args[i++]));
  }
}

/**
 * Makes the error that a system call throws.
 * @param code an E… constant, positive
 * @param template the reason, naming rule, subject, object and limit, with `{}` for each argument
 *
 *     throw errno(EBADF, 'fd {} is not open in process {}', fd, current.tgid);
 */
export function errno(code: number, template: string, ...args: readonly unknown[]): Errno {
  return new Errno(code, template, args);
}

/** What a blocking operation returns when it parked the task: the call runs again, from the top, when it is woken. */
export const BLOCKED: number = -(2 ** 40);

// Kernel-internal codes of include/linux/errno.h; they never reach the guest: the signal code turns them into a restart or EINTR.
/** Restart unless a handler without SA_RESTART runs. */
export const ERESTARTSYS = 512;
/** Restart always. */
export const ERESTARTNOINTR = 513;
/** Restart only when no handler runs. */
export const ERESTARTNOHAND = 514;
/** Restart through restart_syscall(2): relative timeouts. */
export const ERESTART_RESTARTBLOCK = 516;
