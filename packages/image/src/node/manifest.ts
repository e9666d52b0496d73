import type { OciConfig } from '../config.ts';
import { DIGEST } from '../reference.ts';
import { CorruptImage, ImageError } from './errors.ts';

/** A reference to content by digest (OCI content descriptor). */
export interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Platform {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** What vitrine runs. */
export const DEFAULT_PLATFORM = 'linux/amd64';

const ALIASES: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', i386: '386' }; // prettier-ignore

export const platformName = ({ os, architecture, variant }: Platform): string =>
  `${os ?? 'linux'}/${architecture ?? 'amd64'}${variant === undefined || variant === '' ? '' : `/${variant}`}`;

/** `linux/arm64/v8`, `arm64`: as docker's --platform takes it. */
export function parsePlatform(text: string): Required<Platform> {
  const parts = text.toLowerCase().split('/');
  if (parts.length === 1) parts.unshift('linux');
  const [os = '', architecture = '', variant = ''] = parts;
  if (parts.length > 3 || os === '' || architecture === '')
    throw new ImageError(`${text} is no platform; write OS/ARCHITECTURE, like linux/amd64`);
  return { os, architecture: ALIASES[architecture] ?? architecture, variant };
}

function fits(platform: Platform | undefined, wanted: Required<Platform>): boolean {
  if (platform === undefined) return false;
  if (platform.os !== wanted.os || platform.architecture !== wanted.architecture) return false;
  return wanted.variant === '' || (platform.variant ?? '') === wanted.variant;
}

function parse(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new CorruptImage(`${what} is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CorruptImage(`${what} is no JSON object`);
  return value as Record<string, unknown>;
}

function descriptor(value: unknown, what: string): Descriptor {
  const d = value as Partial<Descriptor> | null;
  if (typeof d !== 'object' || d === null || typeof d.digest !== 'string' || !DIGEST.test(d.digest))
    throw new CorruptImage(`${what} has no valid digest`);
  if (!Number.isSafeInteger(d.size) || d.size! < 0)
    throw new CorruptImage(`${what} has no valid size`);
  return d as Descriptor;
}

/** The most layers an image may have: Docker's own bound is 127. */
const MAX_LAYERS = 500;

/** An image's manifest, or the list of manifests that an index is. Docker's media types and OCI's have the same form. */
export function parseManifest(bytes: Uint8Array, what: string): Manifest | readonly Descriptor[] {
  const value = parse(bytes, what);
  if (Array.isArray(value['manifests']))
    return value['manifests'].map((each, i) => descriptor(each, `entry ${i} of ${what}`));
  if (value['schemaVersion'] === 1) throw new ImageError(`${what} has the old schema version 1, which registries no longer serve`); // prettier-ignore
  if (!Array.isArray(value['layers']))
    throw new CorruptImage(`${what} is neither a manifest nor an index`);
  if (value['layers'].length > MAX_LAYERS)
    throw new CorruptImage(`${what} has ${value['layers'].length} layers`);
  return {
    config: descriptor(value['config'], `the configuration in ${what}`),
    layers: value['layers'].map((each, i) => descriptor(each, `layer ${i} of ${what}`)),
  };
}

/** The entry of an index for a platform. */
export function choose(entries: readonly Descriptor[], platform: string, what: string): Descriptor {
  const wanted = parsePlatform(platform);
  const real = entries.filter((e) => e.annotations?.['vnd.docker.reference.type'] === undefined);
  const found = real.find((e) => fits(e.platform, wanted)) ?? (real.length === 1 && real[0]!.platform === undefined ? real[0] : undefined); // prettier-ignore
  if (found !== undefined) return found;
  const there = real.map((e) => (e.platform === undefined ? 'unknown' : platformName(e.platform)));
  throw new ImageError(
    `${what} is not there for ${platform}; there is ${there.join(', ') || 'nothing'}`,
  );
}

/** An image's configuration, checked as far as it is relied on. */
export function parseConfig(bytes: Uint8Array, layers: number, what: string): OciConfig {
  const config = parse(bytes, what) as OciConfig;
  const ids = config.rootfs?.diff_ids;
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string' && DIGEST.test(id)))
    throw new CorruptImage(`${what} does not name its layers (rootfs.diff_ids)`);
  if (ids.length !== layers)
    throw new CorruptImage(`${what} names ${ids.length} layers, the manifest ${layers}`);
  checkFields(config, what);
  return config;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isList = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isMap = (value: unknown): boolean => typeof value === 'object' && !Array.isArray(value);

/** What the fields that count have to be, where they are there. Docker's old shell form of a command is one string. */
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  User: isText,
  WorkingDir: isText,
  StopSignal: isText,
  Env: isList,
  Entrypoint: (value) => isText(value) || isList(value),
  Cmd: (value) => isText(value) || isList(value),
  ExposedPorts: isMap,
  Labels: isMap,
};

function checkFields({ config, ...top }: OciConfig, what: string): void {
  const wrong = (name: string): never => {
    throw new CorruptImage(`${what} has a field ${name} of the wrong type`);
  };
  for (const name of ['architecture', 'os', 'created'] as const)
    if (!isText(top[name] ?? '')) wrong(name);
  if (!isMap(config ?? {})) wrong('config');
  for (const [name, value] of Object.entries(config ?? {}))
    if (value !== null && FIELDS[name]?.(value) === false) wrong(`config.${name}`);
}
