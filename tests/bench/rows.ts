/** The rows of the table: programs that compute. */

export interface BenchRow {
  /** How `--only` names it. */
  readonly name: string;
  readonly title: string;
  /** Absolute paths in the root of {@link setUp}. */
  readonly argv: readonly string[];
  /** Floating point and SIMD have a target of their own. */
  readonly float?: true;
  /** Not in the means. */
  readonly extra?: true;
}

const own = (
  name: string,
  title: string,
  args: readonly string[] = [],
  float?: true,
): BenchRow => ({
  name,
  title,
  argv: [`/bench/${name}`, ...args],
  ...(float && { float }),
});

const LOOP = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $i';

export const ROWS: readonly BenchRow[] = [
  own('corelike', 'CoreMark-like (our own program), 80,000 iterations', ['80000']),
  own('sha256', 'SHA-256 of 64 MiB, C', ['64']),
  own('qsort', 'qsort of 4 M ints', ['4000000']),
  own('nbody', 'n-body, 2 M steps (double)', ['2000000'], true),
  own('spectral', 'spectral norm 1000', ['1000'], true),
  own('matmul', '3 x matmul 400 (double)', ['3', '400'], true),
  own('simd', 'auto-vectorised SSE2 loops (-O3)', ['15000'], true),
  { name: 'lua', title: 'Lua 5.4, recursive fib(32)', argv: ['/usr/bin/lua5.4', '/bench/fib.lua', '32'] }, // prettier-ignore
  { name: 'gzip', title: 'gzip -9 of 20 MB (busybox)', argv: ['/bin/busybox', 'gzip', '-9', '-c', '/bench/text'] }, // prettier-ignore
  { name: 'sqlite', title: 'SQLite, 200,000 inserts', argv: ['/usr/bin/sqlite3', ':memory:', '.read /bench/inserts.sql'] }, // prettier-ignore
  { name: 'python', title: 'Python 3.11, mixed', argv: ['/usr/bin/python3.11', '-S', '/bench/mixed.py', '100000'] }, // prettier-ignore
  { name: 'cc1', title: 'cc1 compiling a small C file', argv: ['/usr/lib/gcc/x86_64-linux-gnu/12/cc1', '-quiet', '-ffreestanding', '-w', '-O2', '/bench/corelike.c', '-o', '-'] }, // prettier-ignore
  { name: 'sh', title: 'busybox sh, counting loop to 200,000', argv: ['/bin/busybox', 'sh', '-c', LOOP] }, // prettier-ignore
  { ...own('integer', 'hashing, sorting, dividing (not in the means)', ['2000']), extra: true },
];

/** A whole name (`sh` is not `sha256`), or the beginning of some. */
const matches = (part: string, name: string): boolean =>
  ROWS.some((row) => row.name === part) ? name === part : name.startsWith(part);

/** The rows that `--only` names (names or their beginnings, separated by commas), or all. */
export function selectRows(only: string | undefined): readonly BenchRow[] {
  if (only === undefined) return ROWS;
  const names = only.split(',');
  const rows = ROWS.filter(({ name }) => names.some((part) => matches(part, name)));
  if (rows.length === 0) throw new Error(`no row is named ${only}; there are ${ROWS.map(({ name }) => name).join(', ')}`); // prettier-ignore
  return rows;
}
