// Every refusal has a reason (Documentation/architecture.md). In the kernel, a system call fails in one way only:
//   throw errno(CODE, 'template that names rule, subject and object', …arguments)
// This finds the other ways: `new Errno`, an errno() without text, too few arguments for the template's {}, `return -E…`.
//   node scripts/check-errno.mjs
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const kernel = join(root, 'packages/kernel/src');
const problems = [];

const report = (file, text, at, what) =>
  problems.push(`${relative(root, file)}:${text.slice(0, at).split('\n').length} ${what}`);

/** Replaces comments by blanks, so that positions stay. */
const withoutComments = (text) =>
  text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));

/** The arguments of the call whose parenthesis opens at `open`, as source text. */
function argumentsAt(text, open) {
  const list = [];
  let depth = 0;
  let quote = '';
  let start = open + 1;
  for (let i = open; i < text.length; i++) {
    const c = text[i];
    if (quote !== '') {
      if (c === '\\') i++;
      else if (c === quote) quote = '';
    } else if (c === "'" || c === '"' || c === '`') quote = c;
    else if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c)) {
      if (--depth === 0) {
        list.push(text.slice(start, i).trim());
        return list.filter((argument) => argument !== '');
      }
    } else if (c === ',' && depth === 1) {
      list.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return list;
}

/** The text of a string literal, or of several joined with `+`; null when it is another expression. */
function literal(source) {
  const parts = [...source.matchAll(/(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)];
  const rest = source.replace(/(['"`])((?:\\.|(?!\1)[^\\])*)\1/g, '').replace(/[\s+]/g, '');
  return parts.length > 0 && rest === '' ? parts.map((part) => part[2]).join('') : null;
}

function check(file) {
  const text = withoutComments(readFileSync(file, 'utf8'));
  const isErrno = file.endsWith(join('include', 'errno.ts'));
  for (const match of text.matchAll(/\bnew Errno\(/g))
    if (!isErrno) report(file, text, match.index, 'makes an Errno without errno()');
  for (const match of text.matchAll(/\breturn -E[A-Z0-9]+\b/g))
    report(file, text, match.index, `returns an errno instead of throwing it: ${match[0]}`);
  for (const match of text.matchAll(/(?<![.\w])errno\(/g)) {
    if (isErrno || /function\s+$/.test(text.slice(0, match.index))) continue;
    const [, template, ...rest] = argumentsAt(text, match.index + match[0].length - 1);
    if (template === undefined) {
      report(file, text, match.index, 'gives no reason');
      continue;
    }
    // A template that is computed (a parameter, a conditional) is checked where its literals stand.
    const words = literal(template);
    if (words === null) continue;
    if ((words.match(/[A-Za-z]{2,}/g) ?? []).length < 3)
      report(file, text, match.index, `gives a reason that says nothing: ${template}`);
    const holes = (words.match(/\{\}/g) ?? []).length;
    if (holes !== rest.length && !rest.some((argument) => argument.startsWith('...')))
      report(file, text, match.index, `has ${holes} {} and ${rest.length} arguments`);
  }
}

for (const entry of readdirSync(kernel, { recursive: true }))
  if (entry.endsWith('.ts')) check(join(kernel, entry));

for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error(`${problems.length} errors without a proper reason`);
  process.exitCode = 1;
}
