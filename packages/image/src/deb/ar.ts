const HEADER = 60;

/** A Debian package, or something that is called so and is none. */
export class DebError extends Error {
  override readonly name = 'DebError';
}

const ascii = (bytes: Uint8Array, at: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + length));

/** Members of a common ar archive (deb(5)): views of `bytes`, by name. Throws DebError. */
export function readAr(bytes: Uint8Array): Map<string, Uint8Array> {
  if (ascii(bytes, 0, 8) !== '!<arch>\n') throw new DebError('this is no ar archive');
  const members = new Map<string, Uint8Array>();
  for (let at = 8; at < bytes.length;) {
    if (at + HEADER > bytes.length || ascii(bytes, at + 58, 2) !== '`\n')
      throw new DebError(`the ar archive is damaged or cut short at byte ${at}`);
    const name = ascii(bytes, at, 16).trim().replace(/\/$/, '');
    const size = Number(ascii(bytes, at + 48, 10).trim());
    if (!Number.isSafeInteger(size) || size < 0 || at + HEADER + size > bytes.length)
      throw new DebError(`member ${name} of the ar archive is cut short`);
    members.set(name, bytes.subarray(at + HEADER, at + HEADER + size));
    at += HEADER + size + (size % 2);
  }
  return members;
}
