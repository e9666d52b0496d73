import { EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';

/** Longest number that is looked at (TMPBUFLEN). */
const TMPBUFLEN = 22;

export interface SysctlNumbers {
  readonly numbers: readonly bigint[];
  /** Bytes that were taken: what follows the last number that the setting holds is left to another write. */
  readonly used: number;
}

const skipSpaces = (text: string, at: number): number => {
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
};

/** Decimal, octal with a leading 0, or hexadecimal with 0x, then white space or the end (proc_get_long). */
function getNumber(path: string, text: string, at: number): { value: bigint; end: number } {
  const match = /^(-?)(0[xX][0-9a-fA-F]+|\d+)/.exec(text.slice(at, at + TMPBUFLEN - 1));
  const refuse = (): never => {
    throw errno(
      EINVAL,
      '/proc/sys/{}: {} is no number',
      path,
      JSON.stringify(text.slice(at, at + 40)),
    );
  };
  if (match === null) return refuse();
  let digits = match[2]!;
  // Octal ends where no octal digit follows.
  if (/^0\d/.test(digits)) digits = /^[0-7]+/.exec(digits)![0];
  const end = at + match[1]!.length + digits.length;
  if (end - at === TMPBUFLEN - 1 || (end < text.length && !/[ \t\n]/.test(text[end]!)))
    return refuse();
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return { value: match[1] === '-' ? -value : value, end };
}

/**
 * The whole numbers in what was written into a setting that holds `count` of them, each within its bounds
 * (do_proc_dointvec). Fewer are possible, none is not.
 */
export function sysctl_numbers(
  path: string,
  text: string,
  count: number,
  min: bigint,
  max: bigint,
): SysctlNumbers {
  const numbers: bigint[] = [];
  let at = 0;
  while (numbers.length < count) {
    at = skipSpaces(text, at);
    if (at === text.length) break;
    const { value, end } = getNumber(path, text, at);
    if (value < min || value > max)
      throw errno(EINVAL, '/proc/sys/{}: {} is not between {} and {}', path, value, min, max);
    numbers.push(value);
    at = end;
  }
  if (numbers.length === 0) throw errno(EINVAL, '/proc/sys/{} takes a number', path);
  return { numbers, used: skipSpaces(text, at) };
}
