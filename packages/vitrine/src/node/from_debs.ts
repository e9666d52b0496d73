import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_PATH, type Image } from '@vitrine/image';
import { PackageIndex, type Package, resolve } from '@vitrine/image/deb/resolve.ts';
import { imageConfig, type OciConfig } from '@vitrine/image/config.ts';
import { storedImage } from '@vitrine/image/node/archive.ts';
import { addAptIndex, addDebFiles, downloadDebs, hasApt } from '@vitrine/image/node/deb/apt.ts';
import { unpackedRoot } from '@vitrine/image/node/deb/unpack.ts';
import { ImageError } from '@vitrine/image/node/errors.ts';
import { ingestLayer } from '@vitrine/image/node/ingest.ts';
import { openLayer } from '@vitrine/image/node/open.ts';
import type { Store, StoredImage } from '@vitrine/image/node/store.ts';
import type { LinuxMachine } from '../machine.ts';

/** Starts a machine; given by the caller, so that this part does not bring a second kernel with it. */
export type Boot = (options: { image: Image; memory: string }) => Promise<LinuxMachine>;

export interface FromDebsOptions {
  readonly say: (text: string) => void;
  /** Each line that the maintainer scripts print. */
  readonly output?: (text: string) => void;
  readonly memory?: string;
}

const NO_APT = `this computer has no apt: images are built from the index of packages that a Debian or Ubuntu host has.
Elsewhere, name a folder of downloaded .deb files (all that is needed, essential packages too), or fetch an image: vitrine pull debian`; // prettier-ignore

const isFile = (operand: string): boolean => operand.endsWith('.deb') || operand.includes('/');

/** What the operands ask for: packages of the index, archives, and under all of it a system that can run their scripts. */
async function choose(operands: readonly string[]): Promise<Package[]> {
  const index = new PackageIndex();
  const files = operands.filter(isFile);
  if (hasApt()) addAptIndex(index);
  else if (files.length === 0) throw new ImageError(NO_APT);
  const given = await addDebFiles(index, files);
  const named = operands.filter((operand) => !isFile(operand));
  const base = [...index.packages.values()].filter(({ essential, priority }) => essential || priority === 'required'); // prettier-ignore
  const extra = operands.length === 0 ? ['apt'] : [];
  // The root is merged from the start: the package that says so, not the one that would merge it.
  if (index.packages.has('usr-is-merged')) extra.push('usr-is-merged');
  return resolve(index, [...base.map(({ name }) => name), ...extra, ...given, ...named]);
}

/**
 * Runs what dpkg would have run while unpacking, then lets dpkg configure every package. The two first are what the
 * scripts of all others rely on: users, and the places of a Debian system.
 */
const CONFIGURE = `
umask 022
[ -e /usr/bin/awk ] || { [ ! -e /usr/bin/mawk ] || ln -s mawk /usr/bin/awk; }
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
ldconfig 2>/dev/null
preinst() {
  script=/var/lib/dpkg/info/$1.preinst
  [ -x "$script" ] || return 0
  DPKG_MAINTSCRIPT_PACKAGE=\${1%%:*} DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_ARCH=amd64 \\
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_RUNNING_VERSION=1.21 "$script" install || { echo "preinst of $1 failed"; exit 1; }
}
cd /
preinst base-passwd
preinst base-files
for script in /var/lib/dpkg/info/*.preinst; do
  [ -e "$script" ] || continue
  name=\${script##*/}; name=\${name%.preinst}
  case $name in base-passwd|base-files) ;; *) preinst "$name" ;; esac
done
for first in base-passwd base-files; do
  [ ! -e /var/lib/dpkg/info/$first.list ] || dpkg --force-depends --configure $first || exit 1
done
dpkg --configure -a || exit 1
rm -f /usr/sbin/policy-rc.d /var/cache/ldconfig/aux-cache /var/log/dpkg.log /var/lib/dpkg/*-old /var/cache/debconf/*-old
rm -rf /tmp/* /var/tmp/*
`;

async function configure(
  boot: Boot,
  image: Image,
  { say, output, memory = '1g' }: FromDebsOptions,
): Promise<Uint8Array[]> {
  say('configuring the packages inside a machine');
  const machine = await boot({ image, memory });
  try {
    const env = {
      DEBIAN_FRONTEND: 'noninteractive',
      DEBCONF_NONINTERACTIVE_SEEN: 'true',
      LC_ALL: 'C',
    };
    const process = await machine.spawn(['/bin/sh', '-c', `exec 2>&1${CONFIGURE}`], { env });
    let tail = '';
    process.stdout.forward((chunk) => {
      const text = Buffer.from(chunk).toString();
      tail = (tail + text).slice(-4000);
      output?.(text);
    });
    const { status, signal } = await process.wait();
    await process.stdout.finished();
    if (status !== 0)
      throw new ImageError(
        `the packages' scripts failed (${signal ?? `status ${status}`}):\n${tail.trimEnd()}`,
      );
    return [...machine.changes()].map((chunk) => Uint8Array.from(chunk));
  } finally {
    await machine.close();
  }
}

/** Builds an image from Debian packages and keeps it in the store. */
export async function imageFromDebs(
  store: Store,
  boot: Boot,
  name: string,
  operands: readonly string[],
  options: FromDebsOptions,
): Promise<StoredImage> {
  const packages = await choose(operands);
  options.say(`${packages.length} packages`);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-debs-'));
  using pin = store.pin();
  try {
    const files = await downloadDebs(packages, folder, options.say);
    const lower = await ingestLayer(store, unpackedRoot([...files.values()], options.say));
    pin.add(lower.diffId);
    const layer = { id: lower.diffId, layer: openLayer(store, lower.diffId) };
    const config: OciConfig = { architecture: 'amd64', os: 'linux', created: new Date().toISOString(), config: { Env: [`PATH=${DEFAULT_PATH}`], Cmd: ['bash'] } }; // prettier-ignore
    const upper = await configure(boot, { entries: [], layers: [layer], config: imageConfig(config) }, options); // prettier-ignore
    const top = await ingestLayer(store, (async function* () { yield* upper; })()); // prettier-ignore
    pin.add(top.diffId);
    const complete = {
      ...config,
      rootfs: { type: 'layers', diff_ids: [lower.diffId, top.diffId] },
    };
    const image = storedImage(store, name, complete, Buffer.from(JSON.stringify(complete)), null);
    pin.add(image.id);
    store.putImage(image);
    return image;
  } catch (error) {
    pin[Symbol.dispose]();
    await store.collect();
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
