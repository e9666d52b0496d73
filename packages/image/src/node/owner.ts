import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Which process something in the store belongs to, told apart from a later process of the same number. */
export interface Owner {
  readonly pid: number;
  /** When it started, in the kernel's ticks; '' where that is not known. */
  readonly start: string;
  /** The machine and PID namespace in which the number means something. */
  readonly place: string;
}

/** The start time of a process (field 22 of /proc/PID/stat), '' where there is no /proc, null when it is gone. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie does nothing any more, though nobody has asked for its status yet.
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? '');
  } catch {
    try {
      process.kill(pid, 0);
      return '';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : null;
    }
  }
}

function placeOf(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux.
  }
  return `${hostname()} ${namespace}`;
}

export const SELF: Owner = {
  pid: process.pid,
  start: startOf(process.pid) ?? '',
  place: placeOf(),
};

/** How old something of another machine's must be before it counts as left behind. */
const FOREIGN = 24 * 60 * 60 * 1000;

/** Is the owner gone? Of another machine's process only the age can tell. */
export function isGone(owner: Owner, ageMs: number, foreign: number = FOREIGN): boolean {
  if (owner.place !== SELF.place) return ageMs > foreign;
  const start = startOf(owner.pid);
  return start === null || (start !== '' && owner.start !== '' && start !== owner.start);
}

/** Names of files that tell whose they are: `PID.START.SERIAL.PLACE`. */
export function ownName(serial: number): string {
  return `${SELF.pid}.${SELF.start || 0}.${serial}.${Buffer.from(SELF.place).toString('base64url')}`;
}

/** The owner by such a name, or null. */
export function ownerOf(name: string): Owner | null {
  const [pid, start, , place] = name.split('.');
  if (place === undefined) return null;
  return { pid: Number(pid), start: start === '0' ? '' : start!, place: Buffer.from(place, 'base64url').toString() }; // prettier-ignore
}
