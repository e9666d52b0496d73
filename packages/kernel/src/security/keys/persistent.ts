import type { Kernel } from '../../include/kernel.ts';
import { KEY_NEED_LINK, KEY_POS_ALL, KEY_POS_SETATTR, KEY_TYPES, KEY_USR_READ, KEY_USR_VIEW, type Key, key_alloc, key_get, key_permission, key_table } from './key.ts'; // prettier-ignore
import type { Task } from '../../kernel/task.ts';
import { key_link, key_unlink } from './keyring.ts';

/**
 * A user's persistent keyring outlives its sessions (persistent-keyring(7), security/keys/persistent.c): the register holds
 * it until nobody has asked for it for three days.
 */
const PERM = (KEY_POS_ALL & ~KEY_POS_SETATTR) | KEY_USR_VIEW | KEY_USR_READ;
const KEYRING = KEY_TYPES[0]!;

function make(kernel: Kernel, name: string, uid: number, gid: number): Key {
  return key_get(key_alloc(kernel, KEYRING, name, uid, gid, PERM, false));
}

/** The user's persistent keyring, made when it is first asked for. */
function persistent_keyring(kernel: Kernel, uid: number): Key {
  const table = key_table(kernel);
  table.persistent ??= make(kernel, '.persistent_register', 0, 0);
  const description = `_persistent.${uid}`;
  const old = table.persistent.links.find((key) => key.description === description);
  if (old !== undefined) {
    const now = kernel.clock.realtime().sec;
    if (!old.revoked && now < old.expiry + key_table(kernel).gc_delay) return old;
    key_unlink(kernel, table.persistent, old);
  }
  const ring = key_alloc(kernel, KEYRING, description, uid, -1, PERM, false);
  key_link(kernel, table.persistent, ring);
  return ring;
}

/** KEYCTL_GET_PERSISTENT: links it to a keyring and starts its time anew. */
export function key_get_persistent(task: Task, uid: number, destination: Key): Key {
  const { kernel } = task;
  const ring = persistent_keyring(kernel, uid);
  key_permission(task, ring, true, KEY_NEED_LINK);
  key_link(kernel, destination, ring);
  const { persistent_expiry } = key_table(kernel);
  ring.expiry = kernel.clock.realtime().sec + persistent_expiry;
  return ring;
}
