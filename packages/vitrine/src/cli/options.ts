/** The command line cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** One option: its spellings, what its value is called, and what help says of it. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Name of the value in help; none for a switch. */
  readonly value?: string;
  /** The value may be left out (`--strace` or `--strace=FILE`). */
  readonly optional?: boolean;
  /** May be given several times. */
  readonly many?: boolean;
  readonly help: string;
}

export interface Parsed {
  /** Switches and values, in the order given; a switch's value is ''. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
}

/** Parses options up to the first operand, as `docker run` does: what follows belongs to the program. */
export function parseOptions(args: readonly string[], specs: readonly OptionSpec[]): Parsed {
  const options = new Map<string, string[]>();
  const add = ({ name, many }: OptionSpec, value: string): void => {
    if (many) options.set(name, [...(options.get(name) ?? []), value]);
    else options.set(name, [value]);
  };
  let at = 0;
  const next = (spec: OptionSpec, spelled: string): string => {
    if (at >= args.length) throw new UsageError(`option ${spelled} needs a value (${spec.value})`);
    return args[at++]!;
  };
  while (at < args.length) {
    const argument = args[at]!;
    if (argument === '--') return { options, operands: args.slice(at + 1) };
    if (!argument.startsWith('-') || argument === '-') break;
    at++;
    if (argument.startsWith('--')) parseLong(argument, specs, add, next);
    else parseShort(argument, specs, add, next);
  }
  return { options, operands: args.slice(at) };
}

type Add = (spec: OptionSpec, value: string) => void;
type Next = (spec: OptionSpec, spelled: string) => string;

function parseLong(argument: string, specs: readonly OptionSpec[], add: Add, next: Next): void {
  const equals = argument.indexOf('=');
  const name = equals < 0 ? argument.slice(2) : argument.slice(2, equals);
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec === undefined) throw new UsageError(`unknown option --${name}${hint(name, specs)}`);
  if (spec.value === undefined) {
    if (equals >= 0) throw new UsageError(`option --${name} takes no value`);
    add(spec, '');
  } else if (equals >= 0) add(spec, argument.slice(equals + 1));
  else add(spec, spec.optional ? '' : next(spec, `--${name}`));
}

/** `-it`, `-e A=b`, `-eA=b`. */
function parseShort(argument: string, specs: readonly OptionSpec[], add: Add, next: Next): void {
  for (let i = 1; i < argument.length; i++) {
    const letter = argument[i]!;
    const spec = specs.find(({ short }) => short === letter);
    if (spec === undefined) throw new UsageError(`unknown option -${letter}${argument.length > 2 ? ` in ${argument}` : ''}`); // prettier-ignore
    if (spec.value === undefined) {
      add(spec, '');
      continue;
    }
    const rest = argument.slice(i + 1).replace(/^=/, '');
    add(spec, rest !== '' ? rest : next(spec, `-${letter}`));
    return;
  }
}

/** A known option that differs in a letter or two. */
function hint(name: string, specs: readonly OptionSpec[]): string {
  const near = specs.map((spec) => spec.name).filter((other) => distance(name, other) <= 2);
  return near.length > 0 ? `; did you mean --${near[0]}?` : '';
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(
        Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
  }
  return row[b.length]!;
}

/** The options' part of a help page. */
export function describeOptions(specs: readonly OptionSpec[]): string {
  const heads = specs.map(({ name, short, value, optional }) => {
    const argument = value === undefined ? '' : optional ? `[=${value}]` : ` ${value}`;
    return `${short === undefined ? '    ' : `-${short}, `}--${name}${argument}`;
  });
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  return specs.map(({ help }, i) => `  ${heads[i]!.padEnd(width)}${help}`).join('\n');
}
