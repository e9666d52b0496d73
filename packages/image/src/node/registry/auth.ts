import { ImageError } from '../errors.ts';
import type { Credentials } from './credentials.ts';

/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** `Bearer realm="…",service="…", Basic realm="…"` (RFC 9110, section 11). */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const token =
    /\s*,?\s*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))|([\w-]+)(?=\s|$))/gy;
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    if (match[4] !== undefined) challenges.push({ scheme: match[4].toLowerCase(), parameters: {} });
    else challenges.at(-1)!.parameters[match[1]!.toLowerCase()] = (match[2] ?? match[3]!).replace(/\\(.)/g, '$1'); // prettier-ignore
  }
  return challenges;
}

const basic = ({ username, password }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

async function json(response: Response, realm: string): Promise<Record<string, unknown>> {
  if (!response.ok)
    throw new ImageError(`${realm} gave no token: ${response.status} ${response.statusText}`);
  return (await response.json()) as Record<string, unknown>;
}

/**
 * The Authorization header that answers a registry's challenge: Basic, or a token from the server that the challenge
 * names (the distribution project's token specification).
 */
export async function answer(
  challenges: readonly Challenge[],
  scope: string,
  credentials: Credentials | null,
  send: typeof fetch,
): Promise<string> {
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer === undefined) {
    if (!challenges.some(({ scheme }) => scheme === 'basic')) throw new ImageError('the registry asks for an authorisation that is neither Bearer nor Basic'); // prettier-ignore
    if (credentials === null)
      throw new ImageError('the registry asks for a name and password: `docker login` stores them');
    return basic(credentials);
  }
  const { realm, service } = bearer.parameters;
  if (realm === undefined || !URL.canParse(realm))
    throw new ImageError(`the registry names no server for tokens (realm ${realm})`);
  const url = new URL(realm);
  const wanted = bearer.parameters['scope'] ?? scope;
  let body: Record<string, unknown>;
  if (credentials?.identityToken !== undefined) {
    const form = new URLSearchParams({ grant_type: 'refresh_token', service: service ?? '', client_id: 'vitrine', scope: wanted, refresh_token: credentials.identityToken }); // prettier-ignore
    body = await json(await send(url, { method: 'POST', body: form }), realm);
  } else {
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.append('scope', wanted);
    const headers: Record<string, string> =
      credentials === null ? {} : { authorization: basic(credentials) };
    body = await json(await send(url, { headers }), realm);
  }
  const token = body['token'] ?? body['access_token'];
  if (typeof token !== 'string' || token === '') throw new ImageError(`${realm} gave no token`);
  return `Bearer ${token}`;
}
