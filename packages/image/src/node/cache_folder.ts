import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** The folder of what can be had again: images, translations. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env['XDG_CACHE_HOME'] ?? '';
  // The specification has relative paths ignored.
  const cache = (isAbsolute(xdg) && xdg) || (process.platform === 'win32' && env['LOCALAPPDATA']) || join(homedir(), '.cache'); // prettier-ignore
  return join(cache, 'vitrine');
}
