import { EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { SECCOMP_LOG_ACTIONS, seccomp_actions_logged } from '../../kernel/seccomp.ts';
import { proc_create } from './registry.ts';
import { mayWrite } from './sysctl.ts';

/** /proc/sys/kernel/seccomp: which actions there are, and which may be told of in the log. */

proc_create('sys/kernel/seccomp/actions_avail', {
  mode: 0o444,
  show: () => [...SECCOMP_LOG_ACTIONS, 'allow'].join(' ') + '\n',
});

function set(kernel: Kernel, text: string): void {
  const names = text.split(/\s+/).filter(Boolean);
  for (const name of names)
    if (!SECCOMP_LOG_ACTIONS.includes(name))
      throw errno(EINVAL, 'actions_logged: {} is no action that can be told of', name);
  kernel.seccomp_actions_logged = SECCOMP_LOG_ACTIONS.filter((name) => names.includes(name));
}

proc_create('sys/kernel/seccomp/actions_logged', {
  mode: 0o644,
  show: ({ kernel }) => seccomp_actions_logged(kernel).join(' ') + '\n',
  write: (current, text) => {
    mayWrite(current, 'kernel/seccomp/actions_logged');
    set(current.kernel, text);
    return text.length;
  },
});
