import { setTimeout as sleep } from 'node:timers/promises';
import type { Reference } from '../../reference.ts';
import { CorruptImage, ImageError } from '../errors.ts';
import { answer, parseChallenges } from './auth.ts';
import { type Credentials, credentialsFor } from './credentials.ts';

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Manifests are small; the distribution specification asks registries for at least 4 MiB. */
const MAX_MANIFEST = 16 * 2 ** 20;
const ATTEMPTS = 6;
/** A connection that brings nothing for so long is given up. */
const SILENCE = 30_000;

/** The request may succeed later. */
class Temporary extends Error {
  readonly after: number;
  constructor(message: string, after = 0) {
    super(message);
    this.after = after;
  }
}

export interface ClientOptions {
  /** Seconds between attempts grow from here; tests make it small. */
  readonly backoff?: number;
  readonly credentials?: Credentials | null;
  /** Called before another attempt. */
  readonly onRetry?: (reason: string) => void;
  /** Speak HTTP without TLS; the rule for this computer itself. */
  readonly plainHttp?: boolean;
}

const isLoopback = (host: string): boolean =>
  /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(host);

/** Where Docker's own registry really is. */
const hostOf = (registry: string): string => (registry === 'docker.io' ? 'registry-1.docker.io' : registry); // prettier-ignore

/** One repository of a registry (OCI distribution specification), for reading. */
export class RegistryClient {
  readonly #reference: Reference;
  readonly #options: ClientOptions;
  readonly #base: string;
  #authorization: string | null = null;
  #credentials: Promise<Credentials | null> | null = null;

  constructor(reference: Reference, options: ClientOptions = {}) {
    this.#reference = reference;
    this.#options = options;
    const host = hostOf(reference.registry);
    const scheme = (options.plainHttp ?? isLoopback(host)) ? 'http' : 'https';
    this.#base = `${scheme}://${host}/v2/${reference.repository}`;
  }

  /** @param name tag or digest */
  async manifest(name: string): Promise<Uint8Array> {
    return this.#retrying(`manifest ${name}`, async () => {
      const response = await this.#get(`manifests/${name}`, { accept: ACCEPT });
      const chunks: Uint8Array[] = [];
      let total = 0;
      for await (const chunk of body(response)) {
        total += chunk.length;
        if (total > MAX_MANIFEST)
          throw new CorruptImage(`the manifest has more than ${MAX_MANIFEST} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    });
  }

  /**
   * Fetches a blob from byte `have()` on. Goes on where a connection broke; where the registry sends the whole again,
   * `restart` is called first. `take` gets the bytes.
   */
  async blob(
    digest: string,
    size: number,
    have: () => number,
    take: (chunk: Uint8Array) => void,
    restart: () => void,
  ): Promise<void> {
    await this.#retrying(`blob ${digest}`, async () => {
      const from = have();
      if (from === size) return;
      const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
      const response = await this.#get(`blobs/${digest}`, headers);
      if (from > 0 && !resumes(response, from)) restart();
      for await (const chunk of body(response)) {
        if (have() + chunk.length > size) {
          restart();
          throw new CorruptImage(
            `blob ${digest} has more than the ${size} bytes that the manifest says`,
          );
        }
        take(chunk);
      }
      if (have() < size)
        throw new Temporary(`the connection ended after ${have()} of ${size} bytes`);
    });
  }

  async #get(path: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    const url = `${this.#base}/${path}`;
    let response = await this.#send(url, headers);
    if (response.status === 401) {
      await response.body?.cancel();
      await this.#authorize(response);
      response = await this.#send(url, headers);
    }
    if (response.ok) return response;
    const text = await reason(response);
    if (response.status === 429 || response.status >= 500 || response.status === 408)
      throw new Temporary(text, retryAfter(response));
    if (response.status === 416) throw new Temporary(text);
    if (response.status === 401 || response.status === 403)
      throw new ImageError(
        `${this.#name()} is refused: ${text} (\`docker login ${this.#reference.registry}\` stores credentials)`,
      );
    if (response.status === 404) throw new ImageError(`${this.#name()} is not there: ${text}`);
    throw new ImageError(`${this.#name()}: ${text}`);
  }

  #name(): string {
    const { registry, repository, tag, digest } = this.#reference;
    return `${registry}/${repository}${digest === null ? `:${tag}` : `@${digest}`}`;
  }

  async #authorize(response: Response): Promise<void> {
    const challenges = parseChallenges(response.headers.get('www-authenticate') ?? '');
    this.#credentials ??=
      this.#options.credentials === undefined
        ? credentialsFor(this.#reference.registry)
        : Promise.resolve(this.#options.credentials);
    const scope = `repository:${this.#reference.repository}:pull`;
    this.#authorization = await answer(challenges, scope, await this.#credentials, silent);
  }

  /** fetch drops the Authorization header when it follows a redirection to another host, as it must. */
  #send(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    const own = this.#authorization === null ? {} : { authorization: this.#authorization };
    // Bytes of a blob are hashed as they are: no encoding on the way.
    return silent(url, { headers: { 'accept-encoding': 'identity', ...headers, ...own } });
  }

  async #retrying<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ImageError) throw error;
        const text = explain(error);
        const attempts = unreachable(error) ? 3 : ATTEMPTS;
        if (!isTemporary(error)) throw new ImageError(`${this.#name()}: ${text}`);
        if (attempt >= attempts) throw new ImageError(`${this.#name()}: ${what} could not be fetched in ${attempts} attempts: ${text}`); // prettier-ignore
        this.#options.onRetry?.(text);
        const backoff =
          (this.#options.backoff ?? 500) * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
        await sleep(Math.max(backoff, error instanceof Temporary ? error.after : 0));
      }
    }
  }
}

/** fetch that gives up when nothing comes. */
async function silent(url: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(
    () => abort.abort(new Temporary(`no answer within ${SILENCE / 1000} s`)),
    SILENCE,
  );
  try {
    return await fetch(url, { ...init, signal: abort.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function* body(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new Temporary(`nothing came for ${SILENCE / 1000} s`)),
          SILENCE,
        );
      });
      const next = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Does the answer go on from byte `from`? */
function resumes(response: Response, from: number): boolean {
  if (response.status !== 206) return false;
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  return Number(start) === from;
}

function retryAfter(response: Response): number {
  const value = response.headers.get('retry-after');
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(ms || 0, 0), 60_000);
}

/** What a registry says of an error: `{"errors":[{"code":…,"message":…}]}`. */
async function reason(response: Response): Promise<string> {
  const status = `${response.status} ${response.statusText}`.trim();
  try {
    const { errors } = (await response.json()) as { errors: { code?: string; message?: string }[] };
    return `${errors.map(({ code, message }) => message || code).join('; ')} (${status})`;
  } catch {
    return status;
  }
}

/** No such host; and what this computer's own disk says. */
const LASTING: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENOSPC', 'EDQUOT', 'EROFS', 'EFBIG', 'EIO', 'EACCES', 'EPERM']); // prettier-ignore

const codeOf = (error: unknown): string => {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return code ?? cause?.code ?? '';
};

/**
 * A network's failure: fetch throws TypeErrors with the cause, and its code, inside. A name that does not exist stays so, and
 * so do redirections that fetch does not follow.
 */
function isTemporary(error: unknown): boolean {
  if (error instanceof Temporary) return true;
  if (error instanceof ImageError || !(error instanceof Error)) return false;
  if (LASTING.has(codeOf(error))) return false;
  return error.name === 'AbortError' || codeOf(error) !== '';
}

/** Nobody answers: that is tried a few times only. */
const unreachable = (error: unknown): boolean =>
  ['ECONNREFUSED', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'].includes(codeOf(error));

function explain(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error };
  return cause?.message ? `${message}: ${cause.message}` : message;
}
