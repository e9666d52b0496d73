import type { BootOptions, SpawnOptions } from './machine.ts';

/** What an option has to be, in words, and whether a value is. */
interface Rule {
  readonly what: string;
  readonly holds: (value: unknown) => boolean;
}

const typed = (...types: readonly string[]): Rule => ({
  what: types.join(' or '),
  holds: (value) => types.includes(typeof value),
});

const oneOf = (...values: readonly string[]): Rule => ({
  what: values.map((value) => `'${value}'`).join(' or '),
  holds: (value) => values.includes(value as string),
});

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isText = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0');

const TEXT: Rule = { what: 'a string without NUL', holds: isText };
const NAME: Rule = {
  what: 'a string of 1 to 64 bytes without NUL',
  holds: (value) => isText(value) && value !== '' && new TextEncoder().encode(value as string).length <= 64, // prettier-ignore
};
const BOOLEAN = typed('boolean');
const MEMORY: Rule = { what: 'a number of bytes, or text like 256m', holds: typed('number', 'string').holds }; // prettier-ignore

const record = (what: string, holds: (value: unknown) => boolean): Rule => ({
  what,
  holds: (value) => isObject(value) && Object.values(value).every(holds),
});

const list = (what: string): Rule => ({
  what,
  holds: (value) => Array.isArray(value) && value.every(isText),
});

const isVolume = (value: unknown): boolean =>
  isObject(value) && isText(value['host']) && ['boolean', 'undefined'].includes(typeof value['readonly']); // prettier-ignore

const LIMITS: Readonly<Record<string, Rule>> = {
  memory: MEMORY,
  processes: typed('number'),
  cpuSeconds: typed('number'),
  wallSeconds: typed('number'),
  outputBytes: typed('number'),
};

const BOOT: Readonly<Record<keyof BootOptions, Rule>> = {
  image: { what: 'a name, a path, or an image', holds: (value) => typeof value === 'string' || isObject(value) }, // prettier-ignore
  memory: MEMORY,
  hostname: NAME,
  cmdline: TEXT,
  clock: oneOf('real', 'virtual'),
  volumes: record('an object of { host, readonly } by place', isVolume),
  cpus: typed('number'),
  tmpfs: record('an object of option texts by place', isText),
  readonly: BOOLEAN,
  seed: typed('number'),
  host: { what: 'a Host', holds: isObject },
  init: BOOLEAN,
  cpu: typed('string'),
  jit: { what: 'a boolean or an object', holds: (value) => typeof value === 'boolean' || isObject(value) }, // prettier-ignore
  jitCache: typed('string', 'boolean'),
  worker: BOOLEAN,
  limits: { what: 'an object', holds: isObject },
  profile: { what: 'a boolean or an object', holds: (value) => typeof value === 'boolean' || isObject(value) }, // prettier-ignore
};

const SPAWN: Readonly<Record<keyof SpawnOptions, Rule>> = {
  env: record('an object of strings', (value) => value === undefined || isText(value)),
  cwd: TEXT,
  user: TEXT,
  groups: list('an array of names or numbers, as strings'),
  stdin: { what: "'pipe', a string, bytes, or an async iterable of bytes", holds: (value) => typeof value === 'string' || (typeof value === 'object' && value !== null) }, // prettier-ignore
  tty: { what: 'a boolean or { columns, rows }, each of 0 (not known) to 65535', holds: (value) => typeof value === 'boolean' || (isObject(value) && [value['columns'], value['rows']].every((n) => Number.isInteger(n) && (n as number) >= 0 && (n as number) < 65536)) }, // prettier-ignore
  signal: { what: 'an AbortSignal', holds: (value) => value instanceof AbortSignal },
};

function check(where: string, given: unknown, rules: Readonly<Record<string, Rule>>): void {
  if (!isObject(given)) throw new TypeError(`${where}: the options are no object`);
  for (const [name, value] of Object.entries(given)) {
    const rule = rules[name];
    if (rule === undefined) throw new TypeError(`${where}: there is no option ${name}`);
    if (value !== undefined && !rule.holds(value))
      throw new TypeError(`${where}: ${name} is ${shown(value)}, but must be ${rule.what}`);
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value); // prettier-ignore
  return typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'an array' : 'an object') : String(value); // prettier-ignore
}

/** Throws a TypeError for a boot option of the wrong type, or one that there is not. */
export function checkBoot(options: BootOptions): void {
  check('boot', options, BOOT);
  if (options.limits !== undefined) check('boot: limits', options.limits, LIMITS);
}

/** The same for spawn's. */
export function checkSpawn(argv: readonly string[], options: SpawnOptions): void {
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every(isText))
    throw new TypeError('spawn needs at least a program name, in an array of strings without NUL');
  check('spawn', options, SPAWN);
}
