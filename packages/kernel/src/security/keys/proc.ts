import type { Current } from '../../include/current.ts';
import { proc_create } from '../../fs/proc/registry.ts';
import { sysctl_create } from '../../fs/proc/sysctl.ts';
import type { Task } from '../../kernel/task.ts';
import { KEY_NEED_VIEW, type Key, key_permits, key_table, quota_limits } from './key.ts';
import { keyring_holds } from './keyring.ts';
import { process_keyrings } from './process_keys.ts';

/** /proc/keys and /proc/key-users (security/keys/proc.c). */

function left(current: Current, key: Key): string {
  if (key.expiry === Infinity) return 'perm';
  const seconds = key.expiry - current.kernel.clock.realtime().sec;
  if (seconds <= 0) return 'expd';
  for (const [unit, span] of [
    ['w', 604800],
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
  ] as const)
    if (seconds >= span) return `${Math.floor(seconds / span)}${unit}`;
  return `${seconds}s`;
}

/** The type's own part of a line (key_type's `describe`). */
function about(key: Key): string {
  const { authority, description, payload, links } = key;
  if (authority !== null)
    return `key:${description}${key.revoked ? '' : ` pid:${authority.pid} ci:${payload.length}`}`;
  if (key.state <= 0) return description;
  return `${description}: ${!key.isKeyring ? payload.length : links.length === 0 ? 'empty' : links.length}`;
}

function line(current: Current, key: Key): string {
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  const flags = `${key.state === 0 ? '-' : 'I'}${key.revoked && !key.invalidated ? 'R' : '-'}-${key.charged ? 'Q' : '-'}${key.constructing ? 'U' : '-'}${key.state < 0 ? 'N' : '-'}${key.invalidated ? 'i' : '-'}`;
  return `${hex(key.serial)} ${flags} ${String(key.usage).padStart(5)} ${left(current, key).padStart(4)} ${hex(key.perm)} ${String(key.uid).padStart(5)} ${String(key.gid === -1 ? 65534 : key.gid).padStart(5)} ${key.type.name.slice(0, 9).padEnd(9)} ${about(key)}\n`;
}

/** The keys that the reader may view. */
function keys(current: Current): string {
  const rings = process_keyrings(current as Task);
  let text = '';
  for (const key of [...key_table(current.kernel).bySerial.values()].sort(
    (a, b) => a.serial - b.serial,
  )) {
    const possessed = rings.some((ring) => keyring_holds(current, ring, key));
    if (key_permits(current, key, possessed, KEY_NEED_VIEW)) text += line(current, key);
  }
  return text;
}

function keyUsers(current: Current): string {
  const table = key_table(current.kernel);
  const quotas = [...table.quotas].sort(([a], [b]) => a - b);
  return quotas
    .map(([uid, { keys: n, bytes }]) => {
      const most = quota_limits(table, uid);
      return `${String(uid).padStart(5)}: ${String(n).padStart(5)} ${n}/${n} ${n}/${most.keys} ${bytes}/${most.bytes}\n`;
    })
    .join('');
}

proc_create('keys', { mode: 0o444, show: keys });
proc_create('key-users', { mode: 0o444, show: keyUsers });
for (const [name, field, least] of [
  ['maxkeys', 'maxkeys', 1],
  ['maxbytes', 'maxbytes', 1],
  ['root_maxkeys', 'root_maxkeys', 1],
  ['root_maxbytes', 'root_maxbytes', 1],
  ['gc_delay', 'gc_delay', 0],
  ['persistent_keyring_expiry', 'persistent_expiry', 0],
] as const)
  sysctl_create(`kernel/keys/${name}`, least, 0x7fff_ffff, {
    get: (kernel) => key_table(kernel)[field],
    set: (kernel, value) => {
      key_table(kernel)[field] = value;
    },
  });
