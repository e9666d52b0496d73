import * as E from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import {
  KEY_NEED_SEARCH,
  type Key,
  key_get,
  key_payload_reserve,
  key_permits,
  key_positive,
  key_put,
  key_table,
  key_validate,
} from './key.ts';

/** Keyrings: what links to what (analogous to security/keys/keyring.c). */

const KEYRING_SEARCH_MAX_DEPTH = 6;
/** What a link costs of its keyring's quota. */
const KEYQUOTA_LINK_BYTES = 4;

export interface Search {
  readonly type: string;
  readonly description: string;
  /** As if keys that expired were not there: request_key(2) would make them anew. */
  readonly skipExpired?: boolean;
}

const usable = (kernel: Kernel, key: Key): boolean =>
  !key.revoked && kernel.clock.realtime().sec < key.expiry;

/** What a search came to: a key, or why the one that matched is of no use. */
export interface Found {
  readonly key: Key | null;
  readonly refused: Key | null;
}

/** Who searches: a process, or who asked it to make a key. */
export type Searcher = Pick<Current, 'cred' | 'kernel'>;

/** Looks a key up below a keyring, breadth first, in keyrings that may be searched (keyring_search_rcu). */
export function keyring_search(
  current: Searcher,
  ring: Key,
  search: Search,
  possessed = true,
): Found {
  const { kernel } = current;
  if (!key_permits(current, ring, possessed, KEY_NEED_SEARCH)) return { key: null, refused: ring };
  const seen = new Set<Key>();
  let refused: Key | null = null;
  let level = [ring];
  for (let depth = 0; depth <= KEYRING_SEARCH_MAX_DEPTH && level.length > 0; depth++) {
    const next: Key[] = [];
    for (const at of level) {
      // What an expired keyring holds is found.
      if (seen.has(at) || at.revoked) continue;
      seen.add(at);
      for (const key of at.links) {
        const permitted = key_permits(current, key, possessed, KEY_NEED_SEARCH);
        if (key.type.name === search.type && key.description === search.description) {
          if (permitted && usable(kernel, key) && key.state >= 0) return { key, refused: null };
          if (!search.skipExpired || key.revoked || kernel.clock.realtime().sec < key.expiry)
            refused ??= key;
        }
        if (key.isKeyring && permitted) next.push(key);
      }
    }
    level = next;
  }
  return { key: null, refused };
}

/** Throws what is wrong with a key that a search found and could not give. */
export function search_error(current: Current, key: Key, possessed = true): never {
  key_validate(current.kernel, key);
  if (key_permits(current, key, possessed, KEY_NEED_SEARCH)) key_positive(key);
  throw errno(E.EACCES, '{} may not be searched for', key);
}

/** Can the key be reached from the keyring? Level by level: of two ways to a keyring the shorter one counts. */
export function keyring_holds(current: Searcher, ring: Key, wanted: Key): boolean {
  if (!key_permits(current, ring, true, KEY_NEED_SEARCH)) return false;
  if (ring === wanted) return true;
  if (ring.revoked) return false;
  const seen = new Set<Key>([ring]);
  let level = [ring];
  for (let depth = 0; depth <= KEYRING_SEARCH_MAX_DEPTH && level.length > 0; depth++) {
    const next: Key[] = [];
    for (const at of level)
      for (const key of at.links) {
        if (seen.has(key) || !key_permits(current, key, true, KEY_NEED_SEARCH)) continue;
        if (key === wanted) return true;
        seen.add(key);
        if (key.isKeyring) next.push(key);
      }
    level = next;
  }
  return false;
}

/** How deep keyrings nest below one. Throws EDEADLK when `wanted` is among them. */
function depthBelow(ring: Key, wanted: Key, depth = 0): number {
  if (ring === wanted) throw errno(E.EDEADLK, '{} would hold itself', wanted);
  if (depth > KEYRING_SEARCH_MAX_DEPTH) throw errno(E.ELOOP, 'keyrings nest more than {} deep', KEYRING_SEARCH_MAX_DEPTH); // prettier-ignore
  let most = depth;
  for (const link of ring.links)
    if (link.isKeyring) most = Math.max(most, depthBelow(link, wanted, depth + 1));
  return most;
}

/** Puts a key into a keyring that takes it, in place of one of the same type and description (key_link). */
export function key_link(kernel: Kernel, ring: Key, key: Key): void {
  if (!ring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', ring);
  if (ring.restricted)
    throw errno(E.EPERM, '{} takes no more links (KEYCTL_RESTRICT_KEYRING)', ring);
  add_link(kernel, ring, key);
}

/** Puts a key into a keyring, whatever that takes (__key_link). */
export function add_link(kernel: Kernel, ring: Key, key: Key): void {
  if (!ring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', ring);
  if (key.isKeyring) depthBelow(key, ring);
  const at = ring.links.findIndex((other) => other.type === key.type && other.description === key.description); // prettier-ignore
  if (at < 0) key_payload_reserve(kernel, ring, KEYQUOTA_LINK_BYTES);
  key_get(key);
  if (at < 0) ring.links.push(key);
  else {
    const [old] = ring.links.splice(at, 1, key);
    key_put(kernel, old!);
  }
}

export function key_unlink(kernel: Kernel, ring: Key, key: Key): void {
  if (!ring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', ring);
  const at = ring.links.indexOf(key);
  if (at < 0) throw errno(E.ENOENT, '{} does not hold {}', ring, key);
  ring.links.splice(at, 1);
  key_payload_reserve(kernel, ring, -KEYQUOTA_LINK_BYTES);
  key_put(kernel, key);
}

/** Takes a key out of all keyrings; it is gone unless a task holds it (key_invalidate and the garbage collector). */
export function key_invalidate(kernel: Kernel, key: Key): void {
  const { bySerial } = key_table(kernel);
  key_get(key);
  for (const ring of [...bySerial.values()])
    if (ring.links.includes(key)) key_unlink(kernel, ring, key);
  key.revoked = key.invalidated = true;
  key_put(kernel, key);
}

export function keyring_clear(kernel: Kernel, ring: Key): void {
  if (!ring.isKeyring) throw errno(E.ENOTDIR, '{} is no keyring', ring);
  key_payload_reserve(kernel, ring, -KEYQUOTA_LINK_BYTES * ring.links.length);
  for (const key of ring.links.splice(0)) key_put(kernel, key);
}
