import { APPLETS } from './applets.ts';
import { DEFAULT_CONFIG, directory, file, type Image, type RootEntry, symlink } from './entry.ts';
import { ETC } from './etc.ts';

const FOLDERS: readonly (readonly [path: string, mode?: number])[] = [
  [''],
  ['bin'],
  ['dev'],
  ['etc'],
  ['etc/init.d'],
  ['etc/profile.d'],
  ['home'],
  ['mnt'],
  ['opt'],
  ['proc', 0o555],
  ['root', 0o700],
  ['run'],
  ['sbin'],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['usr'],
  ['usr/bin'],
  ['usr/lib'],
  ['usr/local'],
  ['usr/local/bin'],
  ['usr/sbin'],
  ['usr/share'],
  ['var'],
  ['var/cache'],
  ['var/lib'],
  ['var/log'],
  ['var/spool'],
  ['var/spool/cron'],
  ['var/spool/cron/crontabs'],
  ['var/tmp', 0o1777],
  ['var/www'],
];

/** Folders with links to busybox. */
export const APPLET_FOLDERS: readonly string[] = Object.keys(APPLETS);

export function appletNames(folder: string): string[] {
  return APPLETS[folder]!.trim().split(/\s+/);
}

/** The embedded default image: one static busybox, a link per applet, a small /etc. */
export function busyboxImage(binary: Uint8Array): Image {
  const text = new TextEncoder();
  const entries: RootEntry[] = FOLDERS.map(([path, mode]) => directory(path, mode));
  entries.push({ ...directory('home/user'), uid: 1000, gid: 1000 });
  entries.push(symlink('var/run', '/run'), symlink('etc/mtab', '/proc/mounts'));
  for (const [name, mode, body] of ETC) entries.push(file(`etc/${name}`, text.encode(body), mode));
  entries.push(file('bin/busybox', binary, 0o755));
  for (const folder of Object.keys(APPLETS))
    for (const name of appletNames(folder))
      entries.push(symlink(`${folder}/${name}`, '/bin/busybox'));
  return { entries, config: DEFAULT_CONFIG };
}
