/** A user and group as `docker run -u` takes them, with what /etc/passwd says of the user. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

const lines = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));

/** Docker's bound is the same. */
const MAX_ID = 2 ** 31 - 1;

function isNumber(s: string): boolean {
  if (!/^\d+$/.test(s)) return false;
  if (Number(s) > MAX_ID)
    throw new RangeError(`${s} is no user's or group's number, the largest is ${MAX_ID}`);
  return true;
}

/**
 * @param spec `USER[:GROUP]`, each a name or a number
 * @param passwd text of /etc/passwd
 * @param group text of /etc/group
 * @param more groups besides
 */
export function resolveUser(
  spec: string,
  passwd: string,
  group: string,
  more: readonly string[] = [],
): ResolvedUser {
  const [name = '', groupName] = spec.split(':');
  const user = name === '' ? '0' : name;
  const known = lines(passwd);
  const entry =
    known.find(([name]) => name === user) ??
    known.find((fields) => isNumber(user) && fields[2] === user);
  if (entry === undefined && !isNumber(user))
    throw new Error(`no user ${user} in the image's /etc/passwd`);
  const uid = Number(entry?.[2] ?? user);
  const groups = lines(group);
  const numberOf = (name: string): number => {
    const found = groups.find(([known]) => known === name)?.[2];
    if (found === undefined && !isNumber(name))
      throw new Error(`no group ${name} in the image's /etc/group`);
    return Number(found ?? name);
  };
  const added = more.map(numberOf);
  if (groupName !== undefined && groupName !== '') {
    const gid = numberOf(groupName);
    return { uid, gid, groups: sorted([gid, ...added]), home: entry?.[5] ?? '/' };
  }
  const gid = Number(entry?.[3] ?? 0);
  const extra = groups.filter(([, , , members]) => (members ?? '').split(',').includes(entry?.[0] ?? '')).map(([, , id]) => Number(id)); // prettier-ignore
  return { uid, gid, groups: sorted([gid, ...extra, ...added]), home: entry?.[5] ?? '/' };
}

const sorted = (groups: readonly number[]): number[] =>
  [...new Set(groups)].toSorted((a, b) => a - b);
