import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseParagraph } from '../../deb/control.ts';
import { type Package, PackageIndex } from '../../deb/resolve.ts';
import { ImageError } from '../errors.ts';
import { packageOf, readDeb } from './deb_file.ts';

const works = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

export const hasApt = (): boolean => works('apt-get', '--version');

/** The index files that apt has for packages of amd64. */
function indexFiles(): string[] {
  const text = execFileSync('apt-get', ['indextargets', '--format', '$(FILENAME) $(ARCHITECTURE)', 'Created-By: Packages'], { encoding: 'utf8' }); // prettier-ignore
  const files = text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '));
  return files.filter(([file, arch]) => existsSync(file!) && (arch === 'amd64' || arch === undefined)).map(([file]) => file!); // prettier-ignore
}

/** An index as text, however apt keeps it. */
function readIndex(file: string): string {
  if (/Packages$/.test(file)) return readFileSync(file, 'utf8');
  return execFileSync('/usr/lib/apt/apt-helper', ['cat-file', file], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
}

/** Every package that apt knows of for amd64. */
export function addAptIndex(index: PackageIndex): void {
  const files = indexFiles();
  if (files.length === 0)
    throw new ImageError('apt has no index of packages for amd64: run `apt-get update` first (and `dpkg --add-architecture amd64` on another architecture)'); // prettier-ignore
  for (const file of files)
    for (const text of readIndex(file).split('\n\n')) {
      if (text.trim() === '') continue;
      const pkg = packageOf(parseParagraph(text));
      if (pkg.architecture === 'amd64' || pkg.architecture === 'all') index.add(pkg);
    }
}

const sum = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const CACHE = '/var/cache/apt/archives';

/** The archive if apt downloaded it before. */
function cached({ name, version, architecture, sha256 }: Package): string | null {
  const file = join(CACHE, `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`);
  return existsSync(file) && sum(file) === sha256 ? file : null;
}

/**
 * The archives of packages: downloaded by apt-get, which knows the mirrors, into a folder.
 * @returns their paths by package name
 */
export async function downloadDebs(
  packages: readonly Package[],
  folder: string,
  say: (text: string) => void,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const missing: Package[] = [];
  for (const pkg of packages) {
    const here = pkg.file ?? cached(pkg);
    if (here === null) missing.push(pkg);
    else files.set(pkg.name, here);
  }
  for (let i = 0; i < missing.length; i += 40) {
    const part = missing.slice(i, i + 40);
    say(`downloading packages ${i + 1} to ${i + part.length} of ${missing.length}`);
    const names = part.map(({ name, architecture, version }) => `${name}:${architecture === 'all' ? 'all' : 'amd64'}=${version}`); // prettier-ignore
    const result = spawnSync('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...names], { cwd: folder, encoding: 'utf8' }); // prettier-ignore
    if (result.status !== 0)
      throw new ImageError(
        `apt-get download failed: ${result.stderr.trim() || result.error?.message}`,
      );
  }
  const wanted = new Map(missing.map((pkg) => [pkg.sha256, pkg]));
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.deb')) continue;
    const pkg = wanted.get(sum(join(folder, name)));
    if (pkg !== undefined) files.set(pkg.name, join(folder, name));
  }
  const lost = missing.find(({ name }) => !files.has(name));
  if (lost !== undefined) throw new ImageError(`the archive of ${lost.name} ${lost.version} is not the one of the index (its SHA256 differs)`); // prettier-ignore
  return files;
}

/** Packages given as files, or as folders full of them. @returns their names */
export async function addDebFiles(
  index: PackageIndex,
  paths: readonly string[],
): Promise<string[]> {
  const names: string[] = [];
  for (const path of paths) {
    const isFile = path.endsWith('.deb');
    const files = isFile ? [path] : readdirSync(path).filter((f) => f.endsWith('.deb')).map((f) => join(path, f)); // prettier-ignore
    if (files.length === 0) throw new ImageError(`there is no .deb in ${path}`);
    for (const file of files) {
      if (!existsSync(file)) throw new ImageError(`there is no file ${file}`);
      const pkg = packageOf((await readDeb(file)).control, file);
      if (pkg.architecture !== 'amd64' && pkg.architecture !== 'all') throw new ImageError(`${basename(file)} is for ${pkg.architecture}, not amd64`); // prettier-ignore
      index.add(pkg, true);
      if (isFile) names.push(pkg.name);
    }
  }
  return names;
}
