import type { Kernel } from './kernel.ts';
import { serializable } from './serial.ts';

declare module './kernel.ts' {
  interface Kernel {
    readonly users: Map<number, UserStruct>;
    /** Signals queued and places for them reserved, of all users. */
    nr_sigqueued: number;
  }
}

/** Analogous to `struct user_struct` and ucounts: what one user id uses of limited things. */
export class UserStruct {
  readonly uid: number;
  processes = 0;
  sigpending = 0;
  inotify_instances = 0;
  inotify_watches = 0;
  fanotify_groups = 0;
  fanotify_marks = 0;
  epoll_watches = 0;
  pipe_pages = 0;
  mq_bytes = 0;
  constructor(uid: number) {
    this.uid = uid;
  }
  static {
    serializable('UserStruct', this);
  }
}

export function get_user(kernel: Kernel, uid: number): UserStruct {
  let user = kernel.users.get(uid);
  if (user === undefined) kernel.users.set(uid, (user = new UserStruct(uid)));
  return user;
}

/** May one more signal be queued for the user? The machine holds no more than it has page frames, whatever the limit. */
export function sigqueue_room(kernel: Kernel, uid: number, limit: number): boolean {
  return get_user(kernel, uid).sigpending < limit && kernel.nr_sigqueued < kernel.frames.total;
}

export function sigqueue_charge(kernel: Kernel, uid: number, count: 1 | -1): void {
  get_user(kernel, uid).sigpending += count;
  kernel.nr_sigqueued += count;
}
