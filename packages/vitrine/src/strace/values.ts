import { bytesToByteString } from '../bytes.ts';
import { signalName } from '../process.ts';

/** strace's -s: longer strings are cut. */
export const STRING_LIMIT = 32;

const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\t': '\\t',
  '\r': '\\r',
  '\f': '\\f',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** A byte string in quotes, with C's escapes; octal ones as short as what follows allows. */
export function quote(s: string): string {
  let out = '"';
  for (let i = 0; i < s.length; i++) {
    const c = s[i]!;
    const code = s.charCodeAt(i);
    const escape = ESCAPES[c];
    if (escape !== undefined) out += escape;
    else if (code >= 32 && code < 127) out += c;
    else {
      const digit = /[0-9]/.test(s[i + 1] ?? '');
      out += `\\${code.toString(8).padStart(digit ? 3 : 1, '0')}`;
    }
  }
  return `${out}"`;
}

/** A buffer, cut at the limit. */
export function quoteBuffer(bytes: Uint8Array, whole: number = bytes.length): string {
  const shown = quote(bytesToByteString(bytes.subarray(0, STRING_LIMIT)));
  return whole > STRING_LIMIT ? `${shown}...` : shown;
}

/** A register, which events carry as a signed number, as the unsigned one it is. */
export function unsigned(value: number): number | bigint {
  return value < 0 ? BigInt.asUintN(64, BigInt(value)) : value;
}

export function pointer(address: number): string {
  return address === 0 ? 'NULL' : `0x${unsigned(address).toString(16)}`;
}

/** Permission bits or a whole st_mode: `S_IFREG|0644`. */
export function modeText(mode: number): string {
  const type = ({ 1: 'S_IFIFO', 2: 'S_IFCHR', 4: 'S_IFDIR', 6: 'S_IFBLK', 8: 'S_IFREG', 10: 'S_IFLNK', 12: 'S_IFSOCK' } as Record<number, string>)[(mode >> 12) & 15]; // prettier-ignore
  const special = [
    [0o4000, 'S_ISUID'],
    [0o2000, 'S_ISGID'],
    [0o1000, 'S_ISVTX'],
  ] as const;
  const names = special.filter(([bit]) => (mode & bit) !== 0).map(([, name]) => name);
  const octal = `0${(mode & 0o777).toString(8).padStart(3, '0')}`;
  return [...(type === undefined ? [] : [type]), ...names, octal].join('|');
}

/** Name of a signal as strace has it: `SIGRT_2` for the real-time ones. */
export function signalText(signal: number): string {
  if (signal >= 32 && signal <= 64) return signal === 32 ? 'SIGRTMIN' : `SIGRT_${signal - 32}`;
  return signal > 0 && signal < 32 ? signalName(signal) : String(signal);
}

/** `[CHLD WINCH]`, or `~[KILL]` when most are in the set. */
export function sigsetText(mask: bigint): string {
  const members: number[] = [];
  for (let n = 1; n <= 64; n++) if ((mask >> BigInt(n - 1)) & 1n) members.push(n);
  const inverted = members.length >= 42;
  const shown = inverted
    ? Array.from({ length: 64 }, (_, i) => i + 1).filter((n) => !members.includes(n))
    : members;
  return `${inverted ? '~' : ''}[${shown.map((n) => signalText(n).slice(3)).join(' ')}]`;
}
