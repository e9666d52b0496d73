/** An image's name in full, as Docker reads it. */
export interface Reference {
  /** Host and port, `docker.io` for short names. */
  readonly registry: string;
  /** `library/debian` for `debian`. */
  readonly repository: string;
  readonly tag: string | null;
  /** `sha256:…` */
  readonly digest: string | null;
}

const DEFAULT_REGISTRY = 'docker.io';

const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const TAG = /^\w[\w.-]{0,127}$/;
export const DIGEST: RegExp = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** A name that is none, and why. */
export class ReferenceError extends Error {
  override readonly name = 'ReferenceError';
}

/** `debian`, `debian:12`, `ghcr.io/owner/name@sha256:…`. Throws ReferenceError. */
export function parseReference(name: string): Reference {
  const bad = (why: string): never => {
    throw new ReferenceError(`${name} is no image name: ${why}`);
  };
  let rest = name;
  let digest: string | null = null;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!DIGEST.test(digest)) bad(`${digest} is no digest like sha256:…`);
  }
  let tag: string | null = null;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!TAG.test(tag)) bad(`the tag ${tag} is not made of letters, digits, _ . -`);
  }
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  // Docker's rule: a host has a dot or a port, or is localhost.
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  let registry = isHost ? first : DEFAULT_REGISTRY;
  if (registry === 'index.docker.io') registry = DEFAULT_REGISTRY;
  let repository = isHost ? rest.slice(slash + 1) : rest;
  if (!HOST.test(registry)) bad(`${registry} is no host`);
  if (repository.length > 255) bad('it has more than 255 letters');
  for (const part of repository.split('/'))
    if (!COMPONENT.test(part)) bad(part === '' ? 'a part of it is empty' : `${part} is not made of a-z, 0-9 and single separators`); // prettier-ignore
  if (registry === DEFAULT_REGISTRY && !repository.includes('/')) repository = `library/${repository}`; // prettier-ignore
  return { registry, repository, tag: tag ?? (digest === null ? 'latest' : null), digest };
}

/** The whole name, unambiguous: what the store knows an image by. */
export function canonical({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

/** As people write it: without what Docker adds. */
export function familiar(name: string): string {
  return name.replace(/^docker\.io\/(library\/)?/, '');
}
