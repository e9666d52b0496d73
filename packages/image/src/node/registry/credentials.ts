import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ImageError } from '../errors.ts';

/** A user's name and password, or a token that stands for both (an identity token of OAuth). */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly identityToken?: string;
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>>; // prettier-ignore
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/** Docker's name for its own registry in config files. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

function readConfig(env: NodeJS.ProcessEnv): DockerConfig {
  const folder = env['DOCKER_CONFIG'] || join(homedir(), '.docker');
  const file = join(folder, 'config.json');
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DockerConfig;
  } catch (error) {
    throw new ImageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** The spellings under which a registry may stand in the file. */
const keysOf = (registry: string): string[] =>
  registry === 'docker.io'
    ? [DOCKER_HUB, 'index.docker.io', 'docker.io', 'registry-1.docker.io']
    : [registry, `https://${registry}`, `https://${registry}/v1/`, `https://${registry}/v2/`, `http://${registry}`]; // prettier-ignore

/** Asks a credential helper (docker-credential-NAME get). @returns null when it knows none */
function askHelper(name: string, server: string): Promise<Credentials | null> {
  if (!/^[\w.-]+$/.test(name)) throw new ImageError(`${name} is no name of a credential helper`);
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${name}`, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const out: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.on('error', (error) => reject(new ImageError(`docker-credential-${name} cannot be run: ${error.message}`))); // prettier-ignore
    child.on('close', (code) => {
      const text = Buffer.concat(out).toString();
      if (code !== 0) {
        if (/not found/i.test(text)) return resolve(null);
        return reject(new ImageError(`docker-credential-${name} failed: ${text.trim()}`));
      }
      try {
        const { Username: user, Secret: secret } = JSON.parse(text) as { Username: string; Secret: string }; // prettier-ignore
        resolve(user === '<token>' ? { username: '', password: '', identityToken: secret } : { username: user, password: secret }); // prettier-ignore
      } catch {
        reject(new ImageError(`docker-credential-${name} gave no JSON`));
      }
    });
    child.stdin.on('error', () => {});
    child.stdin.end(server);
  });
}

/** What Docker's configuration file has for a registry: a helper of its own, the common helper, or the entry itself. */
export async function credentialsFor(
  registry: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Credentials | null> {
  const config = readConfig(env);
  for (const key of keysOf(registry)) {
    const helper = config.credHelpers?.[key];
    if (helper !== undefined) return askHelper(helper, key);
  }
  if (config.credsStore) {
    const found = await askHelper(config.credsStore, keysOf(registry)[0]!);
    if (found !== null) return found;
  }
  for (const key of keysOf(registry)) {
    const entry = config.auths?.[key];
    if (entry === undefined) continue;
    if (entry.identitytoken)
      return { username: '', password: '', identityToken: entry.identitytoken };
    const plain = entry.auth ? Buffer.from(entry.auth, 'base64').toString() : `${entry.username ?? ''}:${entry.password ?? ''}`; // prettier-ignore
    const colon = plain.indexOf(':');
    if (colon > 0) return { username: plain.slice(0, colon), password: plain.slice(colon + 1).replace(/\0+$/, '') }; // prettier-ignore
  }
  return null;
}
