import { type Dependency, parseDependencies } from './control.ts';
import { compareVersions, satisfies } from './version.ts';

/** A package that could be installed: its fields, and where its archive comes from. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly essential: boolean;
  readonly priority: string;
  readonly preDepends: string;
  readonly depends: string;
  readonly conflicts: string;
  readonly breaks: string;
  readonly provides: string;
  /** Of an index: for verification. */
  readonly sha256: string;
  readonly filename: string;
  /** A downloaded archive's path. */
  readonly file?: string;
}

/** No set of packages does what was asked, and why. */
export class DependencyError extends Error {
  override readonly name = 'DependencyError';
}

const show = ({ name, relation, version }: Dependency): string =>
  relation === '' ? name : `${name} (${relation} ${version})`;

interface Provided {
  readonly by: Package;
  readonly version: string;
}

/** The packages there are: the highest version of each name, and who provides what. */
export class PackageIndex {
  readonly packages: Map<string, Package> = new Map();
  #provided: Map<string, Provided[]> | null = null;

  /** @param over replaces what is there whatever its version: an archive that was given by name */
  add(pkg: Package, over = false): void {
    const known = this.packages.get(pkg.name);
    if (known !== undefined && !over && (known.file !== undefined || compareVersions(known.version, pkg.version) >= 0)) return; // prettier-ignore
    this.packages.set(pkg.name, pkg);
    this.#provided = null;
  }

  provided(name: string): readonly Provided[] {
    this.#provided ??= this.#allProvided();
    return this.#provided.get(name) ?? [];
  }

  #allProvided(): Map<string, Provided[]> {
    const map = new Map<string, Provided[]>();
    for (const by of this.packages.values())
      for (const [first] of parseDependencies(by.provides)) {
        const list = map.get(first!.name) ?? [];
        list.push({ by, version: first!.version });
        map.set(first!.name, list);
      }
    return map;
  }

  /** Does the package, itself or by what it provides, fulfil the dependency? */
  fulfils(pkg: Package, dependency: Dependency): boolean {
    const { name, relation, version } = dependency;
    if (pkg.name === name) return relation === '' || satisfies(pkg.version, relation, version);
    return this.provided(name).some((p) => p.by === pkg && providedFits(p, dependency));
  }

  /** Packages that fulfil it: the one of that name first. */
  candidates(dependency: Dependency): Package[] {
    const own = this.packages.get(dependency.name);
    const found = own !== undefined && this.fulfils(own, dependency) ? [own] : [];
    for (const provided of this.provided(dependency.name))
      if (provided.by !== own && providedFits(provided, dependency)) found.push(provided.by);
    return found;
  }
}

/** A virtual package without a version fulfils no dependency on one (policy 7.5). */
const providedFits = ({ version }: Provided, wanted: Dependency): boolean =>
  wanted.relation === '' || (version !== '' && satisfies(version, wanted.relation, wanted.version));

/**
 * The packages that these need, with what those need in turn. An alternative that is chosen already is taken, else the
 * first that there is, as apt does. Throws DependencyError.
 */
export function resolve(index: PackageIndex, wanted: readonly string[]): Package[] {
  const chosen = new Map<string, Package>();
  const todo: { group: Dependency[]; for: string }[] = [];
  const choose = (pkg: Package): void => {
    if (chosen.has(pkg.name)) return;
    chosen.set(pkg.name, pkg);
    for (const field of [pkg.preDepends, pkg.depends])
      for (const group of parseDependencies(field)) todo.push({ group, for: pkg.name });
  };
  // What is asked for by name counts before any alternative is decided.
  for (const text of wanted) choose(named(index, text));
  for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
    const { group } = next;
    if (group.some((d) => [...chosen.values()].some((pkg) => index.fulfils(pkg, d)))) continue;
    const pick = group.flatMap((d) => index.candidates(d)).find((pkg) => !chosen.has(pkg.name));
    if (pick === undefined) throw new DependencyError(`${next.for} depends on ${group.map(show).join(' | ')}, and no package here fulfils it`); // prettier-ignore
    choose(pick);
  }
  const all = [...chosen.values()];
  for (const pkg of all) checkConflicts(index, pkg, all);
  return all;
}

/** `name` or `name=version`. */
function named(index: PackageIndex, text: string): Package {
  const [name = '', version] = text.split('=');
  const group = { name, relation: version === undefined ? '' : '=', version: version ?? '' };
  const [found] = index.candidates(group);
  if (found === undefined) throw new DependencyError(version === undefined ? `there is no package ${name}` : `there is no package ${name} of version ${version} (there is ${index.packages.get(name)?.version ?? 'none'})`); // prettier-ignore
  return found;
}

function checkConflicts(index: PackageIndex, pkg: Package, all: readonly Package[]): void {
  for (const field of ['conflicts', 'breaks'] as const)
    for (const [dependency] of parseDependencies(pkg[field])) {
      // A package does not conflict with itself through what it provides.
      const other = all.find((o) => o !== pkg && index.fulfils(o, dependency!));
      if (other !== undefined) throw new DependencyError(`${pkg.name} ${field} ${show(dependency!)}, and ${other.name} ${other.version} is wanted too`); // prettier-ignore
    }
}
