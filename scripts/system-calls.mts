// Writes Documentation/system-calls.md from the system call table; with --check, says whether it is current.
//   npx tsx scripts/system-calls.mts [--check]
import { readFileSync, writeFileSync } from 'node:fs';
import { syscallTable } from '../packages/kernel/src/arch/x86/syscall_table.ts';
import * as NR from '../packages/uapi/src/unistd.ts';

const page = new URL('../Documentation/system-calls.md', import.meta.url);
const rows = Object.entries(NR as Record<string, number>)
  .map(([name, nr]) => ({ name: name.replace('__NR_', ''), nr, row: syscallTable[nr] }))
  .toSorted((a, b) => a.nr - b.nr);
const count = (level: string): number =>
  rows.filter(({ row }) => (row?.support.level ?? 'none') === level).length;

const lines = rows.map(({ name, nr, row }) => {
  const support = row?.support ?? { level: 'none' as const };
  const note = support.level === 'partial' ? support.note : '';
  return `| ${nr} | ${name} | ${support.level === 'none' ? '' : support.level} | ${note} |`;
});
const text = `# System calls

Written by \`scripts/system-calls.mts\` from the table in \`packages/kernel/src/arch/x86/syscall_table.ts\`: of x86-64's ${rows.length}
system calls ${count('full')} are full, ${count('partial')} partial, and ${count('none')} fail with ENOSYS, which the kernel log notes.

| number | name | support | what is missing |
|---|---|---|---|
${lines.join('\n')}
`;

if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('Documentation/system-calls.md is not what the table says');
  process.exit(1);
}
