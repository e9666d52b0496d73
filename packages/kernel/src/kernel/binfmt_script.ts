import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { EACCES, ENOENT, ENOEXEC } from '@vitrine/uapi/errno.ts';
import { fput } from '../fs/fdtable.ts';
import { open_exec } from '../fs/open.ts';
import { errno } from '../include/errno.ts';
import type { Binprm } from './exec.ts';
import type { Task } from './task.ts';

/**
 * `#!interpreter [argument]` (analogous to fs/binfmt_script.c): at most one argument, everything after the first blank.
 * @returns false when the file is no script
 */
export function load_script(current: Task, bprm: Binprm): boolean {
  const { buf } = bprm;
  if (buf[0] !== 0x23 || buf[1] !== 0x21) return false;
  let end = buf.indexOf(0x0a);
  const nul = buf.indexOf(0);
  if (end < 0 || (nul >= 0 && nul < end)) end = nul;
  if (end < 0) {
    // No line end in sight: fine as long as the interpreter's name is complete, for which the last byte may be its blank.
    end = buf.length - 1;
    const rest = String.fromCharCode(...buf.subarray(2)).replace(/^[ \t]+/, '');
    if (!/[ \t]/.test(rest)) throw errno(ENOEXEC, 'execve: the #! line of {} is longer than {} bytes', bprm.filename, end); // prettier-ignore
  }
  // Where a NUL ends the line, blanks before it stay: they make an argument, if an empty one.
  const open = buf[end] === 0;
  const blanks = open ? /^[ \t]+/ : /^[ \t]+|[ \t]+$/g;
  const line = String.fromCharCode(...buf.subarray(2, end)).replace(blanks, '');
  if (line === '' && open)
    throw errno(EACCES, 'execve: the #! line of {} ends before a name: that means the working directory', bprm.filename); // prettier-ignore
  if (line === '')
    throw errno(ENOEXEC, 'execve: the #! line of {} names no interpreter', bprm.filename);
  if (bprm.path_inaccessible) throw errno(ENOENT, 'execve: the interpreter {} could not open {}, which is closed by the exec', line, bprm.filename); // prettier-ignore
  const cut = line.search(/[ \t]/);
  const interp = cut < 0 ? line : line.slice(0, cut);
  const argument = cut < 0 ? [] : [line.slice(cut).replace(/^[ \t]+/, '')];
  const file = open_exec(current, AT_FDCWD, interp, 0);
  fput(current, bprm.file);
  bprm.argv = [interp, ...argument, bprm.interp, ...bprm.argv.slice(1)];
  bprm.interp = interp;
  bprm.file = file;
  return true;
}
