import { EINVAL, ERANGE } from '@vitrine/uapi/errno.ts';
import { errno } from './errno.ts';
import { untilNul } from './string.ts';

/** Numbers as the files of /proc take them (lib/kstrtox.c): a sign, digits, one newline, nothing else. Text ends at a NUL. */

const DIGITS: Readonly<Record<number, RegExp>> = { 8: /^[0-7]+/, 10: /^\d+/, 16: /^[\da-f]+/i };

/** Base 0 takes the base from the text, as C does. */
function parseBase(text: string, base: number): [digits: string, base: number] {
  const hex = /^0x[\da-f]/i.test(text);
  if (base === 0) base = hex ? 16 : text.startsWith('0') ? 8 : 10;
  return [base === 16 && /^0x/i.test(text) ? text.slice(2) : text, base];
}

function magnitude(text: string, base: number, what: string, whole: string): number {
  const [digits, radix] = parseBase(text, base);
  const number = DIGITS[radix]!.exec(digits)?.[0];
  if (number === undefined || !/^\n?$/.test(digits.slice(number.length)))
    throw errno(EINVAL, '{}: {} is not a number', what, JSON.stringify(whole));
  return parseInt(number, radix);
}

function inRange(value: number, min: number, max: number, what: string): number {
  if (value >= min && value <= max) return value;
  throw errno(ERANGE, '{}: {} is not within {} and {}', what, value, min, max);
}

/** kstrtouint and kstrtoull. */
export function kstrtouint(text: string, base: number, what: string, max = 0xffff_ffff): number {
  text = untilNul(text);
  return inRange(magnitude(text.replace(/^\+/, ''), base, what, text), 0, max, what);
}

export function kstrtoint(text: string, base: number, what: string): number {
  text = untilNul(text);
  const value = text.startsWith('-')
    ? -magnitude(text.slice(1), base, what, text)
    : magnitude(text.replace(/^\+/, ''), base, what, text);
  return inRange(value, -0x8000_0000, 0x7fff_ffff, what);
}
