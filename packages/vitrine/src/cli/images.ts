import { createReadStream, createWriteStream, fstatSync, rmSync, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { importArchive } from '@vitrine/image/node/archive.ts';
import { ImageError } from '@vitrine/image/node/errors.ts';
import { parsePlatform } from '@vitrine/image/node/manifest.ts';
import { pull as pullImage } from '@vitrine/image/node/registry/pull.ts';
import type { StoredImage } from '@vitrine/image/node/store.ts';
import { canonical, familiar, parseReference } from '@vitrine/image/reference.ts';
import { type Boot, imageFromDebs } from '../node/from_debs.ts';
import { findImage, imageStore } from '../node/images.ts';
import { describeOptions, type OptionSpec, type Parsed, parseOptions, UsageError } from './options.ts'; // prettier-ignore
import { Progress, size } from './progress.ts';
import { writeAll } from './terminal.ts';

const HELP_OPTION: OptionSpec = { name: 'help', help: 'print this page' };
const PLATFORM: OptionSpec = { name: 'platform', value: 'OS/ARCH', help: 'of an image for several platforms, the one for this (default linux/amd64)' }; // prettier-ignore
const QUIET: OptionSpec = { name: 'quiet', short: 'q', help: 'print names or ids only' };
const PLAIN: OptionSpec = { name: 'plain-http', help: 'the registry speaks HTTP without TLS (localhost always may)' }; // prettier-ignore

async function print(text: string): Promise<void> {
  await writeAll(1, Buffer.from(text));
}

/** A command about images: its page, and what it does. */
export interface Command {
  readonly help: string;
  readonly options: readonly OptionSpec[];
  readonly run: (parsed: Parsed) => Promise<number>;
}

const page = (usage: string, text: string, options: readonly OptionSpec[]): string => `Usage: vitrine ${usage}\n\n${text}\n\nOptions:\n${describeOptions(options)}\n`; // prettier-ignore

function command(
  usage: string,
  text: string,
  own: readonly OptionSpec[],
  run: Command['run'],
): Command {
  const options = [...own, HELP_OPTION];
  return { help: page(usage, text, options), options, run };
}

const has = (parsed: Parsed, name: string): boolean => parsed.options.has(name);
const value = (parsed: Parsed, name: string): string | undefined =>
  parsed.options.get(name)?.at(-1);

/** Fetches an image, showing how it goes on standard error. */
export async function fetchImage(
  name: string,
  {
    platform,
    quiet = false,
    plainHttp,
  }: { platform?: string | undefined; quiet?: boolean; plainHttp?: boolean } = {},
): Promise<StoredImage> {
  if (platform !== undefined) parsePlatform(platform);
  const progress = new Progress();
  return pullImage(imageStore(), name, {
    ...(platform === undefined ? {} : { platform }),
    ...(plainHttp === true ? { plainHttp } : {}),
    onRetry: (reason) => progress.say(`vitrine: ${reason}; trying again`),
    ...(quiet ? {} : { progress: (state) => progress.update(state) }),
  });
}

async function pull(parsed: Parsed): Promise<number> {
  if (parsed.operands.length === 0) throw new UsageError('pull needs the name of an image');
  for (const name of parsed.operands) {
    const image = await fetchImage(name, { platform: value(parsed, 'platform'), quiet: has(parsed, 'quiet'), plainHttp: has(parsed, 'plain-http') }); // prettier-ignore
    await print(has(parsed, 'quiet') ? `${image.name}\n` : `${image.name}\n${image.id}\n`);
  }
  return 0;
}

/** How long ago, as `docker images` says it. */
function ago(time: string): string {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  if (!(seconds >= 0)) return '-';
  const steps = [[60, 'second'], [60, 'minute'], [24, 'hour'], [7, 'day'], [4.35, 'week'], [12, 'month'], [Infinity, 'year']] as const; // prettier-ignore
  let n = seconds;
  for (const [count, word] of steps) {
    if (n < count) return `${Math.floor(n)} ${word}${Math.floor(n) === 1 ? '' : 's'} ago`;
    n /= count;
  }
  return '-';
}

/** Columns as wide as their longest text. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((text, i) => text.padEnd(widths[i]! + 3))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

function noOperands({ operands }: Parsed, name: string): void {
  if (operands.length > 0) throw new UsageError(`${name} takes no names (${operands[0]})`);
}

async function images(parsed: Parsed): Promise<number> {
  noOperands(parsed, 'images');
  const all = imageStore().images();
  if (has(parsed, 'quiet')) {
    await print(all.map(({ id }) => `${id.slice(7, 19)}\n`).join(''));
    return 0;
  }
  const rows = all.map((image) => {
    const { tag, digest } = parseReference(image.name);
    const repository = familiar(image.name.replace(/(?::[^/:@]*)?(?:@.*)?$/, ''));
    return [repository, tag ?? digest?.slice(0, 19) ?? '<none>', image.id.slice(7, 19), image.platform, ago(image.created || image.fetched), size(image.size)]; // prettier-ignore
  });
  await print(table([['REPOSITORY', 'TAG', 'IMAGE ID', 'PLATFORM', 'CREATED', 'SIZE'], ...rows]));
  return 0;
}

async function rmi(parsed: Parsed): Promise<number> {
  if (parsed.operands.length === 0) throw new UsageError('rmi needs the name of an image');
  let failed = 0;
  for (const name of parsed.operands) {
    const image = findImage(name);
    if (image === null) {
      failed = 1;
      await writeAll(2, Buffer.from(`vitrine: no image ${name} is here\n`));
      continue;
    }
    imageStore().removeImage(image.name);
    await print(`Removed: ${familiar(image.name)}\n`);
  }
  await imageStore().collect();
  return failed;
}

async function prune(parsed: Parsed): Promise<number> {
  noOperands(parsed, 'prune');
  if (has(parsed, 'all'))
    for (const { name } of imageStore().images()) {
      imageStore().removeImage(name);
      await print(`Removed: ${familiar(name)}\n`);
    }
  await print(`Reclaimed ${size(await imageStore().collect({ partial: true }))}\n`);
  return 0;
}

async function load(parsed: Parsed): Promise<number> {
  const [operand = '-', ...more] = parsed.operands;
  if (more.length > 0 || (operand === '-' && process.stdin.isTTY))
    throw new UsageError('load needs one folder or archive, or an archive on standard input');
  const given = operand === '-' ? 0 : operand;
  const path = await seekable(given);
  try {
    return await loadFrom(path, given === 0 ? 'standard input' : operand, parsed);
  } catch (error) {
    // Where it was kept meanwhile is nothing that its user knows.
    if (error instanceof ImageError && path !== operand)
      error.message = error.message.replaceAll(path, given === 0 ? 'standard input' : operand);
    throw error;
  } finally {
    if (path !== operand) rmSync(path, { force: true });
  }
}

/** The path of an archive as a file that can be read anywhere: what comes through a pipe is kept aside. */
async function seekable(given: string | 0): Promise<string> {
  const stat = given === 0 ? fstatSync(0) : statSync(given);
  if (given !== 0 && (stat.isFile() || stat.isDirectory())) return given;
  if (stat.isDirectory() || stat.isCharacterDevice())
    throw new ImageError(`${given === 0 ? 'standard input' : given} is no archive`);
  const file = imageStore().temporary();
  await pipeline(given === 0 ? process.stdin : createReadStream(given), createWriteStream(file, { flags: 'wx' })); // prettier-ignore
  return file;
}

async function loadFrom(path: string, shown: string, parsed: Parsed): Promise<number> {
  const name = value(parsed, 'name');
  const loaded = await importArchive(imageStore(), path, {
    ...(name === undefined ? {} : { name: canonical(parseReference(name)) }),
    ...(has(parsed, 'platform') ? { platform: value(parsed, 'platform')! } : {}),
  });
  if (loaded.some((image) => image.name === '')) {
    await imageStore().collect();
    throw new ImageError(`${shown} does not say what its image is called: --name gives it a name`);
  }
  for (const image of loaded) await print(`Loaded image: ${familiar(image.name)}\n`);
  return 0;
}

async function inspect(parsed: Parsed): Promise<number> {
  if (parsed.operands.length === 0) throw new UsageError('inspect needs the name of an image');
  const found = parsed.operands.map((name) => {
    const image = findImage(name);
    if (image === null) throw new ImageError(`no image ${name} is here`);
    const { config, created, architecture, os, rootfs } = imageStore().config(image);
    return { Id: image.id, Name: image.name, Created: created, Architecture: architecture, Os: os, Size: image.size, Config: config ?? {}, RootFS: rootfs }; // prettier-ignore
  });
  await print(`${JSON.stringify(found, null, 4)}\n`);
  return 0;
}

/** Set by the command: booting a machine is its part. */
let bootMachine: Boot;

async function fromDebs(parsed: Parsed): Promise<number> {
  const [name, ...packages] = parsed.operands;
  if (name === undefined) throw new UsageError('from-debs needs a name for the image');
  const full = canonical(parseReference(name));
  const quiet = has(parsed, 'quiet');
  const say = (text: string): void => void (quiet || process.stderr.write(`${text}\n`));
  const image = await imageFromDebs(imageStore(), bootMachine, full, packages, {
    say,
    ...(has(parsed, 'verbose') ? { output: (text) => void process.stderr.write(text) } : {}),
    ...(has(parsed, 'memory') ? { memory: value(parsed, 'memory')! } : {}),
  });
  await print(`${familiar(image.name)}\n${image.id}\n`);
  return 0;
}

/** Commands about images, by name; `vitrine image NAME` reaches them too. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  pull: command(
    'pull [options] IMAGE...',
    "Fetches images from their registries, with Docker's short names (debian is docker.io/library/debian:latest) and the\ncredentials in Docker's configuration file. What comes is verified by its digest; a broken connection goes on.",
    [PLATFORM, QUIET, PLAIN],
    pull,
  ),
  images: command('images [options]', 'Lists the images on this computer.', [QUIET], images),
  rmi: command('rmi IMAGE...', 'Removes images, and the layers that no other image has.', [], rmi),
  prune: command(
    'prune [options]',
    'Removes what no image needs: layers, unfinished downloads, files of processes that were killed.',
    [{ name: 'all', short: 'a', help: 'remove every image too' }],
    prune,
  ),
  load: command(
    'load [options] [FOLDER_OR_ARCHIVE]',
    'Takes images from an OCI layout or from what `docker save` wrote (a folder or tar; gzip, zstd, xz), or from such a tar\non standard input.',
    [{ name: 'name', value: 'IMAGE', help: 'call it so' }, PLATFORM],
    load,
  ),
  'from-debs': command(
    'image from-debs [options] NAME [PACKAGE | FILE.deb | FOLDER]...',
    "Builds an image from Debian packages: those named, what they depend on, and the essential and required ones; with no\nname, apt too. Packages come from the index that this computer's apt has (run apt-get update first), or are files\n(those of a FOLDER are taken as they are needed). Their scripts run in a machine.",
    [
      {
        name: 'memory',
        short: 'm',
        value: 'SIZE',
        help: 'RAM of the machine that runs the scripts (default 1g)',
      },
      { name: 'verbose', help: 'show what the scripts print' },
      QUIET,
    ],
    fromDebs,
  ),
  inspect: command(
    'inspect IMAGE...',
    "Prints images' configurations: environment, program, user, ports and so on.",
    [],
    inspect,
  ),
};

const SPELLINGS: Readonly<Record<string, string>> = { ls: 'images', list: 'images', rm: 'rmi' };

/** Runs a command about images. */
export async function runImageCommand(
  name: string,
  args: readonly string[],
  boot: Boot,
): Promise<number> {
  bootMachine = boot;
  if (name === 'help' || name === '--help') {
    const lines = Object.entries(COMMANDS).map(
      ([word, { help }]) => `  ${word.padEnd(10)} ${/^[^,.;:(]*[^,.;:( ]/.exec(help.split('\n\n')[1]!)![0].replaceAll('\n', ' ')}`, // prettier-ignore
    );
    await print(`Usage: vitrine image COMMAND\n\nCommands:\n${lines.join('\n')}\n`);
    return 0;
  }
  const found = COMMANDS[SPELLINGS[name] ?? name];
  if (found === undefined) throw new UsageError(`unknown command image ${name}`);
  const parsed = parseOptions(args, found.options);
  if (!parsed.options.has('help')) return found.run(parsed);
  await print(found.help);
  return 0;
}
