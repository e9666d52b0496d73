/** The archive cannot be read: what is wrong, and at which byte. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

export const BLOCK = 512;

/** Byte string of a field up to its NUL. */
export function text(bytes: Uint8Array, at: number, length: number): string {
  let s = '';
  for (let i = at; i < at + length && bytes[i] !== 0; i++) s += String.fromCharCode(bytes[i]!);
  return s;
}

/** Octal digits, or GNU's binary form (top bit set) for what does not fit. */
export function number(bytes: Uint8Array, at: number, length: number): number {
  const first = bytes[at]!;
  if ((first & 0x80) === 0) {
    const digits = text(bytes, at, length).trim();
    return digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  let value = first === 0xff ? -1 : first & 0x7f;
  for (let i = at + 1; i < at + length; i++) value = value * 256 + bytes[i]!;
  return value;
}

export function checksumHolds(block: Uint8Array): boolean {
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = block[i]!;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const sum = number(block, 148, 8);
  return sum === unsigned || sum === signed;
}

export function latin1(bytes: Uint8Array): string {
  let s = '';
  for (let i = 0; i < bytes.length; i += 4096)
    s += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return s;
}

export const fromLatin1 = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** Records of a pax extended header, `LENGTH KEY=VALUE\n`, with byte-string values. `at` is for messages. */
export function paxRecords(bytes: Uint8Array, at: number, into: Map<string, string>): void {
  for (let i = 0; i < bytes.length;) {
    const head = text(bytes, i, Math.min(20, bytes.length - i));
    const length = Number.parseInt(head, 10);
    if (!(length > 0) || i + length > bytes.length)
      throw new TarError(`bad pax header at byte ${at + i}`);
    const record = latin1(bytes.subarray(i, i + length - 1));
    const equals = record.indexOf('=');
    const key = record.slice(record.indexOf(' ') + 1, equals);
    const value = record.slice(equals + 1);
    // GNU sparse 0.0 repeats these keys: keep every pair, in order.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
      into.set(
        'GNU.sparse.map',
        `${into.has('GNU.sparse.map') ? `${into.get('GNU.sparse.map')},` : ''}${value}`,
      );
    else if (value === '' && !key.startsWith('SCHILY.xattr.')) into.delete(key);
    else into.set(key, value);
    i += length;
  }
}
