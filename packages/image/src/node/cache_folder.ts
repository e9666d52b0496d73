import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder of what can be had again: images, translations. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const cache = env['XDG_CACHE_HOME'] || (process.platform === 'win32' && env['LOCALAPPDATA']) || join(homedir(), '.cache'); // prettier-ignore
  return join(cache, 'vitrine');
}
