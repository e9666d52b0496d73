/** The Debian root that the programs run in, natively and in Vitrine. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Program, programs } from './cases.ts';

/** A folder with a root file system that has the packages already: nothing is made then. */
const GIVEN = 'VITRINE_PROGRAMS_ROOT';
const IMAGE = 'vitrine-programs';
const CLI = join(import.meta.dirname, '../../packages/vitrine/bin/vitrine.cjs');
const cacheHome = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');

/** What the scripts use besides their own program. */
const TOOLS = ['procps', 'gawk', 'python3', 'bash', 'tmux', 'adduser', 'libc6-dbg'];

const packages = [...new Set([...TOOLS, ...programs.flatMap((p) => p.packages)])].toSorted();

/** Puts the layer's files over what is there; what it takes away goes first. */
function applyLayer(root: string, layer: string): void {
  const names = execFileSync('tar', ['-tf', layer], { encoding: 'utf8', maxBuffer: 2 ** 28 }).split('\n'); // prettier-ignore
  for (const name of names) {
    const hidden = /^(.*\/)?\.wh\.([^/]+)$/.exec(name);
    if (hidden === null) continue;
    const [, folder = '', what] = hidden;
    if (what === '.wh..opq') {
      rmSync(join(root, folder), { recursive: true, force: true });
      mkdirSync(join(root, folder));
    } else rmSync(join(root, folder, what!), { recursive: true, force: true });
  }
  execFileSync('tar', ['-x', '-p', '--numeric-owner', '--xattrs', '--keep-directory-symlink', '--exclude=.wh.*', '-C', root, '-f', layer], { stdio: ['ignore', 'ignore', 'inherit'] }); // prettier-ignore
}

/** Builds the image with `vitrine image from-debs`, whose maintainer scripts run in Vitrine, and unpacks it for chroot. */
function build(root: string): void {
  console.warn(`building a Debian root with ${packages.length} packages and what they need, once`);
  execFileSync(process.execPath, [CLI, 'image', 'from-debs', '--memory', '2g', IMAGE, ...packages], { stdio: ['ignore', 'ignore', 'inherit'] }); // prettier-ignore
  const [image] = JSON.parse(execFileSync(process.execPath, [CLI, 'inspect', IMAGE], { encoding: 'utf8' })) as { RootFS: { diff_ids: string[] } }[]; // prettier-ignore
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  for (const id of image!.RootFS.diff_ids)
    applyLayer(root, join(cacheHome, 'vitrine/layers', `${id.replace(':', '-')}.tar`));
}

/** The program's packages whose files the root does not have: a script without its program would prove nothing. */
export function missingPackages(root: string, program: Program): string[] {
  const status = join(root, 'var/lib/dpkg/status');
  const text = existsSync(status) ? readFileSync(status, 'utf8') : '';
  const there = new Set<string>();
  for (const entry of text.split('\n\n')) {
    const name = /^Package: (.*)$/m.exec(entry)?.[1];
    const state = /^Status: \S+ \S+ (.*)$/m.exec(entry)?.[1] ?? 'not-installed';
    if (name !== undefined && !/^(not-installed|config-files|half-installed)$/.test(state))
      there.add(name);
  }
  return program.packages.filter((name) => !there.has(name));
}

/** The root's folder, made when it is not there yet; null, with a message, where it cannot be made. */
export function debianRoot(): string | null {
  const given = process.env[GIVEN];
  if (given !== undefined) {
    if (!existsSync(join(given, 'bin/bash'))) throw new Error(`${GIVEN}: ${given} has no bash`);
    return given;
  }
  if (spawnSync('apt-get', ['--version']).status !== 0) {
    console.warn(`no apt here to make a Debian root with; ${GIVEN} can name one`);
    return null;
  }
  const root = join(cacheHome, IMAGE, 'root');
  const stamp = join(dirname(root), 'stamp');
  const key = createHash('sha256').update(packages.join(' ')).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return root;
  mkdirSync(dirname(root), { recursive: true });
  rmSync(stamp, { force: true });
  try {
    build(root);
  } catch (error) {
    console.warn(`no Debian root: ${(error as Error).message.split('\n', 1)[0]}`);
    return null;
  }
  writeFileSync(stamp, key);
  return root;
}
