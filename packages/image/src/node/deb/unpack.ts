import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '@vitrine/uapi/stat.ts';
import { type TarEntry, writeTar, writeTarEnd } from '../../tar_write.ts';
import { bytesOf, type DebFile, readDeb } from './deb_file.ts';

/** Debian's /bin, /sbin and /lib* are links into /usr, though packages still name files in them. */
const MERGED = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

const encoder = new TextEncoder();
const text = (name: string, content: string, mode = 0o644): TarEntry => ({ name, mode: S_IFREG | mode, data: encoder.encode(content) }); // prettier-ignore
const dir = (name: string, mode = 0o755): TarEntry => ({ name, mode: S_IFDIR | mode });
const link = (name: string, target: string): TarEntry => ({ name, mode: S_IFLNK | 0o777, target });

/** What stands in a root before any package does (debootstrap makes the same). */
function* skeleton(): Generator<TarEntry> {
  for (const name of ['usr', 'etc', 'var', 'var/lib', 'var/lib/dpkg', 'var/lib/dpkg/info', 'var/lib/dpkg/updates', 'var/lib/dpkg/triggers', 'var/lib/dpkg/alternatives', 'var/lib/dpkg/parts', 'var/log', 'var/cache', 'run', 'dev']) yield dir(name); // prettier-ignore
  yield dir('tmp', 0o1777);
  yield dir('root', 0o700);
  yield dir('proc', 0o555);
  yield dir('sys', 0o555);
  for (const name of MERGED) {
    yield dir(`usr/${name}`);
    yield link(name, `usr/${name}`);
  }
  yield text('var/lib/dpkg/arch', 'amd64\n');
  yield text('var/lib/dpkg/diversions', '');
  yield text('var/lib/dpkg/statoverride', '');
  yield text('var/lib/dpkg/available', '');
  yield text('etc/hostname', 'vitrine\n');
  yield text('etc/resolv.conf', '');
  yield text('etc/fstab', '');
}

/** Where a package's file goes in a merged root, without `./`. */
function placeOf(name: string): string {
  const path = name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
  const first = path.split('/', 1)[0]!;
  return MERGED.includes(first) && path !== first ? `usr/${path}` : path;
}

/** Files that dpkg keeps of a package in its database. */
const INFO =
  /^(?:preinst|postinst|prerm|postrm|config|templates|md5sums|conffiles|shlibs|symbols|triggers)$/;

/** `name`, or `name:amd64` for packages that may be there for several architectures. */
export function infoName({ control }: DebFile): string {
  const name = control.get('package')!;
  return control.get('multi-arch') === 'same' ? `${name}:${control.get('architecture')}` : name;
}

function conffilesOf({ info }: DebFile): string[] {
  const file = info.get('conffiles');
  if (file === undefined) return [];
  return Buffer.from(file).toString().split('\n').map((line) => line.trim()).filter((line) => line.startsWith('/')); // prettier-ignore
}

/** The package as dpkg's status file has it after unpacking: what is left is to configure it. */
function statusOf(deb: DebFile): string {
  const conffiles = conffilesOf(deb);
  const lines = deb.text.trimEnd().split('\n');
  lines.splice(1, 0, 'Status: install ok unpacked');
  if (conffiles.length > 0)
    lines.push('Conffiles:', ...conffiles.map((path) => ` ${path} newconffile`));
  return `${lines.join('\n')}\n\n`;
}

/** Everything a package brings, with its part of the database. Directories that are there already are left out. */
async function* packageEntries(
  deb: DebFile,
  known: Set<string>,
  links: ReadonlySet<string>,
): AsyncGenerator<TarEntry> {
  const data = await deb.data();
  const conffiles = new Set(conffilesOf(deb).map((path) => path.slice(1)));
  const list = ['/.'];
  for (const member of data.members) {
    const plain = member.name.replace(/^\.?\//, '').replace(/\/$/, '');
    if (plain !== '' && plain !== '.') list.push(`/${plain}`);
    const place = placeOf(member.name);
    const isdir = (member.mode & S_IFMT) === S_IFDIR;
    if (place === '' || (isdir && (known.has(place) || links.has(place)))) continue;
    if (isdir) known.add(place);
    const { hardLink, mode, uid, gid, mtime, target, rdev, xattrs } = member;
    const name = conffiles.has(plain) ? `${place}.dpkg-new` : place;
    const regular = (mode & S_IFMT) === S_IFREG && hardLink === undefined;
    yield {
      name, mode, uid, gid, mtime,
      ...(target === undefined ? {} : { target }),
      ...(hardLink === undefined ? {} : { hardLink: placeOf(hardLink) }),
      ...(rdev === undefined ? {} : { rdev }),
      ...(xattrs === undefined ? {} : { xattrs }),
      ...(regular ? { data: bytesOf(data, member) } : {}),
    }; // prettier-ignore
  }
  const base = `var/lib/dpkg/info/${infoName(deb)}`;
  yield text(`${base}.list`, `${list.join('\n')}\n`);
  for (const [name, bytes] of deb.info)
    if (INFO.test(name)) yield { name: `${base}.${name}`, mode: S_IFREG | (/^(?:p|config)/.test(name) ? 0o755 : 0o644), data: bytes }; // prettier-ignore
}

/** dpkg's lists of who waits for which trigger (deb-triggers(5)). */
class Triggers {
  readonly #files: string[] = [];
  readonly #named: Map<string, string[]> = new Map();

  add(deb: DebFile): void {
    const file = deb.info.get('triggers');
    if (file === undefined) return;
    for (const line of Buffer.from(file).toString().split('\n')) {
      const match = /^\s*interest(-await|-noawait)?\s+(\S+)/.exec(line);
      if (match === null) continue;
      const who = `${infoName(deb)}${match[1] === '-noawait' ? '/noawait' : ''}`;
      if (match[2]!.startsWith('/')) this.#files.push(`${match[2]} ${who}`);
      else this.#named.set(match[2]!, [...(this.#named.get(match[2]!) ?? []), who]);
    }
  }

  *entries(): Generator<TarEntry> {
    yield text('var/lib/dpkg/triggers/File', this.#files.map((line) => `${line}\n`).join(''));
    for (const [name, packages] of this.#named)
      yield text(`var/lib/dpkg/triggers/${name}`, packages.map((line) => `${line}\n`).join(''));
  }
}

/** The archive of a root in which these packages are unpacked and wait to be configured. */
export async function* unpackedRoot(
  files: readonly string[],
  say: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const known = new Set<string>();
  const links = new Set(MERGED);
  for (const entry of skeleton()) if ((entry.mode & S_IFMT) === S_IFDIR) known.add(entry.name);
  yield* writeTar(skeleton());
  const triggers = new Triggers();
  let status = '';
  for (const [i, file] of files.entries()) {
    const deb = await readDeb(file);
    say(`unpacking ${deb.control.get('package')} (${i + 1} of ${files.length})`);
    triggers.add(deb);
    status += statusOf(deb);
    for await (const entry of packageEntries(deb, known, links)) yield* writeTar([entry]);
  }
  yield* writeTar([text('var/lib/dpkg/status', status), ...triggers.entries()]);
  yield writeTarEnd();
}
