/** A paragraph of a control file (deb822(5)): fields by their lower-case names, in order. */
export type Paragraph = ReadonlyMap<string, string>;

/** One paragraph. Lines after the first keep their leading space. */
export function parseParagraph(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = '';
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith(' ') || line.startsWith('\t')) {
      fields.set(last, `${fields.get(last) ?? ''}\n${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    last = line.slice(0, colon).toLowerCase();
    fields.set(last, line.slice(colon + 1).trim());
  }
  return fields;
}

/** `libc6 (>= 2.36)`: a package, or one that provides it. */
export interface Dependency {
  readonly name: string;
  readonly relation: string;
  readonly version: string;
}

const ONE =
  /^\s*([A-Za-z0-9][A-Za-z0-9+.-]*)(?::\S+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^)\s]+)\s*\))?/;

function parseOne(text: string): Dependency | null {
  const match = ONE.exec(text);
  if (match === null) return null;
  return { name: match[1]!, relation: match[2] ?? '', version: match[3] ?? '' };
}

/** `a | b, c (>= 1)`: every group needs one of its alternatives. */
export function parseDependencies(text: string | undefined): Dependency[][] {
  if (text === undefined || text.trim() === '') return [];
  return text
    .split(',')
    .map((group) =>
      group
        .split('|')
        .map(parseOne)
        .filter((d) => d !== null),
    )
    .filter((group) => group.length > 0);
}
